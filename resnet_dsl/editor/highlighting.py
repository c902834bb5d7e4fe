"""Specs in colours: a lexer for Pygments, and the same rules as a TextMate grammar for editors.

No op, block or field is listed: what stands before a bracket or behind an arrow is a function, what stands
before a colon a field or label. So neither changes when the language gains an op.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from pygments.lexer import RegexLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Text, _TokenType

from resnet_dsl.syntax.words import KEYWORDS

DECLARING = ("use", "const", "block", "model")
CONSTANTS = ("true", "false", "none")
WORDS = ("and", "or", "not")
CONTROL = tuple(sorted(KEYWORDS.difference(DECLARING, CONSTANTS, WORDS)))


class Rule(NamedTuple):
    """What a stretch of text looks like, and what it is: for Pygments, and as TextMate calls it."""

    pattern: str
    token: _TokenType
    scope: str


def _words(*words: str) -> str:
    return rf"\b(?:{'|'.join(words)})\b"


# The first that fits at a place is taken; each is of one line, as TextMate's have to be.
RULES = (
    Rule(r"#[^\n]*", Comment.Single, "comment.line.number-sign.resnet"),
    Rule(r'"[^"\n]*"', String.Double, "string.quoted.double.resnet"),
    Rule(r"\b(?:block|model)(?=\s*:)", Name.Attribute, "variable.other.property.resnet"),
    # A word only where it declares; elsewhere it is a name like any other.
    Rule(r"\brecipe(?=\s+[A-Za-z_][A-Za-z0-9_]*\s*\{)", Keyword.Declaration, "keyword.declaration.resnet"),
    Rule(_words(*DECLARING), Keyword.Declaration, "keyword.declaration.resnet"),
    Rule(_words(*CONSTANTS), Keyword.Constant, "constant.language.resnet"),
    Rule(_words(*WORDS), Operator.Word, "keyword.operator.word.resnet"),
    Rule(_words(*CONTROL), Keyword, "keyword.control.resnet"),
    Rule(r"\b[0-9]+(?:x(?:[0-9]+|H|W))+(?![A-Za-z0-9_])", Number.Integer, "constant.numeric.size.resnet"),
    Rule(
        r"\b[0-9][0-9_]*(?:\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)",
        Number.Float,
        "constant.numeric.float.resnet",
    ),
    Rule(r"\b[0-9][0-9_]*(?=\s*:)", Name.Label, "entity.name.label.resnet"),
    Rule(r"\b[0-9][0-9_]*", Number.Integer, "constant.numeric.integer.resnet"),
    Rule(r"(?<=->)\s*[A-Za-z_][A-Za-z0-9_]*(?=\s*:)", Name.Label, "entity.name.label.resnet"),
    Rule(r"\b[A-Za-z_][A-Za-z0-9_]*(?=\s*:)", Name.Attribute, "variable.other.property.resnet"),
    Rule(r"\b[A-Za-z_][A-Za-z0-9_]*(?=\s*\()", Name.Function, "entity.name.function.resnet"),
    Rule(r"\b[A-Za-z_][A-Za-z0-9_]*(?=\s*=(?!=))", Name.Variable, "variable.parameter.resnet"),
    Rule(r"(?<=->)\s*[A-Za-z_][A-Za-z0-9_]*", Name.Function, "entity.name.function.resnet"),
    Rule(r"(?<=[A-Za-z0-9_\])]\.)[A-Za-z_][A-Za-z0-9_]*", Name.Attribute, "variable.other.property.resnet"),
    Rule(r"\b[A-Za-z_][A-Za-z0-9_]*", Name, "variable.other.resnet"),
    Rule(r"->", Operator, "keyword.operator.arrow.resnet"),
    Rule(r"\.\.\.", Keyword.Pseudo, "keyword.operator.rest.resnet"),
    Rule(r"==|!=|<=|>=|\*\*|//|[-+*/%<>=|]", Operator, "keyword.operator.resnet"),
    Rule(r"[()\[\]{},:.]", Punctuation, "punctuation.resnet"),
)


class ResnetLexer(RegexLexer):  # type: ignore[misc]
    """The lexer of specs."""

    name = "resnet-dsl"
    aliases = ["resnet", "resnet-dsl"]  # noqa: RUF012
    filenames = ["*.resnet"]  # noqa: RUF012
    tokens = {"root": [*((rule.pattern, rule.token) for rule in RULES), (r"\ufeff|\s+", Text)]}  # noqa: RUF012


def textmate_grammar() -> str:
    """Return the grammar of specs for editors that take TextMate's, as JSON."""
    grammar = {
        "name": "resnet-dsl",
        "scopeName": "source.resnet",
        "fileTypes": ["resnet"],
        "patterns": [{"match": rule.pattern, "name": rule.scope} for rule in RULES],
    }
    return json.dumps(grammar, indent=2) + "\n"
