"""How each op is written in PyTorch: the module it keeps, and the expression of its result.

Functions of each value stand in `values.py`.
"""

from __future__ import annotations

from resnet_dsl.backend.ir import Sides, ops
from resnet_dsl.backend.python_source import (
    Argument,
    Attribute,
    Binary,
    Expression,
    Literal,
    Name,
    Negative,
    Operand,
    Site,
    Slice,
    Subscript,
    affine,
    binary,
    call,
    listed,
    method,
    several,
)
from resnet_dsl_torch.rules import (  # noqa: F401  the rules register themselves
    attention,
    resizing,
    shuffling,
    transposed,
    values,
)
from resnet_dsl_torch.rules.lowering import (
    TorchLowering,
    X,
    activation,
    function,
    functional,
    layer,
    lower,
    lowered,
)

__all__ = ["TorchLowering", "X", "function", "functional", "layer", "lower", "lowered"]

# --- layers with weights ------------------------------------------------------------------------


@lower.register
def _(op: ops.Conv, site: Site) -> TorchLowering:
    same, uneven = op.pad == "same", ops.is_uneven(op.pad)
    kind = _conv_kind(op)
    made = call(
        kind,
        site.channels(),
        site.number("channels"),
        site.square("kernel"),
        stride=site.square("stride"),
        padding=0 if same or uneven else site.square("pad"),
        dilation=site.square("dilation"),
        groups=site.number("groups"),
        bias=op.bias,
        **({"eps": site.number("standardize")} if op.standardize else {}),
        **({"gamma": site.number("gamma")} if op.gamma else {}),
    )
    helpers = (kind,) if op.standardize else ()
    kind = kind if op.gamma else "nn.Conv2d"  # one with a gain starts that too
    if not same:
        x = _framed(op.pad) if ops.is_uneven(op.pad) else X
        return layer(site, made, x, *helpers, kind=kind)
    padded = call("same_pad", X, _span(op, site), site.pair("stride"), 0.0)
    return layer(site, made, padded, *helpers, "same_pad", kind=kind)


def _conv_kind(op: ops.Conv) -> str:
    if not op.standardize:
        return "nn.Conv2d"
    return "ScaledStandardizedConv2d" if op.gamma else "StandardizedConv2d"


def _framed(amounts: Sides, value: Argument = 0.0) -> Expression:
    """The operand with four amounts of a value around it."""
    (above, below), (left, right) = amounts
    edges = several(*map(Literal, (left, right, above, below)))
    return call("F.pad", X, edges, mode="constant", value=value)


def _span(op: ops.Conv, site: Site) -> Expression:
    """The pixels that a dilated kernel spans."""
    kernel, dilation = site.pair("kernel"), site.pair("dilation")
    if op.dilation == (1, 1):
        return kernel
    pairs = zip(kernel.items, dilation.items, strict=True)
    return several(*(binary(binary(binary(k, "-", 1), "*", d), "+", 1) for k, d in pairs))


@lower.register
def _(op: ops.ChannelConv, site: Site) -> TorchLowering:
    kernel = site.number("kernel")
    padding = Binary(kernel, "//", Literal(2))
    made = call("ChannelConv1d", 1, 1, kernel, stride=1, padding=padding, dilation=1, groups=1, bias=False)
    return layer(site, made, X, "ChannelConv1d", kind="nn.Conv1d")


@lower.register
def _(op: ops.FullyConnected, site: Site) -> TorchLowering:
    made = call("nn.Linear", site.channels(), site.number("channels"), bias=op.bias)
    return layer(site, made, X if site.vector else method(X, "flatten", 1))


# --- normalisation ------------------------------------------------------------------------------


@lower.register
def _(op: ops.BatchNorm, site: Site) -> TorchLowering:
    kind = "BatchNorm1d" if site.vector else "BatchNorm2d"
    helpers = () if op.eps else ("NO_EPS",)
    settings: dict[str, Argument] = {"eps": site.number("eps") if op.eps else Name("NO_EPS")}
    if op.frozen:
        made = call("FrozenBatchNorm", site.channels(), **settings, scale=op.scale, center=op.center)
        return layer(site, made, X, *helpers, "FrozenBatchNorm")
    settings["momentum"] = site.number("momentum")
    if op.scale == op.center:
        if not op.scale:
            settings["affine"] = False
        return layer(site, call(f"nn.{kind}", site.channels(), **settings), X, *helpers)
    made = call(f"Partial{kind}", site.channels(), **settings, scale=op.scale, center=op.center)
    return layer(site, made, X, *helpers, f"Partial{kind}", kind=f"nn.{kind}")


