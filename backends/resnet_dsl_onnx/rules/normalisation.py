"""Normalisation from means and square roots.

Opset 17 has no GroupNormalization, and its LayerNormalization takes trailing axes alone. In nodes
eps is a constant in the model's precision; as an attribute it would be single.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from resnet_dsl.backend.ir import Extent, GraphNode, ops
from resnet_dsl_onnx.nodes import Constant, OnnxNode, Steps, step
from resnet_dsl_onnx.rules.lowering import lower


@lower.register
def group_norm(op: ops.GroupNorm, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield the nodes of a group norm: each group is one axis while it is normalised."""
    (x,) = node.inputs
    name = node.name
    groups = Constant("int64", (0, op.groups, -1))
    grouped = yield from step(name, "grouped", "Reshape", x, groups, allowzero=0)
    normal = yield from standardised(name, grouped, (2,), op.eps)
    shape = yield from _shape(node, extent)
    split = yield from step(name, "split", "Reshape", normal, shape, allowzero=0)
    yield from _scaled(node, split)


@lower.register
def layer_norm(op: ops.LayerNorm, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield the nodes of a layer norm over the channels."""
    normal = yield from standardised(node.name, node.inputs[0], (1,), op.eps)
    yield from _scaled(node, normal)


@lower.register
def local_response_norm(op: ops.LocalResponseNorm, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield one LRN, or the nodes that it is made of where runtimes refuse its numbers.

    OpenVINO (2026.4) takes the whole part of `bias` alone, so that one with a fraction is no LRN either.
    """
    if op.alpha > 0.0 and op.beta > 0.0 and float(op.k).is_integer():
        attributes = {"size": op.size, "alpha": op.alpha, "beta": op.beta, "bias": op.k}
        yield OnnxNode("LRN", node.inputs, attributes)
        return
    (x,), name, half = node.inputs, node.name, op.size // 2
    squares = yield from step(name, "squares", "Mul", x, x)
    channels = Constant("int64", (0, 1, node.shape.channels, -1))  # as the rows of a map of one channel
    rows = yield from step(name, "rows", "Reshape", squares, channels, allowzero=0)
    window = {"kernel_shape": (op.size, 1), "strides": (1, 1), "pads": (half, 0, half, 0)}
    means = yield from step(
        name, "means", "AveragePool", rows, **window, auto_pad="NOTSET", ceil_mode=0, count_include_pad=1
    )
    shape = yield from _shape(node, extent)
    back = yield from step(name, "back", "Reshape", means, shape, allowzero=0)
    scaled = yield from step(name, "scaled", "Mul", back, Constant("model", op.alpha))
    energy = yield from step(name, "energy", "Add", scaled, Constant("model", op.k))
    factor = yield from step(name, "factor", "Pow", energy, Constant("model", 0.0 - op.beta))
    yield OnnxNode("Mul", (x, factor), {})


def standardised(name: str, x: str, axes: tuple[int, ...], eps: float) -> Steps:
    """Yield (x - mean) / sqrt(variance + eps), the variance biased, and return its name."""
    mean = yield from step(name, "mean", "ReduceMean", x, axes=axes, keepdims=1)
    centred = yield from step(name, "centred", "Sub", x, mean)
    squares = yield from step(name, "squares", "Mul", centred, centred)
    variance = yield from step(name, "variance", "ReduceMean", squares, axes=axes, keepdims=1)
    raised = yield from step(name, "raised", "Add", variance, Constant("model", eps))
    deviation = yield from step(name, "deviation", "Sqrt", raised)
    return (yield from step(name, "standardised", "Div", centred, deviation))


def _shape(node: GraphNode, extent: Extent) -> Generator[OnnxNode, None, str | Constant]:
    """The shape of the op's input: a constant, or taken from it if height or width is open."""
    sizes = [size for size in node.shape.at(extent) if size is not None]
    if len(sizes) == 1 + len(node.shape.spatial):
        return Constant("int64", (0, *sizes))
    return (yield from step(node.name, "shape", "Shape", node.inputs[0], start=0, end=4))


def _scaled(node: GraphNode, x: str) -> Iterator[OnnxNode]:
    """The op's result: scale and shift of each channel."""
    weight, bias = (name for name, _ in node.parameters())
    if not node.shape.is_vector:
        behind = Constant("int64", (1, 2))
        weight = yield from step(node.name, "weight", "Unsqueeze", weight, behind)
        bias = yield from step(node.name, "bias", "Unsqueeze", bias, behind)
    scaled = yield from step(node.name, "scaled", "Mul", x, weight)
    yield OnnxNode("Add", (scaled, bias), {})
