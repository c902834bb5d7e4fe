"""How each op is written in Keras 3, and all that the rest of the backend has to know of it there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import singledispatch
from math import gcd

from resnet_dsl.codegen.lowering import Lowering, Site
from resnet_dsl.codegen.python import (
    Argument,
    Binary,
    Call,
    Expression,
    Literal,
    Operand,
    StepName,
    affine,
    call,
    listed,
    several,
)
from resnet_dsl.codegen.statements import Unpacked
from resnet_dsl.ir import ops
from resnet_dsl.ir.arguments import Pair
from resnet_dsl.ir.graph import GraphNode
from resnet_dsl.ir.network import Node

X = Operand(0)


@dataclass(frozen=True)
class KerasLowering(Lowering):
    """An op in Keras: beside what is written, all that the rest of the backend has to know of it.

    `cases` are branches that the op needs of the helpers it calls, by helper. The op becomes at most
    `depth` operations of Keras one behind the other, among them some that Keras itself names after
    `operations`. Its result is that of the layer `name-ending`, or else of the layer which has its
    name; an ending of None says that no layer has it. `computed` is what Keras computes where that
    is more than the op, `parts` what gives this result and others at once.
    """

    cases: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    depth: int = field(default=1, compare=False)
    operations: tuple[str, ...] = field(default=(), compare=False)
    ending: str | None = field(default="", compare=False)
    computed: ops.Op | None = field(default=None, compare=False)
    parts: Unpacked | None = None


@singledispatch
def lower(op: ops.Op, site: Site) -> KerasLowering:
    """Return how an op is written; raises for an op without a rule."""
    raise TypeError(f"the keras backend has no rule for {type(op).__name__}")


def lowered(site: Site) -> KerasLowering:
    """Return how a step is written where it is used."""
    return lower(site.op, site)


def lowered_node(node: GraphNode) -> KerasLowering:
    """Return how an op of the graph is written: what there is to know of it beside the class it is in."""
    step = Node(node.name, node.op, (), node.shape, "", node.span, node.span)
    return lower(node.op, Site(step, node.input_shapes))


def _layer(kind: str, *arguments: Argument, **settings: Argument) -> Call:
    """A layer of Keras on the op's one operand, under the op's name."""
    return call(call(f"layers.{kind}", *arguments, **settings, name=StepName()), X)


def _helper(name: str, *arguments: Argument, **settings: Argument) -> Call:
    """A helper of the file that makes the layer of the op's name from the op's one operand."""
    return call(name, X, StepName(), *arguments, **settings)


def _padding(op: ops.Conv | ops.Pool, site: Site) -> Expression:
    """`"same"` is TensorFlow's padding, numbers are rows and columns on both sides."""
    return Literal("same") if op.pad == "same" else site.square("pad")


def _channel_axis(site: Site) -> Argument:
    return -1 if site.vector else call("channel_axis")


def _shape_case(helper: str, site: Site) -> tuple[tuple[str, str], ...]:
    return ((helper, "vector" if site.vector else "map"),)


# --- layers with weights -----------------------------------------------------------------------


@lower.register
def _(op: ops.Conv, site: Site) -> KerasLowering:
    if _strides_and_dilates(op):
        return _strided_and_dilated(op, site)
    helper, x = _conv_helper(op), X
    settings = {"stride": site.square("stride"), "dilation": site.square("dilation")}
    code = _conv(op, site, x, site.square("kernel"), padding=_padding(op, site), **settings)
    case = _padding_case(op)
    return KerasLowering(code, depth=2 if case == "pad" else 1, cases=((helper, case),))


def _conv(op: ops.Conv, site: Site, x: Expression, kernel: Expression, **geometry: Expression) -> Call:
    """The convolution of an op, its geometry as given."""
    settings: dict[str, Argument] = {"groups": site.number("groups"), "bias": op.bias, "init": op.init}
    if op.standardize:
        settings["eps"] = site.number("standardize")
    return call(_conv_helper(op), x, StepName(), site.number("channels"), kernel, **geometry, **settings)


def _conv_helper(op: ops.Conv) -> str:
    return "standardized_conv" if op.standardize else "conv"


def _strided_and_dilated(op: ops.Conv, site: Site) -> KerasLowering:
    """What no convolution of Keras does: pixels are taken before it, or after it where that cannot be."""
    first, conv = _thinned_first(op)
    taken = conv.stride if _strides_and_dilates(conv) else (1, 1)
    conv = conv if taken == (1, 1) else replace(conv, stride=(1, 1))
    operations: list[str] = []
    code: Expression = X
    if first != (1, 1):
        code = call("subsample", code, _square(first))
        operations.append("get_item")
    padding = Literal("same") if conv.pad == "same" else _square(conv.pad)
    geometry = {"stride": _square(conv.stride), "padding": padding, "dilation": _square(conv.dilation)}
    code = _conv(op, site, code, _square(conv.kernel), **geometry)
    if taken != (1, 1) and conv.pad == "same":
        rows, columns = ((k - 1) * d + 1 for k, d in zip(conv.kernel, conv.dilation, strict=True))
        code = call("same_subsample", code, _square((rows, columns)), _square(taken))
        operations.append(_sum_operation(taken))
    elif taken != (1, 1):
        code = call("subsample", code, _square(taken))
        operations.append("get_item")
    case = _padding_case(conv)
    return KerasLowering(
        code,
        cases=((_conv_helper(op), case),),
        depth=1 + (case == "pad") + len(operations),
        operations=tuple(operations),
        ending="" if taken == (1, 1) else None,
        computed=None if taken == (1, 1) else replace(op, stride=(1, 1)),
    )


