"""Arithmetic and comparison of compile-time values, bounded so that no text can eat the machine."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from resnet_dsl.elaborate.values import Value, show
from resnet_dsl.limits import EXPONENT, VALUE

Number = int | float

OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class ArithmeticProblem(Exception):
    """Why an operation has no value."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        self.code, self.message, self.hint = code, message, hint
        super().__init__(message)


def compare(sign: str, left: Value, right: Value) -> bool:
    """Return whether a comparison holds; only numbers have an order."""
    if sign in ("==", "!="):
        # 1 and true are different values here, as they are different words.
        equal = isinstance(left, bool) == isinstance(right, bool) and left == right
        return bool(equal == (sign == "=="))
    return bool(OPERATIONS[sign](*_numbers(sign, left, right)))


def compute(sign: str, left: Value, right: Value) -> int | float:
    """Return the number an arithmetic operation gives; whole if it comes out whole."""
    numbers = _numbers(sign, left, right)
    try:
        value = _compute(sign, *numbers)
    except ZeroDivisionError:
        raise ArithmeticProblem("E0206", "division by zero") from None
    except OverflowError:
        raise ArithmeticProblem("E0502", "the number is too large") from None
    if isinstance(value, complex) or not -VALUE.most <= value <= VALUE.most:
        raise ArithmeticProblem("E0502", "the number is too large")
    return float(value) if isinstance(value, float) else int(value)


def _compute(sign: str, left: Number, right: Number) -> Number | complex:
    if sign == "/":
        exact = isinstance(left, int) and isinstance(right, int) and right != 0 and left % right == 0
        return left // right if exact else left / right
    if sign == "**":
        if abs(right) > EXPONENT.most or abs(left) > VALUE.most:
            raise ArithmeticProblem("E0502", "the power is too large")
        power: Number | complex = left**right
        return power
    result: Number = OPERATIONS[sign](left, right)
    return result


def function(name: str, number: Number) -> Number:
    """Return what a function of one number gives; whole if it comes out whole for a whole number."""
    try:
        return FUNCTIONS[name](number)
    except ValueError:
        above = "above 0" if name == "log2" else "from 0 on"
        raise ArithmeticProblem("E0204", f"`{name}` takes numbers {above}, not {show(number)}") from None


def _log2(number: Number) -> Number:
    if isinstance(number, int) and number > 0 and number.bit_count() == 1:
        return number.bit_length() - 1
    return math.log2(number)


def _sqrt(number: Number) -> Number:
    if isinstance(number, int) and number >= 0 and math.isqrt(number) ** 2 == number:
        return math.isqrt(number)
    return math.sqrt(number)


FUNCTIONS: dict[str, Callable[[Number], Number]] = {
    "round": round,
    "floor": math.floor,
    "ceil": math.ceil,
    "log2": _log2,
    "sqrt": _sqrt,
}


def _numbers(sign: str, left: Value, right: Value) -> tuple[Number, Number]:
    for value in (left, right):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ArithmeticProblem("E0206", f"`{sign}` needs numbers, not {show(value)}")
    assert isinstance(left, int | float)
    assert isinstance(right, int | float)
    return left, right
