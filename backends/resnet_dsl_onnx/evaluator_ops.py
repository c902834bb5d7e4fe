"""Ops for ONNX's reference evaluator in place of its own that are wrong in double, or far too slow.

Its own (onnx 1.23): Erf gives single precision; HardSwish is made of a HardSigmoid whose 1/6 is
single; LRN sums over the channels for the first N of them alone, N being the batch; Resize visits
every pixel in Python.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun

from resnet_dsl.ir.arrays import Array

_erf = np.vectorize(math.erf, otypes=[np.float64])


class Erf(OpRun):  # type: ignore[misc]
    """The error function."""

    op_domain = ""

    def _run(self, x: Array) -> tuple[Array]:
        return (_erf(x).astype(x.dtype),)


class HardSwish(OpRun):  # type: ignore[misc]
    """x * max(0, min(1, x / 6 + 0.5))."""

    op_domain = ""

    def _run(self, x: Array) -> tuple[Array]:
        return (x * np.clip(x / 6.0 + 0.5, 0.0, 1.0),)


class LRN(OpRun):  # type: ignore[misc]
    """x / (bias + alpha / size * squares)^beta, the squares summed over neighbouring channels."""

    op_domain = ""

    def _run(self, x: Array, alpha: float, beta: float, bias: float, size: int) -> tuple[Array]:
        before, behind = (size - 1) // 2, size // 2
        around = ((0, 0), (before, behind), (0, 0), (0, 0))
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(x**2, around), size, axis=1)
        return (x / (bias + alpha / size * windows.sum(-1)) ** beta,)


class Resize(OpRun):  # type: ignore[misc]
    """Repeats each pixel of a map, or interpolates between the centres, a whole number of times."""

    op_domain = ""

    def _run(self, x: Array, roi: None, scales: Array, **attributes: Any) -> tuple[Array]:
        spread = _repeated if attributes["mode"] == "nearest" else _interpolated
        for axis in (2, 3):
            x = spread(x, axis, int(scales[axis]))
        return (x,)


def _repeated(x: Array, axis: int, factor: int) -> Array:
    repeated: Array = np.repeat(x, factor, axis)
    return repeated


def _interpolated(x: Array, axis: int, factor: int) -> Array:
    """Between the two nearest centres; past the outermost ones the map goes on as it ends."""
    size = x.shape[axis]
    place = np.clip((np.arange(size * factor) + 0.5) / factor - 0.5, 0.0, size - 1.0)
    lower = np.floor(place).astype(int)
    upper = np.minimum(lower + 1, size - 1)
    share = (place - lower).reshape((-1, 1) if axis == 2 else -1)
    between: Array = np.take(x, lower, axis) * (1.0 - share) + np.take(x, upper, axis) * share
    return between