@lower.register
def _(op: ops.GroupNorm, site: Site) -> TorchLowering:
    return layer(site, call("nn.GroupNorm", site.number("groups"), site.channels(), eps=site.number("eps")))


@lower.register
def _(op: ops.LayerNorm, site: Site) -> TorchLowering:
    if site.vector:
        return layer(site, call("nn.LayerNorm", site.channels(), eps=site.number("eps")))
    made = call("LayerNorm2d", site.channels(), eps=site.number("eps"))
    return layer(site, made, X, "LayerNorm2d", kind="nn.LayerNorm")


@lower.register
def _(op: ops.InstanceNorm, site: Site) -> TorchLowering:
    made = call(
        "nn.InstanceNorm2d",
        site.channels(),
        eps=site.number("eps"),
        affine=op.affine,
        track_running_stats=False,
    )
    return layer(site, made)


@lower.register
def _(op: ops.LocalResponseNorm, site: Site) -> TorchLowering:
    keywords = {name: site.number(name) for name in ("alpha", "beta", "k")}
    return functional("F.local_response_norm", "nn.LocalResponseNorm", site.number("size"), **keywords)


# --- activations and arithmetic -----------------------------------------------------------------


@lower.register
def _(op: ops.Relu, site: Site) -> TorchLowering:
    return activation(site, "F.relu", "nn.ReLU")


@lower.register
def _(op: ops.LeakyRelu, site: Site) -> TorchLowering:
    return functional("F.leaky_relu", "nn.LeakyReLU", negative_slope=site.number("slope"))


@lower.register
def _(op: ops.PRelu, site: Site) -> TorchLowering:
    slopes = site.channels() if op.per_channel else 1
    return layer(site, call("nn.PReLU", slopes, init=site.number("slope")))


@lower.register
def _(op: ops.Silu, site: Site) -> TorchLowering:
    return activation(site, "F.silu", "nn.SiLU")


@lower.register
def _(op: ops.Gelu, site: Site) -> TorchLowering:
    return functional("F.gelu", "nn.GELU", approximate="tanh" if op.approximate else "none")


@lower.register
def _(op: ops.HardSwish, site: Site) -> TorchLowering:
    return activation(site, "F.hardswish", "nn.Hardswish")


@lower.register
def _(op: ops.Sigmoid, site: Site) -> TorchLowering:
    return functional("torch.sigmoid", "nn.Sigmoid")


@lower.register
def _(op: ops.Tanh, site: Site) -> TorchLowering:
    return functional("torch.tanh", "nn.Tanh")


@lower.register
def _(op: ops.Softmax, site: Site) -> TorchLowering:
    if op.over == "pixels":
        return function(method(call("F.softmax", method(X, "flatten", 2), dim=2), "view_as", X))
    if op.over == "parts":
        parts = call("torch.unflatten", X, 1, several(site.number("parts"), Negative(Literal(1))))
        return function(method(call("F.softmax", parts, dim=1), "flatten", 1, 2))
    return functional("F.softmax", "nn.Softmax", dim=1)


@lower.register
def _(op: ops.Affine, site: Site) -> TorchLowering:
    return function(affine(X, site.number("scale"), site.number("shift")))


@lower.register
def _(op: ops.Dropout, site: Site) -> TorchLowering:
    rate = site.number("rate")
    expression = call("F.dropout", X, p=rate, training=_training(site))
    return function(expression, alone=call("nn.Dropout", p=rate))


@lower.register
def _(op: ops.StochasticDepth, site: Site) -> TorchLowering:
    expression = call("stochastic_depth", X, site.number("rate"), training=_training(site))
    return function(expression, "stochastic_depth")


def _training(site: Site) -> Argument:
    return False if site.frozen else Attribute(Name("self"), "training")


# --- windows ------------------------------------------------------------------------------------


@lower.register
def _(op: ops.MaxPool, site: Site) -> TorchLowering:
    kernel, stride = site.square("kernel"), site.square("stride")
    if op.pad == "same":
        low = call("float", "-inf")
        padded = call("same_pad", X, site.pair("kernel"), site.pair("stride"), low)
        pool = call("F.max_pool2d", padded, kernel, stride=stride, padding=0, dilation=1, ceil_mode=False)
        return function(pool, "same_pad")
    if ops.is_uneven(op.pad):
        framed = _framed(op.pad, call("float", "-inf"))
        pool = call("F.max_pool2d", framed, kernel, stride=stride, padding=0, dilation=1, ceil_mode=False)
        return function(pool)
    keywords = {"stride": stride, "padding": site.square("pad"), "dilation": 1, "ceil_mode": op.ceil}
    return functional("F.max_pool2d", "nn.MaxPool2d", kernel, **keywords)


