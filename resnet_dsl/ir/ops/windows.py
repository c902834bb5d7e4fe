"""Windows that move over a map: their padding and count, and the ops that pool."""

from __future__ import annotations

from collections.abc import Iterator
from math import comb
from typing import ClassVar, Literal, Self, TypeGuard

from resnet_dsl.ir.arguments import (
    COUNT,
    FLAG,
    OF_KERNEL,
    OF_PAD,
    OF_STRIDE,
    PADDING,
    PAIR,
    ArgumentError,
    Pair,
    Sides,
    argument,
    itself,
    sides,
)
from resnet_dsl.ir.ops.base import Kept, Mistake, Op, Window, declared, needs_map
from resnet_dsl.ir.shapes import Extent, Shape, ShapeError
from resnet_dsl.ir.sizes import Size
from resnet_dsl.records import replace

Padding = Pair | Sides | Literal["same"]


@declared
class Pool(Op):
    """A window moved over the map, by its own size unless a `stride` is given."""

    takes: ClassVar[str] = "map"
    gives: ClassVar[str] = (
        "`floor((n + 2p - k) / s) + 1`; with `ceil=true` rounded up, but no window starts in the "
        "padding behind; with `same`, `ceil(n / s)`"
    )
    kernel: Pair = argument(PAIR, aliases=OF_KERNEL)
    stride: Pair = argument(PAIR, (0, 0), aliases=OF_STRIDE)
    pad: Padding = argument(PADDING, "half", aliases=OF_PAD)
    ceil: bool = argument(FLAG, False, aliases=("ceilmode",))

    def normalised(self) -> Self:
        stride = self.kernel if self.stride == (0, 0) else self.stride
        pad = explicit(self.pad, self.kernel, (1, 1))
        if is_even(pad) and any(2 * p > k for p, k in zip(pad, self.kernel, strict=True)):
            raise ArgumentError(self.kind, "pad", "at most half its kernel")
        if pad == "same" and self.ceil:
            raise ArgumentError(self.kind, "ceil", "`false` with `same` padding")
        if is_uneven(pad) and self.ceil:
            raise ArgumentError(self.kind, "ceil", "`false` with four amounts of padding")
        if is_uneven(pad) and any(max(p) >= k for p, k in zip(pad, self.kernel, strict=True)):
            raise ArgumentError(self.kind, "pad", "less than its kernel on each side")
        return replace(self, stride=stride, pad=pad)

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        (x,) = inputs
        needs_map(self, x)
        spatial = windows(self.kernel, self.stride, self.pad, (1, 1), x, extent, self.ceil)
        return Shape(x.channels, spatial)

    @property
    def window(self) -> Window:
        return Window(self.kernel, self.stride)

    def unread(self, *inputs: Shape, extent: Extent) -> tuple[int, ...]:
        return () if self.ceil else unread(self.window, self.pad, inputs[0], extent)

    def does_nothing(self, *inputs: Shape) -> bool:
        return self.kernel == (1, 1) and self.stride == (1, 1) and self.pad in ((0, 0), "same")

    def mistakes(self) -> Iterator[Mistake]:
        yield from padding_mistakes(self, self.pad)
        yield from super().mistakes()


@declared
class MaxPool(Pool):
    """The largest value of each window; padding counts as minus infinity."""

    kind: ClassVar[str] = "maxpool"
    keeps: ClassVar[tuple[Kept, ...]] = ("inputs", "indices")
    aliases: ClassVar[tuple[str, ...]] = ("maxpooling",)

    def mistakes(self) -> Iterator[Mistake]:
        yield from super().mistakes()
        if self.pad != "same" and self.pad != (0, 0):
            words = "padding: zeros instead of minus infinity"
            yield Mistake(words, replace(self, pad=(0, 0)), zeros=sides(self.pad))


@declared
class AvgPool(Pool):
    """The mean of each window, over padding too only if `count_pad` says so."""

    kind: ClassVar[str] = "avgpool"
    aliases: ClassVar[tuple[str, ...]] = ("avgpooling", "averagepool", "averagepooling")
    count_pad: bool = argument(FLAG, False, aliases=("countincludepad",))

    def normalised(self) -> Self:
        if self.pad == "same" and self.count_pad:
            raise ArgumentError(self.kind, "count_pad", "`false` with `same` padding")
        return super().normalised()


@declared
class AdaptiveAvgPool(Op):
    """The mean of `size` windows that share the map: rows floor(i * H / size) to ceil((i + 1) * H / size)."""

    kind: ClassVar[str] = "adaptive_avgpool"
    aliases: ClassVar[tuple[str, ...]] = ("adaptiveaveragepooling",)
    takes: ClassVar[str] = "map"
    gives: ClassVar[str] = "`size`"
    size: Pair = argument(PAIR, aliases=("outputsize",))

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        needs_map(self, inputs[0])
        return Shape(inputs[0].channels, tuple(Size(None, size) for size in self.size))

    def sees_whole_map(self, x: Shape, result: Shape) -> bool:
        return not x.is_pixel  # its windows share the map, whatever its size


