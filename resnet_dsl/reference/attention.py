"""Pixels gathered by weights."""

from __future__ import annotations

from resnet_dsl.ir.ops import WeightedSum
from resnet_dsl.reference.meaning import Array, Gradients, OpCall, backward, forward

PIXELS = (2, 3)  # the axes of a map


@forward.register
def _weighted_sum(op: WeightedSum, call: OpCall) -> Array:
    x, weights = call.inputs
    result: Array = (x * weights).sum(PIXELS, keepdims=True)
    return result


@backward.register
def _weighted_sum_back(op: WeightedSum, call: OpCall, result: Array, gradient: Array) -> Gradients:
    x, weights = call.inputs
    by_weights: Array = gradient * x
    if weights.shape[1] == 1:
        by_weights = by_weights.sum(1, keepdims=True)
    return Gradients((gradient * weights, by_weights))
