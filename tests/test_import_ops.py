"""An op that is in the catalogue and has a rule comes back from a graph: the decompiler names none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import pytest
from resnet_dsl_onnx import rules
from resnet_dsl_onnx.nodes import Constant, OnnxNode, step

from resnet_dsl.backend.foreign_graph import ForeignGraph
from resnet_dsl.decompile.input_file import InputFile
from resnet_dsl.decompile.op_matcher import OpMatcher
from resnet_dsl.decompile.pipeline import NotExpressibleError, restore
from resnet_dsl.ir.arguments import EPSILON, FLAG, REAL, argument
from resnet_dsl.ir.graph import GraphNode
from resnet_dsl.ir.ops import CATALOGUE, Init, Op, TensorSpec
from resnet_dsl.ir.shapes import Extent, Shape
from tests.test_import import beside_graph, compiled, expanded, from_shapes, graph_of, shapes_of

pytest.importorskip("onnx")
graph_reader = import_module("resnet_dsl_onnx.graph_reader")


@dataclass(frozen=True)
class LearnedSlope(Op):
    """x where it is positive, a learned slope times x elsewhere."""

    kind: ClassVar[str] = "learned_slope"
    activation: ClassVar[bool] = True
    shared: bool = argument(FLAG, False)
    start: float = argument(REAL, 0.25)

    def parameters(self, *inputs: Shape) -> tuple[TensorSpec, ...]:
        shape = (1 if self.shared else inputs[0].channels,)
        return (TensorSpec("weight", shape, Init("constant", self.start), "scale"),)


@dataclass(frozen=True)
class MapNorm(Op):
    """Normalisation of each channel of each image."""

    kind: ClassVar[str] = "map_norm"
    eps: float = argument(EPSILON, 1e-5)
    affine: bool = argument(FLAG, True)

    def parameters(self, *inputs: Shape) -> tuple[TensorSpec, ...]:
        shape = (inputs[0].channels,)
        both = (
            TensorSpec("weight", shape, Init("constant", 1.0), "scale"),
            TensorSpec("bias", shape, Init("constant", 0.0), "shift"),
        )
        return both if self.affine else ()


@pytest.fixture(autouse=True)
def new_ops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put both into the catalogue and give them a rule of ONNX, and nothing else."""

    @rules.lower.register
    def _learned_slope(op: LearnedSlope, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
        ((slope, _),) = node.parameters()
        if not node.shape.is_vector and not op.shared:
            slope = yield from step(node.name, "slope", "Unsqueeze", slope, Constant("int64", (1, 2)))
        yield OnnxNode("PRelu", (*node.inputs, slope), {})

    @rules.lower.register
    def _map_norm(op: MapNorm, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
        count = node.shape.channels
        fixed = [Constant("model", value, (count,), f"{value}/{count}") for value in (1.0, 0.0)]
        scale = [name for name, _ in node.parameters()] or fixed
        yield OnnxNode("InstanceNormalization", (*node.inputs, *scale), {"epsilon": op.eps})

    for op in (LearnedSlope, MapNorm):
        monkeypatch.setitem(CATALOGUE, op.kind, op)


def from_graph(graph: ForeignGraph, **metadata: Any) -> Any:
    return restore(InputFile("net.onnx", dict(graph.weights), metadata, graph, graph_reader))


NORM = "norm: map_norm{0}  shortcut: B(norm=map_norm{0})  stem: imagenet_stem(norm=map_norm{0})"


@pytest.mark.parametrize(
    "text",
    [
        "act: learned_slope  stem: imagenet_stem(act=learned_slope)",
        "act: learned_slope(shared=true)  stem: imagenet_stem(act=learned_slope(shared=true))",
        "stem: conv(64, 3x3) -> map_norm -> learned_slope  head: gap -> fc(8) -> learned_slope -> fc(4)",
        "stem: conv(64, 3x3) -> map_norm(affine=false) -> gelu  head: map_norm(eps=0.1) -> gap -> fc(4)",
        NORM.format(""),
        NORM.format("(eps=0.001)") + "  act: gelu(approximate=true)",
        "norm: map_norm(affine=false)  shortcut: B(norm=map_norm(affine=false))"
        "  stem: conv(64, 7x7, stride=2) -> map_norm(affine=false) -> relu",
        "norm: map_norm(affine=false)  shortcut: A  stem: conv(64, 3x3) -> map_norm(affine=false) -> silu"
        "  act: silu",
        "activation: pre  norm: map_norm  act: learned_slope  stem: conv(64, 3x3)"
        "  head: map_norm -> learned_slope -> gap -> fc(4)",
        "activation: pre  norm: map_norm(affine=false)  act: hard_swish  stem: conv(64, 3x3)"
        "  head: map_norm(affine=false) -> relu -> gap -> fc(4)",
        "stem: conv(64, 3x3) -> ln -> lrn(3, alpha=0.002, beta=0.5) -> hard_swish",
        "act: gelu  head: flatten(order=hwc) -> fc(4)",
    ],
)
@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_an_op_comes_back_from_its_rule(block: str, text: str) -> None:
    program = compiled(f"model net {{ input: 3x64x64  stages: [2, 1]  block: {block}  {text} }}")
    restored = from_graph(graph_of(program), **beside_graph(program))
    assert expanded(restored.program) == expanded(program)
    assert not restored.notes


@pytest.mark.parametrize("shared", ["false", "true"])
def test_an_activation_with_tensors_is_known_by_its_declaration(shared: str) -> None:
    act = f"learned_slope(shared={shared})"
    program = compiled(
        f"model net {{ stages: [2, 1]  block: basic  act: {act}  stem: imagenet_stem(act={act}) }}"
    )
    restored = from_shapes(shapes_of(program))
    assert expanded(restored.program) == expanded(program)
    assert "ReLU" not in restored.notes[0]


def test_norms_without_tensors_are_not_guessed() -> None:
    program = compiled("model net { stages: [1]  block: basic  norm: map_norm(affine=false) }")
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
