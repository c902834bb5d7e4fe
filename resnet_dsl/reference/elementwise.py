"""Activations, dropout and stochastic depth: ops that keep the shape and change values where they are.

An activation is a pair of functions: its value at x, and its slope at x where the value is y.
"""

from __future__ import annotations

from collections.abc import Callable
from math import erfc, pi, sqrt
from typing import Any

import numpy as np

from resnet_dsl.ir.ops import (
    Affine,
    Dropout,
    Elu,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Mish,
    Op,
    PRelu,
    Relu,
    Relu6,
    Sigmoid,
    Silu,
    Softmax,
    Softplus,
    StochasticDepth,
    Tanh,
)
from resnet_dsl.reference.meaning import Array, Gradients, OpCall, backward, forward

Value = Callable[[Any, Array], Array]
Slope = Callable[[Any, Array, Array], Array]
Random = Dropout | StochasticDepth

GELU_CUBIC = 0.044715  # of the approximation by tanh (Hendrycks and Gimpel 2016)


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), of any shape, without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


def _normal_share(x: Array) -> Array:
    """The normal distribution function at x; by erfc, which loses nothing where it is small."""
    share: Array = np.vectorize(erfc, otypes=[np.float64])(-x / sqrt(2.0))
    return 0.5 * share


def _gelu(op: Gelu, x: Array) -> Array:
    return x * (0.5 * (1.0 + np.tanh(_tanh_argument(x))) if op.approximate else _normal_share(x))


def _gelu_slope(op: Gelu, x: Array, y: Array) -> Array:
    if not op.approximate:
        return _normal_share(x) + x * np.exp(-0.5 * x * x) / sqrt(2.0 * pi)
    tanh = np.tanh(_tanh_argument(x))
    inner = sqrt(2.0 / pi) * (1.0 + 3.0 * GELU_CUBIC * x * x)
    return 0.5 * (1.0 + tanh) + 0.5 * x * (1.0 - tanh * tanh) * inner


def _tanh_argument(x: Array) -> Array:
    return sqrt(2.0 / pi) * (x + GELU_CUBIC * x * x * x)


def _silu_slope(op: Silu, x: Array, y: Array) -> Array:
    share = sigmoid(x)
    return share + y * (1.0 - share)


def _hard_swish_slope(op: HardSwish, x: Array, y: Array) -> Array:
    return np.where(x >= 3.0, 1.0, np.where(x > -3.0, x / 3.0 + 0.5, 0.0))


def _softplus(x: Array) -> Array:
    """log(1 + exp(x)) without overflow."""
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def _mish_slope(op: Mish, x: Array, y: Array) -> Array:
    share = np.tanh(_softplus(x))
    return share + x * (1.0 - share * share) * sigmoid(x)


# One line an activation; the op comes first for those that have arguments. A slope at a kink is
# that of torch: 0 for relu at 0.
ACTIVATIONS: dict[type[Op], tuple[Value, Slope]] = {
    Relu: (lambda op, x: np.maximum(x, 0.0), lambda op, x, y: (x > 0.0).astype(np.float64)),
    LeakyRelu: (
        lambda op, x: np.where(x > 0.0, x, op.slope * x),
        lambda op, x, y: np.where(x > 0.0, 1.0, op.slope),
    ),
    Sigmoid: (lambda op, x: sigmoid(x), lambda op, x, y: y * (1.0 - y)),
    Tanh: (lambda op, x: np.tanh(x), lambda op, x, y: 1.0 - y * y),
    Silu: (lambda op, x: x * sigmoid(x), _silu_slope),
    Gelu: (_gelu, _gelu_slope),
    HardSwish: (lambda op, x: x * np.clip(x + 3.0, 0.0, 6.0) / 6.0, _hard_swish_slope),
    HardSigmoid: (
        lambda op, x: np.clip(x + 3.0, 0.0, 6.0) / 6.0,
        lambda op, x, y: np.where(np.abs(x) < 3.0, 1.0 / 6.0, 0.0),
    ),
    Relu6: (
        lambda op, x: np.clip(x, 0.0, 6.0),
        lambda op, x, y: ((x > 0.0) & (x < 6.0)).astype(np.float64),
    ),
    Elu: (
        lambda op, x: np.where(x > 0.0, x, op.alpha * np.expm1(np.minimum(x, 0.0))),
        lambda op, x, y: np.where(x > 0.0, 1.0, y + op.alpha),
    ),
    Mish: (lambda op, x: x * np.tanh(_softplus(x)), _mish_slope),
    Softplus: (lambda op, x: _softplus(x), lambda op, x, y: sigmoid(x)),
    Affine: (lambda op, x: op.scale * x + op.shift, lambda op, x, y: np.full(x.shape, op.scale)),
}


