"""Moving windows: the padding and rounding of convolutions and pools, in what ONNX runtimes take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from resnet_dsl.backend.ir import Extent, GraphNode, ops
from resnet_dsl.backend.refusals import CompileError, Diagnostic
from resnet_dsl_onnx.nodes import Constant, OnnxNode, step

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
    op_type: str, op: ops.Pool, node: GraphNode, extent: Extent, more: dict[str, Any], zeros_count: bool
) -> Iterator[OnnxNode]:
    """Yield one pool. It never has `ceil_mode`, which runtimes read in different ways.

    Instead more is padded behind than before, and a mean leaves that out. Where zeros count, those
    of the op itself are put around the map by a node of their own.
    """
    if op.pad == "same" or not _rounds_up(op, node, extent):
        yield OnnxNode(op_type, node.inputs, {**window(op, node, extent), "ceil_mode": 0, **more})
        return
    (x,), before = node.inputs, op.pad
    behind = padding_behind(op.kernel, op.stride, before)
    if zeros_count and behind != before:
        if any(before):
            around = Constant("int64", (0, 0, *before) * 2)
            x = yield from step(
                node.name, "padded", "Pad", x, around, Constant("model", 0.0), mode="constant"
            )
        behind = (behind[0] - before[0], behind[1] - before[1])
        before, more = (0, 0), {**more, "count_include_pad": 0}
    pads = {"auto_pad": "NOTSET", "pads": (*before, *behind)}
    size = {"kernel_shape": op.kernel, "strides": op.stride}
    yield OnnxNode(op_type, (x,), {**size, **pads, "ceil_mode": 0, **more})


def padding_behind(kernel: tuple[int, ...], stride: tuple[int, ...], pad: tuple[int, ...]) -> tuple[int, ...]:
    """Return the padding behind under which rounding down gives as many windows as rounding up does.

    Up to a stride less one is added. A last window that would start in the padding is dropped: so
    one less than the window is the most, which is also the most that runtimes take.
    """
    return tuple(min(p + s, k) - 1 for k, s, p in zip(kernel, stride, pad, strict=True))


def _rounds_up(op: ops.Pool, node: GraphNode, extent: Extent) -> bool:
    """Whether a pool has to round up: where the size is known, if it matters."""
    assert op.pad != "same"
    axes = zip(node.input_shapes[0].spatial, node.shape.spatial, op.kernel, op.stride, op.pad, strict=True)
    counts = ((extent.of(before.window(k, s, 2 * p)), extent.of(after)) for before, after, k, s, p in axes)
    return op.ceil and any(floor is None or floor != count for floor, count in counts)


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
