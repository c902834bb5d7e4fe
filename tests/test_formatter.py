"""The formatter: canonical text, the same program, and every comment where it was."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Source, Span
from resnet_dsl.driver import compile_source
from resnet_dsl.limits import NESTING
from resnet_dsl.shipped import files as shipped_files
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.formatter.format import format_source, format_tree, same_tree
from resnet_dsl.syntax.formatter.one_line import WIDTH
from resnet_dsl.syntax.formatter.trivia import comments
from resnet_dsl.syntax.parser import parse, parse_value
from tests.support.strategies import files, printed, texts, valid_specs

GOLDEN = Path(__file__).parent / "golden" / "format"
LIBRARY = Path(__file__).parent.parent / "resnet_dsl" / "library"
SHIPPED = [*sorted(LIBRARY.glob("*.resnet")), *shipped_files().values()]

slow = settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def formatted(text: str) -> str:
    return format_source(Source("spec.resnet", text))


def test_a_tree_that_was_made_is_printed_as_its_text_would_be() -> None:
    """Nodes without a place, and below them a long value out of another text."""
    nowhere = Span(Source("", ""), 0, 0)
    pieces = ", ".join(f"name_{number}: {number}x{number}" for number in range(9)).replace(",", "\n")
    record = parse_value(Source("--set", f"{{ {pieces}\n\nratio: 1e-3 }}"))
    made = {
        "act": ast.Unary(nowhere, "-", ast.Number(nowhere, 1_000, "1_000")),
        "input": ast.Dims(nowhere, (3, "H", "W")),
        "head": ast.Constant(nowhere, None),
        "init": ast.String(nowhere, "he"),
        "preprocess": record,
    }
    fields = tuple(ast.Field(nowhere, name, value) for name, value in made.items())
    text = format_tree(ast.File(nowhere, (ast.Model(nowhere, "net", (), fields),)))
    assert text == formatted(text)
    assert '    act: -1_000\n    input: 3xHxW\n    head: none\n    init: "he"\n' in text
    assert "        ratio: 1e-3\n" in text


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.in.resnet")), ids=lambda path: path.name[:-10])
def test_a_spec_is_written_in_the_one_style(path, golden):
    text = path.read_bytes().decode("utf-8")
    golden(path.with_name(path.name.replace(".in.", ".out.")), formatted(text))
    assert formatted(formatted(text)) == formatted(text)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.out.resnet")), ids=lambda path: path.name[:-11])
def test_lines_fit_the_page(path):
    code = (line.split("  #")[0] for line in path.read_text(encoding="utf-8").split("\n"))
    assert max(map(len, code)) <= WIDTH


NODES = {value for value in vars(ast).values() if isinstance(value, type) and issubclass(value, ast.Node)}
KINDS = NODES - {ast.Node, ast.Named}


def kinds_in(tree: ast.File) -> set[type]:
    below: list[ast.Node] = [tree]
    for node in below:
        below.extend(ast.children(node))
    return {type(node) for node in below}


def test_the_golden_specs_have_every_kind_of_node():
    sources = (Source(path.name, path.read_text("utf-8")) for path in GOLDEN.glob("*.in.resnet"))
    assert set().union(*(kinds_in(parse(source)) for source in sources)) == KINDS


def test_random_trees_have_every_kind_of_node():
    seen: set[type] = set()

    @settings(slow)
    @given(files())
    def look(tree):
        seen.update(kinds_in(tree))

    look()
    assert seen == KINDS


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_what_is_shipped_can_be_formatted(path):
    text = path.read_text(encoding="utf-8")
    assert formatted(formatted(text)) == formatted(text)


@slow
@given(files(), st.integers(0, 2**32))
def test_the_parser_reads_back_any_tree(tree, seed):
    assert parse(Source("spec.resnet", printed(tree, seed))) == tree


@slow
@given(texts())
def test_formatting_keeps_program_and_comments_and_is_stable(text):
    first = formatted(text)
    assert same_tree(parse(Source("spec.resnet", first)), parse(Source("spec.resnet", text)))
    assert comments(first) == comments(text)
    assert formatted(first) == first
    assert first == "" or (first.endswith("\n") and not first.endswith("\n\n"))
    assert not any(line.endswith(" ") for line in first.split("\n"))


@slow
@given(valid_specs())
def test_a_formatted_model_compiles_to_the_same_graph(text):
    before, after = (compile_source(Source("t.resnet", spec)) for spec in (text, formatted(text)))
    assert (before.cost, before.layers) == (after.cost, after.layers)
    assert [node.name for node in before.graph.nodes] == [node.name for node in after.graph.nodes]


def test_line_ends_and_a_byte_order_mark_become_plain():
    text = "# top\r\nmodel m {\r\n\r\n    a: 1 # one\r\n\r\n\r\n    b: 2\r\n}\r\n"
    plain = "# top\nmodel m {\n    a: 1  # one\n\n    b: 2\n}\n"
    assert formatted(text) == plain
    assert formatted("\ufeff" + text) == plain
    assert formatted("\ufeff") == formatted(" \n\n ") == ""


def test_numbers_and_strings_stay_as_written():
    line = 'const a = [1_000, 08, 1E5, 0.10, 3.0, 08x08, "a  # b"]\n'
    assert formatted(line) == line


def test_a_text_that_does_not_parse_is_refused():
    with pytest.raises(CompileError):
        formatted("model m {")


DEEP = {
    "not": lambda depth: "not " * depth + "x",
    "then": lambda depth: "if a then " * depth + "1" + " else 1" * depth,
    "else": lambda depth: "if a then 1 else " * depth + "1",
    "condition": lambda depth: "if " * depth + "a" + " then 1 else 1" * depth,
    "power": lambda depth: "2 ** " * depth + "1",
    "sum": lambda depth: "1 * 2 + " * depth + "1",
    "call": lambda depth: "f" + "(1)" * depth,
    "attribute": lambda depth: "x" + ".y" * depth,
    "pipe": lambda depth: "x" + " -> y" * depth,
}


@pytest.mark.parametrize("kind", DEEP)
def test_the_deepest_expressions_can_be_formatted(kind):
    text = formatted(f"const a = {DEEP[kind](250)}")
    assert formatted(text) == text


@pytest.mark.parametrize(("opening", "closing"), [("(", ")"), ("[", "]"), ("f(", ")"), ("{ a: ", "}")])
def test_the_deepest_brackets_can_be_formatted(opening, closing):
    text = formatted(f"const a = {opening * NESTING.most}1 # in\n{closing * NESTING.most}")
    assert formatted(text) == text
    assert text.count("# in") == 1


def test_formatting_leaves_the_recursion_limit_alone():
    limit = sys.getrecursionlimit()
    formatted("const a = " + "not " * 250 + "x")
    assert sys.getrecursionlimit() == limit