def register(kind: type[Op], value: Value, slope: Slope) -> None:
    """Register an op of one input by its value and its slope."""

    def activate(op: Op, call: OpCall) -> Array:
        return value(op, call.x)

    def activate_back(op: Op, call: OpCall, result: Array, gradient: Array) -> Gradients:
        return Gradients((gradient * slope(op, call.x, result),))

    forward.register(kind, activate)
    backward.register(kind, activate_back)


for _kind, (_value, _slope) in ACTIVATIONS.items():
    register(_kind, _value, _slope)


@forward.register
def _prelu(op: PRelu, call: OpCall) -> Array:
    return np.where(call.x > 0.0, call.x, _slopes(call) * call.x)


@backward.register
def _prelu_back(op: PRelu, call: OpCall, result: Array, gradient: Array) -> Gradients:
    by_x = gradient * np.where(call.x > 0.0, 1.0, _slopes(call))
    by_slopes = (gradient * np.minimum(call.x, 0.0)).swapaxes(0, 1).reshape(call.x.shape[1], -1).sum(1)
    return Gradients((by_x,), {"weight": by_slopes if op.per_channel else by_slopes.sum(keepdims=True)})


def _slopes(call: OpCall) -> Array:
    """(C,) or (1,) → (1, C, 1, 1) or (1, 1, 1, 1), or without height and width for vectors."""
    return call.tensors["weight"].reshape(1, -1, *(1,) * (call.x.ndim - 2))


@forward.register
def _softmax(op: Softmax, call: OpCall) -> Array:
    x, axis = _apart(op, call.x), _axis(op)
    powers: Array = np.exp(x - x.max(axis, keepdims=True))
    total: Array = powers.sum(axis, keepdims=True)
    return (powers / total).reshape(call.x.shape)


@backward.register
def _softmax_back(op: Softmax, call: OpCall, result: Array, gradient: Array) -> Gradients:
    y, by_y, axis = _apart(op, result), _apart(op, gradient), _axis(op)
    return Gradients(((y * (by_y - (by_y * y).sum(axis, keepdims=True))).reshape(call.x.shape),))


def _apart(op: Softmax, x: Array) -> Array:
    """(N, P C, …) → (N, P, C, …) where it is over parts."""
    return x.reshape(len(x), op.parts, -1, *x.shape[2:]) if op.over == "parts" else x


def _axis(op: Softmax) -> int | tuple[int, int]:
    return (2, 3) if op.over == "pixels" else 1


@forward.register(Dropout)
@forward.register(StochasticDepth)
def _drop(op: Random, call: OpCall) -> Array:
    return call.x * _kept(op, call) if call.training else call.x


@backward.register(Dropout)
@backward.register(StochasticDepth)
def _drop_back(op: Random, call: OpCall, result: Array, gradient: Array) -> Gradients:
    return Gradients((gradient * _kept(op, call) if call.training else gradient,))


def _kept(op: Random, call: OpCall) -> Array:
    """The factor of each element: the given `mask`, 0 or 1, scaled so that the mean is kept.

    The mask of dropout has the shape of x, that of stochastic depth one value an image: (N, 1, 1, 1).
    """
    return call.tensors["mask"] / (1.0 - op.rate) if op.rate < 1.0 else np.zeros(call.x.shape)
