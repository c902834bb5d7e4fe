"""Numbers that vary between uses, written as code: `width`, `4 * width`, `width // 2`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class _Spelled:
    """What a number prints as."""

    text: str

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return self.text


class Number(_Spelled, int):
    """A whole number that prints as the code which gives it."""

    def __new__(cls, value: int, text: str) -> Number:
        """Make the number; `value` is what it is in the first use."""
        number = super().__new__(cls, value)
        number.text = text
        return number


class Real(_Spelled, float):
    """A real number that prints as the code which gives it."""

    def __new__(cls, value: float, text: str) -> Real:
        """Make the number; `value` is what it is in the first use."""
        number = super().__new__(cls, value)
        number.text = text
        return number


@dataclass(frozen=True)
class Candidate:
    """A parameter a class could take: its name and its value in each use."""

    name: str
    values: tuple[Any, ...]


def spelled(value: Any, text: str) -> Any:
    """Return `value` as a number that prints as `text`."""
    return Real(value, text) if isinstance(value, float) else Number(value, text)


def owned(value: Any) -> Any:
    """Return a number as a method writes it: parameters of the constructor become attributes."""
    if isinstance(value, tuple):
        return tuple(map(owned, value))
    if isinstance(value, Number | Real):
        return spelled(value, re.sub(r"[A-Za-z_]\w*", r"self.\g<0>", value.text))
    return value


def is_plain(value: float) -> bool:
    """Whether a number is the same in every use, so that it can be computed with."""
    return not isinstance(value, _Spelled)


def minus(a: int, b: int) -> str:
    """Return code for `a - b`: the number itself where both are plain."""
    return str(a - b) if is_plain(a) and is_plain(b) else f"{a} - {b}"


def halved(a: int) -> str:
    """Return code for `a // 2`: the number itself where `a` is plain."""
    return str(a // 2) if is_plain(a) else f"{a} // 2"


def affine(scale: float, shift: float) -> str:
    """Return `scale * {0} + shift` as a person writes it: `1.0 - {0}`, `-{0}`, `0.5 * {0}`."""
    product = f"{scale} * {{0}}"
    if is_plain(scale) and abs(scale) == 1.0:
        product = "{0}" if scale > 0.0 else "-{0}"
    if is_plain(shift) and shift == 0.0:
        return product
    if product == "-{0}":
        return f"{shift} - {{0}}"
    return f"{product} - {-shift}" if is_plain(shift) and shift < 0.0 else f"{product} + {shift}"


def fit(
    values: Sequence[Any], candidates: Sequence[Candidate], among: Sequence[int]
) -> tuple[Any, tuple[Candidate, ...]] | None:
    """Return code for `values` (in the uses `among`) from one or two candidates, and those.

    A block's own parameter comes before its input's channels, a plain name before a product.
    """
    own_first = [*candidates[1:], *candidates[:1]]
    vectors = [(c, tuple(c.values[i] for i in among)) for c in own_first]
    for attempt in (_same, _multiple, _fraction):
        for candidate, vector in vectors:
            if type(vector[0]) is type(values[0]) and (text := attempt(candidate.name, vector, values)):
                return spelled(values[0], text), (candidate,)
    return _product(values, vectors)


def _same(name: str, vector: tuple[Any, ...], values: Sequence[Any]) -> str:
    return name if vector == tuple(values) else ""


def _multiple(name: str, vector: tuple[Any, ...], values: Sequence[Any]) -> str:
    if not isinstance(values[0], int) or not vector[0] or values[0] % vector[0]:
        return ""
    factor = values[0] // vector[0]
    return f"{factor} * {name}" if all(v == factor * p for v, p in zip(values, vector, strict=True)) else ""


def _fraction(name: str, vector: tuple[Any, ...], values: Sequence[Any]) -> str:
    if not isinstance(values[0], int) or 0 in (values[0], vector[0]) or vector[0] % values[0]:
        return ""
    divisor = vector[0] // values[0]
    return (
        f"{name} // {divisor}" if all(v == p // divisor for v, p in zip(values, vector, strict=True)) else ""
    )


def _product(
    values: Sequence[Any], vectors: list[tuple[Candidate, tuple[Any, ...]]]
) -> tuple[Any, tuple[Candidate, ...]] | None:
    for i, (first, a) in enumerate(vectors):
        for second, b in vectors[i + 1 :]:
            if isinstance(values[0], int) and all(v == p * q for v, p, q in zip(values, a, b, strict=True)):
                return spelled(values[0], f"{first.name} * {second.name}"), (first, second)
    return None
