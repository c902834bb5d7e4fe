"""Ops of several inputs: addition, product and concatenation."""

from __future__ import annotations

from itertools import accumulate, pairwise

import numpy as np

from resnet_dsl.ir.ops import Add, Concat, Multiply
from resnet_dsl.reference.meaning import Array, Call, Gradients, backward, forward


@forward.register
def _add(op: Add, call: Call) -> Array:
    a, b = call.inputs
    if a.shape != b.shape:
        raise ValueError(f"a sum of {a.shape} and {b.shape}: nothing is broadcast")
    return a + b


@backward.register
def _add_back(op: Add, call: Call, result: Array, gradient: Array) -> Gradients:
    return Gradients((gradient, gradient))


@forward.register
def _multiply(op: Multiply, call: Call) -> Array:
    a, b = call.inputs
    fits = a.shape[:2] == b.shape[:2] and (1, 1) in (a.shape[2:], b.shape[2:])
    if a.shape != b.shape and not fits:
        raise ValueError(f"a product of {a.shape} and {b.shape}: only a gate of Cx1x1 is spread")
    return a * b


@backward.register
def _multiply_back(op: Multiply, call: Call, result: Array, gradient: Array) -> Gradients:
    a, b = call.inputs
    return Gradients((_gathered(gradient * b, a), _gathered(gradient * a, b)))


def _gathered(gradient: Array, x: Array) -> Array:
    """Sum over the pixels that a gate (N, C, 1, 1) was spread over."""
    return gradient if gradient.shape == x.shape else gradient.sum((2, 3), keepdims=True)


@forward.register
def _concat(op: Concat, call: Call) -> Array:
    return np.concatenate(call.inputs, axis=1)


@backward.register
def _concat_back(op: Concat, call: Call, result: Array, gradient: Array) -> Gradients:
    ends = accumulate((x.shape[1] for x in call.inputs), initial=0)
    return Gradients(tuple(gradient[:, start:end] for start, end in pairwise(ends)))
