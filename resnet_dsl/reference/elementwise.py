"""Activations and dropout: ops that keep the shape and change values where they are.

An activation is a pair of functions: its value at x, and its slope at x where the value is y.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from resnet_dsl.ir.ops import Dropout, Op, Relu, Sigmoid, Softmax, Tanh
from resnet_dsl.reference.meaning import Array, Call, Gradients, backward, forward

Value = Callable[[Any, Array], Array]
Slope = Callable[[Any, Array, Array], Array]


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), of any shape, without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


# One line an activation; the op comes first for those that have arguments. A slope at a kink is
# that of the frameworks: 0 for relu at 0.
ACTIVATIONS: dict[type[Op], tuple[Value, Slope]] = {
    Relu: (lambda op, x: np.maximum(x, 0.0), lambda op, x, y: (x > 0.0).astype(np.float64)),
    Sigmoid: (lambda op, x: sigmoid(x), lambda op, x, y: y * (1.0 - y)),
    Tanh: (lambda op, x: np.tanh(x), lambda op, x, y: 1.0 - y * y),
}


def _register(kind: type[Op], value: Value, slope: Slope) -> None:
    def activate(op: Op, call: Call) -> Array:
        return value(op, call.x)

    def activate_back(op: Op, call: Call, result: Array, gradient: Array) -> Gradients:
        return Gradients((gradient * slope(op, call.x, result),))

    forward.register(kind, activate)
    backward.register(kind, activate_back)


for _kind, (_value, _slope) in ACTIVATIONS.items():
    _register(_kind, _value, _slope)


@forward.register
def _softmax(op: Softmax, call: Call) -> Array:
    powers: Array = np.exp(call.x - call.x.max(1, keepdims=True))
    total: Array = powers.sum(1, keepdims=True)
    return powers / total


@backward.register
def _softmax_back(op: Softmax, call: Call, result: Array, gradient: Array) -> Gradients:
    return Gradients((result * (gradient - (gradient * result).sum(1, keepdims=True)),))


@forward.register
def _dropout(op: Dropout, call: Call) -> Array:
    return call.x * _kept(op, call) if call.training else call.x


@backward.register
def _dropout_back(op: Dropout, call: Call, result: Array, gradient: Array) -> Gradients:
    return Gradients((gradient * _kept(op, call) if call.training else gradient,))


def _kept(op: Dropout, call: Call) -> Array:
    """The factor of each element: the given `mask`, 0 or 1, scaled so that the mean is kept."""
    return call.tensors["mask"] / (1.0 - op.rate) if op.rate < 1.0 else np.zeros(call.x.shape)
