"""How each op is written in Keras 3, and all that the rest of the backend has to know of it there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch
from math import gcd

from resnet_dsl.codegen.python import (
    Argument,
    Call,
    Expression,
    Literal,
    Name,
    Negative,
    Operand,
    StepName,
    binary,
    call,
    listed,
    several,
)
from resnet_dsl.ir import ops
from resnet_dsl.ir.arguments import Pair
from resnet_dsl.ir.shapes import Shape

X = Operand(0)


@dataclass(frozen=True)
class Lowering:
    """An op in Keras.

    `code` computes its result; `cases` are branches that the op needs of the helpers it calls.
    The op becomes at most `depth` operations of Keras one behind the other, among them some that
    Keras itself names after `operations`. The op's result is that of the layer which has its name
    and `.ending`, or its name alone; None if no layer's is. `computed` is what Keras computes where that is more than
    the op: then some of it is taken.
    """

    code: Expression
    depth: int = 1
    operations: tuple[str, ...] = ()
    ending: str | None = ""
    cases: tuple[tuple[str, str], ...] = ()
    computed: ops.Op | None = None


@singledispatch
def lower(op: ops.Op, inputs: tuple[Shape, ...]) -> Lowering:
    """Return how an op on inputs of these shapes is written; raises for an op without a rule."""
    raise TypeError(f"the keras backend has no rule for {type(op).__name__}")


def _layer(kind: str, *arguments: Argument, **settings: Argument) -> Call:
    """A layer of Keras on the op's one operand, under the op's name."""
    return call(call(f"layers.{kind}", *arguments, **settings, name=StepName()), X)


def _helper(name: str, *arguments: Argument, **settings: Argument) -> Call:
    """A helper of the file that makes the layer of the op's name from the op's one operand."""
    return call(name, X, StepName(), *arguments, **settings)


def _padding(pad: ops.Padding) -> Expression:
    """`"same"` is TensorFlow's padding, a pair is rows and columns on both sides."""
    return Literal("same") if pad == "same" else several(*pad)


def _channel_axis(x: Shape) -> Argument:
    return -1 if x.is_vector else call("channel_axis")


def _shape_case(helper: str, x: Shape) -> tuple[tuple[str, str], ...]:
    return ((helper, "vector" if x.is_vector else "map"),)


# --- layers with weights -----------------------------------------------------------------------


@lower.register
def _(op: ops.Conv, inputs: tuple[Shape, ...]) -> Lowering:
    first, conv = _thinned_first(op)
    # No convolution of Keras strides and dilates: every pixel is computed, then some are taken.
    taken = conv.stride if _strides_and_dilates(conv) else (1, 1)
    conv = conv if taken == (1, 1) else replace(conv, stride=(1, 1))
    helper = "standardized_conv" if op.standardize else "conv"
    code: Expression = call(
        helper,
        X if first == (1, 1) else call("subsample", X, several(*first)),
        StepName(),
        conv.channels,
        several(*conv.kernel),
        stride=several(*conv.stride),
        padding=_padding(conv.pad),
        dilation=several(*conv.dilation),
        groups=conv.groups,
        bias=conv.bias,
        init=conv.init,
        **({"eps": op.standardize} if op.standardize else {}),
    )
    operations = ["get_item"] * (first != (1, 1))
    if taken != (1, 1) and op.pad == "same":
        spans = ((k - 1) * d + 1 for k, d in zip(conv.kernel, conv.dilation, strict=True))
        code = call("same_subsample", code, several(*spans), several(*taken))
        operations.append(_sum_operation(taken))
    elif taken != (1, 1):
        code = call("subsample", code, several(*taken))
        operations.append("get_item")
    case = _padding_case(conv)
    return Lowering(
        code,
        depth=1 + (case == "pad") + len(operations),
        operations=tuple(operations),
        ending="" if taken == (1, 1) else None,
        cases=((helper, case),),
        computed=None if taken == (1, 1) else replace(op, stride=(1, 1)),
    )


