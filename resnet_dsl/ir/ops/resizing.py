"""Ops that bring a map to another height and width: by a factor, to a given size, to that of another map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

from resnet_dsl.ir.arguments import FLAG, PAIR, PAIR_OR_NONE, ArgumentError, Pair, argument, choice
from resnet_dsl.ir.ops.base import Kept, Op, Window, declared, needs_map
from resnet_dsl.ir.shapes import Extent, Shape, ShapeError
from resnet_dsl.ir.sizes import Size, when_less
from resnet_dsl.limits import ARGUMENT
from resnet_dsl.records import replace

NO_SIZE = (0, 0)
OF_SIZE = ("outputsize", "targetsize", "newsize", "shape")
OF_CORNERS = ("aligncorner", "corners")
OF_LIKE = "the size is that of another map, `like=…`, or a given one: `upsample(size=7x7)`"


@declared
class Upsample(Op):
    """A map `factor` times as large, or of a given `size`: pixels repeated, or interpolated between them.

    `align_corners` puts the outer pixels of both maps upon each other, where otherwise their edges are.
    """

    kind: ClassVar[str] = "upsample"
    keeps: ClassVar[tuple[Kept, ...]] = ()
    aliases: ClassVar[tuple[str, ...]] = ("upsampling", "interpolate")
    absent: ClassVar[Mapping[str, str]] = {"like": "`resize(like=…)` brings a map to the size of another"}
    takes: ClassVar[str] = "map"
    gives: ClassVar[str] = "`n * factor`, or `size`"
    factor: Pair = argument(PAIR, (2, 2), aliases=("scalefactor", "scale"))
    mode: str = argument(choice("nearest", "bilinear"), "nearest", aliases=("interpolation",))
    size: Pair = argument(PAIR_OR_NONE, NO_SIZE, aliases=OF_SIZE)
    align_corners: bool = argument(FLAG, False, aliases=OF_CORNERS)

    def normalised(self) -> Self:
        _needs_bilinear(self, self.mode, self.align_corners)
        return self if self.size == NO_SIZE else replace(self, factor=(1, 1))

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        (x,) = inputs
        needs_map(self, x)
        if self.size != NO_SIZE:
            return Shape(x.channels, tuple(Size(None, size) for size in self.size))
        sizes = tuple(size.times(factor) for size, factor in zip(x.spatial, self.factor, strict=True))
        if any(max(size.mul, extent.of(size) or 0) > ARGUMENT.most for size in sizes):
            raise ShapeError("E0502", f"a map of {x.text(extent)} cannot be made larger any more")
        return Shape(x.channels, sizes)

    @property
    def window(self) -> Window:
        return Window((2, 2) if self.mode == "bilinear" else (1, 1), factor=self.factor)

    def does_nothing(self, *inputs: Shape) -> bool:
        if self.size != NO_SIZE:
            return inputs[0].spatial == tuple(Size(None, size) for size in self.size)
        return self.factor == (1, 1)


@declared
class Resize(Op):
    """A map at the height and width of another, `like`: interpolated, or the nearest pixel above and left.

    `nearest` takes row floor(i * H / h) for row i of h. `align_corners` puts the outer pixels of both
    maps upon each other, where otherwise their edges are.
    """

    kind: ClassVar[str] = "resize"
    keeps: ClassVar[tuple[Kept, ...]] = ()
    aliases: ClassVar[tuple[str, ...]] = ("resizing", "interpolatelike", "upsamplelike")
    absent: ClassVar[Mapping[str, str]] = {"size": OF_LIKE, "factor": OF_LIKE, "scalefactor": OF_LIKE}
    takes: ClassVar[str] = "two maps"
    gives: ClassVar[str] = "the first's channels, the second's height and width"
    inputs: ClassVar[int | None] = 2
    operands: ClassVar[tuple[str, ...]] = ("like",)
    measures: ClassVar[bool] = True
    mode: str = argument(choice("bilinear", "nearest"), "bilinear", aliases=("interpolation",))
    align_corners: bool = argument(FLAG, False, aliases=OF_CORNERS)

    def normalised(self) -> Self:
        _needs_bilinear(self, self.mode, self.align_corners)
        return self

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        x, like = inputs
        needs_map(self, x)
        needs_map(self, like)
        return Shape(x.channels, like.spatial)

    @property
    def window(self) -> Window:
        return Window((2, 2) if self.mode == "bilinear" else (1, 1))

    def through(self, *inputs: Shape) -> tuple[int, ...]:
        return (0,)


@declared
class Crop(Op):
    """The middle of a map, of a given `size` or that of another, `like`.

    Of an odd number of rows or columns that are left out, the larger part is below and to the right.
    """

    kind: ClassVar[str] = "crop"
    keeps: ClassVar[tuple[Kept, ...]] = ()
    aliases: ClassVar[tuple[str, ...]] = ("centercrop", "cropping")
    instead: ClassVar[str] = "`resize(like=…)` brings a map to any size"
    takes: ClassVar[str] = "map; or two, the first not the smaller"
    gives: ClassVar[str] = "`size`, or the second's height and width"
    inputs: ClassVar[int | None] = 2
    operands: ClassVar[tuple[str, ...]] = ("like",)
    measures: ClassVar[bool] = True
    size: Pair = argument(PAIR_OR_NONE, NO_SIZE, aliases=OF_SIZE)

    @property
    def taken(self) -> int:
        return 2 if self.size == NO_SIZE else 1

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        for x in inputs:
            needs_map(self, x)
        wanted = self._wanted(inputs)
        pairs = [(extent.of(a), extent.of(b)) for a, b in zip(inputs[0].spatial, wanted, strict=True)]
        if any(have is not None and want is not None and have < want for have, want in pairs):
            other = Shape(inputs[0].channels, wanted).text(extent)
            message = f"{inputs[0].text(extent)} cannot be cropped to {other}: it is the smaller"
            hint = "`resize` brings a map to any size" if len(inputs) == 2 else "crop to less"
            raise ShapeError("E0304", message, hint, argument="size")
        return Shape(inputs[0].channels, wanted)

    def fails_for(self, *inputs: Shape, extent: Extent) -> str:
        pairs = zip(inputs[0].spatial, self._wanted(inputs), strict=True)
        found = dict.fromkeys(when_less(a, b) for a, b in pairs)
        return f"fails for {' and '.join(filter(None, found))}" if any(found) else ""

    def _wanted(self, inputs: tuple[Shape, ...]) -> tuple[Size, ...]:
        return inputs[1].spatial if len(inputs) == 2 else tuple(Size(None, size) for size in self.size)

    def through(self, *inputs: Shape) -> tuple[int, ...]:
        return (0,)

    def does_nothing(self, *inputs: Shape) -> bool:
        return len(inputs) == 1 and inputs[0].spatial == self._wanted(inputs)


def _needs_bilinear(op: Op, mode: str, align_corners: bool) -> None:
    if align_corners and mode != "bilinear":
        raise ArgumentError(op.kind, "align_corners", "`false` unless `mode=bilinear`")
