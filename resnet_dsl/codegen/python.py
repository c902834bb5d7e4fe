"""Generated Python as a tree: the expressions that rules build, and what may be asked of them.

Nothing is text before `printer.py` prints it, so nothing has to be read out of text again: which
names a file uses, whether two expressions are alike but for numbers, what binds how tightly.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from typing import get_args

from resnet_dsl.records import dataclass, replace

Plain = int | float | str | bool | None


@dataclass(frozen=True)
class NumberOrigin:
    """Where a number of an expression is from: an argument of the op of a step, or its input's channels.

    `index` is the place in a pair, or the number of the input; None for a single number.
    """

    step: str
    field: str
    index: int | None = None


@dataclass(frozen=True)
class Name:
    """A name, or a path of names: `x`, `nn.Conv2d`."""

    path: str


@dataclass(frozen=True)
class Literal:
    """A value as Python writes it; one with an `origin` may differ between the uses of a block."""

    value: Plain
    origin: NumberOrigin | None = None


@dataclass(frozen=True)
class Operand:
    """Stands in a rule for the op's operand of that number."""

    index: int


@dataclass(frozen=True)
class Kept:
    """Stands in a rule for what the constructor keeps for the step: its module in torch."""


@dataclass(frozen=True)
class StepName:
    """Stands in a rule for the step's name, as the file writes it."""


@dataclass(frozen=True)
class Joined:
    """A formatted string: a variable between text, `f"{name}-conv1"`."""

    variable: str
    text: str
    before: str = ""


@dataclass(frozen=True)
class Attribute:
    """`value.name`."""

    value: Expression
    name: str


@dataclass(frozen=True)
class Call:
    """`callee(arguments, name=value)`."""

    callee: Expression
    arguments: tuple[Expression, ...] = ()
    keywords: tuple[tuple[str, Expression], ...] = ()


@dataclass(frozen=True)
class Subscript:
    """`value[index]`, or `value[a, b]` with several."""

    value: Expression
    index: tuple[Expression, ...]


@dataclass(frozen=True)
class Slice:
    """`first:end:step` inside a subscript, each part only where it is given."""

    first: Expression | None = None
    end: Expression | None = None
    step: Expression | None = None


@dataclass(frozen=True)
class Negative:
    """`-value`."""

    value: Expression


@dataclass(frozen=True)
class Binary:
    """`left sign right`, with a sign of arithmetic."""

    left: Expression
    sign: str
    right: Expression


@dataclass(frozen=True)
class Conditional:
    """`yes if test else no`."""

    yes: Expression
    test: Expression
    no: Expression


@dataclass(frozen=True)
class Sequence:
    """`(a, b)`, `[a, b]`: the brackets say which."""

    brackets: str
    items: tuple[Expression, ...]


@dataclass(frozen=True)
class Dictionary:
    """`{"a": b}`."""

    items: tuple[tuple[Expression, Expression], ...]


@dataclass(frozen=True)
class Spread:
    """`*(item for variable in range(count))`: neighbours made one after the other."""

    item: Expression
    variable: str
    count: int


Expression = (
    Name
    | Literal
    | Operand
    | Kept
    | StepName
    | Joined
    | Attribute
    | Call
    | Subscript
    | Slice
    | Negative
    | Binary
    | Conditional
    | Sequence
    | Dictionary
    | Spread
)
KINDS = frozenset(get_args(Expression))
Argument = Expression | Plain


# --- building ----------------------------------------------------------------------------------


def expression(value: Argument) -> Expression:
    """Return an argument as an expression: a plain value as its literal."""
    return Literal(value) if value is None or isinstance(value, int | float | str) else value


def call(callee: str | Expression, *arguments: Argument, **keywords: Argument) -> Call:
    """Return a call; a callee in text is a name, an argument in text a string."""
    function = Name(callee) if isinstance(callee, str) else callee
    named = tuple((name, expression(value)) for name, value in keywords.items())
    return Call(function, tuple(map(expression, arguments)), named)


def method(value: Expression, name: str, *arguments: Argument, **keywords: Argument) -> Call:
    """Return `value.name(arguments)`."""
    return call(Attribute(value, name), *arguments, **keywords)


