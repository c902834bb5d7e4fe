"""How numbers were derived: what a formula says is what the network has, in every shipped spec."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source, compile_spec
from resnet_dsl.ir.formulas import (
    Fixed,
    Formula,
    Named,
    Operation,
    evaluated,
    names_of,
    operation,
    simplified,
)
from resnet_dsl.ir.network import BlockCall, Body, Network, Node, channels_name
from tests.support.shelf import varieties


def written(formula: Formula | None) -> str:
    match formula:
        case Named():
            return formula.name
        case Fixed():
            return str(formula.value)
        case Operation():
            return f"({written(formula.left)} {formula.sign} {written(formula.right)})"
        case _:
            return "?"


def network(text: str) -> Network:
    return compile_source(Source("net.resnet", text)).network


def numbers(body: Body) -> dict[str, Any]:
    """What the names of a body's formulas stand for."""
    own = {name: value for name, value in body.arguments if type(value) in (int, float)}
    shapes = zip(body.names, body.inputs, strict=True)
    return own | {channels_name(name): shape.channels for name, shape in shapes}


def derived(body: Body) -> Iterator[tuple[str, Formula, Any]]:
    """Every formula of a body with the value that it should give."""
    for node in body.nodes:
        there = dict(node.what.body.arguments) if isinstance(node.what, BlockCall) else vars(node.what)
        for name, formula in node.derived:
            value = there[name]
            yield f"{node.name}.{name}", formula, value[0] if isinstance(value, tuple) else value


@pytest.mark.parametrize("name", varieties())
def test_every_formula_gives_the_number_that_is_there(name: str) -> None:
    found = compile_spec(name).network
    bodies = {
        id(b): b
        for part, _, body in found.parts()
        for b in body.bodies()
        if part not in ("stem", "head") or b is not body
    }
    for body in bodies.values():
        known = numbers(body)
        for what, formula, value in derived(body):
            assert evaluated(formula, known) == value, what
            assert evaluated(simplified(formula), known) == value, what
        for index in range(len(body.nodes)):
            formula = body.channels(index)
            if formula is not None:
                assert evaluated(formula, known) == body.nodes[index].shape.channels
    model = {parameter.name: parameter.value for parameter in found.parameters}
    for stage in found.stages:
        for body, given in ((run.body, run.derived) for run in stage.each):
            for argument, formula in given:
                if set(names_of(formula)) <= model.keys():
                    assert evaluated(formula, model) == numbers(body)[argument]


def formulas(name: str, part: int = 0) -> dict[str, str]:
    body = compile_spec(name).network.stages[part].blocks[0]
    return {f"{n.name}.{f}": written(simplified(formula)) for n in body.nodes for f, formula in n.derived}


def test_a_bottleneck_says_how_its_widths_follow() -> None:
    found = formulas("resnet50")
    assert found["conv1.channels"] == "(((width * base_width) // 64) * groups)"
    assert found["conv3.channels"] == found["downsample.channels"] == "(width * expansion)"
    assert found["downsample.stride"] == "stride"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet50", {"classes": 1000, "in_channels": 3}),
        ("cifar_resnet", {"classes": 10, "in_channels": 3}),
        ("lenet5", {"classes": 10, "in_channels": 1}),
    ],
)
def test_what_may_change_without_another_structure_is_a_parameter(
    name: str, expected: dict[str, int]
) -> None:
    assert {p.name: p.value for p in compile_spec(name).network.parameters} == expected


RATED = """
model net(rate = 0.2, wide = 64, n = 1) {
    stages: [n]  block: %s  widths: [wide]  head: gap -> dropout(rate) -> fc(10)
}
"""


def test_a_rate_is_a_parameter_and_a_count_of_blocks_is_none() -> None:
    found = {p.name for p in network(RATED % "plain").parameters}
    assert found == {"rate", "wide", "in_channels"}


def test_what_a_comparison_in_a_block_looks_at_is_none() -> None:
    found = {p.name for p in network(RATED % "basic").parameters}
    assert found == {"rate", "in_channels"}  # `B` compares the channels: wider, it would project


def test_a_library_node_knows_what_the_author_wrote() -> None:
    found = network("model net { stages: [1]\n  block: basic }")
    node = found.stages[0].blocks[0].nodes[0]
    assert node.span.source.ours
    assert node.author.source.name == "net.resnet"
    assert node.author.place[0] == 2


