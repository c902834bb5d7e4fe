"""Ops of several inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from resnet_dsl.ir.formulas import Constant, Formula, operation
from resnet_dsl.ir.ops.base import Op
from resnet_dsl.ir.shapes import Extent, Shape, ShapeError


@dataclass(frozen=True)
class Add(Op):
    """Sum of equal shapes: the residual addition. Nothing is ever broadcast."""

    kind: ClassVar[str] = "add"
    fresh: ClassVar[bool] = True
    arithmetic: ClassVar[bool] = True
    inputs: ClassVar[int | None] = 2

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        if inputs[0].channels != inputs[1].channels or len(inputs[0].spatial) != len(inputs[1].spatial):
            raise ShapeError("E0301", "residual addition of different shapes", operands=True)
        return inputs[0]


@dataclass(frozen=True)
class Multiply(Op):
    """Product of equal shapes, or of a map and a gate: Cx1x1 for its channels, 1xHxW for its pixels."""

    kind: ClassVar[str] = "mul"
    fresh: ClassVar[bool] = True
    arithmetic: ClassVar[bool] = True
    inputs: ClassVar[int | None] = 2

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        a, b = inputs
        if a.channels == b.channels and len(a.spatial) == len(b.spatial):
            return b if a.is_pixel else a
        wide, gate = (a, b) if b.channels == 1 else (b, a)
        if gate.channels != 1 or any(shape.is_vector or shape.is_pixel for shape in inputs):
            raise ShapeError("E0302", "product of different shapes", operands=True)
        return wide

    def channels_of_result(
        self, inputs: tuple[Formula | None, ...], arguments: Mapping[str, Formula]
    ) -> Formula | None:
        # A gate of one channel does not give the result its channels, whichever side it is on.
        return inputs[1] if inputs[0] == Constant(1) else inputs[0]

    def through(self, *inputs: Shape) -> tuple[int, ...]:
        # Not the gate of one pixel that a map is multiplied by.
        maps = tuple(i for i, shape in enumerate(inputs) if not shape.is_pixel)
        return maps or super().through(*inputs)


@dataclass(frozen=True)
class Concat(Op):
    """The channels of all inputs one after the other."""

    kind: ClassVar[str] = "concat"
    fresh: ClassVar[bool] = True
    inputs: ClassVar[int | None] = None

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        if any(len(shape.spatial) != len(inputs[0].spatial) for shape in inputs):
            raise ShapeError("E0303", "concatenation of a map and a vector", operands=True)
        return replace(inputs[0], channels=sum(shape.channels for shape in inputs))

    def channels_of_result(
        self, inputs: tuple[Formula | None, ...], arguments: Mapping[str, Formula]
    ) -> Formula | None:
        total = inputs[0]
        for formula in inputs[1:]:
            total = None if total is None or formula is None else operation("+", total, formula)
        return total
