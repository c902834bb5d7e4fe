"""Numbers that are learned and no layer's weights: a scale or a shift of each channel, or of all."""

from __future__ import annotations

from typing import ClassVar

from resnet_dsl.ir.arguments import FLAG, REAL, argument, itself
from resnet_dsl.ir.ops.base import ChannelMap, Init, Kept, Op, TensorSpec, declared
from resnet_dsl.ir.shapes import Shape


@declared
class LearnedScale(Op):
    """x times a learned number, one for each channel or one for all; `start` is what they start at.

    With a small start it is the layer scale of Touvron et al. 2021, one number that starts at 0 the
    gain of SkipInit (De and Smith 2020).
    """

    kind: ClassVar[str] = "scale"
    aliases: ClassVar[tuple[str, ...]] = ("layerscale", "learnedscale", "scalelayer")
    start: float = argument(
        REAL, 1.0, structure=itself, aliases=("init", "initvalue", "initvalues", "gamma"), starts=True
    )
    per_channel: bool = argument(FLAG, True)

    def parameters(self, *inputs: Shape) -> tuple[TensorSpec, ...]:
        return (TensorSpec("weight", _shape(self.per_channel, *inputs), _at(self.start), "scale"),)

    @property
    def channel_map(self) -> ChannelMap:
        return ChannelMap()


@declared
class LearnedShift(Op):
    """x plus a learned number, one for each channel or one for all; `start` is what they start at."""

    kind: ClassVar[str] = "bias"
    keeps: ClassVar[tuple[Kept, ...]] = ()
    aliases: ClassVar[tuple[str, ...]] = ("learnedbias", "biaslayer", "addbias")
    fresh: ClassVar[bool] = True
    start: float = argument(REAL, 0.0, structure=itself, aliases=("init", "initvalue", "beta"), starts=True)
    per_channel: bool = argument(FLAG, True)

    def parameters(self, *inputs: Shape) -> tuple[TensorSpec, ...]:
        return (TensorSpec("bias", _shape(self.per_channel, *inputs), _at(self.start), "shift"),)

    @property
    def channel_map(self) -> ChannelMap:
        return ChannelMap()


def _shape(per_channel: bool, x: Shape) -> tuple[int, ...]:
    return (x.channels if per_channel else 1,)


def _at(value: float) -> Init:
    return Init("constant", value)
