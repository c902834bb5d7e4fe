"""How Keras has functions of each value, learned numbers beside layers, and pools of whole maps."""

from __future__ import annotations

from math import isinf

from resnet_dsl.backend.ir import ops
from resnet_dsl.backend.python_source import (
    Argument,
    Binary,
    Expression,
    Operand,
    Site,
    StepName,
    call,
    listed,
)
from resnet_dsl_keras.rules.lowering import (
    DIVISION,
    KerasLowering,
    X,
    channel_axis,
    helper_call,
    layer,
    lower,
)


@lower.register
def _(op: ops.HardSigmoid, site: Site) -> KerasLowering:
    return KerasLowering(layer("Activation", "hard_sigmoid"))


@lower.register
def _(op: ops.Relu6, site: Site) -> KerasLowering:
    return KerasLowering(layer("Activation", "relu6"))


@lower.register
def _(op: ops.Elu, site: Site) -> KerasLowering:
    return KerasLowering(layer("ELU", alpha=site.number("alpha")))


@lower.register
def _(op: ops.Mish, site: Site) -> KerasLowering:
    return KerasLowering(layer("Activation", "mish"))


@lower.register
def _(op: ops.Softplus, site: Site) -> KerasLowering:
    return KerasLowering(layer("Activation", "softplus"))


@lower.register
def _(op: ops.GlobalResponseNorm, site: Site) -> KerasLowering:
    return KerasLowering(helper_call("global_response_norm", eps=site.number("eps")))


@lower.register
def _(op: ops.Exponential, site: Site) -> KerasLowering:
    return KerasLowering(layer("Activation", "exponential"))


@lower.register
def _(op: ops.Logarithm, site: Site) -> KerasLowering:
    return _function("log")


@lower.register
def _(op: ops.SquareRoot, site: Site) -> KerasLowering:
    return _function("sqrt")


@lower.register
def _(op: ops.Absolute, site: Site) -> KerasLowering:
    return _function("absolute")


def _function(name: str, *arguments: Argument) -> KerasLowering:
    """An operation of Keras, which Keras itself names."""
    return KerasLowering(call(f"ops.{name}", X, *arguments), operations=(name,), ending=None)


@lower.register
def _(op: ops.Clip, site: Site) -> KerasLowering:
    low, high = site.number("low"), site.number("high")
    if isinf(op.low):
        return _function("minimum", high)
    return _function("maximum", low) if isinf(op.high) else _function("clip", low, high)


@lower.register
def _(op: ops.Power, site: Site) -> KerasLowering:
    code = Binary(X, "**", site.number("exponent"))
    return KerasLowering(code, operations=("power",), ending=None)


@lower.register
def _(op: ops.LearnedScale, site: Site) -> KerasLowering:
    return _learned("learned_scale", op.per_channel, site)


@lower.register
def _(op: ops.LearnedShift, site: Site) -> KerasLowering:
    return _learned("learned_shift", op.per_channel, site)


def _learned(helper: str, per_channel: bool, site: Site) -> KerasLowering:
    axis = channel_axis(site) if per_channel else None
    return KerasLowering(helper_call(helper, axis, start=site.number("start")))


@lower.register
def _(op: ops.GlobalMaxPool, site: Site) -> KerasLowering:
    return KerasLowering(helper_call("global_max_pool"))


@lower.register
def _(op: ops.GeneralisedMean, site: Site) -> KerasLowering:
    start, eps = site.number("p"), site.number("eps")
    return KerasLowering(helper_call("generalized_mean", start=start, eps=eps))


@lower.register
def _(op: ops.Divide, site: Site) -> KerasLowering:
    return KerasLowering(Binary(X, "/", Operand(1)), operations=DIVISION, ending=None)


@lower.register
def _(op: ops.Maximum, site: Site) -> KerasLowering:
    return KerasLowering(call(call("layers.Maximum", name=StepName()), _operands(site)))


@lower.register
def _(op: ops.Minimum, site: Site) -> KerasLowering:
    return KerasLowering(call(call("layers.Minimum", name=StepName()), _operands(site)))


def _operands(site: Site) -> Expression:
    return listed(*map(Operand, range(len(site.shapes))))