def _square(pair: Pair) -> Expression:
    """A pair of numbers that are the op's own no more, as one where they are alike."""
    return Literal(pair[0]) if pair[0] == pair[1] else several(*pair)


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
def _(op: ops.ChannelConv, site: Site) -> KerasLowering:
    code = _helper("channel_conv", site.number("kernel"), init=op.init)
    return KerasLowering(code, depth=3, ending="shape")


@lower.register
def _(op: ops.FullyConnected, site: Site) -> KerasLowering:
    code = _helper("fully_connected", site.number("channels"), bias=op.bias, init=op.init)
    depth = 1 if site.vector else 2
    return KerasLowering(code, depth=depth, cases=_shape_case("fully_connected", site))


# --- normalisation -----------------------------------------------------------------------------


@lower.register
def _(op: ops.BatchNorm, site: Site) -> KerasLowering:
    eps, gamma = site.number("eps"), site.number("gamma")
    return KerasLowering(_helper("batch_norm", eps=eps, momentum=inverted_momentum(site), gamma=gamma))


def inverted_momentum(site: Site) -> Expression:
    """Return Keras' momentum, the weight of the old statistics; the language's is that of the new batch."""
    return Binary(Literal(1), "-", site.number("momentum"))


@lower.register
def _(op: ops.GroupNorm, site: Site) -> KerasLowering:
    eps, gamma = site.number("eps"), site.number("gamma")
    return KerasLowering(_helper("group_norm", site.number("groups"), eps=eps, gamma=gamma))


@lower.register
def _(op: ops.LayerNorm, site: Site) -> KerasLowering:
    code = _helper("layer_norm", eps=site.number("eps"), gamma=site.number("gamma"))
    # In NCHW a map comes back by a layer of its own.
    return KerasLowering(code, depth=3, ending="back", cases=_shape_case("layer_norm", site))


@lower.register
def _(op: ops.LocalResponseNorm, site: Site) -> KerasLowering:
    keywords = {name: site.number(name) for name in ("alpha", "beta", "k")}
    code = _helper("local_response_norm", site.number("size"), **keywords)
    operations = ("square", "pad", "get_item", "multiply", "subtract", "power", *DIVISION)
    return KerasLowering(code, depth=8, operations=operations, ending=None)


DIVISION = ("divide", "true_divide")  # one or the other, by Keras' version


# --- elementwise -------------------------------------------------------------------------------


@lower.register
def _(op: ops.Relu, site: Site) -> KerasLowering:
    return KerasLowering(_layer("Activation", "relu"))


@lower.register
def _(op: ops.LeakyRelu, site: Site) -> KerasLowering:
    code = call("leaky_relu", X, site.number("slope"))
    return KerasLowering(code, depth=2, operations=("greater", "multiply", "where"), ending=None)


@lower.register
def _(op: ops.Silu, site: Site) -> KerasLowering:
    return KerasLowering(_layer("Activation", "silu"))


@lower.register
def _(op: ops.Gelu, site: Site) -> KerasLowering:
    if op.approximate:
        return KerasLowering(_helper("gelu_by_tanh"), depth=6, operations=("multiply", "square"))
    return KerasLowering(_helper("gelu"), depth=6, operations=("erf", "multiply", "subtract"))


@lower.register
def _(op: ops.HardSwish, site: Site) -> KerasLowering:
    return KerasLowering(_layer("Activation", "hard_silu"))


@lower.register
def _(op: ops.Sigmoid, site: Site) -> KerasLowering:
    return KerasLowering(_layer("Activation", "sigmoid"))


@lower.register
def _(op: ops.Tanh, site: Site) -> KerasLowering:
    return KerasLowering(_layer("Activation", "tanh"))


@lower.register
def _(op: ops.Softmax, site: Site) -> KerasLowering:
    return KerasLowering(_layer("Softmax", axis=_channel_axis(site)))


@lower.register
def _(op: ops.Affine, site: Site) -> KerasLowering:
    code = affine(X, site.number("scale"), site.number("shift"))
    if op.scale == -1.0:
        return KerasLowering(code, operations=("subtract" if op.shift else "negative",), ending=None)
    # A shift below zero is subtracted where it is a number, and added where it is a parameter.
    shifted = ("add", "subtract") if op.shift < 0.0 else ("add",) * (op.shift > 0.0)
    operations = ("multiply",) * (op.scale != 1.0) + shifted
    return KerasLowering(code, depth=2, operations=operations, ending=None)


