"""Activations that opset 17 has no op for."""

from __future__ import annotations

from collections.abc import Iterator
from math import pi, sqrt

from resnet_dsl.backend.ir import Extent, GraphNode, ops
from resnet_dsl_onnx.nodes import Constant, OnnxNode, Steps, step
from resnet_dsl_onnx.rules.lowering import lower


@lower.register
def gelu(op: ops.Gelu, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield 0.5 * x * (1 + erf(x / sqrt(2))), or its approximation by tanh; runtimes know both forms."""
    (x,) = node.inputs
    curve = yield from _by_tanh(node.name, x) if op.approximate else _by_erf(node.name, x)
    raised = yield from step(node.name, "raised", "Add", curve, Constant("model", 1.0))
    doubled = yield from step(node.name, "doubled", "Mul", x, raised)
    yield OnnxNode("Mul", (doubled, Constant("model", 0.5)), {})


@lower.register
def mish(op: ops.Mish, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield x * tanh(softplus(x))."""
    (x,) = node.inputs
    soft = yield from step(node.name, "soft", "Softplus", x)
    gate = yield from step(node.name, "gate", "Tanh", soft)
    yield OnnxNode("Mul", (x, gate), {})


def _by_erf(name: str, x: str) -> Steps:
    scaled = yield from step(name, "scaled", "Div", x, Constant("model", sqrt(2.0)))
    return (yield from step(name, "curve", "Erf", scaled))


def _by_tanh(name: str, x: str) -> Steps:
    """tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))."""
    square = yield from step(name, "square", "Mul", x, x)
    cube = yield from step(name, "cube", "Mul", square, x)
    part = yield from step(name, "part", "Mul", cube, Constant("model", 0.044715))
    total = yield from step(name, "sum", "Add", x, part)
    scaled = yield from step(name, "scaled", "Mul", total, Constant("model", sqrt(2.0 / pi)))
    return (yield from step(name, "curve", "Tanh", scaled))
