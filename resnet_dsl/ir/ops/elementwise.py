"""Activations and what else changes each value where it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Self

from resnet_dsl.ir.arguments import (
    COUNT,
    FLAG,
    OF_RATE,
    RATE,
    REAL,
    ArgumentError,
    argument,
    choice,
    itself,
)
from resnet_dsl.ir.ops.base import (
    ChannelMap,
    Doubt,
    Init,
    Kept,
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
class Relu(Op):
    """max(x, 0)."""

    kind: ClassVar[str] = "relu"
    keeps: ClassVar[tuple[Kept, ...]] = ("result",)
    aliases: ClassVar[tuple[str, ...]] = ("rectifiedlinear", "rectify")
    activation: ClassVar[bool] = True


@declared
class LeakyRelu(Op):
    """x where it is positive, `slope` times x elsewhere."""

    kind: ClassVar[str] = "leaky_relu"
    aliases: ClassVar[tuple[str, ...]] = ("lrelu",)
    activation: ClassVar[bool] = True
    slope: float = argument(REAL, 0.01, aliases=("negativeslope", "alpha"))

    def mistakes(self) -> Iterator[Mistake]:
        for slope in (0.3, 0.2, 0.01):  # of Keras' layer, of its function, of torch
            if slope != self.slope:
                yield Mistake(f"slope: {slope:g} instead of {self.slope:g}", replace(self, slope=slope))


@declared
class PRelu(Op):
    """x where it is positive, a learned slope times x elsewhere (He et al. 2015, “Delving deep”).

    There is one slope, or one for each channel; `slope` is what they start at.
    """

    kind: ClassVar[str] = "prelu"
    aliases: ClassVar[tuple[str, ...]] = ("parametricrelu",)
    activation: ClassVar[bool] = True
    fresh: ClassVar[bool] = True
    per_channel: bool = argument(FLAG, False)
    slope: float = argument(REAL, 0.25, structure=itself, starts=True)

    def parameters(self, *inputs: Shape) -> tuple[TensorSpec, ...]:
        shape = (inputs[0].channels if self.per_channel else 1,)
        return (TensorSpec("weight", shape, Init("constant", self.slope), "scale"),)


@declared
class Silu(Op):
    """x * sigmoid(x), also called swish."""

    kind: ClassVar[str] = "silu"
    aliases: ClassVar[tuple[str, ...]] = ("swish",)
    activation: ClassVar[bool] = True


@declared
class Gelu(Op):
    """x times the normal distribution function at x, or its approximation by tanh."""

    kind: ClassVar[str] = "gelu"
    activation: ClassVar[bool] = True
    approximate: bool = argument(FLAG, False)


@declared
class HardSwish(Op):
    """x * min(max(x + 3, 0), 6) / 6."""

    kind: ClassVar[str] = "hard_swish"
    aliases: ClassVar[tuple[str, ...]] = ("hswish", "hardsilu")
    activation: ClassVar[bool] = True


@declared
class HardSigmoid(Op):
    """min(max(x + 3, 0), 6) / 6, as in torch and Keras 3; ONNX's own default is another."""

    kind: ClassVar[str] = "hard_sigmoid"
    aliases: ClassVar[tuple[str, ...]] = ("hsigmoid",)
    activation: ClassVar[bool] = True


@declared
class Relu6(Op):
    """min(max(x, 0), 6)."""

    kind: ClassVar[str] = "relu6"
    activation: ClassVar[bool] = True


@declared
class Elu(Op):
    """x where it is positive, `alpha` times exp(x) - 1 elsewhere (Clevert et al. 2016)."""

    kind: ClassVar[str] = "elu"
    keeps: ClassVar[tuple[Kept, ...]] = ("result",)
    activation: ClassVar[bool] = True
    alpha: float = argument(REAL, 1.0)


@declared
class Mish(Op):
    """x * tanh(log(1 + exp(x))) (Misra 2020)."""

    kind: ClassVar[str] = "mish"
    activation: ClassVar[bool] = True


@declared
class Softplus(Op):
    """log(1 + exp(x))."""

    kind: ClassVar[str] = "softplus"
    activation: ClassVar[bool] = True


@declared
class Sigmoid(Op):
    """1 / (1 + exp(-x))."""

    kind: ClassVar[str] = "sigmoid"
    keeps: ClassVar[tuple[Kept, ...]] = ("result",)
    aliases: ClassVar[tuple[str, ...]] = ("logistic",)
    activation: ClassVar[bool] = True


