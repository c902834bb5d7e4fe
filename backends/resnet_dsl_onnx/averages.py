"""Adaptive average pooling: opset 17 has no op for it, so its windows must be known."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_dsl.diagnostics import CompileError, Diagnostic
from resnet_dsl.ir.graph import GraphNode
from resnet_dsl.ir.ops import AdaptiveAvgPool
from resnet_dsl.ir.shapes import Extent
from resnet_dsl_onnx.nodes import Constant, OnnxNode, step

Window = tuple[int, int]


def adaptive_average(op: AdaptiveAvgPool, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield one pool where all windows are alike; else sums by two products, over their counts.

    Windows that are not alike are the ones of a matrix of zeros and ones, which every precision
    holds, as it does the counts.
    """
    height, width = (extent.of(size) for size in node.input_shapes[0].spatial)
    rows, columns = op.size
    if op.size == (1, 1):
        yield OnnxNode("GlobalAveragePool", node.inputs, {})
    elif height is None or width is None:
        raise _unknown_size(op, node)
    elif height % rows == 0 and width % columns == 0:
        yield _equal_windows(node, (height // rows, width // columns))
    else:
        yield from _unequal_windows(node, _windows(height, rows), _windows(width, columns))


def _equal_windows(node: GraphNode, kernel: tuple[int, int]) -> OnnxNode:
    attributes = {
        "kernel_shape": kernel,
        "strides": kernel,
        "auto_pad": "NOTSET",
        "pads": (0, 0, 0, 0),
        "ceil_mode": 0,
        "count_include_pad": 0,
    }
    return OnnxNode("AveragePool", node.inputs, attributes)


def _unequal_windows(
    node: GraphNode, rows: tuple[Window, ...], columns: tuple[Window, ...]
) -> Iterator[OnnxNode]:
    height, width = rows[-1][1], columns[-1][1]
    above = tuple(float(first <= i < last) for first, last in rows for i in range(height))
    across = tuple(float(first <= i < last) for i in range(width) for first, last in columns)
    counts = tuple(float((b - a) * (d - c)) for a, b in rows for c, d in columns)
    sizes = len(rows), len(columns)
    sums = Constant("model", above, (sizes[0], height), f"rows/{height}/{sizes[0]}")
    by_rows = yield from step(node.name, "rows", "MatMul", sums, *node.inputs)
    sums = Constant("model", across, (width, sizes[1]), f"columns/{width}/{sizes[1]}")
    by_both = yield from step(node.name, "sums", "MatMul", by_rows, sums)
    count = Constant("model", counts, sizes, f"counts/{height}x{width}/{sizes[0]}x{sizes[1]}")
    yield OnnxNode("Div", (by_both, count), {})


def _windows(size: int, count: int) -> tuple[Window, ...]:
    """The first row of each window, and the one after its last."""
    return tuple((i * size // count, -(-(i + 1) * size // count)) for i in range(count))


def _unknown_size(op: AdaptiveAvgPool, node: GraphNode) -> CompileError:
    message = f"onnx: the windows of this {op.kind} depend on the input's size"
    hint = "write numbers in `input:`, or pool with `gap`"
    return CompileError([Diagnostic("E0307", message, node.span, hint=hint)])
