"""Layers with a matrix of weights: convolutions and fully connected."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from resnet_dsl.ir.ops import ChannelConv, Conv, FullyConnected
from resnet_dsl.reference.meaning import Array, Gradients, OpCall, backward, forward, weight_used
from resnet_dsl.reference.standardising import by_original, standardised
from resnet_dsl.reference.windows import Axes, channel_windows, framed, taps, unframed, window_axes

FILTER = (1, 2, 3)  # the axes of the weights of one output channel

# A convolution is a sum over the taps of its window, each a matrix product of all pixels at once:
# as fast as laying out every window (im2col), in the memory of one map.


@forward.register
def _conv(op: Conv, call: OpCall) -> Array:
    axes = _axes(op, call.x)
    frame = framed(call.x, axes, 0.0)
    matrices = _matrices(op, _weight(op, call.tensors))
    pixels = len(call.x) * axes[0].count * axes[1].count
    total = np.zeros((op.groups, op.channels // op.groups, pixels))
    for (i, j), tap in taps(axes):
        total += matrices[i, j] @ _pixels(frame[tap], op.groups)
    result = _maps(total, len(call.x), axes)
    return result + call.tensors["bias"][:, None, None] if op.bias else result


@backward.register
def _conv_back(op: Conv, call: OpCall, result: Array, gradient: Array) -> Gradients:
    axes = _axes(op, call.x)
    frame = framed(call.x, axes, 0.0)
    matrices = _matrices(op, _weight(op, call.tensors))
    outer = _pixels(gradient, op.groups)
    by_frame, by_matrices = np.zeros(frame.shape), np.empty_like(matrices)
    for (i, j), tap in taps(axes):
        by_matrices[i, j] = outer @ _pixels(frame[tap], op.groups).swapaxes(1, 2)
        by_frame[tap] += _maps(matrices[i, j].swapaxes(1, 2) @ outer, len(call.x), axes)
    tensors = _by_weight(op, call, by_matrices)
    if op.bias:
        tensors["bias"] = gradient.sum((0, 2, 3))
    return Gradients((unframed(by_frame, axes),), tensors)


def _axes(op: Conv, x: Array) -> Axes:
    return window_axes(x, op.kernel, op.stride, op.pad, op.dilation)


def _matrices(op: Conv, weight: Array) -> Array:
    """(O, C/g, k, l) → (k, l, g, O/g, C/g): for each tap and group the matrix of a 1x1 convolution."""
    grouped = weight.reshape(op.groups, -1, *weight.shape[1:])
    return np.ascontiguousarray(grouped.transpose(3, 4, 0, 1, 2))


@weight_used.register
def _weight(op: Conv, tensors: Mapping[str, Array]) -> Array:
    """The weight as it is, or standardised, with a gain of each output channel."""
    weight = tensors["weight"]
    if not op.standardize:
        return weight
    return standardised(weight, FILTER, op.standardize)[0] * _gain(op, tensors)


def _gain(op: Conv, tensors: Mapping[str, Array]) -> Array | float:
    channels = tensors["weight"].shape[1] * op.groups
    return tensors["gain"] * op.factor(channels) if op.gamma else 1.0


def _by_weight(op: Conv, call: OpCall, by_matrices: Array) -> dict[str, Array]:
    """(k, l, g, O/g, C/g) → (O, C/g, k, l), and past the standardisation; and what a gain has of it."""
    weight = call.tensors["weight"]
    by_used: Array = by_matrices.transpose(2, 3, 4, 0, 1).reshape(weight.shape)
    if not op.standardize:
        return {"weight": by_used}
    normal, deviation = standardised(weight, FILTER, op.standardize)
    found = {"weight": by_original(by_used * _gain(op, call.tensors), normal, deviation, FILTER)}
    if op.gamma:
        factor = op.factor(call.x.shape[1])
        found["gain"] = (by_used * normal).sum(FILTER, keepdims=True) * factor
    return found


def _pixels(maps: Array, groups: int) -> Array:
    """(N, C, H, W) → (g, C/g, N H W)."""
    return maps.swapaxes(0, 1).reshape(groups, maps.shape[1] // groups, -1)


def _maps(pixels: Array, batch: int, axes: Axes) -> Array:
    """(g, C/g, N H W) → (N, C, H, W)."""
    return pixels.reshape(-1, batch, axes[0].count, axes[1].count).swapaxes(0, 1)


@forward.register
def _channel_conv(op: ChannelConv, call: OpCall) -> Array:
    windows = channel_windows(_vector(call.x), op.kernel)
    result: Array = windows @ call.tensors["weight"][0, 0]
    return result.reshape(call.x.shape)


@backward.register
def _channel_conv_back(op: ChannelConv, call: OpCall, result: Array, gradient: Array) -> Gradients:
    windows, outer = channel_windows(_vector(call.x), op.kernel), _vector(gradient)
    by_weight = np.einsum("nc,nck->k", outer, windows).reshape(1, 1, -1)
    # A channel is in the windows of its neighbours, in the reverse order.
    by_x = channel_windows(outer, op.kernel) @ call.tensors["weight"][0, 0, ::-1]
    return Gradients((by_x.reshape(call.x.shape),), {"weight": by_weight})


@forward.register
def _fc(op: FullyConnected, call: OpCall) -> Array:
    result = _vector(call.x) @ call.tensors["weight"].T
    return result + call.tensors["bias"] if op.bias else result


@backward.register
def _fc_back(op: FullyConnected, call: OpCall, result: Array, gradient: Array) -> Gradients:
    tensors = {"weight": gradient.T @ _vector(call.x)}
    if op.bias:
        tensors["bias"] = gradient.sum(0)
    return Gradients(((gradient @ call.tensors["weight"]).reshape(call.x.shape),), tensors)


def _vector(x: Array) -> Array:
    """(N, C) or the (N, C, 1, 1) of global pooling → (N, C)."""
    return x.reshape(x.shape[0], x.shape[1])
