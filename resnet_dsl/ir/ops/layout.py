"""Ops that move values: flatten, take some of them, put zeros around them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import ClassVar, Self

from resnet_dsl.ir.arguments import (
    AMOUNTS,
    COUNT,
    INDEX,
    OF_CHANNELS,
    OF_PAD,
    OF_STRIDE,
    PAIR,
    ArgumentError,
    Pair,
    Sides,
    argument,
    choice,
    sides,
)
from resnet_dsl.ir.formulas import Fixed, Formula, operation
from resnet_dsl.ir.ops.base import Kept, Mistake, Op, Window, declared, divisors, needs_map
from resnet_dsl.ir.shapes import Extent, Shape, ShapeError
from resnet_dsl.records import replace


@declared
class Flatten(Op):
    """A map as a vector; needs a known input size.

    `chw` has channels outermost, as torch flattens; `hwc` has them innermost, as Keras does.
    """

    kind: ClassVar[str] = "flatten"
    keeps: ClassVar[tuple[Kept, ...]] = ()
    within: ClassVar[bool] = True
    takes: ClassVar[str] = "map of a known size"
    gives: ClassVar[str] = "vector"
    order: str = argument(choice("chw", "hwc"), "chw")

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        sizes = inputs[0].at(extent)
        if any(size is None for size in sizes):
            raise ShapeError(
                "E0307",
                f"flatten of {inputs[0].text(extent)}: the length depends on the input's size",
                "write numbers in `input:`, or pool with `gap`",
            )
        return Shape(prod(size for size in sizes if size is not None))

    def channels_of_result(
        self, inputs: tuple[Formula | None, ...], arguments: Mapping[str, Formula]
    ) -> Formula | None:
        return None  # they depend on the size of the map

    def does_nothing(self, *inputs: Shape) -> bool:
        return inputs[0].is_vector

    @property
    def flattens(self) -> str:
        return self.order

    def mistakes(self) -> Iterator[Mistake]:
        other, layout = ("hwc", "NHWC") if self.order == "chw" else ("chw", "NCHW")
        yield Mistake(f"layout: flattened as {layout}", replace(self, order=other))


@declared
class Subsample(Op):
    """Every `stride`-th row and column, from the first on: x[:, :, ::s, ::s]."""

    kind: ClassVar[str] = "subsample"
    keeps: ClassVar[tuple[Kept, ...]] = ()
    takes: ClassVar[str] = "map"
    gives: ClassVar[str] = "`ceil(n / s)`"
    stride: Pair = argument(PAIR, aliases=OF_STRIDE)

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        (x,) = inputs
        needs_map(self, x)
        sizes = zip(x.spatial, self.stride, strict=True)
        return Shape(x.channels, tuple(size.ceil(stride) for size, stride in sizes))

    @property
    def window(self) -> Window:
        return Window(stride=self.stride)

    def does_nothing(self, *inputs: Shape) -> bool:
        return self.stride == (1, 1)


@declared
class PadChannels(Op):
    """Zeros as further channels up to `channels`, at the `end` or on `both` sides."""

    kind: ClassVar[str] = "pad_channels"
    keeps: ClassVar[tuple[Kept, ...]] = ()
    gives: ClassVar[str] = "`channels`, not fewer than before"
    channels: int = argument(COUNT, aliases=OF_CHANNELS)
    side: str = argument(choice("end", "both"), "end")

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        (x,) = inputs
        if x.channels > self.channels:
            raise ShapeError(
                "E0308",
                f"{x.channels} channels cannot be padded to {self.channels}",
                f"`conv({self.channels}, 1x1)` makes fewer channels",
                argument="channels",
            )
        return replace(x, channels=self.channels)

    def does_nothing(self, *inputs: Shape) -> bool:
        return inputs[0].channels == self.channels

    def before(self, channels: int) -> int:
        """Return how many of the new channels come before the old `channels`."""
        return (self.channels - channels) // 2 if self.side == "both" else 0


@declared
class ZeroPad(Op):
    """Zeros around the map: `amount` rows above and below, columns left and right.

    Four amounts, `[[above, below], [left, right]]`, are those of each side.
    """

    kind: ClassVar[str] = "zeropad"
    keeps: ClassVar[tuple[Kept, ...]] = ()
    aliases: ClassVar[tuple[str, ...]] = ("zeropadding", "pad", "constantpad")
    takes: ClassVar[str] = "map"
    gives: ClassVar[str] = "`n + 2 * amount`, or `n` and both its amounts"
    amount: Pair | Sides = argument(AMOUNTS, aliases=OF_PAD)

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        (x,) = inputs
        needs_map(self, x)
        sizes = zip(x.spatial, sides(self.amount), strict=True)
        return Shape(x.channels, tuple(size.plus(before + after) for size, (before, after) in sizes))

    def does_nothing(self, *inputs: Shape) -> bool:
        return self.amount == (0, 0)

    @property
    def frame(self) -> Sides:
        return sides(self.amount)


@declared
class Part(Op):
    """The channels of part `index`, from 0 on, of `of` equal parts."""

    kind: ClassVar[str] = "part"
    keeps: ClassVar[tuple[Kept, ...]] = ()
    within: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ("split", "chunk", "slice")
    gives: ClassVar[str] = "the channels divided by `of`"
    index: int = argument(INDEX)
    of: int = argument(COUNT)

    def normalised(self) -> Self:
        if self.index >= self.of:
            raise ArgumentError(self.kind, "index", f"less than {self.of}, the number of parts")
        return self

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        count = inputs[0].channels
        if count % self.of:
            message = f"{count} input channels cannot be split into {self.of} parts"
            raise ShapeError("E0305", message, f"{divisors(count)} divide {count}", argument="of")
        return replace(inputs[0], channels=count // self.of)

    def channels_of_result(
        self, inputs: tuple[Formula | None, ...], arguments: Mapping[str, Formula]
    ) -> Formula | None:
        count = arguments.get("of", Fixed(self.of))
        return None if inputs[0] is None else operation("//", inputs[0], count)

    def does_nothing(self, *inputs: Shape) -> bool:
        return self.of == 1

    def bounds(self, channels: int) -> Pair:
        """Return the first of the part's channels, and the one after its last."""
        size = channels // self.of
        return self.index * size, (self.index + 1) * size
