"""Formulas: each gives the number it stands for, in every body of every shipped spec and for other values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source, compile_spec
from resnet_dsl.ir.formulas import Formula, Named, Number, Scalar, evaluate, operation, substitute, text_of
from resnet_dsl.ir.network import Body, Call, Derivation, Network, Node
from resnet_dsl.shipped import shipped

HEAD = "head: gap -> fc(10)"


def network_of(text: str) -> Network:
    return compile_source(Source("test.resnet", text)).network


def written(derived: Derivation) -> dict[str, str]:
    return {
        name: " x ".join(map(text_of, formula)) if isinstance(formula, tuple) else text_of(formula)
        for name, formula in derived.items()
    }


def parameters(network: Network) -> dict[str, Scalar]:
    return {parameter.name: parameter.value for parameter in network.parameters}


def scopes(network: Network, model: dict[str, Scalar]) -> Iterator[tuple[Body, dict[str, Scalar]]]:
    """Every body with what the names in its formulas stand for."""
    seen: dict[int, Body] = {}
    for part, _, body in network.parts():
        for inner in body.bodies():
            if id(inner) not in seen:
                seen[id(inner)] = inner
                own = part in ("stem", "head") and inner is body
                yield inner, model if own else inner.names


def assert_gives(formula: Formula | tuple[Formula, ...], value: Any, names: dict[str, Scalar]) -> None:
    if isinstance(formula, tuple):
        assert tuple(evaluate(part, names) for part in formula) == value
    elif isinstance(value, tuple):
        assert (evaluate(formula, names),) * 2 == value
    else:
        assert evaluate(formula, names) == value


def arguments_of(node: Node) -> dict[str, Any]:
    return dict(node.what.body.arguments) if isinstance(node.what, Call) else vars(node.what)


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_formula_gives_the_number_it_stands_for(name: str) -> None:
    network = compile_spec(name).network
    for body, names in scopes(network, parameters(network)):
        for value, shape in enumerate(body.inputs):
            assert evaluate(body.channels_formula(-1 - value), names) == shape.channels
        for node in body.nodes:
            assert evaluate(node.channels, names) == node.shape.channels
            assert type(node.shape.channels) is int
            for argument, formula in node.derived.items():
                assert_gives(formula, arguments_of(node)[argument], names)
    for stage in network.stages:
        for body, derived in zip(stage.blocks, stage.derived, strict=True):
            for argument, formula in derived.items():
                assert_gives(formula, body.names[argument], parameters(network))


@pytest.mark.parametrize("name", ["resnet50", "resnet18d", "vgg16", "lenet5", "densenet121", "unet_resnet34"])
def test_parameters_of_the_model_vary_without_another_structure(name: str) -> None:
    network = compile_spec(name).network
    sizes = network.input.text(network.extent).split("x")[1:]
    assert set(parameters(network)) == {"classes", "in_channels"}
    model = {"classes": 7, "in_channels": 5}
    other = compile_spec(name, overrides={"classes": 7, "input": "x".join(["5", *sizes])}).network
    bodies = zip(scopes(network, model), scopes(other, model), strict=True)
    for (body, names), (changed, _) in bodies:
        names = names if names is model else changed.names
        assert [node.name for node in body.nodes] == [node.name for node in changed.nodes]
        for node, after in zip(body.nodes, changed.nodes, strict=True):
            assert evaluate(node.channels, names) == after.shape.channels
            for argument, formula in node.derived.items():
                assert_gives(formula, arguments_of(after)[argument], names)


def test_the_formulas_of_a_block_are_in_its_own_names() -> None:
    block = compile_spec("resnet50").network.stages[1].blocks[0]
    steps = {node.name: node for node in block.nodes}
    assert written(steps["conv1"].derived) == {"channels": "width * base_width // 64 * groups"}
    assert written(steps["conv2"].derived)["pad"] == "dilation"
    assert written(steps["conv3"].derived) == {"channels": "width * expansion"}
    assert written(steps["downsample"].derived) == {"channels": "width * expansion", "stride": "stride"}
    assert text_of(block.channels_formula(-1)) == "x.channels"


def test_a_step_has_the_channels_that_its_shape_rule_derives() -> None:
    network = network_of(
        "block mix(skip, width) { a = x -> conv(width, 1x1)  b = concat(a, skip)  return b -> part(0, 2) }\n"
        "block outer(width) { return x -> conv(width, 3x3) -> m: mix(x, width * 2) -> conv(width, 1x1) }\n"
        f"model m {{ stem: none stages: [1] block: outer width: 6 input: 4x8x8 {HEAD} }}"
    )
    outer = network.stages[0].blocks[0]
    call = outer.nodes[1]
    assert isinstance(call.what, Call)
    assert call.what.body.input_names == ("x", "skip")
    assert text_of(call.what.body.nodes[-1].channels) == "(width + skip.channels) // 2"
    assert text_of(call.channels) == "(width * 2 + x.channels) // 2"
    assert written(call.derived) == {"width": "width * 2"}


def test_a_default_that_depends_on_a_parameter_is_derived_by_the_caller() -> None:
    network = network_of(
        "block inner(width, mid = width // 2) { return x -> conv(mid, 1x1) -> conv(width, 1x1) }\n"
        "block outer(width) { return x -> a: inner(width * 4) }\n"
        f"model m {{ stages: [1] block: outer width: 8 {HEAD} }}"
    )
    (call,) = network.stages[0].blocks[0].nodes
    assert written(call.derived) == {"width": "width * 4", "mid": "width * 4 // 2"}
    assert isinstance(call.what, Call)
    assert written(call.what.body.nodes[0].derived) == {"channels": "mid"}


def test_a_pair_has_a_formula_each_where_they_differ() -> None:
    network = network_of(
        "block b(dilation) { return x -> conv(8, 3x5, dilation=dilation) }\n"
        f"model m {{ stages: [1] block: b dilation: 2 {HEAD} }}"
    )
    assert written(network.stages[0].blocks[0].nodes[0].derived) == {
        "dilation": "dilation",
        "pad": "dilation x dilation * 2",
    }


@pytest.mark.parametrize(
    ("model", "free"),
    [
        ("m(rate = 0.3) { stages: [] head: gap -> dropout(rate) -> fc(10) }", ["rate", "in_channels"]),
        ("m(rate = 0.0) { stages: [] head: gap -> dropout(rate) -> fc(10) }", ["in_channels"]),
        ("m(n = 2) { stages: [n] block: plain head: gap -> fc(n) }", ["in_channels"]),
        ("m(n = 2) { stages: [1] block: plain head: gap -> fc(if n > 1 then n else 5) }", ["in_channels"]),
        ("m(n = 2) { stages: [] head: gap -> fc(n) expect: output == n }", ["in_channels"]),
        ("m(n = 2) { stages: [] stem: conv(8, 3x3, stride=n) head: gap -> fc(n) }", ["in_channels"]),
        ("m(n = 8) { stages: [] stem: conv(n, 3x3) -> gn(2) head: gap -> fc(5) }", ["in_channels"]),
        ("m(n = 8) { stages: [] stem: x + conv(n, 3x3) input: 8x9x9 head: gap -> fc(5) }", []),
        ("m(n = 8) { stages: [2] block: plain stem: conv(n, 3x3) width: n * 2 head: gap -> fc(n) }",
         ["n", "in_channels"]),
        ("m(n = 8, k = n * 2) { stages: [] head: gap -> fc(k) }", ["n", "in_channels"]),
        ("m(n = 8) { stages: [2, 2] block: basic width: n head: gap -> fc(5) }", ["in_channels"]),
        ("m(n = 8) { stages: [1] block: plain stem: conv(n, 3x3) head: gap -> flatten -> fc(5) }",
         ["n", "in_channels"]),
    ],
)  # fmt: skip
def test_what_decides_something_is_no_parameter_of_the_model(model: str, free: list[str]) -> None:
    network = network_of(f"model {model}")
    assert list(parameters(network)) == free
    for body, names in scopes(network, parameters(network)):
        for node in body.nodes:
            assert evaluate(node.channels, names) == node.shape.channels


def test_the_stages_of_a_family_are_no_parameter() -> None:
    assert "n" not in parameters(compile_spec("cifar_resnet").network)


def test_blocks_of_stages_say_how_the_model_derives_their_arguments() -> None:
    network = network_of(
        "model m(k = 4) { stem: conv(k, 3x3) stages: [1, 1] block: plain widths: k * 2 ** stage "
        "strides: 1 head: gap -> fc(10) }"
    )
    first, second = (written(stage.derived[0]) for stage in network.stages)
    assert first == {"width": "k", "x.channels": "k"}
    assert second == {"width": "k * 2", "x.channels": "k"}


def test_a_formula_that_grows_is_given_up() -> None:
    sums = " + ".join(["width"] * 40)
    network = network_of(
        f"block b(width) {{ return x -> conv({sums}, 1x1) }}\n"
        f"model m {{ stages: [1] block: b width: 2 {HEAD} }}"
    )
    (node,) = network.stages[0].blocks[0].nodes
    assert arguments_of(node)["channels"] == 80
    assert sum(char == "+" for char in text_of(node.channels)) <= 20


def test_formulas_are_simplified_and_written_with_the_parentheses_they_need() -> None:
    width, two = Named("width"), Number(2)
    assert operation("+", Number(0), width) == width
    assert operation("*", Number(3), two) == Number(6)
    assert operation("//", operation("*", width, Number(4)), two, whole=True) == operation("*", width, two)
    nested = operation("*", operation("+", width, two), operation("-", width))
    assert text_of(nested) == "(width + 2) * -width"
    assert text_of(operation("-", width, operation("-", width, two))) == "width - (width - 2)"
    assert text_of(operation("max", width, two)) == "max(width, 2)"
    assert substitute(nested, {"width": Number(5)}) == Number(-35)


def test_a_step_of_the_library_knows_what_the_author_wrote() -> None:
    program = compile_source(Source("t.resnet", "model m {\n  stages: [1]\n  block: basic\n}\n"))
    lines = {node.name: node.author_span.source.text[node.author_span.start : node.author_span.end]
             for node in program.graph.nodes}  # fmt: skip
    assert lines["layer1.0.conv1"] == "basic"
    assert lines["conv1"] == "m"
    assert all(node.author_span.source.name == "t.resnet" for node in program.graph.nodes)
    own = compile_source(Source("t.resnet", "model m {\n  stages: []\n  head: gap -> fc(10)\n}\n"))
    assert own.graph.nodes[-1].author_span == own.graph.nodes[-1].span
