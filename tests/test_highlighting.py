"""Specs in colours: Pygments' lexer, and the grammar of editors, are held against the parser's terminals."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lark import Lark
from pygments import highlight
from pygments.formatters import NullFormatter
from pygments.token import Comment, Error, Keyword, Name, Number, Operator, is_token_subtype

from resnet_dsl.editor.highlighting import RULES, ResnetLexer, textmate_grammar
from resnet_dsl.shipped import PACKAGE, files
from resnet_dsl.syntax.words import KEYWORDS
from tests.conftest import Golden

ROOT = Path(__file__).parents[1]
GRAMMAR = ROOT / "editors" / "vscode" / "syntaxes" / "resnet.tmLanguage.json"
SPECS = {**files(), **{path.stem: path for path in (PACKAGE / "library").glob("*.resnet")}}
each_spec = pytest.mark.parametrize("path", SPECS.values(), ids=SPECS)

# What the parser calls a word or sign, and the scopes that it may have.
SCOPES = {
    "DIMS": ("constant.numeric.size",),
    "FLOAT": ("constant.numeric.float",),
    "INT": ("constant.numeric.integer", "entity.name.label"),
    "STRING": ("string.quoted",),
    "COMMENT": ("comment.line",),
    "NAME": ("variable", "entity.name"),
    "REST": ("keyword.operator.rest",),
    "BLOCK": ("keyword.declaration", "variable.other.property"),
    "MODEL": ("keyword.declaration", "variable.other.property"),
    "RECIPE": ("keyword.declaration", "variable.other.property"),
}


@each_spec
def test_the_lexer_knows_every_character_of_the_shelf(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tokens = list(ResnetLexer(stripnl=False, ensurenl=False).get_tokens(text))
    assert not [text for kind, text in tokens if is_token_subtype(kind, Error)]
    assert "".join(text for _, text in tokens) == text


def test_words_have_the_colours_that_are_meant() -> None:
    text = "block mine(width) {\n    return x -> down: conv(width, 3x3, bias=true) -> bn  # end\n}\n"
    found = {text.strip(): kind for kind, text in ResnetLexer().get_tokens(text)}
    expected = {
        "block": Keyword.Declaration, "mine": Name.Function, "width": Name, "return": Keyword,
        "->": Operator, "down": Name.Label, "conv": Name.Function, "3x3": Number.Integer,
        "bias": Name.Variable, "true": Keyword.Constant, "bn": Name.Function, "# end": Comment.Single,
    }  # fmt: skip
    assert {word: found[word] for word in expected} == expected


def test_pygments_finds_the_lexer_by_its_entry_point() -> None:
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'resnet = "resnet_dsl.editor.highlighting:ResnetLexer"' in declared
    text = "model net { stages: [1] }\n"
    assert highlight(text, ResnetLexer(), NullFormatter()) == text


def test_the_grammar_of_editors_is_up_to_date(golden: Golden) -> None:
    golden(GRAMMAR, textmate_grammar())


def test_every_word_of_the_language_is_in_the_grammar() -> None:
    matched = [rule for rule in RULES if rule.scope.startswith(("keyword.", "constant.language"))]
    unknown = [word for word in KEYWORDS if not any(re.fullmatch(rule.pattern, word) for rule in matched)]
    assert not unknown


@each_spec
def test_the_grammar_of_editors_agrees_with_the_parser(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    scopes = dict(_textmate(text))
    for token in _lark().lex(text):
        scope = scopes[token.start_pos]
        allowed = SCOPES.get(token.type)
        if allowed is None:
            is_word = str(token).isalpha()
            allowed = ("keyword", "constant.language") if is_word else ("keyword.operator", "punctuation")
        assert scope.startswith(allowed), (str(token), token.type, scope)


def _lark() -> Lark:
    grammar = (PACKAGE / "syntax" / "grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser=None, lexer="basic", start="start")


def _textmate(text: str) -> Iterator[tuple[int, str]]:
    """Yield where each stretch starts and its scope, as an editor does: the earliest match in a line."""
    patterns = json.loads(textmate_grammar())["patterns"]
    rules = [(re.compile(each["match"]), each["name"]) for each in patterns]
    start = 0
    for line in text.splitlines(keepends=True):
        at = 0
        while found := [(match, name) for rule, name in rules if (match := rule.search(line, at))]:
            match, name = min(found, key=lambda each: each[0].start())
            yield start + match.end() - len(match[0].lstrip()), name
            at = match.end()
        start += len(line)


def test_nothing_but_the_lexer_imports_pygments() -> None:
    code = "import sys, resnet_dsl.editor.analysis\nassert not {'pygments', 'pygls'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
