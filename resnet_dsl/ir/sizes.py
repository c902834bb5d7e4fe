"""Symbolic heights and widths: one normal form, so that equality holds for every size or for none.

A size is `floor((mul * n + add) / div)` of an input extent `n`, or of another size where a map was
made larger after it was made smaller. Windows, strides, paddings and factors map this form to
itself (floor(floor(a / b) / c) = floor(a / bc)). Such a function grows by a constant every few
extents, so two of them are compared over one common period: nothing has to be sampled.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import gcd, lcm
from typing import overload

from resnet_dsl.records import dataclass

PERIOD_LIMIT = 4096


@dataclass(frozen=True)
class Size:
    """`floor((mul * n + add) / div)` for the input extent `n` named by `axis`; constant without one.

    With `of` the function applies to that size instead; `mul` and `div` have no common divisor.
    """

    axis: str | None
    add: int = 0
    div: int = 1
    mul: int = 1
    of: Size | None = None

    @overload
    def at(self, extent: int) -> int: ...
    @overload
    def at(self, extent: int | None) -> int | None: ...
    def at(self, extent: int | None) -> int | None:
        """Return the size for an input extent, or None where that is unknown."""
        if self.axis is None:
            return self.add
        base = extent if self.of is None else self.of.at(extent)
        return None if base is None else (self.mul * base + self.add) // self.div

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

    def times(self, factor: int) -> Size:
        """Return the size `factor` times as large."""
        if self.axis is None:
            return Size(None, self.add * factor)
        if self.div == 1:
            return Size(self.axis, self.add * factor, 1, self.mul * factor, self.of)
        return Size(self.axis, mul=factor, of=self) if factor > 1 else self

    @property
    def cycle(self) -> tuple[int, int]:
        """The period, in extents, and by how much the size grows each: `H//2` by 1 every 2."""
        if self.axis is None:
            return 1, 0
        period, growth = (1, 1) if self.of is None else self.of.cycle
        repeats = self.div // gcd(self.div, self.mul * growth)
        return period * repeats, self.mul * growth * repeats // self.div

    @property
    def formula(self) -> str:
        """The size as a formula of the input's `H` or `W`."""
        if self.axis is None:
            return str(self.add)
        base = self.axis if self.of is None else f"({self.of.formula})"
        scaled = f"{self.mul}*{base}" if self.mul != 1 else base
        if self.div == 1:
            return f"({scaled}{self.add:+d})" if self.add else scaled
        return f"({scaled}{self.add:+d})//{self.div}" if self.add else f"{scaled}//{self.div}"

    def _floor(self, offset: int, stride: int, more: int) -> Size:
        """Return `floor((size + offset) / stride) + more`."""
        if self.axis is None:
            return Size(None, (self.add + offset) // stride + more)
        div = self.div * stride
        return _reduced(self.axis, self.add + offset * self.div + more * div, div, self.mul, self.of)


def _reduced(axis: str, add: int, div: int, mul: int, of: Size | None) -> Size:
    """The size without common divisors, and without a level that does no more than the one within."""
    common = gcd(mul, div)
    add, div, mul = add // common, div // common, mul // common
    if of is None or mul > 1:
        return Size(axis, add, div, mul, of)
    return _reduced(axis, of.add + add * of.div, of.div * div, of.mul, of.of)


ONE = Size(None, 1)


def same(a: Size, b: Size) -> bool:
    """Whether two sizes are equal for every extent."""
    if a == b:
        return True
    (period, growth), (other, more) = a.cycle, b.cycle
    common = lcm(period, other)
    alike = a.axis == b.axis and growth * (common // period) == more * (common // other)
    return alike and common <= PERIOD_LIMIT and all(a.at(n) == b.at(n) for n in range(common))


def first_difference(a: Size, b: Size, start: int) -> int | None:
    """Return the smallest extent of at least `start` at which two sizes differ, if one is near."""
    for extent in range(start, start + 2 * min(_period(a, b), PERIOD_LIMIT) + 1):
        if a.at(extent) != b.at(extent):
            return extent
    return None


def when_different(a: Size, b: Size) -> str:
    """Say for which extents two sizes differ: `odd heights`, `heights not divisible by 4`."""
    axis = a.axis or b.axis
    noun = {"H": "heights", "W": "widths"}.get(axis or "", "sizes")
    period = _period(a, b)
    if period > PERIOD_LIMIT:
        return f"some {noun}"
    differences = [a.at(n) - b.at(n) for n in range(period)]
    growth = a.at(period) - b.at(period) - differences[0]
    if growth:
        return f"all {noun}{_but(_meetings(differences, growth))}"
    bad = {n for n, difference in enumerate(differences) if difference}
    return _of_rests(noun, period, bad)


def when_less(a: Size, b: Size) -> str:
    """Say for which extents the first size is less than the second; empty if for none.

    That the first one has to become large enough, as a map for a window, is not said.
    """
    if same(a, b):
        return ""
    noun = {"H": "heights", "W": "widths"}.get(a.axis or b.axis or "", "sizes")
    period = _period(a, b)
    if {a.axis, b.axis} == {"H", "W"} or period > PERIOD_LIMIT:
        return f"some {noun}"
    growth = (a.at(period) - a.at(0)) - (b.at(period) - b.at(0))
    if growth:
        return "" if growth > 0 else f"large {noun}"
    bad = {n for n in range(period) if a.at(n) < b.at(n)}
    return _of_rests(noun, period, bad) if bad else ""


def _of_rests(noun: str, period: int, bad: set[int]) -> str:
    for modulus in (m for m in range(1, period + 1) if period % m == 0):
        rests = {r % modulus for r in bad}
        if len(rests) * (period // modulus) == len(bad):
            return _in_words(noun, modulus, sorted(rests))
    return f"some {noun}"


def when_not_one(sizes: Iterable[Size]) -> str:
    """Say for which extents a map is more than one pixel, or none; empty if it is one for every extent."""
    failing = [when_different(size, ONE) for size in sizes if size != ONE]
    return f"fails for {' and '.join(dict.fromkeys(failing))}" if failing else ""


def _period(a: Size, b: Size) -> int:
    return lcm(a.cycle[0], b.cycle[0])


def _meetings(differences: list[int], growth: int) -> list[int]:
    """The positive extents where a difference that grows by `growth` each period is 0."""
    period = len(differences)
    extents = (n - difference // growth * period for n, difference in enumerate(differences)
               if difference % growth == 0)  # fmt: skip
    return sorted(extent for extent in extents if extent > 0)


def _but(extents: list[int]) -> str:
    if len(extents) > 2 and extents[-1] - extents[0] == len(extents) - 1:
        return f" but {extents[0]} to {extents[-1]}"
    return f" but {_listed(extents)}" if extents else ""


def _in_words(noun: str, modulus: int, rests: list[int]) -> str:
    if modulus == 1:
        return f"all {noun}"
    if modulus == 2:
        return f"{'even' if rests == [0] else 'odd'} {noun}"
    if rests == list(range(1, modulus)):
        return f"{noun} not divisible by {modulus}"
    return f"{noun} that leave {_listed(rests)} when divided by {modulus}"


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:4])) + (", …" if len(numbers) > 4 else "")
