"""Moving windows: the padding and rounding of convolutions and pools, in what ONNX runtimes take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from resnet_dsl.backend.ir import Extent, GraphNode, Pair, ops
from resnet_dsl.backend.refusals import CompileError, Diagnostic
from resnet_dsl_onnx.nodes import OnnxNode

Sides = tuple[int, int]


def window(op: ops.Conv | ops.Pool, node: GraphNode, extent: Extent) -> dict[str, Any]:
    """Return kernel, strides and padding as attributes; `same` is TensorFlow's: the odd row is last."""
    size = {"kernel_shape": op.kernel, "strides": op.stride}
    if op.pad != "same":
        return {**size, "auto_pad": "NOTSET", "pads": (*op.pad, *op.pad)}
    if _has_same_upper(op):
        return {**size, "auto_pad": "SAME_UPPER"}
    (top, bottom), (left, right) = (_sides(op, node, extent, axis) for axis in (0, 1))
    return {**size, "auto_pad": "NOTSET", "pads": (top, left, bottom, right)}


def pool(
    op_type: str, op: ops.Pool, node: GraphNode, extent: Extent, more: dict[str, Any]
) -> Iterator[OnnxNode]:
    """Yield one pool, or one for rows and one for columns where only one of the two rounds up.

    ONNX's shape inference before opset 22 does not know that a last window which would start in
    the padding is dropped. Where the sizes are known, `ceil_mode` is set only where it matters,
    and there the inference is right. Maxima and means of windows, clipped or not, separate by axis.
    """
    rows, columns = (_rounds_up(op, node, extent, axis) for axis in (0, 1))
    if rows == columns:
        attributes = {**window(op, node, extent), "ceil_mode": int(rows), **more}
        yield OnnxNode(op_type, node.inputs, attributes)
        return
    first = {**window(_along(op, 0), node, extent), "ceil_mode": int(rows), **more}
    second = {**window(_along(op, 1), node, extent), "ceil_mode": int(columns), **more}
    by_rows = OnnxNode(op_type, node.inputs, first, "rows")
    yield by_rows
    yield OnnxNode(op_type, (by_rows.result(node.name),), second)


def _has_same_upper(op: ops.Conv | ops.Pool) -> bool:
    """Whether runtimes do `SAME_UPPER` here.

    onnxruntime refuses it with dilations. Where a stride is larger than the window it pads by
    negative amounts: pools then fail, and convolutions read the wrong rows without a word.
    """
    dilated = isinstance(op, ops.Conv) and op.dilation != (1, 1)
    return not dilated and all(stride <= kernel for stride, kernel in zip(op.stride, op.kernel, strict=True))


def _sides(op: ops.Conv | ops.Pool, node: GraphNode, extent: Extent, axis: int) -> Sides:
    """The rows (or columns) that `same` adds before and after, in numbers."""
    dilation = op.dilation[axis] if isinstance(op, ops.Conv) else 1
    span, stride = (op.kernel[axis] - 1) * dilation + 1, op.stride[axis]
    size = extent.of(node.input_shapes[0].spatial[axis])
    if stride == 1 or span <= 2:
        total = span - 1  # nothing depends on the size but whether the last row is read at all
    elif size is not None:
        total = max((-(-size // stride) - 1) * stride + span - size, 0)
    else:
        raise _unknown_size(op, node)
    return total // 2, total - total // 2


def _unknown_size(op: ops.Conv | ops.Pool, node: GraphNode) -> CompileError:
    message = f"onnx: `same` padding of this {op.kind} depends on the input's size"
    hint = "write numbers in `input:`, or the padding as a number"
    return CompileError([Diagnostic("E0307", message, node.author, hint=hint)])


def _rounds_up(op: ops.Pool, node: GraphNode, extent: Extent, axis: int) -> bool:
    """Whether `ceil_mode` must be set for an axis: where the size is known, if it matters."""
    if not op.ceil or op.pad == "same":
        return False
    before, after = node.input_shapes[0].spatial[axis], node.shape.spatial[axis]
    floor = extent.of(before.window(op.kernel[axis], op.stride[axis], 2 * op.pad[axis]))
    return floor is None or floor != extent.of(after)


def _along(op: ops.Pool, axis: int) -> ops.Pool:
    """The pool over one axis alone."""

    def only(pair: Pair, neutral: int) -> Pair:
        return (pair[0], neutral) if axis == 0 else (neutral, pair[1])

    pad = op.pad if op.pad == "same" else only(op.pad, 0)
    return replace(op, kernel=only(op.kernel, 1), stride=only(op.stride, 1), pad=pad)
