"""Ops of several inputs: what may be added, multiplied or concatenated, and for which sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from resnet_dsl.ir.formulas import Fixed, Formula, operation
from resnet_dsl.ir.ops.base import Kept, Op, declared
from resnet_dsl.ir.shapes import Extent, Shape, ShapeError
from resnet_dsl.ir.sizes import Size, first_difference, same, when_different, when_not_one
from resnet_dsl.records import dataclass, replace

Agreement = Literal["shape", "shape or gate", "size"]


@declared
class Join(Op):
    """An op of several inputs; their heights and widths agree for every input, or it says for which not.

    `joined` is the result in words, and `agreement` what of the inputs has to be equal.
    """

    inputs: ClassVar[int | None] = 2
    fresh: ClassVar[bool] = True
    code: ClassVar[str]
    joined: ClassVar[str]
    agreement: ClassVar[Agreement]

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        result = self._joined_shape(inputs, extent)
        found = self._disagreement(inputs, extent)
        if found is not None and found.here:
            raise self._different(f"; {found.when}" if found.when else "")
        return result

    def fails_for(self, *inputs: Shape, extent: Extent) -> str:
        found = self._disagreement(inputs, extent)
        return "" if found is None or found.here else found.when

    def _joined_shape(self, inputs: tuple[Shape, ...], extent: Extent) -> Shape:
        """The shape of the result, heights and widths not compared; raises ShapeError."""
        raise NotImplementedError

    def _disagreement(self, inputs: tuple[Shape, ...], extent: Extent) -> Disagreement | None:
        return disagreement(inputs, extent)

    def _different(self, note: str = "") -> ShapeError:
        return ShapeError(self.code, f"{self.joined} of different shapes{note}", operands=True)


@declared
class Add(Join):
    """Sum of equal shapes: the residual addition. Nothing is ever broadcast."""

    kind: ClassVar[str] = "add"
    keeps: ClassVar[tuple[Kept, ...]] = ()
    takes: ClassVar[str] = "two of one shape"
    gives: ClassVar[str] = "that shape"
    arithmetic: ClassVar[bool] = True
    operator: ClassVar[str] = "+"
    commutes: ClassVar[bool] = True
    code: ClassVar[str] = "E0301"
    joined: ClassVar[str] = "residual addition"
    agreement: ClassVar[Agreement] = "shape"

    def _joined_shape(self, inputs: tuple[Shape, ...], extent: Extent) -> Shape:
        if inputs[0].channels != inputs[1].channels or len(inputs[0].spatial) != len(inputs[1].spatial):
            raise self._different()
        return inputs[0]


@declared
class Multiply(Join):
    """Product of equal shapes, or of a map and a gate: Cx1x1 for its channels, 1xHxW for its pixels."""

    kind: ClassVar[str] = "mul"
    aliases: ClassVar[tuple[str, ...]] = ("multiply",)
    takes: ClassVar[str] = (
        "two of one shape, or a map and a gate: the same channels and one pixel, or one channel and "
        "the same pixels"
    )
    gives: ClassVar[str] = "the map's"
    arithmetic: ClassVar[bool] = True
    operator: ClassVar[str] = "*"
    commutes: ClassVar[bool] = True
    code: ClassVar[str] = "E0302"
    joined: ClassVar[str] = "product"
    agreement: ClassVar[Agreement] = "shape or gate"

    def _joined_shape(self, inputs: tuple[Shape, ...], extent: Extent) -> Shape:
        a, b = inputs
        if a.channels == b.channels and len(a.spatial) == len(b.spatial):
            return b if a.is_pixel or (a.is_pixel_at(extent) and not b.is_pixel_at(extent)) else a
        wide, gate = (a, b) if b.channels == 1 else (b, a)
        if gate.channels != 1 or any(shape.is_vector or shape.is_pixel for shape in inputs):
            raise self._different()
        return wide

    def _disagreement(self, inputs: tuple[Shape, ...], extent: Extent) -> Disagreement | None:
        # A gate of one pixel fits a map of every size; one that strides made is a gate at this size only.
        # With more channels than the map it is none.
        if any(shape.is_pixel for shape in inputs):
            return None
        gates = [shape for shape in inputs if shape.is_pixel_at(extent)]
        if len(gates) == 1 and gates[0].channels == min(shape.channels for shape in inputs):
            return Disagreement(False, when_not_one(gates[0].spatial))
        return super()._disagreement(inputs, extent)

    def channels_of_result(
        self, inputs: tuple[Formula | None, ...], arguments: Mapping[str, Formula]
    ) -> Formula | None:
        # A gate of one channel does not give the result its channels, whichever side it is on.
        return inputs[1] if inputs[0] == Fixed(1) else inputs[0]

    def through(self, *inputs: Shape) -> tuple[int, ...]:
        # Not the gate of one pixel that a map is multiplied by.
        maps = tuple(i for i, shape in enumerate(inputs) if not shape.is_pixel)
        return maps or super().through(*inputs)


@declared
class Divide(Multiply):
    """Quotient of equal shapes, or of a map and what would be its gate in a product."""

    kind: ClassVar[str] = "div"
    aliases: ClassVar[tuple[str, ...]] = ("divide", "truedivide")
    operator: ClassVar[str] = "/"
    commutes: ClassVar[bool] = False
    joined: ClassVar[str] = "quotient"

    @property
    def positive(self) -> tuple[int, ...]:
        return (1,)


@declared
class Extremum(Join):
    """One of several values at each place."""

    takes: ClassVar[str] = "maps or vectors of one shape, two or more"
    gives: ClassVar[str] = "that shape"
    inputs: ClassVar[int | None] = None
    commutes: ClassVar[bool] = True
    code: ClassVar[str] = "E0302"
    agreement: ClassVar[Agreement] = "shape"

    def _joined_shape(self, inputs: tuple[Shape, ...], extent: Extent) -> Shape:
        first = inputs[0]
        if any((s.channels, len(s.spatial)) != (first.channels, len(first.spatial)) for s in inputs):
            raise self._different()
        return first


@declared
class Maximum(Extremum):
    """The largest value at each place."""

    kind: ClassVar[str] = "max"
    aliases: ClassVar[tuple[str, ...]] = ("maximum", "eltwisemax")
    joined: ClassVar[str] = "maximum"
    bound_by: ClassVar[str] = "low"


@declared
class Minimum(Extremum):
    """The smallest value at each place."""

    kind: ClassVar[str] = "min"
    aliases: ClassVar[tuple[str, ...]] = ("minimum", "eltwisemin")
    joined: ClassVar[str] = "minimum"
    bound_by: ClassVar[str] = "high"


@declared
class Concat(Join):
    """The channels of all inputs one after the other."""

    kind: ClassVar[str] = "concat"
    keeps: ClassVar[tuple[Kept, ...]] = ()
    aliases: ClassVar[tuple[str, ...]] = ("concatenate", "cat")
    takes: ClassVar[str] = "two or more of one height and width, or vectors"
    gives: ClassVar[str] = "the channels of all"
    inputs: ClassVar[int | None] = None
    code: ClassVar[str] = "E0303"
    joined: ClassVar[str] = "concatenation"
    agreement: ClassVar[Agreement] = "size"

    def _joined_shape(self, inputs: tuple[Shape, ...], extent: Extent) -> Shape:
        if any(len(shape.spatial) != len(inputs[0].spatial) for shape in inputs):
            raise ShapeError(self.code, "concatenation of a map and a vector", operands=True)
        return replace(inputs[0], channels=sum(shape.channels for shape in inputs))

    def channels_of_result(
        self, inputs: tuple[Formula | None, ...], arguments: Mapping[str, Formula]
    ) -> Formula | None:
        total = inputs[0]
        for formula in inputs[1:]:
            total = None if total is None or formula is None else operation("+", total, formula)
        return total


# --- heights and widths ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Disagreement:
    """Sizes that differ: `here` at the input that was given, `when` says for which others."""

    here: bool
    when: str


def disagreement(shapes: tuple[Shape, ...], extent: Extent) -> Disagreement | None:
    """Return how the heights and widths of `shapes` differ, or None if they never do."""
    found = [
        _difference(a, b, (extent.height, extent.width)[axis], extent)
        for other in shapes[1:]
        for axis, (a, b) in enumerate(zip(shapes[0].spatial, other.spatial, strict=True))
        if not same(a, b)
    ]
    # Heights that differ elsewhere say nothing of widths that differ here.
    return next((difference for difference in found if difference.here), found[0] if found else None)


def _difference(a: Size, b: Size, known: int | None, extent: Extent) -> Disagreement:
    here, there = extent.of(a), extent.of(b)
    if here is not None and here != there:
        return Disagreement(True, "")
    if a.axis != b.axis and known is None:
        return Disagreement(True, "they depend on the input in different ways")
    # The first failing size a person would meet, not one below the smallest sensible input.
    start = known + 1 if known else max(a.cycle[0], b.cycle[0], 32)
    first = first_difference(a, b, start)
    when = f"fails for {when_different(a, b)}" + (f", first at {first}" if first else "")
    return Disagreement(here is None, when)
