"""How each op is written in Keras 3, and all that the rest of the backend has to know of it there."""

from __future__ import annotations

from resnet_dsl.backend.ir import Sides, ops
from resnet_dsl.backend.python_source import (
    Argument,
    Binary,
    Call,
    Expression,
    Literal,
    Operand,
    Site,
    StepName,
    Unpacked,
    affine,
    binary,
    call,
    listed,
    several,
)
from resnet_dsl.backend.records import replace
from resnet_dsl_keras.rules import (  # noqa: F401  the rules register themselves
    attention,
    resizing,
    shuffling,
    transposed,
    values,
)
from resnet_dsl_keras.rules.lowering import (
    DIVISION,
    KerasLowering,
    X,
    channel_axis,
    helper_call,
    layer,
    lower,
    lowered,
    lowered_node,
)
from resnet_dsl_keras.rules.windows import (
    DEPTHWISE,
    before_and_after,
    conv_helper,
    conv_padding,
    in_frame,
    leaves_gaps,
    padding_case,
    pool_case,
    strides_and_dilates,
    sum_operation,
)

__all__ = ["KerasLowering", "X", "helper_call", "layer", "lower", "lowered", "lowered_node"]


def _shape_case(helper: str, site: Site) -> tuple[tuple[str, str], ...]:
    return ((helper, "vector" if site.vector else "map"),)


# --- layers with weights -----------------------------------------------------------------------


@lower.register
def _(op: ops.Conv, site: Site) -> KerasLowering:
    if ops.is_uneven(op.pad):
        return _framed(op, op.pad, 0.0, site)
    both = strides_and_dilates(op)
    if both and not leaves_gaps(op):
        return _computed_in_full(op, site)
    case, helper = padding_case(op), conv_helper(op, site)
    return KerasLowering(
        _conv(op, site, site.square("stride")),
        cases=tuple((helper, c) for c in (("half", "gaps") if both else (case,))),
        depth=2 if both or case in ("strided", "pad") else 1,
        operations=("get_item",) * both,
        by_channels=helper == DEPTHWISE,
    )


def _conv(op: ops.Conv, site: Site, stride: Argument) -> Call:
    """The call of the helper at this stride; half the span is how a convolution pads if it does not say."""
    settings: dict[str, Argument] = {"stride": stride, "padding": conv_padding(op, site)}
    settings |= {"dilation": site.square("dilation"), "bias": op.bias, "init": op.init}
    helper = conv_helper(op, site)
    if helper == DEPTHWISE:
        settings["multiplier"] = op.channels // op.groups
        return helper_call(helper, site.square("kernel"), **settings)
    settings["groups"] = site.number("groups")
    if op.standardize:
        settings["eps"] = site.number("standardize")
    if op.gamma:
        settings |= {"gamma": site.number("gamma"), "gain": site.number("gain")}
    return helper_call(helper, site.number("channels"), site.square("kernel"), **settings)


def _computed_in_full(op: ops.Conv, site: Site) -> KerasLowering:
    """A convolution that strides and dilates otherwise: Keras has none, so some of all pixels are taken."""
    helper, case = conv_helper(op, site), padding_case(replace(op, stride=(1, 1)))
    code = _conv(op, site, 1)
    stride = site.square("stride")
    if op.pad == "same":
        rows, columns = ((k - 1) * d + 1 for k, d in zip(op.kernel, op.dilation, strict=True))
        span = Literal(rows) if rows == columns else several(rows, columns)
        code, operation = call("same_subsample", code, span, stride), sum_operation(op.stride)
    else:
        code, operation = call("subsample", code, stride), "get_item"
    return KerasLowering(
        code,
        cases=((helper, case),),
        depth=3 if case == "pad" else 2,
        operations=(operation,),
        ending=None,
        computed=replace(op, stride=(1, 1)),
        by_channels=helper == DEPTHWISE,
    )


@lower.register
def _(op: ops.ChannelConv, site: Site) -> KerasLowering:
    code = helper_call("channel_conv", site.number("kernel"), init=op.init)
    return KerasLowering(code, depth=3, ending="shape")


@lower.register
def _(op: ops.FullyConnected, site: Site) -> KerasLowering:
    code = helper_call("fully_connected", site.number("channels"), bias=op.bias, init=op.init)
    depth = 1 if site.vector else 2
    return KerasLowering(code, depth=depth, cases=_shape_case("fully_connected", site))


# --- normalisation -----------------------------------------------------------------------------


