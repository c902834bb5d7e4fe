"""How PyTorch has functions of each value, learned numbers beside layers, and pools of whole maps."""

from __future__ import annotations

from math import isfinite

from resnet_dsl.backend.ir import ops
from resnet_dsl.backend.python_source import Binary, Expression, Operand, Site, binary, call
from resnet_dsl_torch.rules.lowering import TorchLowering, X, activation, function, functional, layer, lower


@lower.register
def _(op: ops.HardSigmoid, site: Site) -> TorchLowering:
    # The gradient of torch's own has 1/6 in single precision, whatever the model's is.
    return function(binary(call("F.relu6", binary(X, "+", 3.0)), "/", 6.0))


@lower.register
def _(op: ops.Relu6, site: Site) -> TorchLowering:
    return activation(site, "F.relu6", "nn.ReLU6")


@lower.register
def _(op: ops.Elu, site: Site) -> TorchLowering:
    return functional("F.elu", "nn.ELU", alpha=site.number("alpha"))


@lower.register
def _(op: ops.Mish, site: Site) -> TorchLowering:
    return activation(site, "F.mish", "nn.Mish")


@lower.register
def _(op: ops.Softplus, site: Site) -> TorchLowering:
    # From the threshold on torch returns x itself; by its own default, 20, that is off by 2e-9.
    return functional("F.softplus", "nn.Softplus", beta=1.0, threshold=40.0)


@lower.register
def _(op: ops.Exponential, site: Site) -> TorchLowering:
    return function(call("torch.exp", X))


@lower.register
def _(op: ops.Logarithm, site: Site) -> TorchLowering:
    return function(call("torch.log", X))


@lower.register
def _(op: ops.SquareRoot, site: Site) -> TorchLowering:
    return function(call("torch.sqrt", X))


@lower.register
def _(op: ops.Absolute, site: Site) -> TorchLowering:
    return function(call("torch.abs", X))


@lower.register
def _(op: ops.Clip, site: Site) -> TorchLowering:
    bounds = {"min": op.low, "max": op.high}
    names = {"min": "low", "max": "high"}
    given = {name: site.number(names[name]) for name, bound in bounds.items() if isfinite(bound)}
    return function(call("torch.clamp", X, **given))


@lower.register
def _(op: ops.Power, site: Site) -> TorchLowering:
    return function(Binary(X, "**", site.number("exponent")))


@lower.register
def _(op: ops.LearnedScale, site: Site) -> TorchLowering:
    return _learned("LearnedScale", op.per_channel, site)


@lower.register
def _(op: ops.LearnedShift, site: Site) -> TorchLowering:
    return _learned("LearnedShift", op.per_channel, site)


def _learned(kind: str, per_channel: bool, site: Site) -> TorchLowering:
    """One number, or one for each channel, which in a map lies before the rows and columns."""
    found = f"{kind}2d" if per_channel and not site.vector else kind
    return layer(site, call(found, site.channels() if per_channel else 1), X, found)


@lower.register
def _(op: ops.GlobalResponseNorm, site: Site) -> TorchLowering:
    made = call("GlobalResponseNorm2d", site.channels(), eps=site.number("eps"))
    return layer(site, made, X, "GlobalResponseNorm2d")


@lower.register
def _(op: ops.GlobalMaxPool, site: Site) -> TorchLowering:
    return functional("F.adaptive_max_pool2d", "nn.AdaptiveMaxPool2d", 1)


@lower.register
def _(op: ops.GeneralisedMean, site: Site) -> TorchLowering:
    return layer(site, call("GeneralizedMean", eps=site.number("eps")), X, "GeneralizedMean")


@lower.register
def _(op: ops.Divide, site: Site) -> TorchLowering:
    return function(Binary(X, "/", Operand(1)))


@lower.register
def _(op: ops.Maximum, site: Site) -> TorchLowering:
    return function(_two_by_two("torch.maximum", len(site.shapes)))


@lower.register
def _(op: ops.Minimum, site: Site) -> TorchLowering:
    return function(_two_by_two("torch.minimum", len(site.shapes)))


def _two_by_two(name: str, count: int) -> Expression:
    """A function of two values applied to the first two, then to that and the third, and so on."""
    found: Expression = X
    for index in range(1, count):
        found = call(name, found, Operand(index))
    return found
