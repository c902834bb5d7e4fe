"""What norms make of their values: their deviation and the sums over neighbouring channels.

Exact as far as doubles go; how far rounding moves a norm is looked at with others in their place.
"""

from __future__ import annotations

import numpy as np

from resnet_dsl.ir.arrays import Array
from resnet_dsl.reference.windows import channel_windows

Axes = tuple[int, ...]


def standardised(x: Array, axes: Axes, eps: float) -> tuple[Array, Array]:
    """Return x with mean 0 and deviation 1 over `axes`, and the deviation: sqrt(biased variance + eps)."""
    deviation: Array = np.sqrt(x.var(axes, keepdims=True) + eps)
    return (x - x.mean(axes, keepdims=True)) / deviation, deviation


def channel_sums(x: Array, size: int) -> Array:
    """Return the sum of the `size` (odd) channels around each one, zeros past the first and the last."""
    total: Array = channel_windows(x, size).sum(-1)
    return total


def by_original(by_normal: Array, normal: Array, deviation: Array, axes: Axes) -> Array:
    """Return the gradient by x of what `standardised` returned, from the gradient by its values."""
    # Mean and variance depend on x too: their share is what is left of the projections on 1 and normal.
    centred = by_normal - by_normal.mean(axes, keepdims=True)
    result: Array = (centred - normal * (centred * normal).mean(axes, keepdims=True)) / deviation
    return result
