"""Ops for ONNX's reference evaluator in place of its own that are wrong in double, or far too slow.

Its own (onnx 1.23): Erf gives single precision; HardSwish is made of a HardSigmoid whose 1/6 is
single; LRN sums over the channels for the first N of them alone, N being the batch; Resize visits
every pixel in Python. Pools split the rows that `ceil_mode` adds between both sides, where they belong
behind, fail on windows of padding alone, and visit every window in Python: minutes for a network. Conv
writes a kernel out with the zeros between its taps, 73x73 for a 3x3 with a dilation of 36, and an index for
each tap and pixel: 20 GB for DeepLabV3 at 64x64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun

from resnet_dsl.backend.ir import Array
from resnet_dsl.backend.records import dataclass

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
    """Repeats each pixel of a map a whole number of times, or interpolates between the pixels."""

    op_domain = ""

    def _run(
        self, x: Array, roi: None, scales: Array | None, sizes: Array | None = None, **attributes: Any
    ) -> tuple[Array]:
        corners = attributes["coordinate_transformation_mode"] == "align_corners"
        for axis in (2, 3):
            count = int(scales[axis]) * x.shape[axis] if sizes is None else int(sizes[axis])  # type: ignore[index]
            if attributes["mode"] == "nearest":
                x = np.repeat(x, count // x.shape[axis], axis)
            else:
                x = _interpolated(x, axis, count, corners)
        return (x,)


def _interpolated(x: Array, axis: int, count: int, corners: bool) -> Array:
    """Between the two nearest pixels; past the outermost ones the map goes on as it ends."""
    size, steps = x.shape[axis], np.arange(count)
    places, whole = (2 * steps + 1) * size - count, 2 * count
    if corners:
        places, whole = steps * (size - 1), max(count - 1, 1)
    places = np.clip(places, 0, (size - 1) * whole)
    lower = places // whole
    upper = np.minimum(lower + 1, size - 1)
    share = ((places % whole) / whole).reshape((-1, 1) if axis == 2 else -1)
    between: Array = np.take(x, lower, axis) * (1.0 - share) + np.take(x, upper, axis) * share
    return between


def _around(
    sizes: Sequence[int], spans: Sequence[int], strides: Sequence[int], attributes: dict[str, Any]
) -> list[tuple[int, int]]:
    """The padding before and behind along each axis."""
    if attributes["auto_pad"] != "SAME_UPPER":
        pads = attributes["pads"] or (0,) * (2 * len(sizes))
        return list(zip(pads[: len(sizes)], pads[len(sizes) :], strict=True))
    totals = [
        max((-(-size // stride) - 1) * stride + span - size, 0)
        for size, span, stride in zip(sizes, spans, strides, strict=True)
    ]
    return [(total // 2, total - total // 2) for total in totals]


class Conv(OpRun):  # type: ignore[misc]
    """A product of matrices for each tap of the kernel, of the pixels that it meets."""

    op_domain = ""

    def _run(self, x: Array, weight: Array, bias: Array | None = None, **attributes: Any) -> tuple[Array]:
        groups, kernel = attributes["group"], weight.shape[2:]
        strides, dilations = (attributes[name] or (1,) * len(kernel) for name in ("strides", "dilations"))
        spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
        around = _around(x.shape[2:], spans, strides, attributes)
        padded = np.pad(x, ((0, 0), (0, 0), *around))
        counts = [(n - span) // s + 1 for n, span, s in zip(padded.shape[2:], spans, strides, strict=True)]
        matrices = weight.reshape(groups, -1, *weight.shape[1:])
        total = np.zeros((len(x), groups, matrices.shape[1], math.prod(counts)), x.dtype)
        for tap in np.ndindex(*kernel):
            met = padded[
                :, :, *(slice(t * d, t * d + (count - 1) * s + 1, s)
                        for t, d, s, count in zip(tap, dilations, strides, counts, strict=True))
            ]  # fmt: skip
            total += matrices[:, :, :, *tap] @ met.reshape(len(x), groups, -1, math.prod(counts))
        result = total.reshape(len(x), -1, *counts)
        return (result if bias is None else result + bias.reshape(-1, *(1 for _ in kernel)),)


class ConvTranspose(OpRun):  # type: ignore[misc]
    """Each pixel adds its matrix of results, one tap of the kernel after the other."""

    op_domain = ""

    def _run(self, x: Array, weight: Array, bias: Array | None = None, **attributes: Any) -> tuple[Array]:
        groups, strides, dilations = (attributes[name] for name in ("group", "strides", "dilations"))
        kernel, pads, more = weight.shape[2:], attributes["pads"], attributes["output_padding"]
        matrices = weight.reshape(groups, -1, *weight.shape[1:])
        pixels = x.reshape(len(x), groups, -1, *x.shape[2:])
        sizes = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in
                 zip(x.shape[2:], strides, kernel, dilations, strict=True)]  # fmt: skip
        channels = groups * weight.shape[1]
        full = np.zeros((len(x), channels, *(a + b for a, b in zip(sizes, more, strict=True))), x.dtype)
        for i, j in np.ndindex(*kernel):
            rows, columns = (
                slice(at * d, at * d + (n - 1) * s + 1, s)
                for at, d, n, s in zip((i, j), dilations, x.shape[2:], strides, strict=True)
            )
            part = np.einsum("ngchw,gco->ngohw", pixels, matrices[:, :, :, i, j])
            full[:, :, rows, columns] += part.reshape(len(x), channels, *x.shape[2:])
        height, width = full.shape[2:]
        kept = full[:, :, pads[0] : height - pads[2], pads[1] : width - pads[3]]
        return (kept if bias is None else kept + bias[:, None, None],)


# --- pools -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Axis:
    """The windows along one axis: `count` of them, the first one `begin` before the data."""

    size: int
    span: int
    stride: int
    begin: int
    end: int
    count: int

    @property
    def behind(self) -> int:
        """The padding behind that the last window reaches over."""
        return max((self.count - 1) * self.stride + self.span - self.begin - self.size, 0)

    def shift(self, offset: int) -> slice:
        """The elements that lie `offset` from the start of each window."""
        return slice(offset, offset + self.stride * self.count, self.stride)

    def lengths(self, padding: bool) -> Array:
        """How many elements of the data, or of data and padding, each window holds."""
        starts = np.arange(self.count) * self.stride - self.begin
        first, last = (-self.begin, self.size + self.end) if padding else (0, self.size)
        return np.minimum(starts + self.span, last) - np.maximum(starts, first)


class MaxPool(OpRun):  # type: ignore[misc]
    """Maxima of windows; padding never wins."""

    op_domain = ""

    def _run(self, x: Array, **attributes: Any) -> tuple[Array]:
        return (_over_windows(np.maximum, x, _axes(x, attributes), -np.inf),)


class AveragePool(OpRun):  # type: ignore[misc]
    """Means of windows, over padding too if `count_include_pad` says so."""

    op_domain = ""

    def _run(self, x: Array, **attributes: Any) -> tuple[Array]:
        axes = _axes(x, attributes)
        rows, columns = (axis.lengths(bool(attributes["count_include_pad"])) for axis in axes)
        return ((_over_windows(np.add, x, axes, 0.0) / np.outer(rows, columns)).astype(x.dtype),)


def _axes(x: Array, attributes: dict[str, Any]) -> tuple[_Axis, _Axis]:
    kernel, strides = attributes["kernel_shape"], attributes["strides"]
    around = _around(x.shape[2:], kernel, strides, attributes)
    rows, columns = (
        _Axis(size, span, stride, *pads, _count(size, pads, span, stride, attributes["ceil_mode"]))
        for size, span, stride, pads in zip(x.shape[2:], kernel, strides, around, strict=True)
    )
    return rows, columns


def _count(size: int, pads: tuple[int, int], span: int, stride: int, ceil: int) -> int:
    """The number of windows; none of those that rounding up adds starts in the padding behind."""
    room = sum(pads) + size - span
    if not ceil:
        return room // stride + 1
    return min(-(-room // stride), (pads[0] + size - 1) // stride) + 1


def _over_windows(
    combine: Callable[[Array, Array], Array], x: Array, axes: Sequence[_Axis], fill: float
) -> Array:
    """Combine the elements of each window, one offset within the windows after the other."""
    rows, columns = axes
    around = ((0, 0), (0, 0), (rows.begin, rows.behind), (columns.begin, columns.behind))
    padded = np.pad(x, around, constant_values=fill)
    offsets = ((i, j) for i in range(rows.span) for j in range(columns.span))
    return reduce(combine, (padded[:, :, rows.shift(i), columns.shift(j)] for i, j in offsets))


EVALUATOR_OPS = (AveragePool, Conv, ConvTranspose, Erf, HardSwish, LRN, MaxPool, Resize)
