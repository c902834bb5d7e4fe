"""Shapes of values: channels, then height and width as symbolic sizes; the batch is left out."""

from __future__ import annotations

from resnet_dsl.ir.sizes import Size
from resnet_dsl.records import dataclass


@dataclass(frozen=True)
class Extent:
    """The input's height and width where the spec gives them; None where it says `H` or `W`."""

    height: int | None = None
    width: int | None = None

    def of(self, size: Size) -> int | None:
        """Return `size` at this extent, or None where it is not known."""
        return size.at(self.width if size.axis == "W" else self.height)


@dataclass(frozen=True)
class Shape:
    """The shape of a feature map (`spatial` is height and width) or of a vector (no `spatial`)."""

    channels: int
    spatial: tuple[Size, ...] = ()

    def at(self, extent: Extent) -> tuple[int | None, ...]:
        """Return the shape at an input extent, None for what is not known."""
        return (self.channels, *(extent.of(size) for size in self.spatial))

    def text(self, extent: Extent) -> str:
        """Return the shape as `256x56x56`, with formulas where the extent is not known."""
        sizes = (extent.of(size) for size in self.spatial)
        texts = (
            size.formula if known is None else str(known)
            for size, known in zip(self.spatial, sizes, strict=True)
        )
        return "x".join([str(self.channels), *texts])

    @property
    def is_vector(self) -> bool:
        """Whether the value has no height and width."""
        return not self.spatial

    @property
    def is_pixel(self) -> bool:
        """Whether height and width are 1 whatever the input: what global pooling leaves."""
        return bool(self.spatial) and all(size == Size(None, 1) for size in self.spatial)

    @property
    def is_constant(self) -> bool:
        """Whether height and width are the same for every input."""
        return all(size.axis is None for size in self.spatial)

    def is_pixel_at(self, extent: Extent) -> bool:
        """Whether height and width are 1 at an input extent: by pooling, or because strides left no more."""
        return bool(self.spatial) and all(extent.of(size) == 1 for size in self.spatial)


class ShapeError(Exception):
    """An op that does not fit its inputs; the place is added by whoever knows it.

    `argument` names the one to change, if it is one; `operands` says that the inputs do not fit
    each other.
    """

    def __init__(
        self, code: str, message: str, hint: str = "", argument: str = "", operands: bool = False
    ) -> None:
        self.code, self.message, self.hint = code, message, hint
        self.argument, self.operands = argument, operands
        super().__init__(message)
