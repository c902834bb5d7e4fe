"""Ops that move values between channels and pixels, or channels among themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from resnet_dsl.ir.arguments import COUNT, argument
from resnet_dsl.ir.formulas import Fixed, Formula, operation
from resnet_dsl.ir.ops.base import Kept, Op, Window, declared, divisors, needs_map
from resnet_dsl.ir.shapes import Extent, Shape, ShapeError
from resnet_dsl.limits import ARGUMENT

OF_FACTOR = ("upscalefactor", "downscalefactor", "blocksize", "scale", "r")


def _divided(count: int, parts: int, argument_name: str) -> int:
    if count % parts:
        message = f"{count} input channels cannot be split into {parts} parts"
        raise ShapeError("E0305", message, f"{divisors(count)} divide {count}", argument=argument_name)
    return count // parts


@declared
class PixelShuffle(Op):
    """Channels as pixels (Shi et al. 2016): of each `factor` squared channels in turn a square of pixels.

    Channel `c * factor^2 + i * factor + j` gives pixel (i, j) of each square of channel c, as in torch.
    """

    kind: ClassVar[str] = "pixel_shuffle"
    keeps: ClassVar[tuple[Kept, ...]] = ()
    aliases: ClassVar[tuple[str, ...]] = ("pixelshuffle", "depthtospace", "subpixel")
    takes: ClassVar[str] = "map"
    gives: ClassVar[str] = "the channels divided by `factor` squared, `n * factor`"
    factor: int = argument(COUNT, aliases=OF_FACTOR)

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        (x,) = inputs
        needs_map(self, x)
        channels = _divided(x.channels, self.factor**2, "factor")
        sizes = tuple(size.times(self.factor) for size in x.spatial)
        if any(max(size.mul, extent.of(size) or 0) > ARGUMENT.most for size in sizes):
            raise ShapeError("E0502", f"a map of {x.text(extent)} cannot be made larger any more")
        return Shape(channels, sizes)

    def channels_of_result(
        self, inputs: tuple[Formula | None, ...], arguments: Mapping[str, Formula]
    ) -> Formula | None:
        if inputs[0] is None or "factor" in arguments:
            return None
        return operation("//", inputs[0], Fixed(self.factor**2))

    @property
    def window(self) -> Window:
        return Window(factor=(self.factor, self.factor))

    def does_nothing(self, *inputs: Shape) -> bool:
        return self.factor == 1


@declared
class PixelUnshuffle(Op):
    """Pixels as channels: the way back of `pixel_shuffle`; what makes no square is left out."""

    kind: ClassVar[str] = "pixel_unshuffle"
    keeps: ClassVar[tuple[Kept, ...]] = ()
    aliases: ClassVar[tuple[str, ...]] = ("pixelunshuffle", "spacetodepth", "reorg")
    takes: ClassVar[str] = "map"
    gives: ClassVar[str] = "`factor` squared times the channels, `floor(n / factor)`"
    factor: int = argument(COUNT, aliases=OF_FACTOR)

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        (x,) = inputs
        needs_map(self, x)
        if x.channels * self.factor**2 > ARGUMENT.most:
            raise ShapeError("E0502", f"{x.channels} channels cannot be made more any more")
        if any((extent.of(size) or self.factor) < self.factor for size in x.spatial):
            message = f"a map of {x.text(extent)} has no square of {self.factor} pixels"
            hint = "the map has become too small: use a larger input, or fewer strides"
            raise ShapeError("E0304", message, hint, argument="factor")
        sizes = tuple(size.window(self.factor, self.factor, 0) for size in x.spatial)
        return Shape(x.channels * self.factor**2, sizes)

    def channels_of_result(
        self, inputs: tuple[Formula | None, ...], arguments: Mapping[str, Formula]
    ) -> Formula | None:
        if inputs[0] is None or "factor" in arguments:
            return None
        return operation("*", inputs[0], Fixed(self.factor**2))

    @property
    def window(self) -> Window:
        return Window((self.factor, self.factor), (self.factor, self.factor))

    def unread(self, *inputs: Shape, extent: Extent) -> tuple[int, ...]:
        return tuple((extent.of(size) or 0) % self.factor for size in inputs[0].spatial)

    def does_nothing(self, *inputs: Shape) -> bool:
        return self.factor == 1


@declared
class ChannelShuffle(Op):
    """The first channel of each group, then the second of each, and so on (Zhang et al. 2018, ShuffleNet)."""

    kind: ClassVar[str] = "channel_shuffle"
    keeps: ClassVar[tuple[Kept, ...]] = ()
    aliases: ClassVar[tuple[str, ...]] = ("channelshuffle", "shufflechannels")
    groups: int = argument(COUNT, aliases=("numgroups",))

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        _divided(inputs[0].channels, self.groups, "groups")
        return inputs[0]

    def order(self, channels: int) -> tuple[int, ...]:
        """Return which channel each of the result is."""
        size = channels // self.groups
        return tuple(group * size + each for each in range(size) for group in range(self.groups))

    def does_nothing(self, *inputs: Shape) -> bool:
        return self.groups in (1, inputs[0].channels)
