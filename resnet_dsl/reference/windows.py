"""Windows that move over a map: which cells each sees, padding included, one axis at a time.

A map is framed in its padding first; then cell (i, j) of all windows together is one strided
slice of the frame, a *tap*. Ops on windows are loops over taps: no window is ever copied out.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from resnet_dsl.ir.arguments import Pair, sides
from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.ops import Padding
from resnet_dsl.records import dataclass

Slices = tuple[slice, slice, slice, slice]
EVERY = slice(None)


@dataclass(frozen=True)
class Axis:
    """`count` windows along `length` cells, with `before` and `after` cells of padding."""

    length: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    count: int

    @property
    def frame(self) -> int:
        """The cells from the first window's first to the last window's last."""
        return (self.count - 1) * self.stride + (self.kernel - 1) * self.dilation + 1

    @property
    def seen(self) -> int:
        """How many of the map's own cells lie in the frame."""
        return max(0, min(self.length, self.frame - self.before))

    def tap(self, index: int) -> slice:
        """Return where in the frame cell `index` of each window is."""
        start = index * self.dilation
        return slice(start, start + (self.count - 1) * self.stride + 1, self.stride)

    def cells(self, padded: bool) -> Array:
        """Return how many cells each window (not dilated) has within the map, or within map and padding."""
        low, high = (-self.before, self.length + self.after) if padded else (0, self.length)
        first = np.arange(self.count) * self.stride - self.before
        last = np.minimum(first + self.kernel, high)
        return (last - np.maximum(first, low)).astype(np.float64)


Axes = tuple[Axis, Axis]


def window_axes(
    x: Array, kernel: Pair, stride: Pair, pad: Padding, dilation: Pair = (1, 1), ceil: bool = False
) -> Axes:
    """Return how windows move over a map (N, C, H, W), by height and by width."""
    rows, columns = (
        _same(x.shape[2 + i], kernel[i], stride[i], dilation[i])
        if pad == "same"
        else _explicit(x.shape[2 + i], kernel[i], stride[i], dilation[i], sides(pad)[i], ceil)
        for i in (0, 1)
    )
    return rows, columns


def _explicit(length: int, kernel: int, stride: int, dilation: int, pad: Pair, ceil: bool) -> Axis:
    """As torch counts: `ceil` allows a last window past the padding, if it starts before the padding."""
    before, after = pad
    room = length + before + after - ((kernel - 1) * dilation + 1)
    count = room // stride + 1
    if ceil and room % stride and count * stride < length + before:
        count += 1
    return Axis(length, kernel, stride, dilation, before, after, count)


def _same(length: int, kernel: int, stride: int, dilation: int) -> Axis:
    """As TensorFlow pads: just enough for one window every `stride` cells, the odd cell behind."""
    count = -(-length // stride)
    total = max((count - 1) * stride + (kernel - 1) * dilation + 1 - length, 0)
    return Axis(length, kernel, stride, dilation, total // 2, total - total // 2, count)


def taps(axes: Axes) -> Iterator[tuple[Pair, Slices]]:
    """Yield each cell of a window, row by row, and where it is in the frame for all windows."""
    rows, columns = axes
    for i, j in product(range(rows.kernel), range(columns.kernel)):
        yield (i, j), (EVERY, EVERY, rows.tap(i), columns.tap(j))


def framed(x: Array, axes: Axes, fill: float) -> Array:
    """Return the frame of a map (N, C, H, W), with `fill` as padding; a view where there is none."""
    rows, columns = axes
    inside = x[:, :, : rows.seen, : columns.seen]
    if inside.shape[2:] == (rows.frame, columns.frame):
        return inside
    frame = np.full((*x.shape[:2], rows.frame, columns.frame), fill)
    frame[_inside(axes)] = inside
    return frame


def unframed(frame: Array, axes: Axes) -> Array:
    """Return the map of a frame of gradients: zero for cells that no window saw."""
    rows, columns = axes
    x = np.zeros((*frame.shape[:2], rows.length, columns.length))
    x[:, :, : rows.seen, : columns.seen] = frame[_inside(axes)]
    return x


def _inside(axes: Axes) -> Slices:
    rows, columns = (slice(axis.before, axis.before + axis.seen) for axis in axes)
    return EVERY, EVERY, rows, columns


def channel_windows(x: Array, size: int) -> Array:
    """Return the `size` (odd) channels around each one as a last axis, zeros past the first and the last."""
    half = size // 2
    frame = np.pad(x, ((0, 0), (half, half), *((0, 0),) * (x.ndim - 2)))
    return np.lib.stride_tricks.sliding_window_view(frame, size, axis=1)
