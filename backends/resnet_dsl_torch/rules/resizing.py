"""How PyTorch brings maps to another height and width.

Its own `nearest` rounds the scale to single precision and so takes wrong pixels at some sizes; rows and
columns are counted in whole numbers here instead.
"""

from __future__ import annotations

from resnet_dsl.backend.ir import ops
from resnet_dsl.backend.python_source import (
    Argument,
    Attribute,
    Expression,
    Literal,
    Operand,
    Site,
    Subscript,
    call,
    several,
)
from resnet_dsl_torch.rules.lowering import TorchLowering, X, function, lower


@lower.register
def _(op: ops.Upsample, site: Site) -> TorchLowering:
    if any(op.size):
        return _resized(op, *site.pair("size").items)
    scale = several(*(call("float", factor) for factor in site.pair("factor").items))
    if op.mode == "bilinear":
        return function(call("F.interpolate", X, scale_factor=scale, **_bilinear(op)))
    # torch's `nearest` takes a wrong pixel from a factor of 41 on, by rounding
    return function(call("F.interpolate", X, scale_factor=scale, mode="nearest-exact"))


@lower.register
def _(op: ops.Resize, site: Site) -> TorchLowering:
    return _resized(op, *_size_of(Operand(1)))


@lower.register
def _(op: ops.Crop, site: Site) -> TorchLowering:
    size = site.pair("size").items if any(op.size) else _size_of(Operand(1))
    return function(call("center_crop", X, *size), "center_crop")


def _resized(op: ops.Upsample | ops.Resize, height: Expression, width: Expression) -> TorchLowering:
    if op.mode == "bilinear":
        return function(call("F.interpolate", X, size=several(height, width), **_bilinear(op)))
    return function(call("nearest_pixels", X, height, width), "nearest_pixels")


def _bilinear(op: ops.Upsample | ops.Resize) -> dict[str, Argument]:
    return {"mode": "bilinear", "align_corners": op.align_corners, "antialias": False}


def _size_of(x: Operand) -> tuple[Expression, Expression]:
    height, width = (Subscript(Attribute(x, "shape"), (Literal(axis),)) for axis in (2, 3))
    return height, width
