"""How a number of a network was derived: arithmetic over the parameters of its block or model.

A formula is kept only where elaboration computed the number by it, never guessed from values, so
it may stand in generated code in the number's place.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping

from resnet_dsl.records import dataclass, replace

Number = int | float

# Larger ones nobody would write; the number then stands for itself.
MAX_SIZE = 20

SIGNS: dict[str, Callable[[Number, Number], Number]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "max": max,
    "min": min,
}


@dataclass(frozen=True)
class Named:
    """A parameter of a block or model, or the channels of an input: `width`, `x.channels`."""

    name: str


@dataclass(frozen=True)
class Fixed:
    """A number that the text gives."""

    value: Number


@dataclass(frozen=True)
class Operation:
    """Two formulas with a sign of arithmetic between them, or `max` or `min` of them."""

    sign: str
    left: Formula
    right: Formula


Formula = Named | Fixed | Operation


def evaluated(formula: Formula, names: Mapping[str, Number]) -> Number:
    """Return the number a formula gives for values of its names; raises KeyError for one that lacks."""
    match formula:
        case Named():
            return names[formula.name]
        case Fixed():
            return formula.value
        case Operation():
            left, right = evaluated(formula.left, names), evaluated(formula.right, names)
            return SIGNS[formula.sign](left, right)


def names_of(formula: Formula | None) -> Iterator[str]:
    """Yield every name of a formula."""
    match formula:
        case Named():
            yield formula.name
        case Operation():
            yield from names_of(formula.left)
            yield from names_of(formula.right)


def substituted(formula: Formula | None, names: Mapping[str, Formula | None]) -> Formula | None:
    """Return the formula with other formulas for its names; None where one of them has none."""
    match formula:
        case Named():
            return names.get(formula.name)
        case Operation():
            left, right = substituted(formula.left, names), substituted(formula.right, names)
            return None if left is None or right is None else operation(formula.sign, left, right)
        case _:
            return formula


def operation(sign: str, left: Formula, right: Formula) -> Formula | None:
    """Return the operation of two formulas; None if it would be too large to be worth writing."""
    if sign not in SIGNS or (right == Fixed(0) and sign in ("/", "//", "%")):
        return None
    # Simplified at once, so that what is long only on the way is not given up as too large.
    made = simplified(Operation(sign, left, right))
    return made if _size(made) <= MAX_SIZE else None


def _size(formula: Formula) -> int:
    return 1 + _size(formula.left) + _size(formula.right) if isinstance(formula, Operation) else 1


def simplified(formula: Formula) -> Formula:
    """Return the formula with what is constant computed: `width * 1`, `width * 64 // 64` are `width`."""
    if not isinstance(formula, Operation):
        return formula
    whole = replace(formula, left=simplified(formula.left), right=simplified(formula.right))
    left, right = whole.left, whole.right
    if isinstance(left, Fixed) and isinstance(right, Fixed):
        return Fixed(SIGNS[whole.sign](left.value, right.value))
    if whole.sign in ("*", "//", "/") and right == Fixed(1):
        return left
    if whole.sign == "*" and isinstance(right, Fixed):
        return simplified(Operation("*", right, left))  # as a person writes it: 4 * width
    if whole.sign == "*" and left == Fixed(1):
        return right
    if whole.sign in ("+", "-") and right == Fixed(0):
        return left
    if whole.sign == "+" and left == Fixed(0):
        return right
    return _sum(whole) if whole.sign == "+" else _product(whole)


def _sum(formula: Operation) -> Formula:
    """`width + width` as `2 * width`, `2 * width + width` as `3 * width`; whole numbers alone."""
    (left, many), (right, more) = _times(formula.left), _times(formula.right)
    return simplified(Operation("*", Fixed(many + more), left)) if left == right else formula


def _times(formula: Formula) -> tuple[Formula, int]:
    match formula:
        case Operation("*", Fixed(int() as factor), other):
            return other, factor
        case _:
            return formula, 1


def _product(formula: Operation) -> Formula:
    """`4 * (2 * width)` as `8 * width`, `(4 * width) // 2` as `2 * width`; whole numbers alone."""
    left, right = formula.left, formula.right
    if formula.sign == "*" and isinstance(left, Fixed) and isinstance(right, Operation):
        inner = right.left
        if right.sign == "*" and isinstance(inner, Fixed):
            return simplified(Operation("*", Fixed(left.value * inner.value), right.right))
    if formula.sign == "//" and isinstance(right, Fixed) and isinstance(left, Operation):
        factor, divisor = left.left, right.value
        whole = isinstance(factor, Fixed) and isinstance(factor.value, int) and isinstance(divisor, int)
        if left.sign == "*" and whole and isinstance(factor, Fixed) and divisor:
            if factor.value % divisor == 0:
                return simplified(Operation("*", Fixed(factor.value // divisor), left.right))
            if divisor % factor.value == 0:
                return Operation("//", left.right, Fixed(divisor // factor.value))
    return formula
