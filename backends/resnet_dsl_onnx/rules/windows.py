"""Moving windows: the padding and rounding of convolutions and pools, in what ONNX runtimes take."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

from resnet_dsl.backend.ir import Extent, GraphNode, Pair, ops, sides
from resnet_dsl_onnx.nodes import Constant, OnnxNode, step
from resnet_dsl_onnx.rules.same_padding import computed_pads, ones_like, padded

Sides = tuple[int, int]


def window(op: ops.Conv | ops.Pool, node: GraphNode, extent: Extent) -> dict[str, Any]:
    """Return kernel, strides and padding as attributes; `same` is TensorFlow's: the odd row is last."""
    size = {"kernel_shape": op.kernel, "strides": op.stride}
    if op.pad != "same":
        (above, below), (left, right) = sides(op.pad)
        return {**size, "auto_pad": "NOTSET", "pads": (above, left, below, right)}
    if _has_same_upper(op):
        return {**size, "auto_pad": "SAME_UPPER"}
    rows, columns = (_sides(op, node, extent, axis) for axis in (0, 1))
    if rows is None or columns is None:
        raise AssertionError("the padding is computed where it depends on an open size")
    return {**size, "auto_pad": "NOTSET", "pads": (rows[0], columns[0], rows[1], columns[1])}


def pool(
    op_type: str, op: ops.Pool, node: GraphNode, extent: Extent, more: dict[str, Any], zeros_count: bool
) -> Iterator[OnnxNode]:
    """Yield one pool. It never has `ceil_mode`, which runtimes read in different ways.

    Instead more is padded behind than before, and a mean leaves that out. Where zeros count, those
    of the op itself are put around the map by a node of their own.
    """
    if computes_same(op, node, extent):
        yield from _computed_same(op_type, op, node, more)
        return
    if not ops.is_even(op.pad) or not _rounds_up(op, op.pad, node, extent):
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


def computes_same(op: ops.Conv | ops.Pool, node: GraphNode, extent: Extent) -> bool:
    """Whether the model has to compute the padding: it depends on a size that is open."""
    if op.pad != "same" or _has_same_upper(op):
        return False
    return any(_sides(op, node, extent, axis) is None for axis in (0, 1))


def unpadded(op: ops.Conv | ops.Pool) -> dict[str, Any]:
    """The attributes of a window over a map that is padded already."""
    return {"kernel_shape": op.kernel, "strides": op.stride, "auto_pad": "NOTSET", "pads": (0, 0, 0, 0)}


def spans(op: ops.Conv | ops.Pool) -> Pair:
    """The rows and columns from a window's first to its last."""
    dilation = op.dilation if isinstance(op, ops.Conv) else (1, 1)
    return (op.kernel[0] - 1) * dilation[0] + 1, (op.kernel[1] - 1) * dilation[1] + 1


def _computed_same(op_type: str, op: ops.Pool, node: GraphNode, more: dict[str, Any]) -> Iterator[OnnxNode]:
    """A pool over a computed padding, which a maximum never takes and a mean leaves out."""
    (x,), name, mean = node.inputs, node.name, op_type == "AveragePool"
    pads = yield from computed_pads(name, x, spans(op), op.stride)
    around = yield from padded(name, "padded", x, pads, 0.0 if mean else -inf)
    attributes = {**unpadded(op), "ceil_mode": 0, **more}
    if not mean:
        yield OnnxNode(op_type, (around,), attributes)
        return
    ones = yield from ones_like(name, x)
    there = yield from padded(name, "there", ones, pads, 0.0)
    sums = yield from step(name, "sums", op_type, around, **attributes)
    counts = yield from step(name, "counts", op_type, there, **attributes)
    yield OnnxNode("Div", (sums, counts), {})


def padding_behind(kernel: tuple[int, ...], stride: tuple[int, ...], pad: tuple[int, ...]) -> tuple[int, ...]:
    """Return the padding behind under which rounding down gives as many windows as rounding up does.

    Up to a stride less one is added. A last window that would start in the padding is dropped: so
    one less than the window is the most, which is also the most that runtimes take.
    """
    return tuple(min(p + s, k) - 1 for k, s, p in zip(kernel, stride, pad, strict=True))


def _rounds_up(op: ops.Pool, pad: Pair, node: GraphNode, extent: Extent) -> bool:
    """Whether a pool has to round up: where the size is known, if it matters."""
    axes = zip(node.input_shapes[0].spatial, node.shape.spatial, op.kernel, op.stride, pad, strict=True)
    counts = ((extent.of(before.window(k, s, 2 * p)), extent.of(after)) for before, after, k, s, p in axes)
    return op.ceil and any(floor is None or floor != count for floor, count in counts)


def _has_same_upper(op: ops.Conv | ops.Pool) -> bool:
    """Whether runtimes do `SAME_UPPER` here.

    onnxruntime refuses it with dilations. Where a stride is larger than the window it pads by
    negative amounts: pools then fail, and convolutions read the wrong rows without a word.
    """
    dilated = isinstance(op, ops.Conv) and op.dilation != (1, 1)
    return not dilated and all(stride <= kernel for stride, kernel in zip(op.stride, op.kernel, strict=True))


def _sides(op: ops.Conv | ops.Pool, node: GraphNode, extent: Extent, axis: int) -> Sides | None:
    """The rows (or columns) that `same` adds before and after; None where they depend on an open size."""
    span, stride = spans(op)[axis], op.stride[axis]
    size = extent.of(node.input_shapes[0].spatial[axis])
    if stride == 1 or span <= 2:
        total = span - 1  # nothing depends on the size but whether the last row is read at all
    elif size is not None:
        total = max((-(-size // stride) - 1) * stride + span - size, 0)
    else:
        return None
    return total // 2, total - total // 2
