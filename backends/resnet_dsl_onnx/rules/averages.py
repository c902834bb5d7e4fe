"""Adaptive average pooling, which opset 17 has no op for.

One pool does it where the map's size is known and all windows are alike. Else the windows are the
ones of matrices of zeros and ones: products give the sums, which are divided by the counts. Every
precision holds these numbers. Where the size is open, the model computes the matrices from it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from resnet_dsl.backend.ir import Extent, GraphNode, Pair, ops
from resnet_dsl_onnx.nodes import Constant, OnnxNode, Steps, step
from resnet_dsl_onnx.rules.lowering import lower

ZERO, ONE = (Constant("int64", number, name=f"number/{number}") for number in (0, 1))

Matrices = tuple[str | Constant, str | Constant, str | Constant]  # of rows, columns and counts


@lower.register
def adaptive_average(op: ops.AdaptiveAvgPool, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield the nodes of an adaptive average pool."""
    height, width = (extent.of(size) for size in node.input_shapes[0].spatial)
    if op.size == (1, 1):
        yield OnnxNode("GlobalAveragePool", node.inputs, {})
    elif height is None or width is None:
        yield from _average(node, *(yield from _computed(node, op.size)))
    elif height % op.size[0] == 0 and width % op.size[1] == 0:
        yield _pool(node, (height // op.size[0], width // op.size[1]))
    else:
        yield from _average(node, *_constants((height, width), op.size))


def _pool(node: GraphNode, kernel: Pair) -> OnnxNode:
    attributes = {
        "kernel_shape": kernel,
        "strides": kernel,
        "auto_pad": "NOTSET",
        "pads": (0, 0, 0, 0),
        "ceil_mode": 0,
        "count_include_pad": 0,
    }
    return OnnxNode("AveragePool", node.inputs, attributes)


def _average(
    node: GraphNode, rows: str | Constant, columns: str | Constant, counts: str | Constant
) -> Iterator[OnnxNode]:
    by_rows = yield from step(node.name, "by_rows", "MatMul", rows, *node.inputs)
    sums = yield from step(node.name, "sums", "MatMul", by_rows, columns)
    yield OnnxNode("Div", (sums, counts), {})


# --- at a known size ---------------------------------------------------------------------------


def _constants(size: Pair, count: Pair) -> Matrices:
    """The matrices as constants."""
    rows, columns = (_windows(*axis) for axis in zip(size, count, strict=True))
    above = tuple(float(i in window) for window in rows for i in range(size[0]))
    across = tuple(float(i in window) for i in range(size[1]) for window in columns)
    counts = tuple(float(len(row) * len(column)) for row in rows for column in columns)
    text = "/".join(f"{height}x{width}" for height, width in (size, count))
    return (
        Constant("model", above, (count[0], size[0]), f"rows/{size[0]}/{count[0]}"),
        Constant("model", across, (size[1], count[1]), f"columns/{size[1]}/{count[1]}"),
        Constant("model", counts, count, f"counts/{text}"),
    )


def _windows(size: int, count: int) -> tuple[range, ...]:
    return tuple(range(i * size // count, -(-(i + 1) * size // count)) for i in range(count))


# --- at any size -------------------------------------------------------------------------------


def _computed(node: GraphNode, count: Pair) -> Generator[OnnxNode, None, Matrices]:
    """The same, from the size that the map has when the model runs."""
    rows = yield from _membership(node, "rows", 0, count[0])
    columns = yield from _membership(node, "columns", 1, count[1])
    over = {"keepdims": 1, "noop_with_empty_axes": 0}
    heights = yield from step(node.name, "heights", "ReduceSum", rows, Constant("int64", (1,)), **over)
    widths = yield from step(node.name, "widths", "ReduceSum", columns, Constant("int64", (0,)), **over)
    counts = yield from step(node.name, "counts", "Mul", heights, widths)
    return rows, columns, counts


def _membership(node: GraphNode, what: str, axis: int, count: int) -> Steps:
    """1 where a row (or column) of the map lies in a window, else 0; windows are along `axis`."""

    def then(suffix: str, op_type: str, *inputs: str | Constant, **attributes: int) -> Steps:
        return step(node.name, f"{what}/{suffix}", op_type, *inputs, **attributes)

    shape = (count, 1) if axis == 0 else (1, count)
    firsts, nexts = (
        Constant("int64", tuple(range(i, i + count)), shape, f"windows/{what}/{i}/{count}") for i in (0, 1)
    )
    size = yield from then("size", "Shape", *node.inputs, start=2 + axis, end=3 + axis)
    scaled = yield from then("scaled_firsts", "Mul", firsts, size)
    starts = yield from then("starts", "Div", scaled, Constant("int64", (count,)))
    scaled = yield from then("scaled_nexts", "Mul", nexts, size)
    raised = yield from then("raised", "Add", scaled, Constant("int64", (count - 1,)))
    ends = yield from then("ends", "Div", raised, Constant("int64", (count,)))
    length = yield from then("length", "Squeeze", size, Constant("int64", (0,)))
    places = yield from then("places", "Range", ZERO, length, ONE)
    across = yield from then("across", "Unsqueeze", places, Constant("int64", (axis,)))
    early = yield from then("early", "Less", across, starts)
    late = yield from then("not_early", "Not", early)
    before = yield from then("before_end", "Less", across, ends)
    inside = yield from then("inside", "And", late, before)
    return (yield from then("ones", "Where", inside, Constant("model", 1.0), Constant("model", 0.0)))
