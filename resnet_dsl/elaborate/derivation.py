"""Numbers that remember how they were derived from a block's parameters, and when that decided something.

Each is a plain int or float to everything that computes with it. What compares or tests one makes its
names *decisive*: with another value the program could be another one. So a rule that nobody taught
about formulas is at worst too careful.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from typing import Any, ClassVar

from resnet_dsl.elaborate.values import Function, Repeat, Staged
from resnet_dsl.ir.arguments import Dims
from resnet_dsl.ir.formulas import (
    MAX_OPERATIONS,
    Formula,
    Number,
    Scalar,
    names_of,
    operation,
    size_of,
    substitute,
)
from resnet_dsl.ir.network import Derivation
from resnet_dsl.ir.ops import Op
from resnet_dsl.ir.shapes import Shape


class Derived:
    """What a whole and a real number with a formula share; `decisive` collects the names of its body."""

    formula: Formula
    decisive: set[str]

    def decide(self) -> None:
        """Note that the value decided something."""
        self.decisive.update(names_of(self.formula))

    def __bool__(self) -> bool:
        self.decide()
        return bool(plain(self))

    def __neg__(self) -> Any:
        return combined("-", -plain(self), self)

    __hash__: ClassVar[Callable[..., int]]


def _computed(sign: str, apply: Callable[[Any, Any], Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The method for an operator of Python, and the one for its right operand."""

    def left(self: Any, other: Any) -> Any:
        if not isinstance(other, int | float):
            return NotImplemented
        return combined(sign, apply(plain(self), plain(other)), self, other)

    def right(self: Any, other: Any) -> Any:
        if not isinstance(other, int | float):
            return NotImplemented
        return combined(sign, apply(plain(other), plain(self)), other, self)

    return left, right


def _compared(apply: Callable[[Any, Any], Any]) -> Callable[[Any, Any], bool]:
    def compare(self: Any, other: Any) -> bool:
        # Numbers of one formula compare the same whatever its names are.
        if not (isinstance(other, Derived) and other.formula == self.formula):
            decide(self)
            decide(other)
        return bool(apply(plain(self), plain(other)))

    return compare


for _sign, _name in (
    ("+", "add"),
    ("-", "sub"),
    ("*", "mul"),
    ("//", "floordiv"),
    ("%", "mod"),
    ("/", "truediv"),
):
    _left, _right = _computed(_sign, getattr(operator, _name))
    setattr(Derived, f"__{_name}__", _left)
    setattr(Derived, f"__r{_name}__", _right)
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Derived, f"__{_name}__", _compared(getattr(operator, _name)))


class DerivedInt(Derived, int):
    """A whole number with a formula."""

    __hash__ = int.__hash__


class DerivedFloat(Derived, float):
    """A real number with a formula."""

    __hash__ = float.__hash__


def derived(value: Scalar, formula: Formula, decisive: set[str]) -> Any:
    """Return a plain number with the formula that gives it, or the number itself where it is a constant."""
    if isinstance(formula, Number):
        return value
    if size_of(formula) > MAX_OPERATIONS:
        decisive.update(names_of(formula))
        return value
    made = DerivedInt(value) if isinstance(value, int) else DerivedFloat(value)
    made.formula, made.decisive = formula, decisive
    return made


def plain(value: Any) -> Any:
    """Return a value without the formulas in it."""
    if isinstance(value, Derived):
        return int(value) if isinstance(value, int) else float(value)  # type: ignore[arg-type]
    return _rebuilt(value, plain)


def decide(value: Any) -> Any:
    """Return a value without the formulas in it, their names noted as decisive."""
    if isinstance(value, Derived):
        value.decide()
        return plain(value)
    return _rebuilt(value, decide)


def _rebuilt(value: Any, change: Callable[[Any], Any]) -> Any:
    """A value with what it is made of changed; the same object where nothing did."""
    match value:
        case Dims():
            return value
        case tuple():
            parts = tuple(map(change, value))
            return value if all(a is b for a, b in zip(parts, value, strict=True)) else parts
        case Function(bound=bound):
            changed = change(bound)
            return value if changed is bound else replace(value, bound=changed)
        case Repeat():
            return replace(value, function=change(value.function))
        case Staged():
            return replace(value, value=change(value.value))
        case _:
            return value


