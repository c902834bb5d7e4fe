"""Where several tensors meet: whether their heights and widths agree, and for which sizes not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from resnet_dsl.ir.shapes import Extent, Shape
from resnet_dsl.ir.sizes import Size, first_difference, same, when_different


@dataclass(frozen=True)
class Conflict:
    """Sizes that differ: `here` at the input that was given, `when` says for which others."""

    here: bool
    when: str


def conflict(shapes: Sequence[Shape], extent: Extent) -> Conflict | None:
    """Return how the heights and widths of `shapes` differ, or None if they never do."""
    for other in shapes[1:]:
        for axis, (a, b) in enumerate(zip(shapes[0].spatial, other.spatial, strict=True)):
            if not same(a, b):
                return _conflict(a, b, (extent.height, extent.width)[axis], extent)
    return None


def _conflict(a: Size, b: Size, known: int | None, extent: Extent) -> Conflict:
    here, there = extent.of(a), extent.of(b)
    if here is not None and here != there:
        return Conflict(True, "")
    if a.axis != b.axis and known is None:
        return Conflict(True, "they depend on the input in different ways")
    start = (known or 0) + 1
    first = first_difference(a, b, start)
    # The first failing size a person would meet, not one below the smallest sensible input.
    first = first if known else first_difference(a, b, max(a.cycle[0], b.cycle[0], 32))
    when = f"fails for {when_different(a, b)}" + (f", first at {first}" if first else "")
    return Conflict(here is None, when)
