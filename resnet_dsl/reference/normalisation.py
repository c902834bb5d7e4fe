"""Normalisation: by the batch or its running statistics, by groups, by pixels, by neighbouring channels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from resnet_dsl.ir.ops import (
    BatchNorm,
    GlobalResponseNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LocalResponseNorm,
)
from resnet_dsl.reference.meaning import Array, Gradients, OpCall, backward, forward, statistics
from resnet_dsl.reference.standardising import by_original

PIXELS = (2, 3)  # the axes of height and width


@forward.register
def _batch_norm(op: BatchNorm, call: OpCall) -> Array:
    normal, _ = _by_batch(op, call)
    scaled = normal * _spread(call.tensors["weight"], normal) if op.scale else normal
    return scaled + _spread(call.tensors["bias"], normal) if op.center else scaled


@backward.register
def _batch_norm_back(op: BatchNorm, call: OpCall, result: Array, gradient: Array) -> Gradients:
    normal, deviation = _by_batch(op, call)
    by_normal = gradient * _spread(call.tensors["weight"], call.x) if op.scale else gradient
    if call.training and not op.frozen:
        grouped = by_original(
            _by_group(call, by_normal), _by_group(call, normal), deviation, _group_axes(call.x)
        )
        by_x = grouped.reshape(call.x.shape)
    else:
        by_x = by_normal / deviation
    by_own = {} if op.frozen else _by_scale_and_shift(normal, gradient)
    return Gradients((by_x,), {name: by for name, by in by_own.items() if name in call.tensors})


def _by_batch(op: BatchNorm, call: OpCall) -> tuple[Array, Array]:
    """Normal values and deviation; a batch goes by its biased variance in every framework, group by group."""
    deviation: Array
    if call.training and not op.frozen:
        normal, deviation = call.standardise(_by_group(call, call.x), _group_axes(call.x), op.eps)
        return normal.reshape(call.x.shape), deviation
    mean, variance = (_spread(call.tensors[name], call.x) for name in ("running_mean", "running_var"))
    deviation = np.sqrt(variance + op.eps)
    return (call.x - mean) / deviation, deviation


@statistics.register
def _batch_norm_statistics(op: BatchNorm, call: OpCall, unbiased: bool) -> Mapping[str, Array]:
    if op.frozen or not call.training:
        return {}
    grouped, axes = _by_group(call, call.x), _group_axes(call.x)
    mean, variance = grouped.mean(axes).mean(0), grouped.var(axes).mean(0)
    if unbiased:
        count = call.x.size // call.x.shape[1] // call.groups
        if count < 2:
            raise ValueError("batch norm over one value a channel has no unbiased variance")
        variance = variance * (count / (count - 1))
    return {
        "running_mean": (1 - op.momentum) * call.tensors["running_mean"] + op.momentum * mean,
        "running_var": (1 - op.momentum) * call.tensors["running_var"] + op.momentum * variance,
    }


def _by_group(call: OpCall, x: Array) -> Array:
    """(g N, C, H, W) or (g N, C) → (g, N, C, H, W) or (g, N, C)."""
    return x.reshape(call.groups, -1, *x.shape[1:])


def _group_axes(x: Array) -> tuple[int, ...]:
    """Of x by group, every axis but those of the groups and of the channels."""
    return tuple(axis + 1 for axis in _axes(x))


@forward.register
def _group_norm(op: GroupNorm, call: OpCall) -> Array:
    normal, _ = call.standardise(_grouped(op, call.x), (2,), op.eps)
    return _scaled(call, normal.reshape(call.x.shape))


@backward.register
def _group_norm_back(op: GroupNorm, call: OpCall, result: Array, gradient: Array) -> Gradients:
    normal, deviation = call.standardise(_grouped(op, call.x), (2,), op.eps)
    by_normal = _grouped(op, gradient * _spread(call.tensors["weight"], call.x))
    by_x = by_original(by_normal, normal, deviation, (2,)).reshape(call.x.shape)
    return Gradients((by_x,), _by_scale_and_shift(normal.reshape(call.x.shape), gradient))


def _grouped(op: GroupNorm, x: Array) -> Array:
    """(N, C, H, W) or (N, C) → (N, g, C/g H W)."""
    return x.reshape(len(x), op.groups, -1)


@forward.register
def _layer_norm(op: LayerNorm, call: OpCall) -> Array:
    normal, _ = call.standardise(call.x, (1,), op.eps)
    return _scaled(call, normal)


@backward.register
def _layer_norm_back(op: LayerNorm, call: OpCall, result: Array, gradient: Array) -> Gradients:
    normal, deviation = call.standardise(call.x, (1,), op.eps)
    by_normal = gradient * _spread(call.tensors["weight"], call.x)
    by_x = by_original(by_normal, normal, deviation, (1,))
    return Gradients((by_x,), _by_scale_and_shift(normal, gradient))


@forward.register
def _instance_norm(op: InstanceNorm, call: OpCall) -> Array:
    normal, _ = call.standardise(call.x, PIXELS, op.eps)
    return _scaled(call, normal) if op.affine else normal


@backward.register
def _instance_norm_back(op: InstanceNorm, call: OpCall, result: Array, gradient: Array) -> Gradients:
    normal, deviation = call.standardise(call.x, PIXELS, op.eps)
    if not op.affine:
        return Gradients((by_original(gradient, normal, deviation, PIXELS),))
    by_normal = gradient * _spread(call.tensors["weight"], call.x)
    by_x = by_original(by_normal, normal, deviation, PIXELS)
    return Gradients((by_x,), _by_scale_and_shift(normal, gradient))


@forward.register
def _global_response_norm(op: GlobalResponseNorm, call: OpCall) -> Array:
    share = _response(op, call.x)[2]
    return call.x + _scaled(call, call.x * share)


@backward.register
def _global_response_norm_back(
    op: GlobalResponseNorm, call: OpCall, result: Array, gradient: Array
) -> Gradients:
    norms, total, share = _response(op, call.x)
    by_scaled = gradient * _spread(call.tensors["weight"], call.x)
    by_share = (by_scaled * call.x).sum(PIXELS, keepdims=True)
    # A channel's own norm, and its part in the mean of all.
    by_norms = by_share / total - (by_share * share / total).mean(1, keepdims=True)
    turned = np.divide(call.x, norms, out=np.zeros(call.x.shape), where=norms > 0.0)
    by_x = gradient + by_scaled * share + by_norms * turned
    return Gradients((by_x,), _by_scale_and_shift(call.x * share, gradient))


def _response(op: GlobalResponseNorm, x: Array) -> tuple[Array, Array, Array]:
    """The norm of each channel, the mean of these with eps, and the one over the other."""
    norms: Array = np.sqrt((x * x).sum(PIXELS, keepdims=True))
    total: Array = norms.mean(1, keepdims=True) + op.eps
    return norms, total, norms / total


@forward.register
def _local_response_norm(op: LocalResponseNorm, call: OpCall) -> Array:
    result: Array = call.x * _energy(op, call) ** -op.beta
    return result


@backward.register
def _local_response_norm_back(
    op: LocalResponseNorm, call: OpCall, result: Array, gradient: Array
) -> Gradients:
    # A channel's own factor, and its share in the energy of each neighbour.
    energy = _energy(op, call)
    shared = _neighbours(op, call, gradient * result / energy)
    by_x = gradient * energy**-op.beta - (2.0 * op.alpha * op.beta / op.size) * call.x * shared
    return Gradients((by_x,))


def _energy(op: LocalResponseNorm, call: OpCall) -> Array:
    return op.k + op.alpha / op.size * _neighbours(op, call, call.x * call.x)


def _neighbours(op: LocalResponseNorm, call: OpCall, x: Array) -> Array:
    """The sum over each channel's neighbours; a wider window than one that reaches all sees no more."""
    return call.add_channels(x, min(op.size, 2 * x.shape[1] - 1))


def _scaled(call: OpCall, normal: Array) -> Array:
    weight, bias = (_spread(call.tensors[name], normal) for name in ("weight", "bias"))
    return normal * weight + bias


def _by_scale_and_shift(normal: Array, gradient: Array) -> dict[str, Array]:
    axes = _axes(normal)
    return {"weight": (gradient * normal).sum(axes), "bias": gradient.sum(axes)}


def _axes(x: Array) -> tuple[int, ...]:
    """Every axis but that of the channels."""
    return tuple(axis for axis in range(x.ndim) if axis != 1)


def _spread(values: Array, x: Array) -> Array:
    """(C,) → (1, C, 1, 1), or (1, C) for vectors."""
    return values.reshape(1, -1, *(1,) * (x.ndim - 2))
