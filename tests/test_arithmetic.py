"""What the operators of the language give: the value and its kind, and what has none."""

from __future__ import annotations

import operator
from typing import Any

import pytest

from resnet_dsl.elaborate.arithmetic import ArithmeticProblem, compare, compute
from resnet_dsl.limits import EXPONENT, VALUE

COMPUTED: list[tuple[int | float, str, int | float, int | float]] = [
    (7, "+", 5, 12),
    (7, "-", 9, -2),
    (7, "*", -3, -21),
    (8, "/", 2, 4),
    (-9, "/", 3, -3),
    (7, "/", 2, 3.5),
    (8.0, "/", 2, 4.0),
    (1, "/", 4, 0.25),
    (10**18, "/", 10**9, 10**9),
    (7, "//", 2, 3),
    (-7, "//", 2, -4),
    (7.5, "//", 2, 3.0),
    (7, "%", 4, 3),
    (-7, "%", 4, 1),
    (2, "**", 10, 1024),
    (3, "**", 0, 1),
    (2, "**", -1, 0.5),
    (0.5, "**", 2, 0.25),
    (1, "**", EXPONENT.most, 1),
    (1, "**", -EXPONENT.most, 1.0),
    (VALUE.most, "*", 1, VALUE.most),
    (-VALUE.most, "**", 1, -VALUE.most),
    (0, "-", VALUE.most, -VALUE.most),
]
REFUSED: list[tuple[Any, str, Any, str]] = [
    (1, "/", 0, "division by zero"),
    (1, "//", 0, "division by zero"),
    (1, "%", 0.0, "division by zero"),
    (0, "**", -1, "division by zero"),
    (VALUE.most, "+", 1, "the number is too large"),
    (-VALUE.most, "-", 1, "the number is too large"),
    (-8, "**", 0.5, "the number is too large"),
    (10.0, "**", EXPONENT.most, "the number is too large"),
    (1, "**", EXPONENT.most + 1, "the power is too large"),
    (1, "**", -EXPONENT.most - 1, "the power is too large"),
    (VALUE.most + 1, "**", 0, "the power is too large"),
    (-VALUE.most - 1, "**", 0, "the power is too large"),
    (True, "+", 1, "`+` needs numbers, not true"),
    (1, "*", "wide", '`*` needs numbers, not "wide"'),
    (1, "<", True, "`<` needs numbers, not true"),
]
ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@pytest.mark.parametrize(("left", "sign", "right", "value"), COMPUTED)
def test_an_operation_gives_its_value_and_whole_numbers_stay_whole(
    left: int | float, sign: str, right: int | float, value: int | float
) -> None:
    found = compute(sign, left, right)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(("left", "sign", "right", "message"), REFUSED)
def test_what_has_no_value_is_refused(left: Any, sign: str, right: Any, message: str) -> None:
    with pytest.raises(ArithmeticProblem) as found:
        (compare if sign in ORDERS else compute)(sign, left, right)
    assert found.value.message == message


@pytest.mark.parametrize("sign", [*ORDERS, "==", "!="])
def test_a_comparison_holds_as_it_does_for_numbers(sign: str) -> None:
    signs = {**ORDERS, "==": operator.eq, "!=": operator.ne}
    for left, right in ((1, 2), (2, 2), (3, 2), (-1.5, 2), (2.0, 2)):
        assert compare(sign, left, right) == signs[sign](left, right)


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [(True, True, True), (True, 1, False), (0, False, False), ("a", "a", True), ("a", 1, False)],
)
def test_a_word_is_no_number(left: Any, right: Any, equal: bool) -> None:
    assert compare("==", left, right) == equal
    assert compare("!=", left, right) != equal