@lower.register
def _(op: ops.BatchNorm, site: Site) -> KerasLowering:
    settings = {name: site.number(name) for name in ("eps", "gamma")}
    made = helper_call(
        "batch_norm",
        **settings,
        momentum=inverted_momentum(site),
        scale=op.scale,
        center=op.center,
        frozen=op.frozen,
    )
    return KerasLowering(made, norm="BatchNormalization")


def inverted_momentum(site: Site) -> Expression:
    """Return Keras' momentum, the weight of the old statistics; the language's is that of the new batch."""
    return Binary(Literal(1), "-", site.number("momentum"))


@lower.register
def _(op: ops.GroupNorm, site: Site) -> KerasLowering:
    eps, gamma = site.number("eps"), site.number("gamma")
    made = helper_call("group_norm", site.number("groups"), eps=eps, gamma=gamma)
    return KerasLowering(made, norm="GroupNormalization")


@lower.register
def _(op: ops.LayerNorm, site: Site) -> KerasLowering:
    code = helper_call("layer_norm", eps=site.number("eps"), gamma=site.number("gamma"))
    # In NCHW a map comes back by a layer of its own.
    cases = _shape_case("layer_norm", site)
    return KerasLowering(code, depth=3, ending="back", cases=cases, norm="LayerNormalization")


@lower.register
def _(op: ops.InstanceNorm, site: Site) -> KerasLowering:
    """A group norm whose groups are single channels."""
    eps = site.number("eps")
    if op.affine:
        made = helper_call("group_norm", site.channels(), eps=eps, gamma=site.number("gamma"))
        return KerasLowering(made, norm="GroupNormalization")
    settings = {"axis": channel_axis(site), "epsilon": eps, "center": False, "scale": False}
    return KerasLowering(layer("GroupNormalization", groups=site.channels(), **settings))


@lower.register
def _(op: ops.LocalResponseNorm, site: Site) -> KerasLowering:
    keywords = {name: site.number(name) for name in ("alpha", "beta", "k")}
    code = helper_call("local_response_norm", site.number("size"), **keywords)
    operations = ("square", "pad", "get_item", "multiply", "subtract", "power", *DIVISION)
    return KerasLowering(code, depth=8, operations=operations, ending=None)


# --- elementwise -------------------------------------------------------------------------------


@lower.register
def _(op: ops.Relu, site: Site) -> KerasLowering:
    return KerasLowering(layer("Activation", "relu"))


@lower.register
def _(op: ops.LeakyRelu, site: Site) -> KerasLowering:
    code = call("leaky_relu", X, site.number("slope"))
    return KerasLowering(code, depth=2, operations=("greater", "multiply", "where"), ending=None)


@lower.register
def _(op: ops.PRelu, site: Site) -> KerasLowering:
    start = call("keras.initializers.Constant", site.number("slope"))
    if not op.per_channel:
        axes: Argument = listed(*range(1, 2 + len(site.shapes[0].spatial)))
    elif site.vector:
        axes = None
    else:
        axes = listed(2, binary(2, "+", call("channel_axis")))  # 2 and 1, or 2 and 3
    return KerasLowering(layer("PReLU", alpha_initializer=start, shared_axes=axes))


@lower.register
def _(op: ops.Silu, site: Site) -> KerasLowering:
    return KerasLowering(layer("Activation", "silu"))


@lower.register
def _(op: ops.Gelu, site: Site) -> KerasLowering:
    if op.approximate:
        return KerasLowering(helper_call("gelu_by_tanh"), depth=6, operations=("multiply", "square"))
    return KerasLowering(helper_call("gelu"), depth=6, operations=("erf", "multiply", "subtract"))


@lower.register
def _(op: ops.HardSwish, site: Site) -> KerasLowering:
    return KerasLowering(layer("Activation", "hard_silu"))


@lower.register
def _(op: ops.Sigmoid, site: Site) -> KerasLowering:
    return KerasLowering(layer("Activation", "sigmoid"))


@lower.register
def _(op: ops.Tanh, site: Site) -> KerasLowering:
    return KerasLowering(layer("Activation", "tanh"))


@lower.register
def _(op: ops.Softmax, site: Site) -> KerasLowering:
    if op.over == "parts":
        return KerasLowering(helper_call("softmax_over_parts", site.number("parts")))
    if op.over == "pixels":
        return KerasLowering(helper_call("softmax_over_pixels"))
    return KerasLowering(layer("Softmax", axis=channel_axis(site)))


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
    return KerasLowering(layer("Dropout", site.number("rate")))


@lower.register
def _(op: ops.StochasticDepth, site: Site) -> KerasLowering:
    return KerasLowering(helper_call("stochastic_depth", site.number("rate")))


# --- windows -----------------------------------------------------------------------------------


