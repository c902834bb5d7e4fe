"""How Keras moves values between channels and pixels, in torch's order of channels in either layout."""

from __future__ import annotations

from resnet_dsl.backend.ir import ops
from resnet_dsl.backend.python_source import Site, call
from resnet_dsl_keras.rules.lowering import KerasLowering, X, helper_call, lower


@lower.register
def _(op: ops.PixelShuffle, site: Site) -> KerasLowering:
    return KerasLowering(helper_call("pixel_shuffle", site.number("factor")))


@lower.register
def _(op: ops.PixelUnshuffle, site: Site) -> KerasLowering:
    return KerasLowering(helper_call("pixel_unshuffle", site.number("factor")))


@lower.register
def _(op: ops.ChannelShuffle, site: Site) -> KerasLowering:
    code = call("channel_shuffle", X, site.number("groups"))
    return KerasLowering(code, operations=("take",), ending=None)
