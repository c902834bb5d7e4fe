"""The catalogue of ops: arguments, shape rule, parameters and cost of each, in no framework's terms.

Adding an op is one class here and one rule in every backend. Shapes are channels first and
without the batch. An op knows no place in a text: it raises ShapeError, elaboration adds the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from math import prod, sqrt
from typing import Any, ClassVar, Literal, Self

from resnet_dsl.ir.arguments import (
    COUNT,
    EPSILON,
    FLAG,
    PADDING,
    PAIR,
    RATE,
    REAL,
    Pair,
    Rule,
    argument,
    choice,
)
from resnet_dsl.ir.shapes import Extent, Shape, ShapeError
from resnet_dsl.ir.sizes import Size

Padding = Pair | Literal["same"]


@dataclass(frozen=True)
class Init:
    """How a tensor starts: `normal` with a deviation, `uniform` up to a bound, or a `constant`."""

    kind: Literal["normal", "uniform", "constant"]
    value: float


@dataclass(frozen=True)
class Parameter:
    """A tensor an op owns; `learned` ones are parameters, the others buffers."""

    name: str
    shape: tuple[int, ...]
    init: Init
    learned: bool = True

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)


@dataclass(frozen=True)
class Op:
    """One operation. `kind` is its name in the language and numbers its steps."""

    kind: ClassVar[str]
    inputs: ClassVar[int | None] = 1  # None: two or more

    @classmethod
    def make(cls, values: dict[str, Any]) -> Self:
        """Build the op from checked names; raises ValueError with a sentence on a bad value."""
        accepted = {}
        for name, rule, _ in cls.arguments():
            if name in values:
                try:
                    accepted[name] = rule.coerce(values[name])
                except ValueError as error:
                    raise ValueError(f"`{name}` of {cls.kind} must be {error}") from None
        return cls(**accepted).settled()

    @classmethod
    def arguments(cls) -> Iterator[tuple[str, Rule, Any]]:
        """Yield name, rule and default (MISSING where it must be given) of each argument."""
        for spec in fields(cls):
            yield spec.name, spec.metadata["rule"], spec.default

    def settled(self) -> Self:
        """Return the op with what depends on its own arguments written out."""
        return self

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        """Return the result's shape; raises ShapeError when the inputs do not fit."""
        return inputs[0]

    def parameters(self, *inputs: Shape) -> tuple[Parameter, ...]:
        """Return the tensors the op owns, learned ones first, in the order of torch."""
        return ()

    def macs(self, inputs: tuple[Shape, ...], output: tuple[int, ...]) -> int:
        """Return the multiply-adds at batch 1: convolutions and fully connected layers only."""
        return 0

    def does_nothing(self, *inputs: Shape) -> bool:
        """Whether the result is the input itself, so that the step can be left out."""
        return False


# --- layers with parameters --------------------------------------------------------------------

CONV_INITS = choice("he", "he_fan_in", "glorot", "uniform")
FC_INITS = choice("uniform", "glorot", "he_fan_in", "small")


def initial(scheme: str, shape: tuple[int, ...]) -> Init:
    """Return the start of a weight of `shape` (out, in/groups, …) under a named scheme.

    `he` is He et al. 2015 with fan-out, `uniform` the bound 1/sqrt(fan-in) of torch's layers,
    `glorot` that of Keras, `small` a normal of deviation 0.01 (BiT heads).
    """
    area = prod(shape[2:])
    fan_in, fan_out = shape[1] * area, shape[0] * area
    match scheme:
        case "he":
            return Init("normal", sqrt(2 / fan_out))
        case "he_fan_in":
            return Init("normal", sqrt(2 / fan_in))
        case "glorot":
            return Init("uniform", sqrt(6 / (fan_in + fan_out)))
        case "small":
            return Init("normal", 0.01)
        case _:
            return Init("uniform", 1 / sqrt(fan_in))