def _thinned_first(op: ops.Conv) -> tuple[Pair, ops.Conv]:
    """The pixels that a strided and dilated convolution needs of its input, and the convolution on them.

    Where stride and dilation have a divisor in common, which divides the padding, all pixels that the
    windows read are multiples of it: the result is the same for every size of the map.
    """
    if not _strides_and_dilates(op) or op.pad == "same":
        return (1, 1), op
    axes = zip(op.kernel, op.stride, op.dilation, op.pad, strict=True)
    common = [gcd(stride, dilation if kernel > 1 else 0) for kernel, stride, dilation, _ in axes]
    steps = [step if pad % step == 0 else 1 for step, pad in zip(common, op.pad, strict=True)]
    rows, columns = steps
    conv = replace(
        op,
        stride=(op.stride[0] // rows, op.stride[1] // columns),
        dilation=(max(op.dilation[0] // rows, 1), max(op.dilation[1] // columns, 1)),
        pad=(op.pad[0] // rows, op.pad[1] // columns),
    )
    return (rows, columns), conv


def _strides_and_dilates(op: ops.Conv) -> bool:
    return op.stride != (1, 1) and op.dilation != (1, 1)


def _padding_case(op: ops.Conv) -> str:
    """How a convolution pads: by itself as TensorFlow does, by half its span, by a layer, or not."""
    if op.pad == "same":
        return "same"
    if op.kernel == (1, 1) and op.pad == (0, 0):
        return "none"
    spans = [d * (k - 1) for k, d in zip(op.kernel, op.dilation, strict=True)]
    if op.stride == (1, 1) and [2 * pad for pad in op.pad] == spans:
        return "half"
    return "pad" if any(op.pad) else "valid"


def _sum_operation(stride: Pair) -> str:
    """What the helper `same_sum` calls: a depthwise convolution takes one stride for both axes."""
    return "depthwise_conv" if stride[0] == stride[1] else "conv"


@lower.register
def _(op: ops.ChannelConv, inputs: tuple[Shape, ...]) -> Lowering:
    code = _helper("channel_conv", op.kernel, init=op.init)
    return Lowering(code, depth=3, ending="shape")


@lower.register
def _(op: ops.FullyConnected, inputs: tuple[Shape, ...]) -> Lowering:
    code = _helper("fully_connected", op.channels, bias=op.bias, init=op.init)
    depth = 1 if inputs[0].is_vector else 2
    return Lowering(code, depth=depth, cases=_shape_case("fully_connected", inputs[0]))


# --- normalisation -----------------------------------------------------------------------------


@lower.register
def _(op: ops.BatchNorm, inputs: tuple[Shape, ...]) -> Lowering:
    momentum = inverted_momentum(op.momentum)
    return Lowering(_helper("batch_norm", eps=op.eps, momentum=momentum, gamma=op.gamma))


def inverted_momentum(momentum: float) -> float:
    """Return Keras' momentum, the weight of the old statistics; the language's is that of the new batch."""
    return round(1 - momentum, 12)


@lower.register
def _(op: ops.GroupNorm, inputs: tuple[Shape, ...]) -> Lowering:
    return Lowering(_helper("group_norm", op.groups, eps=op.eps, gamma=op.gamma))


@lower.register
def _(op: ops.LayerNorm, inputs: tuple[Shape, ...]) -> Lowering:
    code = _helper("layer_norm", eps=op.eps, gamma=op.gamma)
    # In NCHW a map comes back by a layer of its own.
    return Lowering(code, depth=3, ending="back", cases=_shape_case("layer_norm", inputs[0]))


@lower.register
def _(op: ops.LocalResponseNorm, inputs: tuple[Shape, ...]) -> Lowering:
    code = _helper("local_response_norm", op.size, alpha=op.alpha, beta=op.beta, k=op.k)
    operations = ("square", "pad", "get_item", "multiply", "subtract", "power", *DIVISION)
    return Lowering(code, depth=8, operations=operations, ending=None)


DIVISION = ("divide", "true_divide")  # one or the other, by Keras' version


# --- elementwise -------------------------------------------------------------------------------


@lower.register
def _(op: ops.Relu, inputs: tuple[Shape, ...]) -> Lowering:
    return Lowering(_layer("Activation", "relu"))


@lower.register
def _(op: ops.LeakyRelu, inputs: tuple[Shape, ...]) -> Lowering:
    code = call("leaky_relu", X, op.slope)
    return Lowering(code, depth=2, operations=("greater", "multiply", "where"), ending=None)


@lower.register
def _(op: ops.Silu, inputs: tuple[Shape, ...]) -> Lowering:
    return Lowering(_layer("Activation", "silu"))


@lower.register
def _(op: ops.Gelu, inputs: tuple[Shape, ...]) -> Lowering:
    if op.approximate:
        return Lowering(_helper("gelu_by_tanh"), depth=6, operations=("multiply", "square"))
    return Lowering(_helper("gelu"), depth=6, operations=("erf", "multiply", "subtract"))


@lower.register
def _(op: ops.HardSwish, inputs: tuple[Shape, ...]) -> Lowering:
    return Lowering(_layer("Activation", "hard_silu"))


@lower.register
def _(op: ops.Sigmoid, inputs: tuple[Shape, ...]) -> Lowering:
    return Lowering(_layer("Activation", "sigmoid"))


@lower.register
def _(op: ops.Tanh, inputs: tuple[Shape, ...]) -> Lowering:
    return Lowering(_layer("Activation", "tanh"))


@lower.register
def _(op: ops.Softmax, inputs: tuple[Shape, ...]) -> Lowering:
    return Lowering(_layer("Softmax", axis=_channel_axis(inputs[0])))


@lower.register
def _(op: ops.Affine, inputs: tuple[Shape, ...]) -> Lowering:
    if op.scale == -1.0 and op.shift != 0.0:
        return Lowering(binary(op.shift, "-", X), operations=("subtract",), ending=None)
    operations = []
    code: Expression = X
    if op.scale == -1.0:
        code, operations = Negative(X), ["negative"]
    elif op.scale != 1.0:
        code, operations = binary(op.scale, "*", X), ["multiply"]
    if op.shift < 0.0:
        code, operations = binary(code, "-", -op.shift), [*operations, "subtract"]
    elif op.shift > 0.0:
        code, operations = binary(code, "+", op.shift), [*operations, "add"]
    return Lowering(code, depth=len(operations), operations=tuple(operations), ending=None)


@lower.register
def _(op: ops.Dropout, inputs: tuple[Shape, ...]) -> Lowering:
    return Lowering(_layer("Dropout", op.rate))


@lower.register
def _(op: ops.StochasticDepth, inputs: tuple[Shape, ...]) -> Lowering:
    return Lowering(_helper("stochastic_depth", op.rate))


# --- windows -----------------------------------------------------------------------------------


@lower.register
def _(op: ops.MaxPool, inputs: tuple[Shape, ...]) -> Lowering:
    case = _pool_case(op)
    return Lowering(
        _pool("max_pool", op),
        depth=2 if case == "pad" else 1,
        operations=("pad",) if case == "pad" else (),
        cases=(("max_pool", case),),
    )


@lower.register
def _(op: ops.AvgPool, inputs: tuple[Shape, ...]) -> Lowering:
    if op.pad == "same":
        code = call("same_avg_pool", X, several(*op.kernel), several(*op.stride))
        operations = (_sum_operation(op.stride), "ones_like", *DIVISION)
        return Lowering(code, depth=3, operations=operations, ending=None)
    code, cases = _pool("avg_pool", op, count_pad=op.count_pad), (("avg_pool", _pool_case(op)),)
    if _pool_case(op) == "none":
        return Lowering(code, cases=cases)
    operations = ("pad", "ones_like", "average_pool", *DIVISION)
    return Lowering(code, depth=5, operations=operations, ending=None, cases=cases)


def _pool(helper: str, op: ops.Pool, **settings: Argument) -> Call:
    geometry = {"stride": several(*op.stride), "padding": _padding(op.pad)}
    return _helper(helper, several(*op.kernel), **geometry, ceil=op.ceil, **settings)


def _pool_case(op: ops.Pool) -> str:
    """How a pool pads: as TensorFlow does, by an operation before it, or not."""
    if op.pad == "same":
        return "same"
    return "pad" if op.ceil or any(op.pad) else "none"


@lower.register
def _(op: ops.GlobalAvgPool, inputs: tuple[Shape, ...]) -> Lowering:
    return Lowering(_helper("global_avg_pool"))


@lower.register
def _(op: ops.AdaptiveAvgPool, inputs: tuple[Shape, ...]) -> Lowering:
    # A layer of Keras where the size of the map is known, and this where it is not.
    operations = (
        *("get_item", "ones_like", "cumsum", "expand_dims", "multiply", "sum", "greater", "subtract"),
        *("less", "logical_and", "cast", "einsum", *DIVISION),
    )
    return Lowering(_helper("adaptive_avg_pool", several(*op.size)), depth=24, operations=operations)


@lower.register
def _(op: ops.BlurPool, inputs: tuple[Shape, ...]) -> Lowering:
    code = _helper("blur_pool", op.kernel, op.stride)
    return Lowering(code, depth=op.kernel, operations=("pad",))


# --- layout ------------------------------------------------------------------------------------


@lower.register
def _(op: ops.Flatten, inputs: tuple[Shape, ...]) -> Lowering:
    return Lowering(_helper("flatten_pixels" if op.order == "hwc" else "flatten"), depth=2)


@lower.register
def _(op: ops.Subsample, inputs: tuple[Shape, ...]) -> Lowering:
    code = call("subsample", X, several(*op.stride))
    return Lowering(code, operations=("get_item",), ending=None)


@lower.register
def _(op: ops.PadChannels, inputs: tuple[Shape, ...]) -> Lowering:
    code = call("pad_channels", X, op.channels, side=op.side)
    return Lowering(code, operations=("pad",), ending=None)


@lower.register
def _(op: ops.ZeroPad, inputs: tuple[Shape, ...]) -> Lowering:
    return Lowering(_helper("zero_pad", several(*op.amount)))


@lower.register
def _(op: ops.Part, inputs: tuple[Shape, ...]) -> Lowering:
    return Lowering(call("part", X, op.index, op.of), operations=("get_item",), ending=None)


@lower.register
def _(op: ops.Upsample, inputs: tuple[Shape, ...]) -> Lowering:
    factor = several(*op.factor)
    if op.mode == "nearest":
        return Lowering(_helper("upsample", factor))
    return Lowering(_helper("upsample_bilinear", factor), depth=4, operations=("pad",))


# --- joins -------------------------------------------------------------------------------------


@lower.register
def _(op: ops.Add, inputs: tuple[Shape, ...]) -> Lowering:
    return Lowering(call(call("layers.Add", name=StepName()), listed(X, Operand(1))))


@lower.register
def _(op: ops.Multiply, inputs: tuple[Shape, ...]) -> Lowering:
    return Lowering(call(call("layers.Multiply", name=StepName()), listed(X, Operand(1))))


@lower.register
def _(op: ops.Concat, inputs: tuple[Shape, ...]) -> Lowering:
    joined = call("layers.Concatenate", axis=_channel_axis(inputs[0]), name=StepName())
    return Lowering(call(joined, listed(*map(Operand, range(len(inputs))))))
