"""What a rule is given and what it makes: one op of one body, as a backend writes it.

A rule sees the concrete op, with numbers to compute with. What it takes through the site (`number`,
`pair`, `channels`) remembers where it is from: if blocks differ in such numbers alone, they share a
class and the numbers become its parameters. What a rule decides by looking at a number shows in the
tree it makes, so blocks for which it decides otherwise become other classes by themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Self

from resnet_dsl.codegen.python import (
    Expression,
    Literal,
    NumberOrigin,
    Sequence,
    changed,
    folded,
    numbers,
    skeleton,
)
from resnet_dsl.ir.formulas import Formula
from resnet_dsl.ir.network import BlockCall, Body, Node
from resnet_dsl.ir.ops import Op, TensorSpec
from resnet_dsl.ir.shapes import Shape
from resnet_dsl.records import dataclass, fields, replace

CHANNELS = "in"


@dataclass(frozen=True)
class Site:
    """A step that is an op, where it is used.

    `shapes` are those of its operands; `frozen` says that the spec freezes it by itself, `overwrites`
    that nothing else reads its operand, so that the result may take its place. `spare` are the operands of
    the result's shape of which that is so; in a network that is trained too, results of norms alone, as in
    torchvision. Under autocast the sum has that result's kind of number, were the other operand's wider.
    """

    node: Node
    shapes: tuple[Shape, ...]
    frozen: bool = False
    overwrites: bool = False
    spare: tuple[int, ...] = ()

    @property
    def op(self) -> Op:
        """The op; a step that is a call of a block has no site."""
        assert isinstance(self.node.what, Op)
        return self.node.what

    @property
    def vector(self) -> bool:
        """Whether the operand has no height and width."""
        return self.shapes[0].is_vector

    def number(self, argument: str) -> Literal:
        """Return an argument of the op that is a number."""
        return Literal(getattr(self.op, argument), NumberOrigin(self.node.name, argument))

    def pair(self, argument: str) -> Sequence:
        """Return an argument that is a pair, as a tuple of two numbers."""
        origins = (NumberOrigin(self.node.name, argument, index) for index in (0, 1))
        values = zip(getattr(self.op, argument), origins, strict=True)
        return Sequence("()", tuple(Literal(value, origin) for value, origin in values))

    def square(self, argument: str) -> Expression:
        """Return a pair as one number where the two are alike."""
        height, width = getattr(self.op, argument)
        alike = height == width
        return Literal(height, NumberOrigin(self.node.name, argument)) if alike else self.pair(argument)

    def channels(self, operand: int = 0) -> Literal:
        """Return the channels of an operand."""
        return Literal(self.shapes[operand].channels, NumberOrigin(self.node.name, CHANNELS, operand))

    def parameters(self) -> tuple[TensorSpec, ...]:
        """Return the tensors that the op owns."""
        return self.op.parameters(*self.shapes)


@dataclass(frozen=True)
class Lowering:
    """An op as a backend writes it: the expression of its result, and the helpers of the file it calls.

    A backend adds what else its files need of an op; every field that is a tree is treated alike.
    """

    expression: Expression
    helpers: tuple[str, ...] = ()

    def trees(self) -> list[Expression]:
        """Return the trees of all fields."""
        values = (getattr(self, field.name) for field in fields(self))
        return [value for value in values if isinstance(value, Expression)]

    def changed(self, change: Callable[[Expression], Expression | None]) -> Self:
        """Return the lowering with all its trees changed."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        trees = {name: changed(v, change) for name, v in values.items() if isinstance(v, Expression)}
        return replace(self, **trees)  # type: ignore[arg-type]

    def folded(self) -> Self:
        """Return the lowering with arithmetic of plain numbers computed."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        trees = {name: folded(v) for name, v in values.items() if isinstance(v, Expression)}
        return replace(self, **trees)  # type: ignore[arg-type]

    def skeleton(self) -> Self:
        """Return the lowering without the numbers that may differ between uses of a class."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        trees = {name: skeleton(v) for name, v in values.items() if isinstance(v, Expression)}
        return replace(self, **trees)  # type: ignore[arg-type]

    def numbers(self) -> list[Literal]:
        """Return the numbers that may differ between uses, in the order they are written."""
        return [number for tree in self.trees() for number in numbers(tree)]


Lower = Callable[[Site], Lowering]


def value_of(origin: NumberOrigin, node: Node, body: Body) -> int | float:
    """Return the number that an origin means in a body."""
    if origin.field == CHANNELS:
        return body.shape_of(node.inputs[origin.index or 0]).channels
    value = getattr(node.what, origin.field)
    number: int | float = value[origin.index or 0] if isinstance(value, tuple) else value
    return number


def formula_of(origin: NumberOrigin, node: Node, body: Body) -> Formula | None:
    """Return how the number was derived from the parameters of the body's block, if it was."""
    if origin.field == CHANNELS:
        return body.channels(node.inputs[origin.index or 0])
    return dict(node.derived).get(origin.field)


def site(
    node: Node,
    body: Body,
    frozen: bool = False,
    overwritable: Callable[[int], bool] | None = None,
    inference: bool = False,
) -> Site:
    """Return the site of a step."""
    shapes = tuple(body.shape_of(value) for value in node.inputs)
    overwrites = overwritable is not None and all(map(overwritable, node.inputs))
    spare = tuple(
        position
        for position, value in enumerate(node.inputs)
        if overwritable is not None and overwritable(value) and shapes[position] == node.shape
        if inference or _is_normalised(body, value)
    )
    return Site(node, shapes, frozen, overwrites, spare)


def overwritable_values(body: Body, kept: frozenset[int] = frozenset()) -> Callable[[int], bool]:
    """Return which values of a body one reader may overwrite: fresh, read once, and not kept.

    A block's input may still be read by whoever calls it; what a block returns may be its input.
    """
    readers = Counter(value for node in body.nodes for value in node.inputs)
    return lambda value: value not in kept and readers[value] == 1 and _is_fresh(body, value)


def _is_normalised(body: Body, value: int) -> bool:
    """Whether a value, no input, is what a norm gives."""
    what = body.nodes[value].what
    return isinstance(what, Op) and what.normalises


def _is_fresh(body: Body, value: int) -> bool:
    """Whether a value is new, and no backward pass needs it; that of a call by what it returns."""
    what = body.nodes[value].what if value >= 0 else None
    if isinstance(what, BlockCall):
        returned = what.body.result
        if what.body.more:
            return False  # it may be another of the results as well
        read = any(returned in node.inputs for node in what.body.nodes)
        return not read and _is_fresh(what.body, returned)
    return isinstance(what, Op) and what.fresh
