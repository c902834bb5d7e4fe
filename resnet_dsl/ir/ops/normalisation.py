"""Normalisation: by the batch, by groups of channels, by all channels, by neighbouring channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Self

from resnet_dsl.ir.arguments import (
    COUNT,
    EPSILON,
    EPSILON_OR_ZERO,
    FLAG,
    OF_EPS,
    RATE,
    REAL,
    ArgumentError,
    argument,
    itself,
)
from resnet_dsl.ir.ops.base import (
    ChannelMap,
    Doubt,
    Init,
    Mistake,
    Op,
    TensorSpec,
    declared,
    divisors,
    needs_map,
)
from resnet_dsl.ir.shapes import Extent, Shape, ShapeError
from resnet_dsl.records import replace


@declared
class RunningNorm(Op):
    """A norm that evaluates by running statistics, to which a batch counts with `momentum`.

    In evaluation its mean can take up a bias before it, its variance another eps.
    """

    normalises: ClassVar[bool] = True
    eps: float = argument(EPSILON_OR_ZERO, 1e-5, aliases=OF_EPS)
    momentum: float = argument(RATE, 0.1, training=True)

    def doubts(self) -> Iterator[Doubt]:
        if 0.9 <= self.momentum < 1:
            kept = f"{round(1 - self.momentum, 9):g}"
            message = f"a momentum of {self.momentum:g} gives the new batch nearly all the weight"
            hint = f"Keras and ONNX write what is kept; here that is `momentum={kept}`"
            yield Doubt("W0620", "momentum", message, hint)

    @property
    def channel_map(self) -> ChannelMap:
        return ChannelMap(eps=self.eps)


@declared
class BatchNorm(RunningNorm):
    """Batch normalisation; `momentum` is the weight of the new batch, `gamma` the first scale.

    Without `scale` the channels have no learned scale, without `center` no learned shift. One that is
    `frozen` has them and its statistics as they are loaded, in training too, as torchvision's
    FrozenBatchNorm2d.
    """

    kind: ClassVar[str] = "bn"
    aliases: ClassVar[tuple[str, ...]] = (
        "batchnorm",
        "batchnormalization",
        "batchnormalisation",
        "norm",
    )
    fresh: ClassVar[bool] = True
    absent: ClassVar[Mapping[str, str]] = {
        "affine": "`scale=false, center=false` leaves out what is learned",
        "fixgamma": "`scale=false` leaves out the learned scale",
    }
    gamma: float = argument(REAL, 1.0, structure=itself, starts=True)
    scale: bool = argument(FLAG, True, aliases=("usescale",))
    center: bool = argument(FLAG, True, aliases=("centre", "usebias", "bias"))
    frozen: bool = argument(FLAG, False, training=True)

    def normalised(self) -> Self:
        if not self.scale and self.gamma != 1.0:
            raise ArgumentError(self.kind, "gamma", "left out without `scale`: no scale starts at it")
        return self

    def parameters(self, *inputs: Shape) -> tuple[TensorSpec, ...]:
        shape = (inputs[0].channels,)
        scale, shift = (
            replace(tensor, fixed=self.frozen) for tensor in _scale_and_shift(inputs[0], self.gamma)
        )
        return (
            *((scale,) if self.scale else ()),
            *((shift,) if self.center else ()),
            TensorSpec("running_mean", shape, Init("constant", 0.0), "mean"),
            TensorSpec("running_var", shape, Init("constant", 1.0), "variance"),
        )

    @property
    def stays(self) -> bool:
        return self.frozen


@declared
class GroupNorm(Op):
    """Group normalisation (Wu and He 2018): by mean and variance of each of `groups` of channels."""

    kind: ClassVar[str] = "gn"
    mixes_channels: ClassVar[bool] = True
    normalises: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ("groupnorm", "groupnormalization", "groupnormalisation")
    fresh: ClassVar[bool] = True
    groups: int = argument(COUNT, 32, aliases=("numgroups",))
    eps: float = argument(EPSILON, 1e-5, aliases=OF_EPS)
    gamma: float = argument(REAL, 1.0, structure=itself, starts=True)

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        count = inputs[0].channels
        if count % self.groups:
            message = f"{count} input channels cannot be split into {self.groups} groups"
            raise ShapeError("E0305", message, f"{divisors(count)} divide {count}", argument="groups")
        return inputs[0]

    def sees_whole_map(self, x: Shape, result: Shape) -> bool:
        return not x.is_pixel

    def parameters(self, *inputs: Shape) -> tuple[TensorSpec, ...]:
        return _scale_and_shift(inputs[0], self.gamma)


@declared
class LayerNorm(Op):
    """Layer normalisation over the channels, each pixel by itself."""

    kind: ClassVar[str] = "ln"
    mixes_channels: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ("layernorm", "layernormalization", "layernormalisation")
    normalises: ClassVar[bool] = True
    eps: float = argument(EPSILON, 1e-5, aliases=OF_EPS)
    gamma: float = argument(REAL, 1.0, structure=itself, starts=True)

    def parameters(self, *inputs: Shape) -> tuple[TensorSpec, ...]:
        return _scale_and_shift(inputs[0], self.gamma)


@declared
class InstanceNorm(Op):
    """Instance normalisation (Ulyanov et al. 2016): each channel of each image by its own mean and variance.

    The variance is biased. With `affine` each channel has a learned scale and shift, else it has none.
    """

    kind: ClassVar[str] = "instance_norm"
    normalises: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ("instancenormalization", "in")
    takes: ClassVar[str] = "map of more than one pixel"
    fresh: ClassVar[bool] = True
    eps: float = argument(EPSILON, 1e-5, aliases=OF_EPS)
    affine: bool = argument(FLAG, True)
    gamma: float = argument(REAL, 1.0, structure=itself, starts=True)

    def normalised(self) -> Self:
        if not self.affine and self.gamma != 1.0:
            raise ArgumentError(self.kind, "gamma", "left out without `affine`: no scale starts at it")
        return self

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        (x,) = inputs
        needs_map(self, x)
        if all(extent.of(size) == 1 for size in x.spatial):
            message = f"instance_norm takes a map of more than one pixel, not {x.text(extent)}"
            raise ShapeError("E0306", message, "a pixel less its own mean is 0")
        return x

    def sees_whole_map(self, x: Shape, result: Shape) -> bool:
        return True

    def parameters(self, *inputs: Shape) -> tuple[TensorSpec, ...]:
        return _scale_and_shift(inputs[0], self.gamma) if self.affine else ()


@declared
class GlobalResponseNorm(Op):
    """x + (weight * n * x + bias), n a channel's norm over the map by the mean of all (Woo et al. 2023).

    `weight` and `bias` have a number for each channel and start at 0: at first the result is x. The norm
    is the root of the sum of squares; `eps` is added to the mean of the norms.
    """

    kind: ClassVar[str] = "grn"
    mixes_channels: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ("globalresponsenorm", "globalresponsenormalization")
    takes: ClassVar[str] = "map"
    fresh: ClassVar[bool] = True
    eps: float = argument(EPSILON, 1e-6, aliases=OF_EPS)

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        needs_map(self, inputs[0])
        return inputs[0]

    def sees_whole_map(self, x: Shape, result: Shape) -> bool:
        return not x.is_pixel

    def parameters(self, *inputs: Shape) -> tuple[TensorSpec, ...]:
        return _scale_and_shift(inputs[0], 0.0)


@declared
class LocalResponseNorm(Op):
    """x / (k + alpha / size * sum of squares)^beta, the sum over `size` neighbouring channels.

    As in torch, ONNX and Caffe `alpha` is divided by `size`; Krizhevsky et al. 2012, section 3.3,
    and TensorFlow do not divide.
    """

    kind: ClassVar[str] = "lrn"
    mixes_channels: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ("localresponsenorm", "localresponsenormalization")
    takes: ClassVar[str] = "map"
    size: int = argument(COUNT, 5)
    alpha: float = argument(REAL, 1e-4)
    beta: float = argument(REAL, 0.75)
    k: float = argument(REAL, 1.0)

    def normalised(self) -> Self:
        if self.size % 2 == 0:
            raise ArgumentError(self.kind, "size", "odd")
        if self.k <= 0 or self.alpha < 0:
            raise ArgumentError(self.kind, "k", "positive and `alpha` not negative")
        return self

    def mistakes(self) -> Iterator[Mistake]:
        for alpha in (self.alpha * self.size, self.alpha / self.size):
            yield Mistake("lrn: whether alpha is divided by the size", replace(self, alpha=alpha))

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        needs_map(self, inputs[0])
        return inputs[0]


def _scale_and_shift(x: Shape, gamma: float) -> tuple[TensorSpec, ...]:
    return (
        TensorSpec("weight", (x.channels,), Init("constant", gamma), "scale"),
        TensorSpec("bias", (x.channels,), Init("constant", 0.0), "shift"),
    )