def is_number(value: object) -> bool:
    """Whether a value is a whole or real number; `true` and `false` are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def formula_of(value: Scalar) -> Formula:
    """Return how a number was derived; a plain one is a constant."""
    return value.formula if isinstance(value, Derived) else Number(value)


def combined(sign: str, value: Any, *operands: Any) -> Any:
    """Return `value` with the formula of the operation on `operands` that gave it."""
    known = [operand for operand in operands if isinstance(operand, Derived)]
    if not known or not is_number(value):
        return value
    if any(operand.decisive is not known[0].decisive for operand in known):
        decide(tuple(known))  # names of two bodies do not mix
        return value
    if sign == "%" and plain(operands[1]) == 1:
        return value
    formula = operation(sign, *map(formula_of, operands), whole=isinstance(value, int))
    return derived(value, formula, known[0].decisive)


# --- an op and its arguments ---------------------------------------------------------------------


def make(kind: type[Op], values: Mapping[str, Any]) -> Op:
    """Make an op whose numbers remember how they were derived; raises ValueError as `Op.make` does."""
    op = kind.make(plain_values(values))
    if not any(isinstance(value, Derived) for value in values.values()):
        return op
    accepted = {}
    for name, rule, _ in kind.arguments():
        if name in values:
            value, given = rule.coerce(plain(values[name])), values[name]
            accepted[name] = _as_accepted(value, given) if isinstance(given, Derived) else value
    return kind(**accepted).settled()


def plain_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments without the formulas in them."""
    return {name: plain(value) for name, value in values.items()}


def plain_op(op: Op, names: Iterable[str]) -> Op:
    """Return the op with plain numbers in the arguments `names`."""
    return replace(op, **{name: plain(getattr(op, name)) for name in names})


def plain_shape(shape: Shape) -> Shape:
    """Return a shape whose channels are a plain number."""
    return replace(shape, channels=plain(shape.channels)) if isinstance(shape.channels, Derived) else shape


def _as_accepted(accepted: Any, given: Derived) -> Any:
    """A number as its rule accepted it: twice for a pair, as a real number where that is asked for."""
    if isinstance(accepted, tuple):
        return tuple(_as_accepted(part, given) for part in accepted)
    return derived(accepted, given.formula, given.decisive)


def derivation(op: Op) -> Derivation:
    """Return the formula of each argument that has one; a pair of equal formulas has one."""
    found: dict[str, Formula | tuple[Formula, ...]] = {}
    for name, _, _ in op.arguments():
        value = getattr(op, name)
        parts = value if isinstance(value, tuple) else (value,)
        if any(isinstance(part, Derived) for part in parts):
            formulas = tuple(map(formula_of, parts))
            found[name] = formulas[0] if len(set(formulas)) == 1 else formulas
    return found


def decide_structure(op: Op, names: Iterable[str]) -> None:
    """Note as decisive which of the arguments `names` shapes, or classes in generated code, depend on.

    Channels are followed through the shapes instead; a real number is in no shape.
    """
    for spec in fields(op):
        value = getattr(op, spec.name)
        free = spec.name == "channels" or isinstance(value, float)
        if spec.name in names and not (free and spec.metadata["structure"](plain(value)) is None):
            decide(value)


# --- formulas from one body into another ---------------------------------------------------------


def translated(value: Scalar, by: Mapping[str, Scalar]) -> Any:
    """Return a number whose formula is in a callee's names as its caller derived it: `by` gives those."""
    known = [number for number in by.values() if isinstance(number, Derived)]
    if not known or not isinstance(value, Derived):
        return plain(value)
    formulas = {name: formula_of(number) for name, number in by.items()}
    return derived(plain(value), substitute(value.formula, formulas), known[0].decisive)
