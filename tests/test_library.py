"""The standard library, declared one block at a time, is the library as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import resnet_dsl
from resnet_dsl.diagnostics.errors import Findings
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.elaborate.library import declare_library
from resnet_dsl.elaborate.scope import Scope, declare
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.kept_tables import tables
from resnet_dsl.syntax.parser import parse, parse_declaration
from resnet_dsl.syntax.tables import declarations

TEXTS = sorted((Path(resnet_dsl.__file__).parent / "library").glob("*.resnet"))


def text(path: Path) -> Source:
    return Source(f"library/{path.name}", path.read_text(encoding="utf-8"), ours=True)


def places(node: ast.Node) -> Iterator[tuple[int, int]]:
    yield node.span.start, node.span.end
    for child in ast.children(node):
        yield from places(child)


@pytest.fixture
def whole() -> tuple[list[Scope], Findings]:
    findings = Findings()
    scopes: list[Scope] = []
    for source in map(text, TEXTS):
        scopes.append(declare(parse(source), source, list(scopes), findings))
    return scopes, findings


def test_nothing_in_the_library_is_wrong(whole: tuple[list[Scope], Findings]) -> None:
    scopes, findings = whole
    assert findings.shown == ()
    assert not any(scope.constants or scope.uses for scope in scopes)


def test_blocks_are_the_same_one_by_one(whole: tuple[list[Scope], Findings]) -> None:
    findings, scopes = Findings(), list[Scope]()
    for source, eager in zip(map(text, TEXTS), whole[0], strict=True):
        scopes.append(declare_library(source, list(scopes), findings))
        lazy = scopes[-1]
        assert list(lazy.blocks) == list(eager.blocks)
        assert list(lazy.models) == list(eager.models)
        # from the last to the first: none needs another to be asked for before
        for name in reversed(list(eager.blocks)):
            assert lazy.blocks[name].block == eager.blocks[name].block
            assert list(places(lazy.blocks[name].block)) == list(places(eager.blocks[name].block))
            assert lazy.blocks[name] is lazy.blocks[name]
        for name in eager.models:
            assert lazy.models[name][0] == eager.models[name][0]
    assert findings.shown == ()


def test_a_name_that_is_no_block_is_none() -> None:
    scope = declare_library(text(TEXTS[0]), [], Findings())
    assert "bottleneck" in scope.blocks
    assert "bottelneck" not in scope.blocks
    assert scope.blocks.get("bottelneck") is None


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_every_declaration_is_derived_ahead(path: Path) -> None:
    """One that is not, or is written anew since, is parsed: the same comes of it."""
    source = text(path)
    for _, _, first, last in declarations(source.text):
        assert source.text[first:last] in tables().library, "the tables are stale: `make tables`"
        behind = Source("", source.text[:last] + "\n")  # another text, which nothing is known of
        assert parse_declaration(behind, first, last + 1) == parse_declaration(source, first, last)
