"""Ops of several inputs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from resnet_dsl.ir.ops.base import Op
from resnet_dsl.ir.shapes import Extent, Shape, ShapeError


@dataclass(frozen=True)
class Add(Op):
    """Sum of equal shapes: the residual addition. Nothing is ever broadcast."""

    kind: ClassVar[str] = "add"
    inputs: ClassVar[int | None] = 2

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        if inputs[0].channels != inputs[1].channels or len(inputs[0].spatial) != len(inputs[1].spatial):
            raise ShapeError("E0301", "residual addition of different shapes", operands=True)
        return inputs[0]


@dataclass(frozen=True)
class Multiply(Op):
    """Product of equal shapes, or of a map and a gate: Cx1x1 for its channels, 1xHxW for its pixels."""

    kind: ClassVar[str] = "mul"
    inputs: ClassVar[int | None] = 2

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        a, b = inputs
        gates = not a.is_vector and 1 in (a.channels, b.channels)
        if len(a.spatial) != len(b.spatial) or (a.channels != b.channels and not gates):
            raise ShapeError("E0302", "product of different shapes", operands=True)
        if a.channels != b.channels:
            wide, gate = (a, b) if b.channels == 1 else (b, a)
            if wide.is_pixel and not gate.is_pixel:
                raise ShapeError("E0302", "product of different shapes", operands=True)
            return wide
        return b if a.is_pixel else a


@dataclass(frozen=True)
class Concat(Op):
    """The channels of all inputs one after the other."""

    kind: ClassVar[str] = "concat"
    inputs: ClassVar[int | None] = None

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        if any(len(shape.spatial) != len(inputs[0].spatial) for shape in inputs):
            raise ShapeError("E0303", "concatenation of a map and a vector", operands=True)
        return replace(inputs[0], channels=sum(shape.channels for shape in inputs))