@declared
class Tanh(Op):
    """Hyperbolic tangent."""

    kind: ClassVar[str] = "tanh"
    keeps: ClassVar[tuple[Kept, ...]] = ("result",)
    activation: ClassVar[bool] = True


@declared
class Softmax(Op):
    """Softmax over the channels, over the pixels of each channel, or over `parts` equal parts.

    Over parts, the values of one place in each part add up to 1: branches that were concatenated.
    """

    kind: ClassVar[str] = "softmax"
    keeps: ClassVar[tuple[Kept, ...]] = ("result",)
    aliases: ClassVar[tuple[str, ...]] = ("softmax2d",)
    mixes_channels: ClassVar[bool] = True
    over: str = argument(choice("channels", "pixels", "parts"), "channels", aliases=("axis", "dim"))
    parts: int = argument(COUNT, 1, aliases=("of", "radix"))

    def normalised(self) -> Self:
        if self.over != "parts" and self.parts != 1:
            raise ArgumentError(self.kind, "parts", "1 unless `over=parts`")
        if self.over == "parts" and self.parts == 1:
            raise ArgumentError(self.kind, "parts", "2 or more with `over=parts`")
        return self

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        (x,) = inputs
        if self.over == "pixels":
            needs_map(self, x)
        if x.channels % self.parts:
            message = f"{x.channels} input channels cannot be split into {self.parts} parts"
            raise ShapeError(
                "E0305", message, f"{divisors(x.channels)} divide {x.channels}", argument="parts"
            )
        return x

    def sees_whole_map(self, x: Shape, result: Shape) -> bool:
        return super().sees_whole_map(x, result) or self.over == "pixels"

    def mistakes(self) -> Iterator[Mistake]:
        for over in ("channels", "pixels"):
            if over != self.over:
                yield Mistake(f"over: {over} instead of {self.over}", replace(self, over=over, parts=1))


@declared
class Dropout(Op):
    """Zero with probability `rate` in training and scale the rest up; nothing in evaluation."""

    kind: ClassVar[str] = "dropout"
    keeps: ClassVar[tuple[Kept, ...]] = ("mask",)
    aliases: ClassVar[tuple[str, ...]] = ("spatialdropout", "alphadropout")
    random: ClassVar[bool] = True
    rate: float = argument(RATE, 0.5, aliases=OF_RATE)

    def does_nothing(self, *inputs: Shape) -> bool:
        return self.rate == 0.0

    def doubts(self) -> Iterator[Doubt]:
        return _all_dropped(self.kind, self.rate)


@declared
class StochasticDepth(Op):
    """Zero for a whole image with probability `rate` in training and scale the others up (Huang et al. 2016).

    The factor is 1 / (1 - rate), as in timm and torchvision; nothing in evaluation.
    """

    kind: ClassVar[str] = "stochastic_depth"
    keeps: ClassVar[tuple[Kept, ...]] = ()
    aliases: ClassVar[tuple[str, ...]] = ("droppath",)
    random: ClassVar[bool] = True
    rate: float = argument(RATE, 0.1, aliases=OF_RATE)

    def does_nothing(self, *inputs: Shape) -> bool:
        return self.rate == 0.0

    def doubts(self) -> Iterator[Doubt]:
        return _all_dropped(self.kind, self.rate)


def _all_dropped(kind: str, rate: float) -> Iterator[Doubt]:
    if rate == 1.0:
        message = f"{kind} with a rate of 1 drops everything: in training nothing comes through"
        yield Doubt("W0619", "rate", message, "the rate is the share that is dropped, such as 0.1")


@declared
class Affine(Op):
    """scale * x + shift: what arithmetic of a tensor and a number is."""

    kind: ClassVar[str] = "affine"
    keeps: ClassVar[tuple[Kept, ...]] = ()
    operator: ClassVar[str] = "scaled"
    arithmetic: ClassVar[bool] = True
    scale: float = argument(REAL, 1.0)
    shift: float = argument(REAL, 0.0)

    def does_nothing(self, *inputs: Shape) -> bool:
        return self.scale == 1.0 and self.shift == 0.0

    @property
    def channel_map(self) -> ChannelMap:
        return ChannelMap(factor=self.scale, offset=self.shift)
