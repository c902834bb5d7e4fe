"""Batch normalisation: by the batch's own statistics in training, by the running ones otherwise."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from resnet_dsl.ir.ops import BatchNorm
from resnet_dsl.reference.meaning import Array, Call, Gradients, backward, forward, statistics


@forward.register
def _batch_norm(op: BatchNorm, call: Call) -> Array:
    weight, bias = (_spread(call.tensors[name], call.x) for name in ("weight", "bias"))
    return _normal(op, call) * weight + bias


@backward.register
def _batch_norm_back(op: BatchNorm, call: Call, result: Array, gradient: Array) -> Gradients:
    axes, normal = _axes(call.x), _normal(op, call)
    tensors = {"weight": (gradient * normal).sum(axes), "bias": gradient.sum(axes)}
    by_normal = gradient * _spread(call.tensors["weight"], call.x)
    if call.training:
        # Mean and variance depend on x too: their share is what is left of the projections on 1 and normal.
        by_normal = by_normal - by_normal.mean(axes, keepdims=True)
        by_normal = by_normal - normal * (by_normal * normal).mean(axes, keepdims=True)
    _, variance = _moments(call)
    return Gradients((by_normal / np.sqrt(_spread(variance, call.x) + op.eps),), tensors)


@statistics.register
def _batch_norm_statistics(op: BatchNorm, call: Call, unbiased: bool) -> Mapping[str, Array]:
    if not call.training:
        return {}
    mean, variance = _moments(call)
    if unbiased:
        count = call.x.size // call.x.shape[1]
        if count < 2:
            raise ValueError("batch norm over one value a channel has no unbiased variance")
        variance = variance * (count / (count - 1))
    return {
        "running_mean": (1 - op.momentum) * call.tensors["running_mean"] + op.momentum * mean,
        "running_var": (1 - op.momentum) * call.tensors["running_var"] + op.momentum * variance,
    }


def _normal(op: BatchNorm, call: Call) -> Array:
    mean, variance = (_spread(moment, call.x) for moment in _moments(call))
    return (call.x - mean) / np.sqrt(variance + op.eps)


def _moments(call: Call) -> tuple[Array, Array]:
    """Mean and variance, (C,) each; a batch is normalised by its biased variance in every framework."""
    if not call.training:
        return call.tensors["running_mean"], call.tensors["running_var"]
    return call.x.mean(_axes(call.x)), call.x.var(_axes(call.x))


def _axes(x: Array) -> tuple[int, ...]:
    """Every axis but that of the channels."""
    return tuple(axis for axis in range(x.ndim) if axis != 1)


def _spread(values: Array, x: Array) -> Array:
    """(C,) → (1, C, 1, 1), or (1, C) for vectors."""
    return values.reshape(1, -1, *(1,) * (x.ndim - 2))
