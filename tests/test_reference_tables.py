"""Parameters, multiply-adds, names and shapes of every network, against tables made by others."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source, compile_spec, read
from resnet_dsl.program import Program
from resnet_dsl.shipped import files, recipe_files, shipped
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.parser import parse
from tests.support.backends import in_full
from tests.support.comparisons import COMPARISONS, MORE_MACS, NO_TABLE, WITHOUT_SPEC, Row, in_our_names
from tests.support.reference_tables import Tensor, groups, table, tables
from tests.support.shelf import alone, varieties

pytestmark = pytest.mark.slow


def _label(row: Row) -> str:
    settings = ",".join(f"{name}={value}" for name, value in row.settings.items())
    return f"{row.spec}{f'({settings})' if settings else ''}-{row.table}"


def each(rows: list[Row]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows, ids=map(_label, rows))


def declared(program: Program) -> list[Tensor]:
    return [(name, parameter.shape) for name, parameter in program.graph.parameters()]


@each(list(COMPARISONS))
def test_figures_are_those_of_the_table(row: Row) -> None:
    cost = compile_spec(row.spec, None, dict(row.settings)).cost
    ours = {name: getattr(cost, name) for name in ("params", "trainable", "buffers", "macs")}
    theirs = table(row.table).figures
    assert ours == theirs | {"macs": theirs["macs"] + MORE_MACS.get(row.table, 0)}


@each([row for row in COMPARISONS if not isinstance(row.names, str)])
def test_names_and_shapes_are_those_of_the_table(row: Row) -> None:
    program = compile_spec(row.spec, None, dict(row.settings))
    zero = np.float32(0)
    state = {name: np.broadcast_to(zero, shape) for name, shape in table(row.table).weights}
    theirs = [(name, value.shape) for name, value in in_our_names(row, program, state).items()]
    ours = declared(program)
    if callable(row.names):  # whose order is another
        theirs, ours = sorted(theirs), sorted(ours)
    assert ours == theirs


@pytest.mark.parametrize("spec", varieties())
def test_the_torch_model_has_the_declared_names_in_their_order(spec: str) -> None:
    torch = pytest.importorskip("torch")
    program = compile_spec(spec)
    with torch.device("meta"):  # the largest has 936 million numbers, which none is asked for
        state = in_full("torch").build(program).state_dict()
    found = [(name, tuple(value.shape)) for name, value in state.items()]
    assert [each for each in found if not each[0].endswith("num_batches_tracked")] == declared(program)


def test_every_table_is_compared_with_a_spec_or_waits_for_one() -> None:
    given = {f"{group}/{name}" for group in groups() for name in tables(group)}
    assert given - {row.table for row in COMPARISONS} == WITHOUT_SPEC


@pytest.mark.parametrize("spec", shipped())
def test_a_shipped_spec_gives_no_warning(spec: str) -> None:
    assert compile_spec(spec).warnings == ()


def test_every_network_with_a_file_of_its_own_is_compared_with_a_table() -> None:
    assert alone() - {row.spec for row in COMPARISONS} == NO_TABLE


SPECS = {name: path for name, path in files().items() if name not in recipe_files()}


@pytest.mark.parametrize("path", SPECS.values(), ids=SPECS)
def test_a_shipped_spec_states_what_it_expects(path: Path) -> None:
    file = parse(read(path)[0])
    models = [item for item in file.declarations if isinstance(item, ast.Model)]
    assert models
    for model in models:
        base = next((field.value for field in model.fields if field.name == "base"), None)
        given = base.arguments if isinstance(base, ast.Call) else ()
        said = {item.name for item in (*model.fields, *given)}
        alias = isinstance(model, ast.Row) and not given  # what its base expects is checked there
        assert "expect" in said or alias or model.name not in shipped(), model.name


@pytest.mark.parametrize("path", SPECS.values(), ids=SPECS)
def test_the_first_comment_says_what_the_file_is(path: Path) -> None:
    """Directly above a block it would be that block's docstring in what backends write."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert not next(line for line in lines if not line.startswith("#")).startswith("block ")


@pytest.mark.parametrize("figure", ["params", "macs"])
@pytest.mark.parametrize("spec", SPECS)
def test_what_a_shipped_spec_expects_is_checked(spec: str, figure: str) -> None:
    """The same text with one digit of the last figure changed is refused, with the true figure."""
    source, home = read(spec)
    before, _, after = source.text.rpartition(f"{figure} == ")
    if not before and figure == "macs":  # they depend on a size that is left open
        name = re.findall(r"^model (\w+)", source.text, re.MULTILINE)[-1]
        assert compile_spec(spec, name).cost.macs is None
        return
    assert before, f"{spec} expects no {figure}"
    last = re.findall(r"^model (\w+)", before, re.MULTILINE)[-1]
    wrong = str((int(after[0]) + 1) % 9 + 1)
    text = f"{before}{figure} == {wrong}{after[1:]}"
    true = getattr(compile_spec(spec, last).cost, figure)
    with pytest.raises(CompileError, match=f"{true:,}|{true:_}|{true}"):
        compile_source(Source(f"{spec}.resnet", text), home, last)
