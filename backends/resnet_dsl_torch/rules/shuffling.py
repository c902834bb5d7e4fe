"""How PyTorch moves values between channels and pixels."""

from __future__ import annotations

from resnet_dsl.backend.ir import ops
from resnet_dsl.backend.python_source import Literal, Negative, Site, call, method, several
from resnet_dsl_torch.rules.lowering import TorchLowering, X, function, functional, lower


@lower.register
def _(op: ops.PixelShuffle, site: Site) -> TorchLowering:
    return functional("F.pixel_shuffle", "nn.PixelShuffle", site.number("factor"))


@lower.register
def _(op: ops.PixelUnshuffle, site: Site) -> TorchLowering:
    return function(call("pixel_unshuffle", X, site.number("factor")), "pixel_unshuffle")


@lower.register
def _(op: ops.ChannelShuffle, site: Site) -> TorchLowering:
    groups = several(site.number("groups"), Negative(Literal(1)))
    apart = call("torch.unflatten", X, 1, groups)
    return function(method(method(apart, "transpose", 1, 2), "flatten", 1, 2))
