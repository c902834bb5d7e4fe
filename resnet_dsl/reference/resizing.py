"""Maps at another height and width: one matrix by height and one by width, and the middle of a map.

Where a pixel of the result lies between those of the input is a fraction of whole numbers, so that no
rounding decides which pixels it is made of.
"""

from __future__ import annotations

import numpy as np

from resnet_dsl.ir.ops import Crop, Resize, Upsample
from resnet_dsl.reference.meaning import Array, Gradients, OpCall, backward, forward


def sampling(length: int, count: int, bilinear: bool, corners: bool) -> Array:
    """Return the matrix (count, length) of how much of each cell a result takes along an axis."""
    steps = np.arange(count)
    if not bilinear:
        result = np.zeros((count, length))
        result[steps, steps * length // count] = 1.0
        return result
    # Centres of pixels are at halves; past the outer ones there is nothing to lie between.
    places, whole = ((2 * steps + 1) * length - count, 2 * count)
    if corners:
        places, whole = steps * (length - 1), max(count - 1, 1)
    places = np.clip(places, 0, (length - 1) * whole)
    distance: Array = np.abs(places[:, None] - np.arange(length) * whole)
    return np.maximum(0, whole - distance) / whole


def _matrices(op: Upsample | Resize, call: OpCall) -> tuple[Array, Array]:
    height, width = call.x.shape[2:]
    if isinstance(op, Resize):
        counts = call.inputs[1].shape[2:]
    else:
        counts = op.size if any(op.size) else (height * op.factor[0], width * op.factor[1])
    settings = op.mode == "bilinear", op.align_corners
    return sampling(height, counts[0], *settings), sampling(width, counts[1], *settings)


@forward.register(Upsample)
@forward.register(Resize)
def _resize(op: Upsample | Resize, call: OpCall) -> Array:
    rows, columns = _matrices(op, call)
    result: Array = rows @ call.x @ columns.T
    return result


@backward.register(Upsample)
@backward.register(Resize)
def _resize_back(op: Upsample | Resize, call: OpCall, result: Array, gradient: Array) -> Gradients:
    rows, columns = _matrices(op, call)
    return Gradients((rows.T @ gradient @ columns, *map(np.zeros_like, call.inputs[1:])))


@forward.register
def _crop(op: Crop, call: OpCall) -> Array:
    rows, columns = _middle(op, call)
    return call.x[:, :, rows, columns]


@backward.register
def _crop_back(op: Crop, call: OpCall, result: Array, gradient: Array) -> Gradients:
    by_x = np.zeros(call.x.shape)
    rows, columns = _middle(op, call)
    by_x[:, :, rows, columns] = gradient
    return Gradients((by_x, *map(np.zeros_like, call.inputs[1:])))


def _middle(op: Crop, call: OpCall) -> tuple[slice, slice]:
    wanted = call.inputs[1].shape[2:] if len(call.inputs) == 2 else op.size
    height, width = ((has - want) // 2 for has, want in zip(call.x.shape[2:], wanted, strict=True))
    return slice(height, height + wanted[0]), slice(width, width + wanted[1])
