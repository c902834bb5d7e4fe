"""Pools over the whole map, of other means than the arithmetic one."""

from __future__ import annotations

from typing import ClassVar, Self

from resnet_dsl.ir.arguments import EPSILON, OF_EPS, REAL, ArgumentError, argument, itself
from resnet_dsl.ir.ops.base import Init, Op, TensorSpec, declared, needs_map
from resnet_dsl.ir.shapes import Extent, Shape
from resnet_dsl.ir.sizes import Size


@declared
class GlobalPool(Op):
    """A pool that leaves one pixel."""

    takes: ClassVar[str] = "map"
    gives: ClassVar[str] = "the channels, one pixel"

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        needs_map(self, inputs[0])
        return Shape(inputs[0].channels, (Size(None, 1), Size(None, 1)))


@declared
class GlobalMaxPool(GlobalPool):
    """The largest value over height and width: Cx1x1."""

    kind: ClassVar[str] = "gmp"
    aliases: ClassVar[tuple[str, ...]] = (
        "globalmaxpool",
        "globalmaxpooling",
        "adaptivemaxpool",
        "globalmaximumpool",
    )


@declared
class GeneralisedMean(GlobalPool):
    """Generalised mean over height and width, with a learned power (Radenović et al. 2019).

    (mean of max(x, eps)^p)^(1 / p): the mean for a `p` of 1, near the maximum for a large one. `p` is
    what the power starts at.
    """

    kind: ClassVar[str] = "gem"
    aliases: ClassVar[tuple[str, ...]] = ("generalizedmean", "generalisedmean", "gempool", "gempooling")
    p: float = argument(REAL, 3.0, structure=itself, aliases=("power", "norm"), starts=True)
    eps: float = argument(EPSILON, 1e-6, aliases=OF_EPS)

    def normalised(self) -> Self:
        if self.p <= 0.0:
            raise ArgumentError(self.kind, "p", "positive")
        return self

    def parameters(self, *inputs: Shape) -> tuple[TensorSpec, ...]:
        return (TensorSpec("weight", (1,), Init("constant", self.p), "scale"),)
