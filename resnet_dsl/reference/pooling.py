"""Pooling: the largest value or the mean of each window, and the mean of the whole map."""

from __future__ import annotations

import numpy as np

from resnet_dsl.ir.ops import AvgPool, GlobalAvgPool, MaxPool, Pool
from resnet_dsl.reference.meaning import Array, Gradients, OpCall, backward, forward
from resnet_dsl.reference.windows import Axes, framed, taps, unframed, window_axes


@forward.register
def _max_pool(op: MaxPool, call: OpCall) -> Array:
    axes = _axes(op, call.x)
    frame = framed(call.x, axes, -np.inf)
    result = np.full((*call.x.shape[:2], axes[0].count, axes[1].count), -np.inf)
    for _, tap in taps(axes):
        np.maximum(result, frame[tap], out=result)
    return result


@backward.register
def _max_pool_back(op: MaxPool, call: OpCall, result: Array, gradient: Array) -> Gradients:
    """Of equal largest values the first takes the gradient, row by row, as in torch."""
    axes = _axes(op, call.x)
    frame = framed(call.x, axes, -np.inf)
    by_frame = np.zeros(frame.shape)
    waiting = np.ones(result.shape, dtype=bool)
    for _, tap in taps(axes):
        taken = waiting & (frame[tap] == result)
        by_frame[tap] += taken * gradient
        waiting &= ~taken
    return Gradients((unframed(by_frame, axes),))


@forward.register
def _avg_pool(op: AvgPool, call: OpCall) -> Array:
    axes = _axes(op, call.x)
    frame = framed(call.x, axes, 0.0)
    total = np.zeros((*call.x.shape[:2], axes[0].count, axes[1].count))
    for _, tap in taps(axes):
        total += frame[tap]
    return total / _divisor(op, axes)


@backward.register
def _avg_pool_back(op: AvgPool, call: OpCall, result: Array, gradient: Array) -> Gradients:
    axes = _axes(op, call.x)
    share = gradient / _divisor(op, axes)
    by_frame = np.zeros((*call.x.shape[:2], axes[0].frame, axes[1].frame))
    for _, tap in taps(axes):
        by_frame[tap] += share
    return Gradients((unframed(by_frame, axes),))


def _axes(op: Pool, x: Array) -> Axes:
    return window_axes(x, op.kernel, op.stride, op.pad, ceil=op.ceil)


def _divisor(op: AvgPool, axes: Axes) -> Array:
    """The cells of each window: those of the map, with `count_pad` those of the padding too.

    What a last window of `ceil` has beyond the padding never counts (torch, onnxruntime), nor does
    `same` padding: the catalogue allows no `count_pad` there, TensorFlow has none.
    """
    rows, columns = (axis.cells(padded=op.count_pad) for axis in axes)
    return np.outer(rows, columns)


@forward.register
def _global_avg_pool(op: GlobalAvgPool, call: OpCall) -> Array:
    mean: Array = call.x.mean((2, 3), keepdims=True)
    return mean


@backward.register
def _global_avg_pool_back(op: GlobalAvgPool, call: OpCall, result: Array, gradient: Array) -> Gradients:
    height, width = call.x.shape[2:]
    return Gradients((np.broadcast_to(gradient / (height * width), call.x.shape),))
