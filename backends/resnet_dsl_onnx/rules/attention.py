"""Weights over channels, pixels and parts, what is summed by them, and learned positions."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_dsl.backend.ir import Extent, GraphNode, ops
from resnet_dsl_onnx.nodes import Constant, OnnxNode, Steps, step
from resnet_dsl_onnx.rules.lowering import lower


@lower.register
def softmax(op: ops.Softmax, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
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


@lower.register
def weighted_sum(op: ops.WeightedSum, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield the nodes of a sum over the pixels, each times its weight."""
    weighted = yield from step(node.name, "weighted", "Mul", *node.inputs)
    over = {"keepdims": 1, "noop_with_empty_axes": 0}
    yield OnnxNode("ReduceSum", (weighted, Constant("int64", (2, 3))), over)


@lower.register
def attention(op: ops.Attention, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield the nodes of attention: products of matrices, for each head by itself."""
    parts = []
    for name, x, shape in zip(("query", "key", "value"), node.inputs, node.input_shapes, strict=True):
        apart = Constant("int64", (0, op.heads, shape.channels // op.heads, -1))
        parts.append((yield from step(node.name, name, "Reshape", x, apart, allowzero=0)))
    query, keys, values = parts
    scale = Constant("model", float(node.input_shapes[0].channels // op.heads) ** -0.5)
    scaled = yield from step(node.name, "scaled", "Mul", query, scale)
    rows = yield from step(node.name, "rows", "Transpose", scaled, perm=(0, 1, 3, 2))
    scores = yield from step(node.name, "scores", "MatMul", rows, keys)
    if any(op.relative):
        positions = yield from _positions(op, node, scaled if op.scale_positions else query)
        scores = yield from step(node.name, "positioned", "Add", scores, positions)
    weights = yield from step(node.name, "weights", "Softmax", scores, axis=3)
    columns = yield from step(node.name, "columns", "Transpose", weights, perm=(0, 1, 3, 2))
    found = yield from step(node.name, "found", "MatMul", values, columns)
    channels, *sizes = node.shape.at(extent)
    known = [size for size in sizes if size is not None]
    if len(known) == 2:
        yield OnnxNode("Reshape", (found, Constant("int64", (0, channels or 0, *known))), {"allowzero": 0})
        return
    size = yield from step(node.name, "size", "Shape", node.inputs[0], start=2, end=4)
    ahead = Constant("int64", (0, channels or 0))
    back = yield from step(node.name, "shape", "Concat", ahead, size, axis=0)
    yield OnnxNode("Reshape", (found, back), {"allowzero": 0})


def _positions(op: ops.Attention, node: GraphNode, query: str) -> Steps:
    """What each pixel makes of how far the others lie from it: (N, heads, pixels, pixels)."""
    (height, width), channels = op.relative, node.input_shapes[0].channels // op.heads
    apart = Constant("int64", (0, op.heads, channels, height, width))
    maps = yield from step(node.name, "maps", "Reshape", query, apart, allowzero=0)
    found = []
    for (name, _), size, axis in zip(node.parameters(), op.relative, "ij", strict=True):
        places = tuple(k - i + size - 1 for i in range(size) for k in range(size))
        index = Constant("int64", places, (size, size), f"distances/{size}")
        vectors = yield from step(node.name, f"vectors/{axis}", "Gather", name, index, axis=0)
        equation = f"nhdij,{axis}kd->nhijk"
        by = yield from step(node.name, f"by/{axis}", "Einsum", maps, vectors, equation=equation)
        ones = (size, 1) if axis == "i" else (1, size)
        shape = Constant("int64", (0, op.heads, height * width, *ones))
        found.append((yield from step(node.name, f"along/{axis}", "Reshape", by, shape, allowzero=0)))
    total = yield from step(node.name, "distances", "Add", *found)
    flat = Constant("int64", (0, op.heads, height * width, height * width))
    return (yield from step(node.name, "positions", "Reshape", total, flat, allowzero=0))


@lower.register
def positions(op: ops.Positions, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield the nodes of learned positions: the rows as the pixels of a map."""
    ((name, _),) = node.parameters()
    turned = yield from step(node.name, "turned", "Transpose", name, perm=(1, 0))
    shape = Constant("int64", (1, node.shape.channels, *op.size))
    own = yield from step(node.name, "map", "Reshape", turned, shape, allowzero=0)
    yield OnnxNode("Add", (*node.inputs, own), {})


@lower.register
def tokens(op: ops.Tokens, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield the nodes of a map as a column of pixels."""
    column = (node.inputs[0], Constant("int64", (0, 0, -1, 1)))
    if not op.mean:
        yield OnnxNode("Reshape", column, {"allowzero": 0})
        return
    mean = yield from step(node.name, "mean", "GlobalAveragePool", node.inputs[0])
    pixels = yield from step(node.name, "pixels", "Reshape", *column, allowzero=0)
    yield OnnxNode("Concat", (mean, pixels), {"axis": 2})


@lower.register
def pixel(op: ops.Pixel, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield the node of one pixel."""
    first, end = (op.row, op.column), (op.row + 1, op.column + 1)
    bounds = (Constant("int64", values) for values in (first, end, (2, 3)))
    yield OnnxNode("Slice", (*node.inputs, *bounds), {})
