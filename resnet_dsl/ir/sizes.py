"""Symbolic heights and widths: one normal form, so that equality holds for every size or for none.

A size is `floor((n + add) / div)` of an input extent `n`. Windows, strides and paddings map this
form to itself (floor(floor(a / b) / c) = floor(a / bc)), and two such functions are equal for
every `n` exactly when `add` and `div` are: nothing has to be sampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm

PERIOD_LIMIT = 4096


@dataclass(frozen=True)
class Size:
    """`floor((n + add) / div)` for the input extent `n` named by `axis`; constant without one."""

    axis: str | None
    add: int = 0
    div: int = 1

    def at(self, extent: int | None) -> int | None:
        """Return the size for an input extent, or None where that is unknown."""
        if self.axis is None:
            return self.add
        return None if extent is None else (extent + self.add) // self.div

    def window(self, span: int, stride: int, padding: int) -> Size:
        """Return the count of windows of `span` at `stride` over the size plus `padding`."""
        return self._floor(padding - span, stride, 1)

    def window_ceil(self, span: int, stride: int, before: int, after: int) -> Size:
        """Return the same, rounding up, without windows that start in the padding behind."""
        # torch drops a last window that starts at or past `n + before`; both bounds have the
        # same divisor, so their minimum is again one floor.
        add = min(before + after - span + stride, before)
        return self._floor(add + stride - 1, stride, 0)

    def ceil(self, stride: int) -> Size:
        """Return `ceil(size / stride)`: what TensorFlow's `same` padding and slicing give."""
        return self._floor(stride - 1, stride, 0)

    def plus(self, amount: int) -> Size:
        """Return the size with `amount` more."""
        return self._floor(amount, 1, 0)

    def _floor(self, offset: int, stride: int, more: int) -> Size:
        if self.axis is None:
            return Size(None, (self.add + offset) // stride + more)
        div = self.div * stride
        return Size(self.axis, self.add + offset * self.div + more * div, div)

    @property
    def formula(self) -> str:
        """The size as a formula of the input's `H` or `W`."""
        if self.axis is None:
            return str(self.add)
        sign = f"{self.axis}{self.add:+d}" if self.add else self.axis
        if self.div == 1:
            return sign if not self.add else f"({sign})"
        return f"({sign})//{self.div}" if self.add else f"{sign}//{self.div}"


def first_difference(a: Size, b: Size, start: int) -> int | None:
    """Return the smallest extent of at least `start` at which two sizes differ, if one is near."""
    period = min(lcm(a.div, b.div), PERIOD_LIMIT)
    for extent in range(start, start + 2 * period + 1):
        if a.at(extent) != b.at(extent):
            return extent
    return None


def when_different(a: Size, b: Size, start: int) -> str:
    """Say for which extents two sizes differ: `odd heights`, `heights not divisible by 4`."""
    axis = a.axis or b.axis
    noun = {"H": "heights", "W": "widths"}.get(axis or "", "sizes")
    period = min(lcm(a.div, b.div), PERIOD_LIMIT)
    base = start + (-start) % period + period
    bad = {n % period for n in range(base, base + period) if a.at(n) != b.at(n)}
    for modulus in (m for m in range(1, period + 1) if period % m == 0):
        rests = {r % modulus for r in bad}
        if len(rests) * (period // modulus) == len(bad):
            return _in_words(noun, modulus, sorted(rests))
    return f"some {noun}"


def _in_words(noun: str, modulus: int, rests: list[int]) -> str:
    if modulus == 1:
        return f"all {noun}"
    if modulus == 2:
        return f"{'even' if rests == [0] else 'odd'} {noun}"
    if rests == list(range(1, modulus)):
        return f"{noun} not divisible by {modulus}"
    shown = ", ".join(map(str, rests[:4])) + (", …" if len(rests) > 4 else "")
    return f"{noun} that leave {shown} when divided by {modulus}"
