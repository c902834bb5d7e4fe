"""Layers with weights: convolutions and fully connected layers."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod, sqrt
from typing import ClassVar, Self

from resnet_dsl.ir.arguments import (
    COUNT,
    FLAG,
    OF_CHANNELS,
    OF_INIT,
    OF_KERNEL,
    OF_PAD,
    OF_STRIDE,
    PADDING,
    PAIR,
    REAL,
    ArgumentError,
    Pair,
    Sides,
    argument,
    choice,
    itself,
    sides,
)
from resnet_dsl.ir.ops.base import (
    Init,
    LinearLayer,
    Mistake,
    Op,
    TensorSpec,
    Window,
    declared,
    divisors,
    initial,
    needs_map,
    needs_vector,
)
from resnet_dsl.ir.ops.windows import Padding, explicit, padding_mistakes, unread, windows
from resnet_dsl.ir.shapes import Extent, Shape, ShapeError
from resnet_dsl.ir.sizes import when_not_one
from resnet_dsl.records import replace

CONV_INITS = choice("he", "he_fan_in", "glorot", "uniform")
FC_INITS = choice("uniform", "glorot", "he_fan_in", "small")


@declared
class Conv(Op):
    """Convolution, two-dimensional; padding is zeros, `half` keeps the size at stride 1.

    `standardize` is the eps of weight standardisation (Qiao et al. 2019, biased variance of each
    output channel's weights), 0 for none. With a `gamma` it is that of NFNets (Brock et al. 2021): the
    weights of a channel are multiplied by gamma / sqrt(fan_in) and by a learned gain, which starts at
    `gain`.
    """

    kind: ClassVar[str] = "conv"
    aliases: ClassVar[tuple[str, ...]] = ("convolution",)
    takes: ClassVar[str] = "map"
    gives: ClassVar[str] = "`channels` × `floor((n + 2p - k) / s) + 1`; with `same`, `ceil(n / s)`"
    fresh: ClassVar[bool] = True
    weighted: ClassVar[bool] = True
    channels: int = argument(COUNT, aliases=OF_CHANNELS)
    kernel: Pair = argument(PAIR, aliases=OF_KERNEL)
    stride: Pair = argument(PAIR, (1, 1), aliases=OF_STRIDE)
    pad: Padding = argument(PADDING, "half", aliases=OF_PAD)
    groups: int = argument(COUNT, 1, aliases=("cardinality", "numgroups"))
    dilation: Pair = argument(PAIR, (1, 1), aliases=("dilationrate", "dilations", "rate"))
    bias: bool = argument(FLAG, False, aliases=("usebias",))
    init: str = argument(CONV_INITS, "he", aliases=OF_INIT, starts=True)
    standardize: float = argument(REAL, 0.0, structure=bool)
    gamma: float = argument(REAL, 0.0, structure=bool)
    gain: float = argument(REAL, 1.0, structure=itself, aliases=("gaininit",), starts=True)

    def normalised(self) -> Self:
        if self.standardize < 0:
            raise ArgumentError(self.kind, "standardize", "0 or a small positive number")
        if self.gamma and not self.standardize:
            raise ArgumentError(self.kind, "gamma", "left out without `standardize`")
        if self.gain != 1.0 and not self.gamma:
            raise ArgumentError(self.kind, "gain", "left out without `gamma`: no gain starts at it")
        return replace(self, pad=explicit(self.pad, self.kernel, self.dilation))

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        (x,) = inputs
        needs_map(self, x)
        for what, count in (("input", x.channels), ("output", self.channels)):
            if count % self.groups:
                raise ShapeError(
                    "E0305",
                    f"{count} {what} channels cannot be split into {self.groups} groups",
                    f"{divisors(count)} divide {count}",
                    argument="groups",
                )
        spatial = windows(self.kernel, self.stride, self.pad, self.dilation, x, extent)
        return Shape(self.channels, spatial)

    def parameters(self, *inputs: Shape) -> tuple[TensorSpec, ...]:
        shape = (self.channels, inputs[0].channels // self.groups, *self.kernel)
        weight = TensorSpec("weight", shape, initial(self.init, shape), "weight")
        gain = TensorSpec("gain", (self.channels, 1, 1, 1), Init("constant", self.gain), "scale")
        return (weight, *_bias(self.bias, self.init, shape), *((gain,) if self.gamma else ()))

    def factor(self, channels: int) -> float:
        """Return what standardised weights are multiplied by, beside their gain, for input channels."""
        return self.gamma / sqrt(channels // self.groups * prod(self.kernel))

    @property
    def window(self) -> Window:
        return Window(self.kernel, self.stride, self.dilation)

    def unread(self, *inputs: Shape, extent: Extent) -> tuple[int, ...]:
        return unread(self.window, self.pad, inputs[0], extent)

    @property
    def linear_in_weight(self) -> bool:
        return not self.standardize

    @property
    def linear_layer(self) -> LinearLayer | None:
        return LinearLayer(0, 1, self.groups, self.pad == (0, 0)) if self.linear_in_weight else None

    def with_plain_weight(self) -> Self | None:
        return replace(self, standardize=0.0, gamma=0.0, gain=1.0) if self.standardize else None

    def with_frame(self, zeros: Sides) -> Self | None:
        if self.pad == "same":
            return None
        pairs = zip(sides(self.pad), zeros, strict=True)
        (above, below), (left, right) = ((a + c, b + d) for (a, b), (c, d) in pairs)
        even = (above, left) == (below, right)
        return replace(self, pad=(above, left) if even else ((above, below), (left, right)))

    def mistakes(self) -> Iterator[Mistake]:
        return padding_mistakes(self, self.pad)

    def macs(self, inputs: tuple[Shape, ...], output: tuple[int, ...]) -> int:
        return prod(output) * (inputs[0].channels // self.groups) * prod(self.kernel)


@declared
class ChannelConv(Op):
    """Convolution over neighbouring channels of a vector, or of what global pooling leaves.

    One kernel of `kernel` weights, zeros past the first and last channel, no bias: the attention
    of ECA-Net (Wang et al. 2020).
    """

    kind: ClassVar[str] = "channel_conv"
    takes: ClassVar[str] = "vector, or map of one pixel"
    kernel: int = argument(COUNT, aliases=OF_KERNEL)
    init: str = argument(CONV_INITS, "uniform", starts=True)

    def normalised(self) -> Self:
        if self.kernel % 2 == 0:
            raise ArgumentError(self.kind, "kernel", "odd")
        return self

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        needs_vector(self, inputs[0], extent, "`gap`")
        return inputs[0]

    def fails_for(self, *inputs: Shape, extent: Extent) -> str:
        return when_not_one(inputs[0].spatial)

    def parameters(self, *inputs: Shape) -> tuple[TensorSpec, ...]:
        shape = (1, 1, self.kernel)
        return (TensorSpec("weight", shape, initial(self.init, shape), "weight"),)

    def macs(self, inputs: tuple[Shape, ...], output: tuple[int, ...]) -> int:
        return inputs[0].channels * self.kernel


@declared
class FullyConnected(Op):
    """Fully connected layer on a vector, or on what global pooling leaves."""

    kind: ClassVar[str] = "fc"
    aliases: ClassVar[tuple[str, ...]] = ("linear", "dense", "fullyconnected", "innerproduct", "gemm")
    takes: ClassVar[str] = "vector, or map of one pixel"
    gives: ClassVar[str] = "vector of `channels`"
    fresh: ClassVar[bool] = True
    weighted: ClassVar[bool] = True
    channels: int = argument(COUNT, aliases=OF_CHANNELS)
    bias: bool = argument(FLAG, True, aliases=("usebias",))
    init: str = argument(FC_INITS, "uniform", aliases=OF_INIT, starts=True)

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        needs_vector(self, inputs[0], extent, "`gap` or `flatten`")
        return Shape(self.channels)

    def fails_for(self, *inputs: Shape, extent: Extent) -> str:
        return when_not_one(inputs[0].spatial)

    def parameters(self, *inputs: Shape) -> tuple[TensorSpec, ...]:
        shape = (self.channels, inputs[0].channels)
        weight = TensorSpec("weight", shape, initial(self.init, shape), "weight")
        return (weight, *_bias(self.bias, self.init, shape))

    @property
    def linear_layer(self) -> LinearLayer:
        return LinearLayer(0, 1)

    def macs(self, inputs: tuple[Shape, ...], output: tuple[int, ...]) -> int:
        return self.channels * inputs[0].channels


def _bias(wanted: bool, scheme: str, shape: tuple[int, ...]) -> tuple[TensorSpec, ...]:
    """The bias of a layer: torch's bound under `uniform`, zeros under every other scheme."""
    start = initial(scheme, shape) if scheme == "uniform" else Init("constant", 0.0)
    return (TensorSpec("bias", shape[:1], start, "bias"),) if wanted else ()
