"""How Keras brings maps to another height and width: its own layers for factors, gathered pixels for sizes.

The interpolation of Keras differs by its backend, works in single precision in one and takes open sizes in
none; a layer of the file counts in whole numbers which pixels there are, and between which a result lies.
"""

from __future__ import annotations

from resnet_dsl.backend.ir import ops
from resnet_dsl.backend.python_source import Argument, Operand, Site, StepName, call, listed
from resnet_dsl_keras.rules.lowering import KerasLowering, X, helper_call, lower


@lower.register
def _(op: ops.Upsample, site: Site) -> KerasLowering:
    if any(op.size) or op.align_corners:
        to = {"size": site.pair("size")} if any(op.size) else {"factor": site.pair("factor")}
        return KerasLowering(call("resized", listed(X), StepName(), **to, **_mode(op)))
    factor = site.square("factor")
    if op.mode == "nearest":
        return KerasLowering(helper_call("upsample", factor))
    return KerasLowering(helper_call("upsample_bilinear", factor), depth=4, operations=("pad",))


@lower.register
def _(op: ops.Resize, site: Site) -> KerasLowering:
    return KerasLowering(call("resized", listed(X, Operand(1)), StepName(), **_mode(op)))


@lower.register
def _(op: ops.Crop, site: Site) -> KerasLowering:
    if any(op.size):
        return KerasLowering(call("cropped", listed(X), StepName(), size=site.pair("size")))
    return KerasLowering(call("cropped", listed(X, Operand(1)), StepName()))


def _mode(op: ops.Upsample | ops.Resize) -> dict[str, Argument]:
    return {"mode": op.mode, "align_corners": op.align_corners}
