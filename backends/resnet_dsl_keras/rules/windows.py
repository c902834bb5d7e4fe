"""What Keras' layers do of the windows of convolutions and pools by themselves, and what the file has to."""

from __future__ import annotations

from resnet_dsl.backend.ir import Pair, Sides, ops
from resnet_dsl.backend.python_source import (
    Argument,
    Expression,
    Literal,
    Operand,
    Site,
    call,
    changed,
    several,
)

DEPTHWISE = "depthwise_conv"


def is_depthwise(op: ops.Conv, channels: int) -> bool:
    """Whether each channel is convolved by itself: Keras has a layer for that, much faster on TensorFlow.

    That layer has one stride for both axes; where a convolution also dilates, the layer does not stride.
    """
    strides = op.stride[0] == op.stride[1] or strides_and_dilates(op)
    return op.groups == channels > 1 and strides


def strides_and_dilates(op: ops.Conv) -> bool:
    """Whether a convolution does both, as no layer of Keras can."""
    return op.stride != (1, 1) and op.dilation != (1, 1)


def pads_half(op: ops.Conv) -> bool:
    """Whether the padding is half the span of the kernel, in numbers."""
    spans = (d * (k - 1) for k, d in zip(op.kernel, op.dilation, strict=True))
    return op.pad != "same" and [2 * pad for pad in op.pad] == [*spans]


def padding_case(op: ops.Conv) -> str:
    """What a convolution asks of its helper: see its template."""
    if op.pad == "same":
        return "same"
    if pads_half(op):
        return "none" if op.kernel == (1, 1) else "half" if op.stride == (1, 1) else "strided"
    return "pad" if any(op.pad) else "valid"


def conv_helper(op: ops.Conv, site: Site) -> str:
    """Return which helper of the file makes a convolution."""
    if op.standardize:
        return "standardized_conv"
    return DEPTHWISE if is_depthwise(op, site.shapes[0].channels) else "conv"


def conv_padding(op: ops.Conv, site: Site) -> Argument:
    """Return how a convolution pads; None for half the span of its kernel."""
    if op.pad == "same":
        return "same"
    return None if pads_half(op) else site.square("pad")


def leaves_gaps(op: ops.Conv) -> bool:
    """Whether the windows of a strided and dilated convolution read but every so many pixels, and no others.

    So it is where the stride divides the dilation and the padding: on these pixels alone it is a convolution
    without stride, for every size of the map. Half the span of an even kernel need not be such a number.
    """
    axes = zip(op.stride, op.dilation, op.kernel, strict=True)
    return pads_half(op) and all(d % s == (d * (k - 1) // 2) % s == 0 for s, d, k in axes)


def sum_operation(stride: Pair) -> str:
    """What the helper `same_sum` calls: a depthwise convolution takes one stride for both axes."""
    return "depthwise_conv" if stride[0] == stride[1] else "conv"


def pool_case(op: ops.Pool) -> str:
    """How a pool pads: as TensorFlow does, by an operation before it, or not."""
    if op.pad == "same" or _rounds_up_as_same(op):
        return "same"
    return "pad" if op.ceil or any(op.pad) else "none"


def _rounds_up_as_same(op: ops.Pool) -> bool:
    """Whether a pool that rounds up lacks one pixel at most, which TensorFlow's `same` has at the end too."""
    windows = zip(op.kernel, op.stride, strict=True)
    return op.ceil and op.pad == (0, 0) and all(kernel <= min(stride, 2) for kernel, stride in windows)


def before_and_after(pad: Sides) -> tuple[Expression, Expression]:
    """Return what is above and left of a map, and what is below and right of it."""
    above_left, below_right = zip(*pad, strict=True)
    return several(*map(Literal, above_left)), several(*map(Literal, below_right))


def in_frame(tree: Expression, x: Operand, pad: Sides, value: Argument) -> Expression:
    """Return what is done to `x` as done to it with four amounts of a value around it."""
    frame = call("pad_map", x, *before_and_after(pad), value)

    def framed(part: Expression) -> Expression | None:
        if isinstance(part, Literal) and part.origin is not None and part.origin.field == "pad":
            return Literal(part.value)  # of the bare window, and no number of the op
        return frame if part == x else None

    return changed(tree, framed)
