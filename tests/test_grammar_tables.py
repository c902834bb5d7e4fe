"""The parser's tables: those of the grammar as it is, and as Lark reads a text with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.syntax import ast, by_lark, kept_tables, make_tables
from resnet_dsl.syntax.parser import parse
from resnet_dsl.syntax.tables import GRAMMAR, Tables

ROOT = Path(__file__).parents[1]
TEXTS = sorted((*ROOT.glob("specs/**/*.resnet"), *ROOT.glob("resnet_dsl/library/*.resnet")))
SPEC = "model net { stages: [1]  block: basic }"


def places(node: ast.Node) -> Iterator[tuple[str, int, int]]:
    yield type(node).__name__, node.span.start, node.span.end
    for child in ast.children(node):
        yield from places(child)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where tables are kept during a test, instead of beside the grammar."""
    place = tmp_path / "kept_for_a_test.py"
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(kept_tables, "MADE", "kept_for_a_test")
    monkeypatch.setattr(make_tables, "PLACE", place)
    kept_tables.tables.cache_clear()
    yield place
    kept_tables.tables.cache_clear()
    sys.modules.pop("kept_for_a_test", None)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_lark_reads_every_shipped_text_the_same(path: Path) -> None:
    source = Source(path.name, path.read_text(encoding="utf-8"))
    ours, theirs = parse(source), by_lark.node(source, source.text, "start")
    assert ours == theirs
    assert list(places(ours)) == list(places(theirs))


def test_the_kept_tables_are_those_of_the_grammar() -> None:
    grammar = GRAMMAR.read_text(encoding="utf-8")
    assert kept_tables.tables().grammar == grammar
    fresh = make_tables.made_of(grammar)
    assert sorted(kept_tables.tables().rules) == sorted(fresh.rules)
    assert kept_tables.tables().pattern == fresh.pattern


def test_a_word_glued_to_a_keyword_is_left_to_lark() -> None:
    """No name can stand there, so that Lark reads `model` and a name; the tables know whole words only."""
    assert parse(Source("", "modelnet { stages: [1]  block: basic }")) == parse(Source("", SPEC))


def test_missing_tables_are_made_and_kept(kept: Path) -> None:
    assert parse(Source("", SPEC)).declarations
    assert kept.is_file()
    assert [path.name for path in kept.parent.iterdir() if path.suffix == ".py"] == [kept.name]


@pytest.mark.parametrize("wrong", ["TABLES = ()", "TABLES = 1", "this is no Python", "raise OSError"])
def test_tables_that_are_none_are_made_anew(kept: Path, wrong: str) -> None:
    kept.write_text(wrong)
    assert parse(Source("", SPEC)).declarations
    assert "The grammar of resnet-dsl" in kept.read_text()


def test_tables_of_another_grammar_are_made_anew(kept: Path) -> None:
    old: Tables = make_tables.made_of(GRAMMAR.read_text().replace('"use"', '"using"'))
    make_tables.write(old, kept)
    assert parse(Source("", "use resnet50")).declarations
    with pytest.raises(CompileError):
        parse(Source("", "using resnet50"))


def test_tables_are_of_no_use_to_another_version_of_lark(monkeypatch: pytest.MonkeyPatch) -> None:
    other = kept_tables.tables()._replace(lark_version="0.0", lark=b"of no use")
    monkeypatch.setattr(by_lark, "tables", lambda: other)
    by_lark._lark.cache_clear()
    try:
        assert by_lark.stop_in(Source("", SPEC), SPEC, "start") is None
    finally:
        by_lark._lark.cache_clear()


def test_nothing_is_written_to_the_home(tmp_path: Path) -> None:
    """A home that nothing can be written to costs nothing, and holds nothing that is loaded."""
    home = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    home.pop("XDG_CACHE_HOME", None)
    command = [sys.executable, "-m", "resnet_dsl", "check", "-"]
    subprocess.run(command, input=SPEC + "?", text=True, env=home, capture_output=True, check=False)
    assert list(tmp_path.iterdir()) == []