@declared
class BlurPool(Op):
    """Binomial blur of each channel, then every `stride`-th pixel (Zhang 2019); edges are mirrored.

    A mirror leaves out the edge itself: c b | a b c.
    """

    kind: ClassVar[str] = "blurpool"
    takes: ClassVar[str] = "map with more pixels than are mirrored"
    gives: ClassVar[str] = "as a pool with `p = (s + kernel - 2) // 2`"
    kernel: int = argument(COUNT, 3, structure=itself)  # the weights follow from it here, not in the file
    stride: int = argument(COUNT, 2, aliases=OF_STRIDE)

    @property
    def pad(self) -> int:
        """The rows mirrored on each side."""
        return (self.stride + self.kernel - 2) // 2

    @property
    def taps(self) -> tuple[float, ...]:
        """The weights of the blur along an axis; their sum is 1."""
        return tuple(comb(self.kernel - 1, i) / 2 ** (self.kernel - 1) for i in range(self.kernel))

    def normalised(self) -> Self:
        if not 2 <= self.kernel <= 7 or self.stride > self.kernel:
            raise ArgumentError(self.kind, "kernel", "from 2 to 7, and not less than its stride")
        return self

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        (x,) = inputs
        needs_map(self, x)
        sizes = [extent.of(size) for size in x.spatial]
        if any(size is not None and size <= self.pad for size in sizes):
            message = f"a map of {x.text(extent)} has no {self.pad} rows and columns to mirror"
            raise ShapeError("E0304", message, "use a larger input or fewer strides", argument="kernel")
        kernel, stride = self.window.kernel, self.window.stride
        return Shape(x.channels, windows(kernel, stride, (self.pad, self.pad), (1, 1), x, extent))

    @property
    def window(self) -> Window:
        return Window((self.kernel, self.kernel), (self.stride, self.stride))


@declared
class GlobalAvgPool(Op):
    """The mean over height and width: Cx1x1."""

    kind: ClassVar[str] = "gap"
    keeps: ClassVar[tuple[Kept, ...]] = ()
    aliases: ClassVar[tuple[str, ...]] = (
        "globalavgpool",
        "globalaveragepool",
        "globalavgpooling",
        "globalaveragepooling",
        "globalpool",
        "adaptiveavgpool",
    )
    takes: ClassVar[str] = "map"
    gives: ClassVar[str] = "the channels, one pixel"

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        needs_map(self, inputs[0])
        return Shape(inputs[0].channels, (Size(None, 1), Size(None, 1)))


def explicit(pad: Padding | str, kernel: Pair, dilation: Pair) -> Padding:
    """Return a padding as rows and columns, on each side or both before and after, or `same`."""
    if pad == "half":
        height, width = (d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
        return height, width
    if pad == "valid":
        return 0, 0
    return "same" if pad == "same" else pad  # type: ignore[return-value]


def is_uneven(pad: Padding | str) -> TypeGuard[Sides]:
    """Whether a padding is four amounts: other ones before the rows or columns than behind them."""
    return isinstance(pad, tuple) and not isinstance(pad[0], int)


def is_even(pad: Padding | str) -> TypeGuard[Pair]:
    """Whether a padding is two amounts: of rows, and of columns, on either side."""
    return isinstance(pad, tuple) and isinstance(pad[0], int)


def padding_mistakes(op: Op, pad: Padding) -> Iterator[Mistake]:
    """Yield the usual mistakes with the padding of an op that has a window and an argument `pad`."""
    if pad == "same":
        half = explicit("half", op.window.kernel, op.window.dilation)
        yield Mistake("padding: symmetric instead of TensorFlow's `same`", op.having("pad", half))
    else:
        yield Mistake("padding: TensorFlow's `same` instead of symmetric", op.having("pad", "same"))
        yield Mistake("padding: none", op.having("pad", (0, 0)))
    if is_uneven(pad):
        turned = tuple((after, before) for before, after in pad)
        yield Mistake("padding: before and after are swapped", op.having("pad", turned))


def unread(window: Window, pad: Padding, x: Shape, extent: Extent) -> tuple[int, ...]:
    """Return how many of the last rows and columns of a map a moving window stops before.

    A window that steps over pixels between its places is meant to read some only.
    """
    lost = []
    for i, size in enumerate(x.spatial):
        span, stride = (window.kernel[i] - 1) * window.dilation[i] + 1, window.stride[i]
        known = extent.of(size)
        if known is None or pad == "same" or span < stride:
            lost.append(0)
        else:
            before, after = sides(pad)[i]
            lost.append(max(0, (known + before + after - span) % stride - after))
    return tuple(lost)


def windows(
    kernel: Pair, stride: Pair, pad: Padding, dilation: Pair, x: Shape, extent: Extent, ceil: bool = False
) -> tuple[Size, ...]:
    """Return the map's size after a window moved over it; raises if it does not fit once."""
    spans = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    sizes = []
    for i, size in enumerate(x.spatial):
        if pad == "same":
            sizes.append(size.ceil(stride[i]))
            continue
        known, (before, after) = extent.of(size), sides(pad)[i]
        if known is not None and known + before + after < spans[i]:
            amounts = "x".join(map(str, pad)) if is_even(pad) else f"{[*map(list, sides(pad))]}"
            raise ShapeError(
                "E0304",
                f"a {spans[0]}x{spans[1]} window does not fit on {x.text(extent)} with padding {amounts}",
                "the map has become too small: use a larger input, a smaller window or fewer strides",
                argument="kernel",
            )
        if ceil:
            sizes.append(size.window_ceil(spans[i], stride[i], before, after))
        else:
            sizes.append(size.window(spans[i], stride[i], before + after))
    return tuple(sizes)