@lower.register
def _(op: ops.Dropout, site: Site) -> KerasLowering:
    return KerasLowering(_layer("Dropout", site.number("rate")))


@lower.register
def _(op: ops.StochasticDepth, site: Site) -> KerasLowering:
    return KerasLowering(_helper("stochastic_depth", site.number("rate")))


# --- windows -----------------------------------------------------------------------------------


@lower.register
def _(op: ops.MaxPool, site: Site) -> KerasLowering:
    case = _pool_case(op)
    return KerasLowering(
        _pool("max_pool", op, site),
        depth=2 if case == "pad" else 1,
        operations=("pad",) if case == "pad" else (),
        cases=(("max_pool", case),),
    )


@lower.register
def _(op: ops.AvgPool, site: Site) -> KerasLowering:
    if op.pad == "same":
        code = call("same_avg_pool", X, site.square("kernel"), site.square("stride"))
        sums = (_sum_operation(op.stride), "ones_like", *DIVISION)
        return KerasLowering(code, depth=3, operations=sums, ending=None)
    code, cases = _pool("avg_pool", op, site, count_pad=op.count_pad), (("avg_pool", _pool_case(op)),)
    if _pool_case(op) == "none":
        return KerasLowering(code, cases=cases)
    operations = ("pad", "ones_like", "average_pool", *DIVISION)
    return KerasLowering(code, depth=5, operations=operations, ending=None, cases=cases)


def _pool(helper: str, op: ops.Pool, site: Site, **settings: Argument) -> Call:
    geometry = {"stride": site.square("stride"), "padding": _padding(op, site)}
    return _helper(helper, site.square("kernel"), **geometry, ceil=op.ceil, **settings)


def _pool_case(op: ops.Pool) -> str:
    """How a pool pads: as TensorFlow does, by an operation before it, or not."""
    if op.pad == "same":
        return "same"
    return "pad" if op.ceil or any(op.pad) else "none"


@lower.register
def _(op: ops.GlobalAvgPool, site: Site) -> KerasLowering:
    return KerasLowering(_helper("global_avg_pool"))


@lower.register
def _(op: ops.AdaptiveAvgPool, site: Site) -> KerasLowering:
    # A layer of Keras where the size of the map is known, and this where it is not.
    operations = (
        *("get_item", "ones_like", "cumsum", "expand_dims", "multiply", "sum", "greater", "subtract"),
        *("less", "logical_and", "cast", "einsum", *DIVISION),
    )
    return KerasLowering(_helper("adaptive_avg_pool", site.square("size")), depth=24, operations=operations)


@lower.register
def _(op: ops.BlurPool, site: Site) -> KerasLowering:
    code = _helper("blur_pool", site.number("kernel"), site.number("stride"))
    return KerasLowering(code, depth=op.kernel, operations=("pad",))


# --- layout ------------------------------------------------------------------------------------


@lower.register
def _(op: ops.Flatten, site: Site) -> KerasLowering:
    return KerasLowering(_helper("flatten_pixels" if op.order == "hwc" else "flatten"), depth=2)


@lower.register
def _(op: ops.Subsample, site: Site) -> KerasLowering:
    code = call("subsample", X, site.square("stride"))
    return KerasLowering(code, operations=("get_item",), ending=None)


@lower.register
def _(op: ops.PadChannels, site: Site) -> KerasLowering:
    code = call("pad_channels", X, site.number("channels"), side=op.side)
    return KerasLowering(code, operations=("pad",), ending=None)


@lower.register
def _(op: ops.ZeroPad, site: Site) -> KerasLowering:
    return KerasLowering(_helper("zero_pad", site.square("amount")))


@lower.register
def _(op: ops.Part, site: Site) -> KerasLowering:
    code = call("part", X, site.number("index"), site.number("of"))
    parts = Unpacked(call("ops.split", X, op.of, axis=_channel_axis(site)), op.index, op.of)
    return KerasLowering(code, operations=("get_item", "split"), ending=None, parts=parts)


@lower.register
def _(op: ops.Upsample, site: Site) -> KerasLowering:
    factor = site.square("factor")
    if op.mode == "nearest":
        return KerasLowering(_helper("upsample", factor))
    return KerasLowering(_helper("upsample_bilinear", factor), depth=4, operations=("pad",))


# --- joins -------------------------------------------------------------------------------------


@lower.register
def _(op: ops.Add, site: Site) -> KerasLowering:
    return KerasLowering(call(call("layers.Add", name=StepName()), listed(X, Operand(1))))


@lower.register
def _(op: ops.Multiply, site: Site) -> KerasLowering:
    return KerasLowering(call(call("layers.Multiply", name=StepName()), listed(X, Operand(1))))


@lower.register
def _(op: ops.Concat, site: Site) -> KerasLowering:
    joined = call("layers.Concatenate", axis=_channel_axis(site), name=StepName())
    return KerasLowering(call(joined, listed(*map(Operand, range(len(site.shapes))))))
