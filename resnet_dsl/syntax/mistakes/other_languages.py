"""Signs of YAML, JSON and the languages that look like C."""

# ruff: noqa: E501  (a row of the table of mistakes reads best on one line)

from __future__ import annotations

from resnet_dsl.syntax.mistakes.mistake import Mistake

COMMENTS = "a comment starts with `#`"

OTHER_LANGUAGES = (
    # Comments
    Mistake(r"(?P<slip>§//)", COMMENTS, "#"),
    Mistake(r"(?P<slip>//)[^\n§]*§", COMMENTS, "#"),
    Mistake(r"(?P<slip>§/\* (?P<a>[^*\n]*?) \*/)(?= (?:\n|<end>))", COMMENTS, "# {a}"),
    Mistake(r"(?P<slip>§/\*(?P<a>[^*\n]*)\*/)", COMMENTS + ", and ends with its line", None),
    Mistake(r"(?P<slip>/§\*(?P<a>[^*\n]*)\*/)", COMMENTS + ", and ends with its line", None),
    Mistake(r"(?P<slip>§/\*)", COMMENTS, None, "put `#` in front of each line"),
    Mistake(r"(?P<slip>§<!--)", COMMENTS, None, "put `#` in front of each line"),
    Mistake(r"(?P<slip>-§-|§--)(?= \w)", COMMENTS, "#", inside="T"),
    # Operators
    Mistake(r"(?P<slip>§&&?|&§&)", "the word for `&&` is `and`", "and"),
    Mistake(r"(?P<slip>§!)(?!=)", "the word for `!` is `not`", "not "),
    Mistake(r"(?P<slip>§<>|<§>)", "unequal is written `!=`", "!="),
    Mistake(r"(?P<slip>§~=)", "unequal is written `!=`", "!="),
    Mistake(r"(?P<slip>§\^)", "a power is written `**`", "**"),
    Mistake(r"(?P<slip>\+§\+|§\+\+)", "there is no `++`", None, "a name is given once; steps are `name = value`"),
    Mistake(r"(?P<slip>(?P<a>[\w.]+) (?P<o><=?|>=?|==|!=) (?P<b>[\w.]+) §(?P<p><=?|>=?|==|!=) (?P<c>[\w.]+))", "comparisons do not chain", "{a} {o} {b} and {b} {p} {c}"),
    Mistake(r"§(?P<slip>\?)", "there is no `?`", None, "a branch is written `if c then a else b`"),
    # YAML
    Mistake(r"(?P<slip>§---|-§--|--§-)", "`---` is YAML's; nothing stands between declarations", "", "delete the line"),
    Mistake(r"(?:model|block)(?P<slip> §:)(?=<tab><name> [{(])", "no `:` stands before a name", "", inside="T"),
    Mistake(r"(?P<slip>model|block) §:", "a {slip} has a name and stands in braces", "{slip} net {{", inside="T"),
    Mistake(r"(?P<slip>§(?P<a><name>)) :", "`{a}:` stands outside of a model", None, "fields stand in the braces of a model: `model net {{ {a}: … }}`", inside="T"),
    Mistake(r"§(?P<slip>~)", "nothing is written `none`", "none"),
    # JSON
    Mistake(r"(?P<slip>§\"(?P<a><name>)\" :)", "the name of a field stands without quotes", "{a}:", inside="[MR]"),
    Mistake(r"(?P<slip>§\"(?P<a><name>)\" =)", "a name stands without quotes", "{a} =", inside="[BCP]"),
    Mistake(r"(?P<slip>§\"(?P<a><name>)\") [({]", "a name stands without quotes", "{a}", inside="T"),
)  # fmt: skip
