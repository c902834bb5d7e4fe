"""Formulas: how a number of a body follows from the parameters of its block, as elaboration derived it.

Names are those that stand in the block: `width` for a parameter, `x.channels` and `skip.channels` for the
channels of an input. A number that nothing was derived for is a `Number`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Scalar = int | float

# A formula of more operations says less than the number it gives.
MAX_OPERATIONS = 20

CALCULATE: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": lambda a, *b: operator.sub(a, *b) if b else -a,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "min": min,
    "max": max,
    "round": round,
}

BINDING = {"+": 1, "-": 1, "*": 2, "/": 2, "//": 2, "%": 2, "**": 4}
UNARY = 3
ATOM = 5


@dataclass(frozen=True)
class Named:
    """A number known by name: a parameter, or `x.channels` for the channels of an input."""

    name: str


@dataclass(frozen=True)
class Number:
    """A number that is the same whatever the parameters are."""

    value: Scalar


@dataclass(frozen=True)
class Operation:
    """`sign` is an operator of the language, `min`, `max` or `round`; `-` may have one operand."""

    sign: str
    operands: tuple[Formula, ...]


Formula = Named | Number | Operation


def evaluate(formula: Formula, values: Mapping[str, Scalar]) -> Scalar:
    """Return the number a formula gives; raises KeyError for a name that has no value."""
    match formula:
        case Named(name):
            return values[name]
        case Number(value):
            return value
        case Operation(sign, operands):
            result: Scalar = CALCULATE[sign](*(evaluate(operand, values) for operand in operands))
            return result


def substitute(formula: Formula, by: Mapping[str, Formula]) -> Formula:
    """Return a formula with names replaced; a name that `by` lacks stays."""
    match formula:
        case Named(name):
            return by.get(name, formula)
        case Operation(sign, operands):
            return operation(sign, *(substitute(operand, by) for operand in operands))
        case _:
            return formula


def names_of(formula: Formula) -> Iterator[str]:
    """Yield every name a formula depends on, once for each time it occurs."""
    match formula:
        case Named(name):
            yield name
        case Operation(_, operands):
            for operand in operands:
                yield from names_of(operand)


def size_of(formula: Formula) -> int:
    """Return the number of operations of a formula."""
    if not isinstance(formula, Operation):
        return 0
    return 1 + sum(map(size_of, formula.operands))


def operation(sign: str, *operands: Formula, whole: bool = False) -> Formula:
    """Return an operation, simplified; `whole` says that its operands are whole numbers."""
    if all(isinstance(operand, Number) for operand in operands):
        return Number(evaluate(Operation(sign, operands), {}))
    match sign, operands:
        case ("+", (Number(0), other)) | ("*", (Number(1), other)):
            return other
        case ("+" | "-", (other, Number(0))) | ("*" | "**", (other, Number(1))):
            return other
        case "//", (other, Number(1)) if whole:
            return other
        case "//", (Operation("*", (other, Number(int(m)))), Number(int(n))) if whole and m % n == 0:
            return operation("*", other, Number(m // n))
    return Operation(sign, operands)


def text_of(formula: Formula) -> str:
    """Return a formula as the language writes it, with the parentheses it needs."""
    return _text(formula)[0]


def _text(formula: Formula) -> tuple[str, int]:
    """The text, and how strongly its outermost operator binds."""
    match formula:
        case Named(name):
            return name, ATOM
        case Number(value):
            return str(value), ATOM if value >= 0 else UNARY
        case Operation("min" | "max" | "round" as sign, operands):
            return f"{sign}({', '.join(map(text_of, operands))})", ATOM
        case Operation("-", (only,)):
            return f"-{_within(only, UNARY)}", UNARY
        case Operation(sign, (left, right)):
            binding = BINDING[sign]
            left_least, right_least = (binding + 1, binding) if sign == "**" else (binding, binding + 1)
            return f"{_within(left, left_least)} {sign} {_within(right, right_least)}", binding
        case _:
            raise ValueError(f"an operation of {len(formula.operands)} operands")


def _within(formula: Formula, least: int) -> str:
    text, binding = _text(formula)
    return text if binding >= least else f"({text})"
