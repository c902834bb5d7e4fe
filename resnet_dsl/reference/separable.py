"""Ops that are one matrix by height and one by width: adaptive pooling and blur.

Row i of such a matrix says how much of each cell result i takes. The way back is its transpose.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from resnet_dsl.ir.ops import AdaptiveAvgPool, BlurPool, Op
from resnet_dsl.reference.meaning import Array, Gradients, OpCall, backward, forward


@singledispatch
def matrix(op: Op, length: int, axis: int) -> Array:
    """Return the matrix (results, cells) along `length` cells: axis 0 is the height, 1 the width."""
    raise NotImplementedError(f"`{op.kind}` is no matrix by height and width")


@matrix.register
def _adaptive(op: AdaptiveAvgPool, length: int, axis: int) -> Array:
    count = op.size[axis]
    result = np.zeros((count, length))
    for i in range(count):
        first, end = i * length // count, -(-(i + 1) * length // count)
        result[i, first:end] = 1.0 / (end - first)
    return result


@matrix.register
def _blur(op: BlurPool, length: int, axis: int) -> Array:
    count = (length + 2 * op.pad - op.kernel) // op.stride + 1
    result = np.zeros((count, length))
    for tap, weight in enumerate(op.taps):
        places = np.abs(np.arange(count) * op.stride - op.pad + tap)
        mirrored = np.minimum(places, 2 * (length - 1) - places)
        result[np.arange(count), mirrored] += weight
    return result


def _apply(op: Op, call: OpCall) -> Array:
    rows, columns = _matrices(op, call)
    result: Array = rows @ call.x @ columns.T
    return result


def _apply_back(op: Op, call: OpCall, result: Array, gradient: Array) -> Gradients:
    rows, columns = _matrices(op, call)
    return Gradients((rows.T @ gradient @ columns,))


def _matrices(op: Op, call: OpCall) -> tuple[Array, Array]:
    height, width = call.x.shape[2:]
    return matrix(op, height, 0), matrix(op, width, 1)


for _kind in (AdaptiveAvgPool, BlurPool):
    forward.register(_kind, _apply)
    backward.register(_kind, _apply_back)
