"""Which reading of a stored tensor differs from the model's in the length of one axis alone."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from resnet_dsl.backend.contents import Stored
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.wording import dimensions
from resnet_dsl.ir.arrays import Array
from resnet_dsl.limits import Limit
from resnet_dsl.records import replace

Shape = tuple[int, ...]


def along(stored: Stored | None, wanted: Shape, axis: int) -> Stored | None:
    """Return the tensor as it has the wanted shape but for the length of an axis; None if it has not."""
    for each in (stored, stored.otherwise) if stored is not None else ():
        if each is None or each.wanted is not None or each.refused or len(each.shape) != len(wanted):
            continue
        if all(n == m for place, (n, m) in enumerate(zip(each.shape, wanted, strict=True)) if place != axis):
            return each
    return None


def computed(
    stored: Stored, shape: Shape, compute: Callable[[Array], Array], name: str, limit: Limit
) -> Stored:
    """Return the tensor that is computed of another; raises UsageError for one too large to read for it."""
    if prod(stored.shape) > limit.most:
        there = dimensions(stored.shape)
        raise UsageError(f"{name} is {there} there; the limit is {limit.most:,} elements to compute of")
    return replace(stored, shape=shape, load=lambda: compute(stored.load()), wanted=None, otherwise=None)
