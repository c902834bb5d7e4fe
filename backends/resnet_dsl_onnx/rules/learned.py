"""Learned numbers beside layers, in nodes: opset 17 has no op for any of them."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_dsl.backend.ir import Extent, GraphNode, ops
from resnet_dsl_onnx.nodes import Constant, OnnxNode, Steps, step
from resnet_dsl_onnx.rules.lowering import lower

PIXELS = (2, 3)


@lower.register
def learned_scale(op: ops.LearnedScale, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield one product."""
    weight = yield from _spread(node, "weight", op.per_channel)
    yield OnnxNode("Mul", (*node.inputs, weight), {})


@lower.register
def learned_shift(op: ops.LearnedShift, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield one sum."""
    bias = yield from _spread(node, "bias", op.per_channel)
    yield OnnxNode("Add", (*node.inputs, bias), {})


@lower.register
def global_response_norm(op: ops.GlobalResponseNorm, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield the nodes of x + (weight * x * norm / (mean norm + eps) + bias)."""
    (x,), name = node.inputs, node.name
    norms = yield from step(name, "norms", "ReduceL2", x, axes=PIXELS, keepdims=1)
    mean = yield from step(name, "mean", "ReduceMean", norms, axes=(1,), keepdims=1)
    raised = yield from step(name, "raised", "Add", mean, Constant("model", op.eps))
    share = yield from step(name, "share", "Div", norms, raised)
    response = yield from step(name, "response", "Mul", x, share)
    weight = yield from _spread(node, "weight", per_channel=True)
    scaled = yield from step(name, "scaled", "Mul", response, weight)
    bias = yield from _spread(node, "bias", per_channel=True)
    shifted = yield from step(name, "shifted", "Add", scaled, bias)
    yield OnnxNode("Add", (x, shifted), {})


@lower.register
def generalised_mean(op: ops.GeneralisedMean, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield the nodes of the mean of powers, and of its root."""
    (x,), name, (power,) = node.inputs, node.name, (each for each, _ in node.parameters())
    raised = yield from step(name, "raised", "Max", x, Constant("model", op.eps))
    powers = yield from step(name, "powers", "Pow", raised, power)
    mean = yield from step(name, "mean", "GlobalAveragePool", powers)
    root = yield from step(name, "root", "Reciprocal", power)
    yield OnnxNode("Pow", (mean, root), {})


def _spread(node: GraphNode, suffix: str, per_channel: bool) -> Steps:
    """Yield what lays a tensor along the channels, if it needs that: ONNX broadcasts from the last axis."""
    tensor = f"{node.home.name}.{suffix}"
    if not per_channel or node.shape.is_vector:
        return tensor
    return (yield from step(node.name, suffix, "Unsqueeze", tensor, Constant("int64", (1, 2))))