@lower.register
def _(op: ops.MaxPool, site: Site) -> KerasLowering:
    if ops.is_uneven(op.pad):
        return _framed(op, op.pad, call("float", "-inf"), site)
    case = pool_case(op)
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
        sums = (sum_operation(op.stride), "ones_like", *DIVISION)
        return KerasLowering(code, depth=3, operations=sums, ending=None)
    if ops.is_uneven(op.pad):
        if op.count_pad:
            return _framed(op, op.pad, 0.0, site)
        window = (site.square("kernel"), site.square("stride"))
        code = helper_call("uneven_avg_pool", *window, *before_and_after(op.pad))
        return KerasLowering(code, depth=5, operations=("pad", "ones_like", *DIVISION), ending=None)
    case = pool_case(op)
    code, cases = _pool("avg_pool", op, site, count_pad=case == "pad" and op.count_pad), (("avg_pool", case),)
    if case != "pad":
        return KerasLowering(code, cases=cases)
    operations = ("pad", "ones_like", *DIVISION)
    return KerasLowering(code, depth=5, operations=operations, ending=None, cases=cases)


def _framed(op: ops.Conv | ops.Pool, pad: Sides, value: Argument, site: Site) -> KerasLowering:
    """An op on a map with four amounts of a value around it, which Keras' layers do not take."""
    bare = replace(op, pad=(0, 0))
    found = lower(bare, replace(site, node=replace(site.node, what=bare)))
    code = in_frame(found.expression, X, pad, value)
    computed = None if found.computed is None else replace(found.computed, pad=pad)
    operations = ("pad", *found.operations)
    return replace(found, expression=code, depth=found.depth + 1, operations=operations, computed=computed)


def _pool(helper: str, op: ops.Pool, site: Site, **settings: Argument) -> Call:
    same = pool_case(op) == "same"
    geometry: dict[str, Argument] = {"stride": site.square("stride")}
    geometry["padding"] = "same" if same else site.square("pad")
    return helper_call(helper, site.square("kernel"), **geometry, ceil=op.ceil and not same, **settings)


@lower.register
def _(op: ops.GlobalAvgPool, site: Site) -> KerasLowering:
    return KerasLowering(helper_call("global_avg_pool"))


@lower.register
def _(op: ops.AdaptiveAvgPool, site: Site) -> KerasLowering:
    # A layer of Keras where the size of the map is known, and this where it is not.
    operations = (
        *("get_item", "ones_like", "cumsum", "expand_dims", "multiply", "sum", "greater", "subtract"),
        *("less", "logical_and", "cast", "einsum", *DIVISION),
    )
    return KerasLowering(
        helper_call("adaptive_avg_pool", site.square("size")), depth=24, operations=operations
    )


@lower.register
def _(op: ops.BlurPool, site: Site) -> KerasLowering:
    code = helper_call("blur_pool", site.number("kernel"), site.number("stride"))
    return KerasLowering(code, depth=op.kernel, operations=("pad",))


# --- layout ------------------------------------------------------------------------------------


@lower.register
def _(op: ops.Flatten, site: Site) -> KerasLowering:
    return KerasLowering(helper_call("flatten_pixels" if op.order == "hwc" else "flatten"), depth=2)


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
    if ops.is_uneven(op.amount):
        frame = listed(*(several(*map(Literal, axis)) for axis in op.amount))
        settings = {"data_format": call("keras.config.image_data_format")}
        return KerasLowering(layer("ZeroPadding2D", frame, **settings))
    return KerasLowering(helper_call("zero_pad", site.square("amount")))


@lower.register
def _(op: ops.Part, site: Site) -> KerasLowering:
    code = call("part", X, site.number("index"), site.number("of"))
    parts = Unpacked(call("ops.split", X, op.of, axis=channel_axis(site)), op.index, op.of)
    return KerasLowering(code, operations=("get_item", "split"), ending=None, parts=parts)


# --- joins -------------------------------------------------------------------------------------


@lower.register
def _(op: ops.Add, site: Site) -> KerasLowering:
    return KerasLowering(call(call("layers.Add", name=StepName()), listed(X, Operand(1))))


@lower.register
def _(op: ops.Multiply, site: Site) -> KerasLowering:
    return KerasLowering(call(call("layers.Multiply", name=StepName()), listed(X, Operand(1))))


@lower.register
def _(op: ops.Concat, site: Site) -> KerasLowering:
    joined = call("layers.Concatenate", axis=channel_axis(site), name=StepName())
    return KerasLowering(call(joined, listed(*map(Operand, range(len(site.shapes))))))
