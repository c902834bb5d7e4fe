"""Transposed convolution: what makes a map larger with weights of its own."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
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
    PAIR_FROM_ZERO,
    ArgumentError,
    Pair,
    argument,
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
)
from resnet_dsl.ir.ops.layers import CONV_INITS
from resnet_dsl.ir.ops.windows import Padding, explicit
from resnet_dsl.ir.shapes import Extent, Shape, ShapeError
from resnet_dsl.limits import ARGUMENT
from resnet_dsl.records import replace


@declared
class ConvTranspose(Op):
    """Transposed convolution: the way back of a convolution's map, `stride` times as large.

    Padding is what is left out of the full result on each side; `output_padding` adds rows and
    columns below and to the right.
    """

    kind: ClassVar[str] = "conv_transpose"
    aliases: ClassVar[tuple[str, ...]] = (
        "convtranspose",
        "transposedconv",
        "transposeconv",
        "deconv",
        "deconvolution",
        "upconv",
    )
    takes: ClassVar[str] = "map"
    gives: ClassVar[str] = "`channels` × `(n - 1) * s - 2p + k + output_padding`; with `same`, `n * s`"
    fresh: ClassVar[bool] = True
    weighted: ClassVar[bool] = True
    channels: int = argument(COUNT, aliases=OF_CHANNELS)
    kernel: Pair = argument(PAIR, aliases=OF_KERNEL)
    stride: Pair = argument(PAIR, (1, 1), aliases=OF_STRIDE)
    pad: Padding = argument(PADDING, "half", aliases=OF_PAD)
    output_padding: Pair = argument(PAIR_FROM_ZERO, (0, 0), aliases=("outputpad", "outpad"))
    groups: int = argument(COUNT, 1, aliases=("cardinality", "numgroups"))
    dilation: Pair = argument(PAIR, (1, 1), aliases=("dilationrate", "dilations", "rate"))
    bias: bool = argument(FLAG, False, aliases=("usebias",))
    init: str = argument(CONV_INITS, "he", aliases=OF_INIT, starts=True)

    def normalised(self) -> Self:
        if any(more >= stride for more, stride in zip(self.output_padding, self.stride, strict=True) if more):
            raise ArgumentError(self.kind, "output_padding", "less than its stride")
        if self.pad != "same":
            return replace(self, pad=explicit(self.pad, self.kernel, self.dilation))
        if any(self.output_padding):
            raise ArgumentError(self.kind, "output_padding", "0 with `same` padding")
        # What the gradient of TensorFlow's `same` leaves out: as much at any size.
        over = [span - stride for span, stride in zip(self.spans, self.stride, strict=True)]
        (above, below), (left, right) = ((max(n, 0) // 2, max(n, 0) - max(n, 0) // 2) for n in over)
        pad = (above, left) if (above, left) == (below, right) else ((above, below), (left, right))
        return replace(self, pad=pad, output_padding=(max(-over[0], 0), max(-over[1], 0)))

    @property
    def spans(self) -> Pair:
        """The rows and columns that the kernel spans."""
        height, width = ((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))
        return height, width

    @property
    def more(self) -> Pair:
        """By how much the result has more rows and columns than `stride` times as many."""
        ends = zip(self.spans, self.stride, sides(self.pad), self.output_padding, strict=True)  # type: ignore[arg-type]
        height, width = (span - stride - sum(pad) + out for span, stride, pad, out in ends)
        return height, width

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        (x,) = inputs
        needs_map(self, x)
        for what, count in (("input", x.channels), ("output", self.channels)):
            if count % self.groups:
                message = f"{count} {what} channels cannot be split into {self.groups} groups"
                raise ShapeError("E0305", message, f"{divisors(count)} divide {count}", argument="groups")
        axes = zip(x.spatial, self.stride, self.more, strict=True)
        sizes = tuple(size.times(stride).plus(more) for size, stride, more in axes)
        for size in sizes:
            known = extent.of(size)
            if max(size.mul, known or 0) > ARGUMENT.most:
                raise ShapeError("E0502", f"a map of {x.text(extent)} cannot be made larger any more")
            if (known is not None and known < 1) or (size.axis is None and size.add < 1):
                message = f"nothing is left of {x.text(extent)} with so much padding"
                hint = "the padding of a transposed convolution makes the map smaller"
                raise ShapeError("E0304", message, hint, argument="pad")
        return Shape(self.channels, sizes)

    def parameters(self, *inputs: Shape) -> tuple[TensorSpec, ...]:
        shape = (inputs[0].channels, self.channels // self.groups, *self.kernel)
        weight = TensorSpec("weight", shape, initial(self.init, shape), "weight")
        start = initial(self.init, shape) if self.init == "uniform" else Init("constant", 0.0)
        return (weight, TensorSpec("bias", (self.channels,), start, "bias")) if self.bias else (weight,)

    @property
    def linear_layer(self) -> LinearLayer:
        return LinearLayer(1, 0, self.groups, uniform=False)

    @property
    def window(self) -> Window:
        height, width = (-(-span // s) for span, s in zip(self.spans, self.stride, strict=True))
        return Window((height, width), factor=self.stride)

    def mistakes(self) -> Iterator[Mistake]:
        if any(self.output_padding):
            yield Mistake("output_padding: none", replace(self, output_padding=(0, 0)))
        if any(map(any, sides(self.pad))):  # type: ignore[arg-type]
            yield Mistake("padding: none", replace(self, pad=(0, 0)))

    def macs(self, inputs: tuple[Shape, ...], output: tuple[int, ...]) -> int:
        axes = zip(output[1:], self.stride, self.more, strict=True)
        pixels = prod((size - more) // stride for size, stride, more in axes)
        return pixels * inputs[0].channels * (self.channels // self.groups) * prod(self.kernel)
