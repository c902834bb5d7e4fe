"""Parameters, multiply-adds, names and shapes of every network, against tables made by others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from resnet_dsl.backend import find_backend
from resnet_dsl.diagnostics import CompileError, Source
from resnet_dsl.driver import compile_source, compile_spec, read
from resnet_dsl.program import Program
from resnet_dsl.shelf import shipped
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.parser import parse
from tests.reference_tables import Tensor, tables

Case = tuple[str, dict[str, Any], str, str]


def _cases() -> list[Case]:
    """Spec, overrides, group of tables and table."""
    torchvision = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]
    torchvision += ["resnext50_32x4d", "resnext101_32x8d", "wide_resnet50_2"]
    cases: list[Case] = [(name, {}, "torchvision", name) for name in torchvision]
    for spec, table in PAPER.items():
        cases.append((spec, {}, "paper", table))
    for depth, n in ((20, 3), (32, 5), (44, 7), (56, 9), (110, 18)):
        cases.append((f"resnet{depth}", {}, "cifar", f"resnet{depth}_A"))
        cases.append((f"resnet{depth}_b", {}, "cifar", f"resnet{depth}_B"))
        cases.append((f"plain{depth}", {}, "cifar", f"plain{depth}"))
        cases.append(("cifar_resnet", {"n": n}, "cifar", f"resnet{depth}_A"))
        cases.append(("cifar_plain", {"n": n}, "cifar", f"plain{depth}"))
    for depth in (20, 32, 44, 110, 1202):
        cases.append((f"resnet{depth}", {}, "cifar", f"akamaster_resnet{depth}"))
    for depth in (20, 32, 44, 56):
        cases.append((f"resnet{depth}_b", {}, "cifar", f"chenyaofo_cifar10_resnet{depth}"))
    for depth, n in ((20, 3), (56, 9), (110, 18)):
        cases.append(("cifar_preresnet", {"n": n}, "cifar", f"preresnet{depth}_A"))
        cases.append(("cifar_preresnet", {"n": n, "shortcut": "B"}, "cifar", f"preresnet{depth}_B"))
    bottleneck = {"n": 18, "block": "bottleneck", "shortcut": "B", "stride_on": "conv1"}
    return [
        *cases,
        ("resnet1202", {}, "cifar", "resnet1202_A"),
        ("preresnet110", {}, "cifar", "preresnet110_A"),
        ("preresnet164", {}, "cifar", "preresnet164_bottleneck"),
        ("preresnet164", {"stride_on": "conv2"}, "cifar", "preresnet164_bottleneck_stride3x3"),
        ("cifar_resnet", bottleneck, "cifar", "resnet164_bottleneck_B"),
    ]


PAPER = {
    "plain18": "plain18",
    "plain34": "plain34",
    "resnet18": "resnet18_B",
    "resnet18_a": "resnet18_A",
    "resnet18_c": "resnet18_C",
    "resnet34": "resnet34_B",
    "resnet34_a": "resnet34_A",
    "resnet50": "resnet50_v1.5_B",
    "resnet50_v1": "resnet50_v1_B",
    "resnet50_c": "resnet50_v1_C",
    "resnet101": "resnet101_v1.5_B",
    "resnet101_v1": "resnet101_v1_B",
    "resnet152": "resnet152_v1.5_B",
    "resnet152_v1": "resnet152_v1_B",
}
CASES = _cases()
NO_SPEC_YET = {"preresnet200"}
NO_TABLE = {"resnet34_c", "resnet50_a"}  # their counts follow from those of A, B and C at other depths

# What a project calls a layer otherwise than we do: its name, then ours.
RENAMED = {"akamaster": {"linear": "fc"}}


def _label(case: Case) -> str:
    settings = ",".join(f"{name}={value}" for name, value in case[1].items())
    return f"{case[0]}{f'({settings})' if settings else ''}-{case[3]}"


each_case = pytest.mark.parametrize(
    ("spec", "settings", "group", "table"), CASES, ids=[_label(case) for case in CASES]
)


def in_our_names(table: str, weights: tuple[Tensor, ...]) -> list[Tensor]:
    """The tensors of a table under our names; every renaming must be of use."""
    names = next((names for project, names in RENAMED.items() if table.startswith(project)), {})
    layers = {name.rpartition(".")[0] for name, _ in weights}
    assert set(names) <= layers, f"{table} has no {set(names) - layers}"
    assert not set(names.values()) & layers, f"{table} has {set(names.values()) & layers} itself"
    split = ((*name.rpartition(".")[::2], shape) for name, shape in weights)
    return [(f"{names.get(layer, layer)}.{tensor}", shape) for layer, tensor, shape in split]


def declared(program: Program) -> list[Tensor]:
    return [(name, parameter.shape) for name, parameter in program.graph.parameters()]


@each_case
def test_figures_are_those_of_the_table(spec: str, settings: dict[str, Any], group: str, table: str) -> None:
    figures = compile_spec(spec, None, settings).figures
    ours = {name: getattr(figures, name) for name in ("params", "trainable", "buffers", "macs")}
    assert ours == tables(group)[table].figures


@each_case
def test_names_and_shapes_are_those_of_the_table(
    spec: str, settings: dict[str, Any], group: str, table: str
) -> None:
    theirs = in_our_names(table, tables(group)[table].weights)
    assert declared(compile_spec(spec, None, settings)) == theirs


@pytest.mark.parametrize("spec", shipped())
def test_the_torch_model_has_the_declared_names_in_their_order(spec: str) -> None:
    pytest.importorskip("torch")
    torch = find_backend("torch")
    program = compile_spec(spec)
    state = torch.read_state(torch.build(program))
    assert [(name, value.shape) for name, value in state.items()] == declared(program)


def test_every_table_is_compared_with_a_spec() -> None:
    compared = {(group, table) for _, _, group, table in CASES}
    given = {(group, name) for group in {case[2] for case in CASES} for name in tables(group)}
    assert {name for _, name in given - compared} == NO_SPEC_YET


def test_every_shipped_spec_is_compared_with_a_table() -> None:
    assert set(shipped()) - {case[0] for case in CASES} == NO_TABLE


@pytest.mark.parametrize("path", shipped().values(), ids=shipped())
def test_a_shipped_spec_states_what_it_expects(path: Path) -> None:
    file = parse(read(path)[0])
    models = [item for item in file.declarations if isinstance(item, ast.Model)]
    assert models
    for model in models:
        assert "expect" in {field.name for field in model.fields}, model.name


@pytest.mark.parametrize("figure", ["params", "macs"])
@pytest.mark.parametrize("spec", shipped())
def test_what_a_shipped_spec_expects_is_checked(spec: str, figure: str) -> None:
    """The same text with one digit of a figure changed is refused, with the true figure."""
    source, home = read(spec)
    before, _, after = source.text.rpartition(f"{figure} == ")
    assert before, f"{spec} expects no {figure}"
    wrong = str((int(after[0]) + 1) % 9 + 1)
    text = f"{before}{figure} == {wrong}{after[1:]}"
    true = getattr(compile_spec(spec).figures, figure)
    with pytest.raises(CompileError, match=f"{true:,}|{true:_}|{true}"):
        compile_source(Source(f"{spec}.resnet", text), home)