@dataclass(frozen=True)
class Conv(Op):
    """Convolution, two-dimensional; padding is zeros, `half` keeps the size at stride 1."""

    kind: ClassVar[str] = "conv"
    channels: int = argument(COUNT)
    kernel: Pair = argument(PAIR)
    stride: Pair = argument(PAIR, (1, 1))
    pad: Padding = argument(PADDING, "half")
    groups: int = argument(COUNT, 1)
    dilation: Pair = argument(PAIR, (1, 1))
    bias: bool = argument(FLAG, False)
    init: str = argument(CONV_INITS, "he")

    def settled(self) -> Self:
        return replace(self, pad=_explicit(self.pad, self.kernel, self.dilation))

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        (x,) = inputs
        _needs_map(self, x)
        for what, count in (("input", x.channels), ("output", self.channels)):
            if count % self.groups:
                raise ShapeError(
                    "E0305",
                    f"{count} {what} channels cannot be split into {self.groups} groups",
                    f"{_divisors(count)} divide {count}",
                )
        spatial = _windows(self.kernel, self.stride, self.pad, self.dilation, x, extent)
        return Shape(self.channels, spatial)

    def parameters(self, *inputs: Shape) -> tuple[Parameter, ...]:
        shape = (self.channels, inputs[0].channels // self.groups, *self.kernel)
        weight = Parameter("weight", shape, initial(self.init, shape))
        return (weight, *_bias(self.bias, self.init, shape))

    def macs(self, inputs: tuple[Shape, ...], output: tuple[int, ...]) -> int:
        return prod(output) * (inputs[0].channels // self.groups) * prod(self.kernel)


@dataclass(frozen=True)
class FullyConnected(Op):
    """Fully connected layer on a vector, or on what global pooling leaves."""

    kind: ClassVar[str] = "fc"
    channels: int = argument(COUNT)
    bias: bool = argument(FLAG, True)
    init: str = argument(FC_INITS, "uniform")

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        if not (inputs[0].is_vector or inputs[0].is_pixel):
            raise ShapeError(
                "E0306",
                f"fc takes a vector, not {inputs[0].text(extent)}",
                "put `gap` or `flatten` before it",
            )
        return Shape(self.channels)

    def parameters(self, *inputs: Shape) -> tuple[Parameter, ...]:
        shape = (self.channels, inputs[0].channels)
        weight = Parameter("weight", shape, initial(self.init, shape))
        return (weight, *_bias(self.bias, self.init, shape))

    def macs(self, inputs: tuple[Shape, ...], output: tuple[int, ...]) -> int:
        return self.channels * inputs[0].channels


@dataclass(frozen=True)
class BatchNorm(Op):
    """Batch normalisation; `momentum` is the weight of the new batch, `gamma` the first scale."""

    kind: ClassVar[str] = "bn"
    eps: float = argument(EPSILON, 1e-5)
    momentum: float = argument(RATE, 0.1)
    gamma: float = argument(REAL, 1.0)

    def parameters(self, *inputs: Shape) -> tuple[Parameter, ...]:
        shape = (inputs[0].channels,)
        return (
            Parameter("weight", shape, Init("constant", self.gamma)),
            Parameter("bias", shape, Init("constant", 0.0)),
            Parameter("running_mean", shape, Init("constant", 0.0), learned=False),
            Parameter("running_var", shape, Init("constant", 1.0), learned=False),
        )


# --- elementwise -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Relu(Op):
    """max(x, 0)."""

    kind: ClassVar[str] = "relu"


@dataclass(frozen=True)
class Sigmoid(Op):
    """1 / (1 + exp(-x))."""

    kind: ClassVar[str] = "sigmoid"


@dataclass(frozen=True)
class Tanh(Op):
    """Hyperbolic tangent."""

    kind: ClassVar[str] = "tanh"


@dataclass(frozen=True)
class Softmax(Op):
    """Softmax over the channels."""

    kind: ClassVar[str] = "softmax"


@dataclass(frozen=True)
class Dropout(Op):
    """Zero with probability `rate` in training and scale the rest up; nothing in evaluation."""

    kind: ClassVar[str] = "dropout"
    rate: float = argument(RATE, 0.5)

    def does_nothing(self, *inputs: Shape) -> bool:
        return self.rate == 0.0


# --- windows and sizes -------------------------------------------------------------------------


@dataclass(frozen=True)
class Pool(Op):
    """A window moved over the map, by its own size unless a `stride` is given."""

    kernel: Pair = argument(PAIR)
    stride: Pair = argument(PAIR, (0, 0))
    pad: Padding = argument(PADDING, "half")
    ceil: bool = argument(FLAG, False)

    def settled(self) -> Self:
        stride = self.kernel if self.stride == (0, 0) else self.stride
        pad = _explicit(self.pad, self.kernel, (1, 1))
        if pad != "same" and any(2 * p > k for p, k in zip(pad, self.kernel, strict=True)):
            raise ValueError(f"`pad` of {self.kind} must be at most half its kernel")
        if pad == "same" and self.ceil:
            raise ValueError(f"`ceil` of {self.kind} must be `false` with `same` padding")
        return replace(self, stride=stride, pad=pad)

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        (x,) = inputs
        _needs_map(self, x)
        spatial = _windows(self.kernel, self.stride, self.pad, (1, 1), x, extent, self.ceil)
        return Shape(x.channels, spatial)

    def does_nothing(self, *inputs: Shape) -> bool:
        return self.kernel == (1, 1) and self.stride == (1, 1) and self.pad in ((0, 0), "same")


@dataclass(frozen=True)
class MaxPool(Pool):
    """The largest value of each window; padding counts as minus infinity."""

    kind: ClassVar[str] = "maxpool"


@dataclass(frozen=True)
class AvgPool(Pool):
    """The mean of each window, over padding too only if `count_pad` says so."""

    kind: ClassVar[str] = "avgpool"
    count_pad: bool = argument(FLAG, False)

    def settled(self) -> Self:
        if self.pad == "same" and self.count_pad:
            raise ValueError("`count_pad` of avgpool must be `false` with `same` padding")
        return super().settled()


@dataclass(frozen=True)
class GlobalAvgPool(Op):
    """The mean over height and width: Cx1x1."""

    kind: ClassVar[str] = "gap"

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        _needs_map(self, inputs[0])
        return Shape(inputs[0].channels, (Size(None, 1), Size(None, 1)))


@dataclass(frozen=True)
class Flatten(Op):
    """A map as a vector, channels outermost as in NCHW; needs a known input size."""

    kind: ClassVar[str] = "flatten"

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        sizes = inputs[0].at(extent)
        if any(size is None for size in sizes):
            raise ShapeError(
                "E0307",
                f"flatten of {inputs[0].text(extent)}: the length depends on the input's size",
                "write numbers in `input:`, or pool with `gap`",
            )
        return Shape(prod(size for size in sizes if size is not None))

    def does_nothing(self, *inputs: Shape) -> bool:
        return inputs[0].is_vector


@dataclass(frozen=True)
class Subsample(Op):
    """Every `stride`-th row and column, from the first on: x[:, :, ::s, ::s]."""

    kind: ClassVar[str] = "subsample"
    stride: Pair = argument(PAIR)

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        (x,) = inputs
        _needs_map(self, x)
        sizes = zip(x.spatial, self.stride, strict=True)
        return Shape(x.channels, tuple(size.ceil(stride) for size, stride in sizes))

    def does_nothing(self, *inputs: Shape) -> bool:
        return self.stride == (1, 1)


@dataclass(frozen=True)
class PadChannels(Op):
    """Zeros as further channels up to `channels`, at the `end` or on `both` sides."""

    kind: ClassVar[str] = "pad_channels"
    channels: int = argument(COUNT)
    side: str = argument(choice("end", "both"), "end")

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        (x,) = inputs
        if x.channels > self.channels:
            raise ShapeError(
                "E0308",
                f"{x.channels} channels cannot be padded to {self.channels}",
                f"`conv({self.channels}, 1x1)` makes fewer channels",
            )
        return replace(x, channels=self.channels)

    def does_nothing(self, *inputs: Shape) -> bool:
        return inputs[0].channels == self.channels

    def before(self, channels: int) -> int:
        """Return how many of the new channels come before the old `channels`."""
        return (self.channels - channels) // 2 if self.side == "both" else 0


@dataclass(frozen=True)
class ZeroPad(Op):
    """Zeros around the map: `amount` rows above and below, columns left and right."""

    kind: ClassVar[str] = "zeropad"
    amount: Pair = argument(PAIR)

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        (x,) = inputs
        _needs_map(self, x)
        sizes = zip(x.spatial, self.amount, strict=True)
        return Shape(x.channels, tuple(size.plus(2 * amount) for size, amount in sizes))


# --- several inputs ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Add(Op):
    """Sum of equal shapes: the residual addition. Nothing is ever broadcast."""

    kind: ClassVar[str] = "add"
    inputs: ClassVar[int | None] = 2

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        if inputs[0].channels != inputs[1].channels or len(inputs[0].spatial) != len(inputs[1].spatial):
            raise ShapeError("E0301", "residual addition of different shapes", operands=True)
        return inputs[0]


@dataclass(frozen=True)
class Multiply(Op):
    """Product of equal shapes, or of a map and a gate of Cx1x1."""

    kind: ClassVar[str] = "mul"
    inputs: ClassVar[int | None] = 2

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        a, b = inputs
        if a.channels != b.channels or len(a.spatial) != len(b.spatial):
            raise ShapeError("E0302", "product of different shapes", operands=True)
        return b if a.is_pixel else a


@dataclass(frozen=True)
class Concat(Op):
    """The channels of all inputs one after the other."""

    kind: ClassVar[str] = "concat"
    inputs: ClassVar[int | None] = None

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        if any(len(shape.spatial) != len(inputs[0].spatial) for shape in inputs):
            raise ShapeError("E0303", "concatenation of a map and a vector", operands=True)
        return replace(inputs[0], channels=sum(shape.channels for shape in inputs))


CATALOGUE: dict[str, type[Op]] = {
    op.kind: op
    for op in (
        Conv, FullyConnected, BatchNorm, Relu, Sigmoid, Tanh, Softmax, Dropout, MaxPool, AvgPool,
        GlobalAvgPool, Flatten, Subsample, PadChannels, ZeroPad, Add, Multiply, Concat,
    )
}  # fmt: skip


# --- rules that several ops share --------------------------------------------------------------


def _bias(wanted: bool, scheme: str, shape: tuple[int, ...]) -> tuple[Parameter, ...]:
    """The bias of a layer: torch's bound under `uniform`, zeros under every other scheme."""
    start = initial(scheme, shape) if scheme == "uniform" else Init("constant", 0.0)
    return (Parameter("bias", shape[:1], start),) if wanted else ()


def _explicit(pad: Padding | str, kernel: Pair, dilation: Pair) -> Padding:
    if pad == "half":
        height, width = (d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
        return height, width
    if pad == "valid":
        return 0, 0
    return "same" if pad == "same" else pad  # type: ignore[return-value]


def _needs_map(op: Op, x: Shape) -> None:
    if x.is_vector:
        raise ShapeError("E0306", f"{op.kind} takes a map, not a vector of {x.channels}")


def _divisors(count: int) -> str:
    found = [str(n) for n in range(1, min(count, 1024) + 1) if count % n == 0]
    return ", ".join(found[:12])


def _windows(
    kernel: Pair, stride: Pair, pad: Padding, dilation: Pair, x: Shape, extent: Extent, ceil: bool = False
) -> tuple[Size, ...]:
    """Return the map's size after a window moved over it; raises if it does not fit once."""
    spans = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    sizes = []
    for i, size in enumerate(x.spatial):
        if pad == "same":
            sizes.append(size.ceil(stride[i]))
            continue
        known = extent.of(size)
        if known is not None and known + 2 * pad[i] < spans[i]:
            raise ShapeError(
                "E0304",
                f"a {spans[0]}x{spans[1]} window does not fit on {x.text(extent)}"
                f" with padding {pad[0]}x{pad[1]}",
                "the map has become too small: use a larger input, a smaller window or fewer strides",
            )
        if ceil:
            sizes.append(size.window_ceil(spans[i], stride[i], pad[i], pad[i]))
        else:
            sizes.append(size.window(spans[i], stride[i], 2 * pad[i]))
    return tuple(sizes)
