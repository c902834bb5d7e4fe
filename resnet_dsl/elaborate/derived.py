"""Numbers that know how they were derived, while a block or model is elaborated.

They are equal to, and hash as, the numbers they are, so nothing else of elaboration sees a
difference. Where an op or a call is made, the formulas go into its node and the numbers stay plain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeGuard, overload

from resnet_dsl.elaborate.values import Function, Record, Repeat, Staged, Value
from resnet_dsl.ir.arguments import Dims
from resnet_dsl.ir.formulas import Fixed, Formula, Number, names_of, operation
from resnet_dsl.records import replace


class DerivedInt(int):
    """A whole number with its formula."""

    formula: Formula


class DerivedFloat(float):
    """A real number with its formula."""

    formula: Formula


def derived(value: Value, formula: Formula | None) -> Value:
    """Return a number with its formula; any other value, and a number without one, as it is."""
    if formula is None or isinstance(value, bool) or not isinstance(value, int | float):
        return plain(value)
    number = DerivedInt(value) if isinstance(value, int) else DerivedFloat(value)
    number.formula = formula
    return number


def formula_of(value: Value) -> Formula | None:
    """Return the formula of a number that was derived, None of any other value."""
    return value.formula if isinstance(value, DerivedInt | DerivedFloat) else None


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number, derived or not; truth values are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_whole(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number, derived or not."""
    return isinstance(value, int) and not isinstance(value, bool)


def plain(value: Value) -> Value:
    """Return a value without formulas, those of a function's arguments included."""
    match value:
        case DerivedInt():
            return int(value)
        case DerivedFloat():
            return float(value)
        case Dims():
            return value
        case Record():
            return value.changed(plain)
        case tuple():
            # The same list where nothing changes: what bounds the size of lists knows them by identity.
            parts = tuple(map(plain, value))
            return value if all(a is b for a, b in zip(parts, value, strict=True)) else parts
        case Function():
            return plain_function(value)
        case Repeat():
            return Repeat(plain_number(value.count), plain_function(value.function))
        case Staged():
            return replace(value, value=plain(value.value))
        case _:
            return value


def plain_function(function: Function) -> Function:
    """Return a function whose arguments have no formulas."""
    bound = tuple((name, plain(value)) for name, value in function.bound)
    same = all(a is b for (_, a), (_, b) in zip(bound, function.bound, strict=True))
    return function if same else replace(function, bound=bound)


@overload
def plain_number(number: int) -> int: ...
@overload
def plain_number(number: float) -> int | float: ...
def plain_number(number: float) -> int | float:
    """Return a number without its formula."""
    return int(number) if isinstance(number, int) else float(number)


class Watched(int):
    """A number of channels that notes when a rule compares or tests it: its names decide something then.

    A shape rule is asked with these, so that no op has to say which of its channels it looks at.
    """

    formulas: tuple[Formula, ...]
    decided: set[str]

    def _note(self, other: object = None) -> None:
        # Channels derived alike agree whatever their names stand for.
        if isinstance(other, Watched) and other.formulas == self.formulas:
            return
        formulas = (*self.formulas, *(other.formulas if isinstance(other, Watched) else ()))
        self.decided.update(name for formula in formulas for name in names_of(formula))

    def _with(self, other: int, result: int) -> Watched:
        more = other.formulas if isinstance(other, Watched) else ()
        return watched(result, (*self.formulas, *more), self.decided)

    def __bool__(self) -> bool:
        self._note()
        return int(self) != 0

    def __eq__(self, other: object) -> bool:
        self._note(other)
        return int.__eq__(self, other) is True

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: int) -> bool:
        self._note(other)
        return int.__lt__(self, other)

    def __gt__(self, other: int) -> bool:
        self._note(other)
        return int.__gt__(self, other)

    def __le__(self, other: int) -> bool:
        return not self > other

    def __ge__(self, other: int) -> bool:
        return not self < other

    def __mod__(self, other: int) -> int:
        return 0 if int(other) == 1 else self._with(other, int.__mod__(self, other))

    def __floordiv__(self, other: int) -> int:
        return self._with(other, int.__floordiv__(self, other))

    def __add__(self, other: int) -> int:
        return self._with(other, int.__add__(self, other))

    def __mul__(self, other: int) -> int:
        return self._with(other, int.__mul__(self, other))

    __radd__ = __add__
    __rmul__ = __mul__
    __hash__ = int.__hash__


def watched(value: int, formulas: tuple[Formula, ...], decided: set[str]) -> Watched:
    """Return a number that adds the names of `formulas` to `decided` when something depends on it."""
    number = Watched(value)
    number.formulas, number.decided = formulas, decided
    return number


def nested_formulas(value: Value) -> Iterator[Formula]:
    """Yield the formulas inside a list or a function's arguments, not that of a number itself."""
    match value:
        case Dims():
            return
        case tuple():
            inner = value
        case Function():
            inner = tuple(item for _, item in value.bound)
        case Repeat():
            inner = (value.count, value.function)
        case Staged():
            inner = (value.value,)
        case _:
            return
    for item in inner:
        if (formula := formula_of(item)) is not None:
            yield formula
        yield from nested_formulas(item)


def combined(sign: str, left: Value, right: Value, result: Number) -> Value:
    """Return the result of an operation, with its formula if one of the operands has one."""
    formulas = [formula_of(left), formula_of(right)]
    if formulas == [None, None]:
        return result
    if sign == "/" and isinstance(result, int):
        sign = "//"  # it comes out whole, and generated code is to have a whole number too
    first, second = (
        formula or Fixed(_number(value)) for formula, value in zip(formulas, (left, right), strict=True)
    )
    return derived(result, operation(sign, first, second))


def _number(value: Value) -> Number:
    assert is_number(value)
    return int(value) if isinstance(value, int) else float(value)


def formulas_of(values: Mapping[str, Value] | Iterable[tuple[str, Value]]) -> tuple[tuple[str, Formula], ...]:
    """Return the formulas of those arguments that have one, by name."""
    found = ((name, formula_of(value)) for name, value in dict(values).items())
    return tuple((name, formula) for name, formula in found if formula is not None)
