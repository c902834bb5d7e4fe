"""Ops of several inputs: addition, product and concatenation."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate, pairwise

import numpy as np

from resnet_dsl.ir.ops import Add, Concat, Divide, Maximum, Minimum, Multiply
from resnet_dsl.reference.meaning import Array, Gradients, OpCall, backward, forward


@forward.register
def _add(op: Add, call: OpCall) -> Array:
    a, b = call.inputs
    if a.shape != b.shape:
        raise ValueError(f"a sum of {a.shape} and {b.shape}: nothing is broadcast")
    return a + b


@backward.register
def _add_back(op: Add, call: OpCall, result: Array, gradient: Array) -> Gradients:
    return Gradients((gradient, gradient))


@forward.register
def _multiply(op: Multiply, call: OpCall) -> Array:
    a, b = call.inputs
    if a.shape != b.shape and not (_is_gate(a, b) or _is_gate(b, a)):
        raise ValueError(f"a product of {a.shape} and {b.shape}: only a gate of Cx1x1 or 1xHxW is spread")
    return a * b


def _is_gate(gate: Array, x: Array) -> bool:
    """Whether it is a gate of the channels or the pixels of a map, or of both: Cx1x1, 1xHxW, 1x1x1."""
    batch, channels, *pixels = x.shape
    shapes = ((batch, channels, 1, 1), (batch, 1, *pixels), (batch, 1, 1, 1))
    return x.ndim == 4 and gate.shape in shapes


@backward.register
def _multiply_back(op: Multiply, call: OpCall, result: Array, gradient: Array) -> Gradients:
    a, b = call.inputs
    return Gradients((_gathered(gradient * b, a), _gathered(gradient * a, b)))


def _gathered(gradient: Array, x: Array) -> Array:
    """Sum over the channels and the pixels that a gate was spread over."""
    spread = tuple(axis for axis in range(x.ndim) if x.shape[axis] != gradient.shape[axis])
    result: Array = gradient.sum(spread, keepdims=True)
    return result


@forward.register
def _divide(op: Divide, call: OpCall) -> Array:
    a, b = call.inputs
    if a.shape != b.shape and not (_is_gate(a, b) or _is_gate(b, a)):
        raise ValueError(f"a quotient of {a.shape} and {b.shape}: only a Cx1x1 or 1xHxW is spread")
    return a / b


@backward.register
def _divide_back(op: Divide, call: OpCall, result: Array, gradient: Array) -> Gradients:
    a, b = call.inputs
    return Gradients((_gathered(gradient / b, a), _gathered(-gradient * result / b, b)))


def _extremum(choose: Callable[[Array, Array], Array], call: OpCall) -> list[Array]:
    """The first value, that of the first two, of the first three and so on."""
    if len({x.shape for x in call.inputs}) > 1:
        raise ValueError("the largest or smallest of several shapes: nothing is broadcast")
    return list(accumulate(call.inputs, choose))


def _extremum_back(choose: Callable[[Array, Array], Array], call: OpCall, gradient: Array) -> Gradients:
    """Where two are equal each takes half, as in torch."""
    before = _extremum(choose, call)
    found: list[Array] = []
    for first, second, both in zip(before[-2::-1], call.inputs[:0:-1], before[:0:-1], strict=True):
        share = np.where(first == second, 0.5, (second == both).astype(np.float64))
        found.insert(0, gradient * share)
        gradient = gradient * (1.0 - share)
    return Gradients((gradient, *found))


@forward.register
def _maximum(op: Maximum, call: OpCall) -> Array:
    return _extremum(np.maximum, call)[-1]


@backward.register
def _maximum_back(op: Maximum, call: OpCall, result: Array, gradient: Array) -> Gradients:
    return _extremum_back(np.maximum, call, gradient)


@forward.register
def _minimum(op: Minimum, call: OpCall) -> Array:
    return _extremum(np.minimum, call)[-1]


@backward.register
def _minimum_back(op: Minimum, call: OpCall, result: Array, gradient: Array) -> Gradients:
    return _extremum_back(np.minimum, call, gradient)


@forward.register
def _concat(op: Concat, call: OpCall) -> Array:
    return np.concatenate(call.inputs, axis=1)


@backward.register
def _concat_back(op: Concat, call: OpCall, result: Array, gradient: Array) -> Gradients:
    ends = accumulate((x.shape[1] for x in call.inputs), initial=0)
    return Gradients(tuple(gradient[:, start:end] for start, end in pairwise(ends)))
