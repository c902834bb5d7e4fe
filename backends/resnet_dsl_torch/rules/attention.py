"""How PyTorch gathers pixels by weights, and has learned positions."""

from __future__ import annotations

from resnet_dsl.backend.ir import ops
from resnet_dsl.backend.python_source import (
    Binary,
    Kept,
    Operand,
    Site,
    Slice,
    Subscript,
    binary,
    call,
    method,
    several,
)
from resnet_dsl_torch.initialise import starts_of
from resnet_dsl_torch.rules.lowering import TorchLowering, X, function, layer, lower


@lower.register
def _(op: ops.WeightedSum, site: Site) -> TorchLowering:
    return function(method(Binary(X, "*", Operand(1)), "sum", several(2, 3), keepdim=True))


@lower.register
def _(op: ops.Attention, site: Site) -> TorchLowering:
    operands = (X, Operand(1), Operand(2))
    if not any(op.relative):
        return function(call("attention", *operands, site.number("heads")), "attention")
    size = site.pair("relative").items
    channels = binary(site.channels(), "//", site.number("heads"))
    made = call("RelativeAttention", channels, *size, heads=site.number("heads"), scaled=op.scale_positions)
    starts = starts_of(site)
    return TorchLowering(
        call(Kept(), *operands), ("attention", "RelativeAttention"), made, None, "RelativeAttention", starts
    )


@lower.register
def _(op: ops.Positions, site: Site) -> TorchLowering:
    return layer(site, call("Positions", site.channels(), *site.pair("size").items), X, "Positions")


@lower.register
def _(op: ops.Tokens, site: Site) -> TorchLowering:
    if op.mean:
        return function(call("tokens_and_mean", X), "tokens_and_mean")
    return function(method(method(X, "flatten", 2), "unsqueeze", 3))


@lower.register
def _(op: ops.Pixel, site: Site) -> TorchLowering:
    places = (site.number(name) for name in ("row", "column"))
    rows, columns = (Slice(place, binary(place, "+", 1)) for place in places)
    return function(Subscript(X, (Slice(), Slice(), rows, columns)))
