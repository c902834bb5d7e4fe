"""Attention: pixels gathered by weights, with learned positions, and maps as columns of pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod, sqrt
from typing import ClassVar, Self

from resnet_dsl.ir.arguments import COUNT, FLAG, INDEX, PAIR, PAIR_OR_NONE, ArgumentError, Pair, argument
from resnet_dsl.ir.formulas import Formula
from resnet_dsl.ir.ops.base import Init, Kept, Mistake, Op, TensorSpec, declared, divisors, needs_map
from resnet_dsl.ir.ops.joins import Agreement, Join, disagreement
from resnet_dsl.ir.shapes import Extent, Shape, ShapeError
from resnet_dsl.ir.sizes import ONE, Size
from resnet_dsl.records import replace


@declared
class WeightedSum(Join):
    """The sum of all pixels, each times its weight: Cx1x1. The `weights` have one channel, or as many.

    With weights from `softmax(over=pixels)` it is the context of Cao et al. 2019 (GCNet).
    """

    kind: ClassVar[str] = "weighted_sum"
    aliases: ClassVar[tuple[str, ...]] = ("weightedsum", "attentionpool", "contextpool")
    takes: ClassVar[str] = "two maps of one height and width, the second of as many channels or one"
    gives: ClassVar[str] = "the first's channels, one pixel"
    operands: ClassVar[tuple[str, ...]] = ("weights",)
    code: ClassVar[str] = "E0302"
    joined: ClassVar[str] = "weighted sum"
    agreement: ClassVar[Agreement] = "size"

    def _joined_shape(self, inputs: tuple[Shape, ...], extent: Extent) -> Shape:
        x, weights = inputs
        needs_map(self, x)
        needs_map(self, weights)
        if weights.channels not in (1, x.channels):
            raise self._different()
        return Shape(x.channels, (ONE, ONE))

    def through(self, *inputs: Shape) -> tuple[int, ...]:
        return (0,)


@declared
class Attention(Op):
    """Multi-head attention: each pixel gathers `values` by how its channels agree with those of `keys`.

    Weights are the softmax, over the pixels of `keys`, of the products divided by the root of a head's
    channels; heads are equal parts of the channels. With a size `relative` each pixel also weighs how far
    another is above and left of it, by learned vectors (Srinivas et al. 2021, BoTNet).
    """

    kind: ClassVar[str] = "attention"
    aliases: ClassVar[tuple[str, ...]] = ("multiheadattention", "mhsa", "selfattention", "mha")
    takes: ClassVar[str] = "three maps: the first two of as many channels, the last two of one size"
    gives: ClassVar[str] = "the third's channels, the first's height and width"
    inputs: ClassVar[int | None] = 3
    operands: ClassVar[tuple[str, ...]] = ("keys", "values")
    mixes_channels: ClassVar[bool] = True
    joined: ClassVar[str] = "attention"
    heads: int = argument(COUNT, 1, aliases=("numheads",))
    relative: Pair = argument(PAIR_OR_NONE, (0, 0), aliases=("featsize", "fmapsize"))
    scale_positions: bool = argument(FLAG, False, aliases=("scaleposembed",))

    def normalised(self) -> Self:
        if self.scale_positions and not any(self.relative):
            raise ArgumentError(self.kind, "scale_positions", "`false` without `relative`")
        return self

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        x, keys, values = inputs
        for shape in inputs:
            needs_map(self, shape)
        if x.channels != keys.channels:
            message = f"attention of {x.channels} channels to keys of {keys.channels}"
            raise ShapeError("E0302", message, operands=True)
        for count in (x.channels, values.channels):
            if count % self.heads:
                message = f"{count} input channels cannot be split into {self.heads} heads"
                raise ShapeError("E0305", message, f"{divisors(count)} divide {count}", argument="heads")
        found = disagreement((keys, values), extent)
        if found is not None and found.here:
            raise ShapeError("E0302", "attention to keys and values of different sizes", operands=True)
        if any(self.relative):
            for shape in (x, keys):
                _is_of_size(self, shape, self.relative, extent, "relative")
        return Shape(values.channels, x.spatial)

    def fails_for(self, *inputs: Shape, extent: Extent) -> str:
        found = disagreement(inputs[1:], extent)
        return "" if found is None or found.here else found.when

    def parameters(self, *inputs: Shape) -> tuple[TensorSpec, ...]:
        if not any(self.relative):
            return ()
        channels = inputs[0].channels // self.heads
        names = zip(("height_rel", "width_rel"), self.relative, strict=True)
        start = Init("normal", 1 / sqrt(channels))
        return tuple(TensorSpec(name, (2 * size - 1, channels), start, "weight") for name, size in names)

    def channels_of_result(
        self, inputs: tuple[Formula | None, ...], arguments: Mapping[str, Formula]
    ) -> Formula | None:
        return inputs[2]

    def sees_whole_map(self, x: Shape, result: Shape) -> bool:
        return True

    def mistakes(self) -> Iterator[Mistake]:
        if any(self.relative):
            now, other = (str(flag).lower() for flag in (self.scale_positions, not self.scale_positions))
            words = f"scale_positions: {other} instead of {now}"
            yield Mistake(words, replace(self, scale_positions=not self.scale_positions))


@declared
class Positions(Op):
    """A learned value added to each channel of each pixel; the map has to be of this `size`.

    Its tensor has a row for each pixel, row by row of the map.
    """

    kind: ClassVar[str] = "positions"
    keeps: ClassVar[tuple[Kept, ...]] = ()
    aliases: ClassVar[tuple[str, ...]] = ("positionembedding", "positionalembedding", "posembed")
    takes: ClassVar[str] = "map of a known size"
    size: Pair = argument(PAIR)

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        needs_map(self, inputs[0])
        _is_of_size(self, inputs[0], self.size, extent, "size")
        return inputs[0]

    def parameters(self, *inputs: Shape) -> tuple[TensorSpec, ...]:
        channels = inputs[0].channels
        start = Init("normal", 1 / sqrt(channels))
        return (TensorSpec("positional_embedding", (prod(self.size), channels), start, "weight"),)


@declared
class Tokens(Op):
    """A map as one column of its pixels, row by row; with `mean=true` below their mean."""

    kind: ClassVar[str] = "tokens"
    keeps: ClassVar[tuple[Kept, ...]] = ()
    aliases: ClassVar[tuple[str, ...]] = ("flattenpixels", "sequence")
    takes: ClassVar[str] = "map of a known size"
    gives: ClassVar[str] = "the channels, a column of all pixels, and of the mean"
    mean: bool = argument(FLAG, False)

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        (x,) = inputs
        needs_map(self, x)
        sizes = [extent.of(size) for size in x.spatial]
        if any(size is None for size in sizes):
            message = f"tokens of {x.text(extent)}: how many there are depends on the input's size"
            raise ShapeError("E0307", message, "write numbers in `input:`, or pool to a size")
        count = prod(size for size in sizes if size is not None) + self.mean
        return Shape(x.channels, (Size(None, count), ONE))

    def sees_whole_map(self, x: Shape, result: Shape) -> bool:
        return self.mean


@declared
class Pixel(Op):
    """One pixel of a map, by its row and column from 0 on: Cx1x1."""

    kind: ClassVar[str] = "pixel"
    keeps: ClassVar[tuple[Kept, ...]] = ()
    within: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ("select", "pick", "token")
    takes: ClassVar[str] = "map"
    gives: ClassVar[str] = "the channels, one pixel"
    row: int = argument(INDEX, 0)
    column: int = argument(INDEX, 0)

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        (x,) = inputs
        needs_map(self, x)
        for size, place, name in zip(x.spatial, (self.row, self.column), ("row", "column"), strict=True):
            known = extent.of(size)
            if known is not None and place >= known:
                message = f"{x.text(extent)} has no {name} {place}"
                raise ShapeError("E0304", message, "rows and columns count from 0", argument=name)
        return Shape(x.channels, (ONE, ONE))

    def does_nothing(self, *inputs: Shape) -> bool:
        return inputs[0].is_pixel


def _is_of_size(op: Op, x: Shape, size: Pair, extent: Extent, name: str) -> None:
    """Raise ShapeError unless a map has a size that is known."""
    known = x.at(extent)[1:]
    if None in known:
        message = f"{op.kind} of {x.text(extent)}: its size depends on the input's"
        raise ShapeError("E0307", message, "write numbers in `input:`, or pool to a size")
    if known != size:
        message = f"{op.kind} for a map of {size[0]}x{size[1]}, and it is {x.text(extent)}"
        raise ShapeError("E0304", message, f"write `{name}={known[0]}x{known[1]}`", argument=name)
