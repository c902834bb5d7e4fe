"""Weights over channels, pixels and parts, and what is summed by them."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_dsl.backend.ir import GraphNode, ops
from resnet_dsl_onnx.nodes import Constant, OnnxNode, step


def softmax(op: ops.Softmax, node: GraphNode) -> Iterator[OnnxNode]:
    """Yield the nodes of a softmax: over one axis, which pixels and parts are given."""
    (x,) = node.inputs
    if op.over == "channels":
        yield OnnxNode("Softmax", (x,), {"axis": 1})
        return
    apart: tuple[int, ...] = (0, 0, -1)
    if op.over == "parts":
        apart = (0, op.parts, node.shape.channels // op.parts, -1)
    axis = 1 if op.over == "parts" else 2
    shape = yield from step(node.name, "shape", "Shape", x, start=0)
    x = yield from step(node.name, "apart", "Reshape", x, Constant("int64", apart), allowzero=0)
    y = yield from step(node.name, "weights", "Softmax", x, axis=axis)
    yield OnnxNode("Reshape", (y, shape), {"allowzero": 0})


def weighted_sum(node: GraphNode) -> Iterator[OnnxNode]:
    """Yield the nodes of a sum over the pixels, each times its weight."""
    weighted = yield from step(node.name, "weighted", "Mul", *node.inputs)
    over = {"keepdims": 1, "noop_with_empty_axes": 0}
    yield OnnxNode("ReduceSum", (weighted, Constant("int64", (2, 3))), over)
