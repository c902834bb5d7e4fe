"""How Keras gathers pixels by weights, and has learned positions."""

from __future__ import annotations

from resnet_dsl.backend.ir import ops
from resnet_dsl.backend.python_source import Argument, Literal, Operand, Site, StepName, call, listed
from resnet_dsl_keras.rules.lowering import KerasLowering, X, helper_call, lower


@lower.register
def _(op: ops.WeightedSum, site: Site) -> KerasLowering:
    code = call("weighted_sum", X, Operand(1))
    return KerasLowering(code, depth=2, operations=("multiply", "sum"), ending=None)


@lower.register
def _(op: ops.Attention, site: Site) -> KerasLowering:
    operands = listed(X, Operand(1), Operand(2))
    settings: dict[str, Argument] = {"relative": site.pair("relative"), "scaled": Literal(op.scale_positions)}
    more = settings if any(op.relative) else {}
    return KerasLowering(call("attention", operands, StepName(), site.number("heads"), **more))


@lower.register
def _(op: ops.Positions, site: Site) -> KerasLowering:
    return KerasLowering(helper_call("positions", site.pair("size")))


@lower.register
def _(op: ops.Tokens, site: Site) -> KerasLowering:
    if op.mean:
        code = helper_call("tokens_and_mean")
        return KerasLowering(code, depth=3, operations=("mean", "concatenate"), ending=None)
    return KerasLowering(helper_call("tokens"))


@lower.register
def _(op: ops.Pixel, site: Site) -> KerasLowering:
    code = call("pixel", X, site.number("row"), site.number("column"))
    return KerasLowering(code, operations=("get_item",), ending=None)
