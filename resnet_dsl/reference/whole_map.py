"""Pools over the whole map: the largest value, the generalised mean."""

from __future__ import annotations

import numpy as np

from resnet_dsl.ir.ops import GeneralisedMean, GlobalMaxPool
from resnet_dsl.reference.meaning import Array, Gradients, OpCall, backward, forward

PIXELS = (2, 3)


@forward.register
def _largest(op: GlobalMaxPool, call: OpCall) -> Array:
    largest: Array = call.x.max(PIXELS, keepdims=True)
    return largest


@backward.register
def _largest_back(op: GlobalMaxPool, call: OpCall, result: Array, gradient: Array) -> Gradients:
    """Of equal largest values the first takes the gradient, row by row, as in a max pool."""
    rows = call.x.reshape(*call.x.shape[:2], -1)
    by_rows = np.zeros(rows.shape)
    np.put_along_axis(by_rows, rows.argmax(2)[..., None], gradient[..., 0], 2)
    return Gradients((by_rows.reshape(call.x.shape),))


@forward.register
def _generalised_mean(op: GeneralisedMean, call: OpCall) -> Array:
    power = call.tensors["weight"][0]
    result: Array = (np.maximum(call.x, op.eps) ** power).mean(PIXELS, keepdims=True) ** (1.0 / power)
    return result


@backward.register
def _generalised_mean_back(op: GeneralisedMean, call: OpCall, result: Array, gradient: Array) -> Gradients:
    power, raised = call.tensors["weight"][0], np.maximum(call.x, op.eps)
    powers = raised**power
    mean = powers.mean(PIXELS, keepdims=True)
    # The result is exp(log(mean) / power): by the mean, and by the power, which is in the mean too.
    by_mean = gradient * result / (power * mean)
    by_x = by_mean * power * raised ** (power - 1.0) * (call.x >= op.eps) / call.x[0, 0].size
    logs = (powers * np.log(raised)).mean(PIXELS, keepdims=True)
    by_power = (by_mean * logs - gradient * result * np.log(mean) / power**2).sum()
    return Gradients((by_x,), {"weight": by_power.reshape(1)})
