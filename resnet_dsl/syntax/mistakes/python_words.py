"""Python's words and forms, and what the language has in their stead."""

# ruff: noqa: E501  (a row of the table of mistakes reads best on one line)

from __future__ import annotations

import re

from resnet_dsl.syntax.mistakes.slip import Groups, Slip


def _block(groups: Groups) -> str:
    """The head of a Python function as that of a block: `x` is there by itself, `self` is nobody."""
    parameters = [p.strip() for p in groups["p"].split(",")]
    kept = [
        re.sub(r":\s*\w+", "", p) for p in parameters if p and not re.match(r"(?:self|x|input|inputs)\b", p)
    ]
    return f"block {groups['a']}({', '.join(kept)}) {{"


STATEMENT = "(?:for|while|with|try|async|print|assert|raise|global|yield|del|pass)"
NO_STATEMENT = "there is no `{slip}`"
HAS = "a file has `use`, `const`, `block` and `model`, a block steps `name = value`; repetition is the count of a stage"
BRANCH = "a branch is written `if c then a else b`"

PYTHON = (
    Slip(r"(?P<slip>§def<gap>(?P<a><name>) \((?P<p>[^()\n]*)\)(?: -> [\w.]+)? :?)", "`def` is Python's word; a block is declared with `block`, in braces", _block, inside="T"),
    Slip(r"(?P<slip>§(?P<k>fn|func|function|fun|sub|proc)<gap>(?P<a><name>) \((?P<p>[^()\n]*)\)(?: -> [\w.]+)? [:{{]?)", "a block is declared with `block`, not `{k}`", _block, inside="T"),
    Slip(r"(?P<slip>§class<gap>(?P<a><name>)(?: \([^()\n]*\))? :)", "`class` is Python's word; a network is declared with `model`, in braces", "model {a} {{", inside="T"),
    Slip(r"(?P<slip>§class)\b", "a network is declared with `model`, not `class`", "model", inside="T"),
    Slip(r"(?P<slip>§from<gap>(?P<a><name>)<gap>import<gap>[\w*,\x20\t]+)", "`from … import` is Python's; `use` makes all that a spec declares known", "use {a}", inside="T"),
    Slip(r"(?P<slip>§(?:import|include|require|using))<gap>(?:<name>|\")", "another spec is made known with `use`, not `{slip}`", "use", inside="T"),
    Slip(r"\b(?P<slip>return)\b<gap>§", "`return` ends a block; a model has fields alone", None, "put the pipeline into a field: `stem:`, `head:`", inside="M"),
    Slip(r"(?P<slip>§return)\b", "`return` ends a block, and stands in its braces", None, "`block name(width) {{ … return … }}`", inside="T"),
    Slip(rf"(?P<slip>§{STATEMENT})\b", NO_STATEMENT, None, HAS, inside="T"),
    Slip(rf"\b(?P<slip>{STATEMENT})\b<gap>§", NO_STATEMENT, None, HAS, inside="[MB]", wants="EQUAL|COLON"),
    Slip(r"(?P<slip>\b(?:let|var|val|const)<gap>)§<name> =", "a step of a block is written `name = value`", "", inside="B"),
    Slip(r"\b(?P<slip>if)\b §", "`if` makes a value; it is no statement", None, "`name = if c then a else b`", inside="B", wants="EQUAL"),
    Slip(r"model<gap><name>(?P<slip> §:)(?= <name> \()", "a model that is another's call stands behind `=`", " =", inside="T"),
    Slip(r"(?P<slip>(?P<k>model|block)(?P<h><gap><name>(?: \([^()\n]*\))?) §:)(?=\s)", "a {k} stands in braces, not below a colon", "{k}{h} {{", inside="T"),
    Slip(r"(?P<slip>§-> [\w.]+ :)", "a block has no result type, and stands in braces", "{{", inside="T"),
    Slip(r"\)(?P<slip>\s*§-> [\w.]+)(?= {)", "a block has no result type", "", inside="T"),
    Slip(r"§(?P<slip>elif)\b", "`elif` is written `else if`", "else if"),
    Slip(r"(?P<slip>(?P<a><call>|<number>)<gap>§if<gap>(?P<c>[^\n§]+?)<gap>else<gap>(?P<b><call>|<number>))", BRANCH, "if {c} then {a} else {b}"),
    Slip(r"(?:return<gap>|<name> =(?!=) |<name> : |[(,] )(?P<slip>(?P<c>[^\n§=]+?) §\? (?P<a><call>|<number>) : (?P<b><call>|<number>))", BRANCH + "; there is no `?`", "if {c} then {a} else {b}"),
    Slip(r"\bif\b[^§\n]*(?P<slip>:) (?:<call>|<number>) §else\b", BRANCH, " then"),
    Slip(r"\bif\b[^§\n]*§(?P<slip>:)", BRANCH, " then", wants="THEN"),
    Slip(r"\bif\b[^§\n]*?(?P<slip>\s+)§(?=\w)", "`then` is missing: " + BRANCH, " then ", wants="THEN"),
    Slip(r"\bthen\b[^§]*?(?P<slip>[\w)\]]) §", "`else` is missing: every `if` has both branches", None, BRANCH, wants="ELSE"),
    Slip(r"§(?P<slip>is<gap>not)\b", "`is not` is written `!=`", "!="),
    Slip(r"§(?P<slip>is)\b", "`is` is written `==`", "=="),
    Slip(r"(?P<slip>\blambda)<gap>§", "there is no `lambda`", None, "what waits for its input is a function: `conv(64, 3x3)`, `relu`; more is a block"),
    Slip(r"(?P<a><name>)\[[^\[\]\n§]*(?P<slip>§[:,]|[:,] §)", "one item of a list is asked for, by its number: `{a}[0]`", None, "a tensor has `.channels`, `.height` and `.width`; `part` cuts its channels", inside="L"),
    Slip(r"(?P<slip>\b[fr]§\"[^\"\n]*\")", "there are no strings with prefixes", None, "a text stands in plain quotes, and names a file alone"),
    Slip(r"(?P<slip>§\"\"\")", "there are no strings of several lines", None, "comments start with `#`, and those above a block document it"),
    Slip(r"(?P<slip>§@)[\w.]*", "there are no decorators, and no `@`", None, "delete it"),
    Slip(r"(?P<slip>§\\)(?= \n)", "a line goes on by itself: no `\\`", ""),
    Slip(r"[(,] (?P<slip>§\*\*?<name>)", "arguments are passed on with `...`, last in the call", "...", inside="[CP]"),
)  # fmt: skip

# What Python's words are that no name can be, where a name stands.
RESERVED = {
    "lambda": "a function is a block, or an op with its arguments: `conv(64, 3x3)`",
    "for": "repetition is the count of a stage: `stages: [3, 4, 6, 3]`; lists are written out",
    "is": "equality is `==`",
    "in": "write `a == 1 or a == 2`",
    "def": "a block is declared with `block`",
    "import": "another spec is made known with `use`",
}