@pytest.mark.parametrize(
    ("model", "free"),
    [
        ("m(rate = 0.3) { head: gap -> dropout(rate) -> fc(10) }", ["rate", "in_channels"]),
        ("m(rate = 0.0) { head: gap -> dropout(rate) -> fc(10) }", ["in_channels"]),
        ("m(n = 2) { head: gap -> fc(if n > 1 then n else 5) }", ["in_channels"]),
        ("m(n = 2) { head: gap -> fc(n)  expect: output == n }", ["in_channels"]),
        ("m(n = 2) { stem: conv(8, 3x3, stride=n)  head: gap -> fc(n) }", ["in_channels"]),
        ("m(n = 8) { stem: conv(n, 3x3) -> gn(2)  head: none }", ["in_channels"]),
        ("m(n = 8) { stem: conv(n, 3x3) -> conv(8, 3x3, groups=2)  head: none }", ["in_channels"]),
        ("m(n = 8) { stem: conv(n, 3x3) -> part(0, 2)  head: none }", ["in_channels"]),
        ("m(n = 8) { stem: conv(n, 3x3) -> pad_channels(16)  head: none }", ["in_channels"]),
        ("m(n = 8) { input: 8x9x9  stem: x + conv(n, 3x3)  head: none }", []),
        ("m(n = 8) { stem: conv(n, 3x3) -> relu  head: gap -> flatten -> fc(5) }", ["in_channels"]),
    ],
)
def test_what_decides_something_is_no_parameter_of_the_model(model: str, free: list[str]) -> None:
    text = f"model {model}".replace("{", "{ stages: []", 1)
    assert [parameter.name for parameter in network(text).parameters] == free


@pytest.mark.parametrize("name", ["resnet50", "resnet18d", "vgg16", "lenet5", "densenet121", "unet_resnet34"])
def test_parameters_of_the_model_vary_without_another_structure(name: str) -> None:
    before = compile_spec(name).network
    sizes = before.input.text(before.extent).split("x")[1:]
    values = {"classes": 7, "in_channels": 5}
    assert {parameter.name for parameter in before.parameters} == values.keys()
    after = compile_spec(name, overrides={"classes": 7, "input": "x".join(["5", *sizes])}).network
    for (part, _, old), (_, _, new) in zip(before.parts(), after.parts(), strict=True):
        known = values if part in ("stem", "head") else numbers(new)
        assert [node.name for node in old.nodes] == [node.name for node in new.nodes]
        there = {f"{node.name}.{name}": value for node in new.nodes for name, value in arguments(node)}
        for what, formula, _ in derived(old):
            assert evaluated(formula, known) == there[what], what


def arguments(node: Node) -> Iterator[tuple[str, Any]]:
    found = node.what.body.arguments if isinstance(node.what, BlockCall) else vars(node.what).items()
    for name, value in found:
        yield name, value[0] if isinstance(value, tuple) and value else value


def test_lists_that_numbers_are_derived_into_stay_bounded() -> None:
    blocks = ["block b0(a, n) { return x -> c: conv(n, 1x1) }"]
    for i in range(25):
        blocks.append(f"block b{i + 1}(a, n) {{ return x -> c: b{i}([a, a, n], n) }}")
    text = "\n".join([*blocks, "model m { stages: [1]  block: b25(1, 3) }"])
    with pytest.raises(CompileError, match="a list of more than 10,000 items"):
        network(text)


def test_what_is_long_only_on_the_way_keeps_its_formula() -> None:
    body = compile_spec("res2net50").network.stages[0].blocks[0]
    joined = next(i for i, node in enumerate(body.nodes) if node.name == "concat1")
    assert written(body.channels(joined)) == "(4 * ((width * base_width) // 64))"


def test_a_formula_has_ten_names_at_most() -> None:
    total: Formula | None = Named("n0")
    for count in range(2, 12):
        assert total is not None
        total = operation("+", total, Named(f"n{count}"))
        assert (total is not None) == (count <= 10)


W, V = Named("w"), Named("v")


@pytest.mark.parametrize(
    ("sign", "left", "right", "short"),
    [
        ("//", Operation("*", Fixed(4), W), Fixed(2), "(2 * w)"),
        ("//", Operation("*", Fixed(2), W), Fixed(4), "(w // 2)"),
        ("//", Operation("*", Fixed(3), W), Fixed(4), "((3 * w) // 4)"),
        ("//", Operation("*", Fixed(4), W), Fixed(6), "((4 * w) // 6)"),
        ("//", Operation("*", W, V), Fixed(2), "((w * v) // 2)"),
        ("*", Fixed(4), Operation("*", Fixed(2), W), "(8 * w)"),
        ("*", W, Fixed(4), "(4 * w)"),
        ("*", W, Fixed(1), "w"),
        ("//", W, Fixed(1), "w"),
        ("+", W, W, "(2 * w)"),
        ("+", Operation("*", Fixed(2), W), W, "(3 * w)"),
        ("+", W, V, "(w + v)"),
        ("+", W, Fixed(0), "w"),
        ("+", Fixed(0), W, "w"),
        ("-", W, Fixed(0), "w"),
        ("-", Fixed(0), W, "(0 - w)"),
        ("-", W, Fixed(1), "(w - 1)"),
        ("-", Fixed(7), Fixed(3), "4"),
    ],
)
def test_a_formula_is_as_short_as_a_person_writes_it(
    sign: str, left: Formula, right: Formula, short: str
) -> None:
    assert written(simplified(Operation(sign, left, right))) == short
    for w, v in ((12, 5), (7, 8)):
        names = {"w": w, "v": v}
        assert evaluated(simplified(Operation(sign, left, right)), names) == evaluated(
            Operation(sign, left, right), names
        )