@lower.register
def _(op: ops.AvgPool, site: Site) -> TorchLowering:
    if op.pad == "same":
        pool = call("same_avg_pool", X, site.pair("kernel"), site.pair("stride"))
        return function(pool, "same_pad", "same_avg_pool")
    if ops.is_uneven(op.pad):
        return _uneven_average(op, op.pad, site)
    return functional(
        "F.avg_pool2d",
        "nn.AvgPool2d",
        site.square("kernel"),
        stride=site.square("stride"),
        padding=site.square("pad"),
        ceil_mode=op.ceil,
        count_include_pad=op.count_pad,
    )


def _uneven_average(op: ops.AvgPool, pad: Sides, site: Site) -> TorchLowering:
    kernel, stride = site.square("kernel"), site.square("stride")
    if op.count_pad:
        padded = _framed(pad)
        return function(call("F.avg_pool2d", padded, kernel, stride=stride, padding=0, ceil_mode=False))
    (above, below), (left, right) = pad
    edges = several(*map(Literal, (left, right, above, below)))
    pool = call("uneven_avg_pool", X, site.pair("kernel"), site.pair("stride"), edges)
    return function(pool, "uneven_avg_pool")


@lower.register
def _(op: ops.GlobalAvgPool, site: Site) -> TorchLowering:
    return functional("F.adaptive_avg_pool2d", "nn.AdaptiveAvgPool2d", 1)


@lower.register
def _(op: ops.AdaptiveAvgPool, site: Site) -> TorchLowering:
    return functional("F.adaptive_avg_pool2d", "nn.AdaptiveAvgPool2d", site.square("size"))


@lower.register
def _(op: ops.BlurPool, site: Site) -> TorchLowering:
    # The weights follow from the kernel here, so blocks with another kernel are other classes.
    return function(call("blur_pool", X, listed(*op.taps), stride=site.number("stride")), "blur_pool")


# --- what moves values --------------------------------------------------------------------------


@lower.register
def _(op: ops.Flatten, site: Site) -> TorchLowering:
    if op.order == "hwc":
        return function(method(method(X, "permute", 0, 2, 3, 1), "flatten", 1))
    return function(method(X, "flatten", 1), alone=call("nn.Flatten", 1))


@lower.register
def _(op: ops.Subsample, site: Site) -> TorchLowering:
    rows, columns = (Slice(step=number) for number in site.pair("stride").items)
    return function(Subscript(X, (Slice(), Slice(), rows, columns)))


@lower.register
def _(op: ops.PadChannels, site: Site) -> TorchLowering:
    more: Expression = Binary(site.number("channels"), "-", site.channels())
    before: Expression = Literal(0)
    if op.side == "both":
        before, more = (Binary(Binary(more, "+", Literal(odd)), "//", Literal(2)) for odd in (0, 1))
    if site.vector:
        return function(call("F.pad", X, several(before, more), mode="constant", value=0.0))
    return function(call("pad_channels", X, before, more), "pad_channels")


@lower.register
def _(op: ops.ZeroPad, site: Site) -> TorchLowering:
    if ops.is_uneven(op.amount):
        return function(_framed(op.amount))
    height, width = site.pair("amount").items
    edges = several(width, width, height, height)
    return function(call("F.pad", X, edges, mode="constant", value=0.0))


@lower.register
def _(op: ops.Part, site: Site) -> TorchLowering:
    chunks = method(X, "chunk", site.number("of"), dim=1)
    return function(Subscript(chunks, (site.number("index"),)))


# --- joins --------------------------------------------------------------------------------------


@lower.register
def _(op: ops.Add, site: Site) -> TorchLowering:
    for own, other in ((0, 1), (1, 0)):
        if own in site.spare:
            return function(method(Operand(own), "add_", Operand(other)))
    return function(Binary(X, "+", Operand(1)))


@lower.register
def _(op: ops.Multiply, site: Site) -> TorchLowering:
    return function(Binary(X, "*", Operand(1)))


@lower.register
def _(op: ops.Concat, site: Site) -> TorchLowering:
    operands = listed(*(Operand(index) for index in range(len(site.shapes))))
    return function(call("torch.cat", operands, dim=1))
