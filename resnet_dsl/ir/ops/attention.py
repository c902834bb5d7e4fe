"""Ops that gather pixels by weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resnet_dsl.ir.ops.base import needs_map
from resnet_dsl.ir.ops.joins import Agreement, Join
from resnet_dsl.ir.shapes import Extent, Shape
from resnet_dsl.ir.sizes import ONE


@dataclass(frozen=True)
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
