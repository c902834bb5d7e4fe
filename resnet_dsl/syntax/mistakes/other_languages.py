"""Signs of YAML, JSON and the languages that look like C."""

# ruff: noqa: E501  (a row of the table of mistakes reads best on one line)

from __future__ import annotations

from resnet_dsl.syntax.mistakes.slip import Slip

COMMENTS = "a comment starts with `#`"

OTHER_LANGUAGES = (
    # Comments
    Slip(r"(?P<slip>§//)", COMMENTS, "#"),
    Slip(r"(?P<slip>//)[^\n§]*§", COMMENTS, "#"),
    Slip(r"(?P<slip>§/\* (?P<a>[^*\n]*?) \*/)(?= (?:\n|<end>))", COMMENTS, "# {a}"),
    Slip(r"(?P<slip>§/\*(?P<a>[^*\n]*)\*/)", COMMENTS + ", and ends with its line", None),
    Slip(r"(?P<slip>/§\*(?P<a>[^*\n]*)\*/)", COMMENTS + ", and ends with its line", None),
    Slip(r"(?P<slip>§/\*)", COMMENTS, None, "put `#` in front of each line"),
    Slip(r"(?P<slip>§<!--)", COMMENTS, None, "put `#` in front of each line"),
    Slip(r"(?P<slip>-§-|§--)(?= \w)", COMMENTS, "#", inside="T"),
    # Operators
    Slip(r"(?P<slip>§&&?|&§&)", "the word for `&&` is `and`", "and"),
    Slip(r"(?P<slip>§!)(?!=)", "the word for `!` is `not`", "not "),
    Slip(r"(?P<slip>§<>|<§>)", "unequal is written `!=`", "!="),
    Slip(r"(?P<slip>§~=)", "unequal is written `!=`", "!="),
    Slip(r"(?P<slip>§\^)", "a power is written `**`", "**"),
    Slip(r"(?P<slip>\+§\+|§\+\+)", "there is no `++`", None, "a name is given once; steps are `name = value`"),
    Slip(r"(?P<slip>(?P<a>[\w.]+) (?P<o><=?|>=?|==|!=) (?P<b>[\w.]+) §(?P<p><=?|>=?|==|!=) (?P<c>[\w.]+))", "comparisons do not chain", "{a} {o} {b} and {b} {p} {c}"),
    Slip(r"§(?P<slip>\?)", "there is no `?`", None, "a branch is written `if c then a else b`"),
    # YAML
    Slip(r"(?P<slip>§---|-§--|--§-)", "`---` is YAML's; nothing stands between declarations", "", "delete the line"),
    Slip(r"(?:model|block)(?P<slip> §:)(?=<tab><name> [{(])", "no `:` stands before a name", "", inside="T"),
    Slip(r"(?P<slip>model|block) §:", "a {slip} has a name and stands in braces", "{slip} net {{", inside="T"),
    Slip(r"(?P<slip>§(?P<a><name>)) :", "`{a}:` stands outside of a model", None, "fields stand in the braces of a model: `model net {{ {a}: … }}`", inside="T"),
    Slip(r"§(?P<slip>~)", "nothing is written `none`", "none"),
    # JSON
    Slip(r"(?P<slip>§\"(?P<a><name>)\" :)", "the name of a field stands without quotes", "{a}:", inside="[MR]"),
    Slip(r"(?P<slip>§\"(?P<a><name>)\" =)", "a name stands without quotes", "{a} =", inside="[BCP]"),
    Slip(r"(?P<slip>§\"(?P<a><name>)\") [({]", "a name stands without quotes", "{a}", inside="T"),
)  # fmt: skip
