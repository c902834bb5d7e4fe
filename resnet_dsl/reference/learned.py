"""Learned numbers beside layers: a scale and a shift of each channel, or of all."""

from __future__ import annotations

from resnet_dsl.ir.ops import LearnedScale, LearnedShift
from resnet_dsl.reference.meaning import Array, Gradients, OpCall, backward, forward


@forward.register
def _scale(op: LearnedScale, call: OpCall) -> Array:
    return call.x * _spread(call.tensors["weight"], call.x)


@backward.register
def _scale_back(op: LearnedScale, call: OpCall, result: Array, gradient: Array) -> Gradients:
    by_x = gradient * _spread(call.tensors["weight"], call.x)
    return Gradients((by_x,), {"weight": _gathered(gradient * call.x, op.per_channel)})


@forward.register
def _shift(op: LearnedShift, call: OpCall) -> Array:
    return call.x + _spread(call.tensors["bias"], call.x)


@backward.register
def _shift_back(op: LearnedShift, call: OpCall, result: Array, gradient: Array) -> Gradients:
    return Gradients((gradient,), {"bias": _gathered(gradient, op.per_channel)})


def _spread(values: Array, x: Array) -> Array:
    """(C,) or (1,) → (1, C, 1, 1) or (1, 1, 1, 1), or without height and width for vectors."""
    return values.reshape(1, -1, *(1,) * (x.ndim - 2))


def _gathered(by_values: Array, per_channel: bool) -> Array:
    total: Array = by_values.swapaxes(0, 1).reshape(by_values.shape[1], -1).sum(1)
    return total if per_channel else total.sum(keepdims=True)