def binary(left: Argument, sign: str, right: Argument) -> Binary:
    """Return `left sign right`."""
    return Binary(expression(left), sign, expression(right))


def several(*items: Argument) -> Sequence:
    """Return a tuple."""
    return Sequence("()", tuple(map(expression, items)))


def listed(*items: Argument) -> Sequence:
    """Return a list."""
    return Sequence("[]", tuple(map(expression, items)))


def affine(x: Expression, scale: Literal, shift: Literal) -> Expression:
    """Return `scale * x + shift` as a person writes it: `1.0 - x`, `-x`, `0.5 * x`."""
    product: Expression = Binary(scale, "*", x)
    if scale.value in (1.0, -1.0):
        product = x if scale.value == 1.0 else Negative(x)
    if shift.value == 0.0:
        return product
    return Binary(shift, "-", x) if isinstance(product, Negative) else Binary(product, "+", shift)


# --- asking and changing -----------------------------------------------------------------------


def parts(tree: Expression) -> Iterator[Expression]:
    """Yield the expressions directly below one."""
    for value in vars(tree).values():
        yield from _expressions(value)


def _expressions(value: object) -> Iterator[Expression]:
    if isinstance(value, tuple):
        for item in value:
            yield from _expressions(item)
    elif type(value) in KINDS:
        yield value  # type: ignore[misc]


def walk(tree: Expression) -> Iterator[Expression]:
    """Yield an expression and all below it, in the order they are written."""
    yield tree
    for part in parts(tree):
        yield from walk(part)


def names(trees: Iterable[Expression]) -> set[str]:
    """Return the first names of all paths in the trees: `nn` of `nn.Conv2d`."""
    found: set[str] = set()
    for tree in trees:
        for node in walk(tree):
            if isinstance(node, Name):
                found.add(node.path.partition(".")[0])
            elif isinstance(node, Joined):
                found.add(node.variable)
    return found


def changed(tree: Expression, change: Callable[[Expression], Expression | None]) -> Expression:
    """Return the tree with nodes replaced by what `change` returns for them; None goes on below."""
    found = change(tree)
    if found is not None:
        return found
    new = _other_fields(tree, lambda part: changed(part, change))
    return replace(tree, **new) if new else tree  # type: ignore[arg-type]


def _other_fields(tree: Expression, other: Callable[[Expression], Expression]) -> dict[str, object]:
    """The fields of an expression that become others, where its parts are replaced by `other`.

    What is no part of a tree stays the same object, so that a leaf, as most are, is passed over.
    """
    fields = ((name, value, _with_others(value, other)) for name, value in vars(tree).items())
    return {name: new for name, value, new in fields if new is not value}


def _with_others(value: object, other: Callable[[Expression], Expression]) -> object:
    if isinstance(value, tuple):
        items = tuple([_with_others(item, other) for item in value])
        return value if all(map(operator.is_, items, value)) else items
    return other(value) if type(value) in KINDS else value  # type: ignore[arg-type]


def skeleton(tree: Expression) -> Expression:
    """Return the tree with the numbers that may differ taken out: equal for blocks that share a class."""

    def take_out(node: Expression) -> Expression | None:
        marked = isinstance(node, Literal) and node.origin is not None
        return replace(node, value=None) if marked and isinstance(node, Literal) else None

    return changed(tree, take_out)


def numbers(tree: Expression) -> Iterator[Literal]:
    """Yield the numbers of a tree that may differ between uses."""
    return (n for n in walk(tree) if isinstance(n, Literal) and n.origin is not None)


SIGNS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
}


def folded(tree: Expression) -> Expression:
    """Return the tree with arithmetic of plain numbers computed: `64 - 16` is 48, `float(2)` is 2.0."""
    new = _other_fields(tree, folded)
    tree = replace(tree, **new) if new else tree  # type: ignore[arg-type]
    match tree:
        case Binary(Literal(int() | float() as left, None), sign, Literal(int() | float() as right, None)):
            return Literal(SIGNS[sign](left, right)) if sign in SIGNS else tree
        case Call(Name("float"), (Literal(int() as value, None),), ()):
            return Literal(float(value))
        case _:
            return tree
