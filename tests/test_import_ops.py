"""An op that is in the catalogue and has a rule comes back from a graph: the decompiler names none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import pytest
from resnet_dsl_onnx import rules
from resnet_dsl_onnx.nodes import Constant, OnnxNode, step

from resnet_dsl.backend.foreign_graph import ForeignGraph
from resnet_dsl.decompile.input_file import InputFile
from resnet_dsl.decompile.op_matcher import OpMatcher
from resnet_dsl.decompile.pipeline import NotExpressibleError, restore
from resnet_dsl.ir.arguments import FLAG, REAL, argument
from resnet_dsl.ir.graph import GraphNode
from resnet_dsl.ir.ops import CATALOGUE, Init, Op, TensorSpec
from resnet_dsl.ir.ops.base import declared
from resnet_dsl.ir.shapes import Extent, Shape
from tests.test_import import (
    beside_graph,
    changed,
    compiled,
    expanded,
    from_shapes,
    graph_of,
    node_of,
    shapes_of,
)

pytest.importorskip("onnx")
graph_reader = import_module("resnet_dsl_onnx.graph_reader")


def read_message(graph: Any) -> ForeignGraph:
    """What is read of a graph of ours in a file."""
    found: ForeignGraph = graph_reader.of_plain(graph_reader.exported(graph, graph_reader.OPSET, Path()))
    return found


@declared
class Celu(Op):
    """x where it is positive, `alpha` times exp(x / alpha) - 1 elsewhere, with a learned factor."""

    kind: ClassVar[str] = "scaled_celu"
    activation: ClassVar[bool] = True
    alpha: float = argument(REAL, 1.0)
    scaled: bool = argument(FLAG, True)

    def parameters(self, *inputs: Shape) -> tuple[TensorSpec, ...]:
        shape = (inputs[0].channels,)
        return (TensorSpec("weight", shape, Init("constant", 1.0), "scale"),) if self.scaled else ()


@pytest.fixture
def new_op(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put an op into the catalogue and give it a rule of ONNX, and nothing else."""

    @rules.lower.register
    def _celu(op: Celu, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
        if not op.scaled:
            yield OnnxNode("Celu", node.inputs, {"alpha": op.alpha})
            return
        ((factor, _),) = node.parameters()
        x = yield from step(node.name, "celu", "Celu", *node.inputs, alpha=op.alpha)
        if not node.shape.is_vector:
            factor = yield from step(node.name, "factor", "Unsqueeze", factor, Constant("int64", (1, 2)))
        yield OnnxNode("Mul", (x, factor), {})

    monkeypatch.setitem(CATALOGUE, Celu.kind, Celu)


def from_graph(graph: ForeignGraph, **metadata: Any) -> Any:
    return restore(InputFile("net.onnx", dict(graph.weights), metadata, graph, graph_reader))


NORM = (
    "norm: instance_norm{0}  shortcut: B(norm=instance_norm{0})  stem: imagenet_stem(norm=instance_norm{0})"
)


@pytest.mark.parametrize(
    "text",
    [
        "act: prelu(per_channel=true)  stem: imagenet_stem(act=prelu(per_channel=true))",
        "act: prelu  stem: imagenet_stem(act=prelu)",
        "stem: conv(64, 3x3) -> instance_norm -> prelu(per_channel=true)"
        "  head: gap -> fc(8) -> prelu -> fc(4)",
        "stem: conv(64, 3x3) -> instance_norm(affine=false) -> gelu"
        "  head: instance_norm(eps=0.1) -> gap -> fc(4)",
        NORM.format(""),
        NORM.format("(eps=0.001)") + "  act: gelu(approximate=true)",
        "norm: instance_norm(affine=false)  shortcut: B(norm=instance_norm(affine=false))"
        "  stem: conv(64, 7x7, stride=2) -> instance_norm(affine=false) -> relu",
        "norm: instance_norm(affine=false)  shortcut: A"
        "  stem: conv(64, 3x3) -> instance_norm(affine=false) -> silu"
        "  act: silu",
        "activation: pre  norm: instance_norm  act: prelu(per_channel=true)  stem: conv(64, 3x3)"
        "  head: instance_norm -> prelu(per_channel=true) -> gap -> fc(4)",
        "activation: pre  norm: instance_norm(affine=false)  act: hard_swish  stem: conv(64, 3x3)"
        "  head: instance_norm(affine=false) -> relu -> gap -> fc(4)",
        "stem: conv(64, 3x3) -> ln -> lrn(3, alpha=0.002, beta=0.5) -> hard_swish",
        "norm: ln(eps=0.01)  shortcut: B(norm=ln(eps=0.01))  stem: conv(64, 3x3) -> bn1: ln -> tanh",
        "act: gelu  head: flatten(order=hwc) -> fc(4)",
        "norm: bn(scale=false)  shortcut: B(norm=bn(scale=false))  stem: imagenet_stem(norm=bn(scale=false))",
        "norm: bn(center=false)  shortcut: B(norm=bn(center=false))"
        "  stem: conv(64, 3x3) -> bn(scale=false, center=false) -> relu",
        "norm: bn(eps=0)  shortcut: B(norm=bn(eps=0))"
        "  stem: conv(64, 3x3) -> bn(eps=0, center=false) -> tanh",
        "act: relu6  stem: imagenet_stem(act=relu6)",
        "act: elu(0.5)  head: gmp -> scale -> fc(8) -> elu -> fc(4)",
        "act: mish  stem: conv(64, 3x3) -> bn -> scale -> bias(per_channel=false) -> hard_sigmoid",
        "act: softplus  head: gem(eps=0.001) -> bias -> scale(per_channel=false) -> fc(4)",
        "stem: conv(64, 3x3) -> grn(eps=0.01) -> clip(-0.5, 2) -> exp -> clip(low=0.25) -> log -> abs"
        "  -> clip(high=3) -> sqrt",
        "stem: zeropad([[0, 1], [2, 0]]) -> conv(64, 3x3, stride=2, pad=[[0, 1], [1, 0]]) -> zeropad(0x1)"
        "  -> relu -> maxpool(3x3, stride=2, pad=[[0, 2], [1, 0]])"
        "  -> avgpool(2x2, pad=[[1, 0], [0, 1]], count_pad=true)",
        "head: conv_transpose(8, 2x2, stride=2) -> relu"
        " -> conv_transpose(6, 3x4, stride=2x1, pad=same, bias=true)"
        " -> conv_transpose(4, 3x3, stride=2, output_padding=1x0, groups=2, dilation=2x1) -> gap -> fc(4)",
        "head: conv(16, 1x1) -> pixel_shuffle(2) -> relu -> gap -> fc(4)",
        "head: upsample(2x3) -> upsample(2, mode=bilinear, align_corners=true) -> gap -> fc(4)",
    ],
)
@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_an_op_comes_back_from_its_rule(block: str, text: str) -> None:
    program = compiled(f"model net {{ input: 3x64x64  stages: [2, 1]  block: {block}  {text} }}")
    restored = from_graph(graph_of(program), **beside_graph(program))
    assert expanded(restored.program) == expanded(program)
    assert not restored.notes


@pytest.mark.parametrize(
    "head",
    [
        "upsample(size=20x9)",
        "upsample(size=5x9, mode=bilinear)",
        "upsample(size=7, mode=bilinear, align_corners=true)",
        "crop(5x3)",
    ],
)
def test_a_map_at_a_given_size_comes_back_where_the_input_is_open(head: str) -> None:
    program = compiled(
        f"model net {{ input: 3xHxW  stages: [2]  block: basic  head: {head} -> gap -> fc(4) }}"
    )
    restored = from_graph(graph_of(program), **beside_graph(program))
    assert expanded(restored.program) == expanded(program)


@pytest.mark.parametrize(
    "text",
    [
        "act: scaled_celu  stem: imagenet_stem(act=scaled_celu)",
        "act: scaled_celu(0.5)  head: gap -> fc(8) -> scaled_celu(2) -> fc(4)",
        "act: scaled_celu(0.5, scaled=false)  activation: pre  head: bn -> scaled_celu(-3) -> gap -> fc(4)",
    ],
)
def test_an_op_that_is_new_comes_back_too(new_op: None, text: str) -> None:
    program = compiled(f"model net {{ input: 3x64x64  stages: [2, 1]  block: basic  {text} }}")
    assert expanded(from_graph(graph_of(program)).program) == expanded(program)


@pytest.mark.parametrize("per_channel", ["false", "true"])
def test_an_activation_with_tensors_is_known_by_its_declaration(per_channel: str) -> None:
    act = f"prelu(per_channel={per_channel})"
    program = compiled(
        f"model net {{ stages: [2, 1]  block: basic  act: {act}  stem: imagenet_stem(act={act}) }}"
    )
    restored = from_shapes(shapes_of(program))
    assert expanded(restored.program) == expanded(program)
    assert "ReLU" not in restored.notes[0]


def test_norms_without_tensors_are_not_guessed() -> None:
    program = compiled("model net { stages: [1]  block: basic  norm: instance_norm(affine=false) }")
    with pytest.raises(NotExpressibleError, match="no tensors of norms"):
        from_shapes(shapes_of(program))


def test_of_ops_that_differ_in_numbers_alone_the_graph_decides() -> None:
    text = "model net { stages: []  stem: conv(8, 3x3) -> bn(eps=0.002, momentum=0.3) -> leaky_relu(0.3) }"
    matcher = OpMatcher(graph_of(compiled(text)), graph_reader.of_op)
    norm = matcher.at("conv1")
    assert norm is not None
    assert (norm.op, norm.path) == (CATALOGUE["bn"].make({"eps": 0.002, "momentum": 0.3}), "bn1")
    slope = matcher.at(norm.result)
    assert slope is not None
    assert slope.op == CATALOGUE["leaky_relu"].make({"slope": 0.3})
    assert matcher.at("input") is None


@pytest.mark.parametrize("size", ["HxW", "65x70"])
@pytest.mark.parametrize("counted", ["", ", count_pad=true"], ids=["", "counted"])
@pytest.mark.parametrize("given", [True, False], ids=["as others write it", "as ours"])
def test_a_pool_that_rounds_up_comes_back(size: str, counted: str, given: bool) -> None:
    """Others write `ceil_mode`, and may say that padding counts where there is none; ours pads behind."""
    pools = f"maxpool(3x3, stride=2, pad=0, ceil=true) -> avgpool(2x2, pad=0, ceil=true{counted})"
    stem = f"conv(8, 3x3) -> {pools}"
    program = compiled(f"model net {{ input: 3x{size}  stages: [1, 1]  block: basic  stem: {stem} }}")
    graph = graph_reader.without_weights(program)
    for node in graph.node:
        attributes = {attribute.name: attribute for attribute in node.attribute}
        if given and "ceil_mode" in attributes:
            assert list(attributes["pads"].ints) == [0, 0, 1, 1]
            attributes["pads"].ints[:] = [0, 0, 0, 0]
            attributes["ceil_mode"].i = 1
            if counted and node.op_type == "AveragePool":
                attributes["count_include_pad"].i = 1
    found = replace(read_message(graph), weights=shapes_of(program))
    restored = from_graph(found, **beside_graph(program)).program
    assert [line.replace("count_pad=true", "count_pad=false") for line in expanded(program)] == expanded(
        restored
    )


def test_other_uneven_padding_is_read_as_four_amounts() -> None:
    program = compiled(
        "model net { stages: [1, 1]  block: basic  stem: conv(8, 3x3) -> maxpool(3x3, stride=2) }"
    )
    graph = graph_of(program)
    pool = node_of(graph, "maxpool1")
    odd = {**pool.attributes, "ceil_mode": 0, "pads": (0, 0, 1, 2)}
    assert graph_reader._with_ceil_mode(odd) == odd
    restored = from_graph(changed(graph, pool.name, attributes=odd))
    assert any(
        "maxpool(conv1, 3x3, stride=2x2, pad=[[0, 1], [0, 2]]" in line for line in expanded(restored.program)
    )
    short = {**pool.attributes, "pads": (0, 0, 1)}
    with pytest.raises(NotExpressibleError, match="not one for each side of a map"):
        from_graph(changed(graph, pool.name, attributes=short))
