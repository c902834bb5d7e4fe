"""Values moved between channels and pixels, and channels among themselves."""

from __future__ import annotations

import numpy as np

from resnet_dsl.ir.ops import ChannelShuffle, PixelShuffle, PixelUnshuffle
from resnet_dsl.reference.meaning import Array, Gradients, OpCall, backward, forward


def _shuffled(x: Array, factor: int) -> Array:
    """(N, C f f, H, W) → (N, C, H f, W f)."""
    batch, _, height, width = x.shape
    apart = x.reshape(batch, -1, factor, factor, height, width).transpose(0, 1, 4, 2, 5, 3)
    return apart.reshape(batch, -1, height * factor, width * factor)


def _unshuffled(x: Array, factor: int) -> Array:
    """(N, C, H f, W f) → (N, C f f, H, W)."""
    batch, channels, height, width = x.shape
    apart = x.reshape(batch, channels, height // factor, factor, width // factor, factor)
    return apart.transpose(0, 1, 3, 5, 2, 4).reshape(batch, -1, height // factor, width // factor)


@forward.register
def _pixel_shuffle(op: PixelShuffle, call: OpCall) -> Array:
    return _shuffled(call.x, op.factor)


@backward.register
def _pixel_shuffle_back(op: PixelShuffle, call: OpCall, result: Array, gradient: Array) -> Gradients:
    return Gradients((_unshuffled(gradient, op.factor),))


@forward.register
def _pixel_unshuffle(op: PixelUnshuffle, call: OpCall) -> Array:
    height, width = (size // op.factor * op.factor for size in call.x.shape[2:])
    return _unshuffled(call.x[:, :, :height, :width], op.factor)


@backward.register
def _pixel_unshuffle_back(op: PixelUnshuffle, call: OpCall, result: Array, gradient: Array) -> Gradients:
    by_x = np.zeros(call.x.shape)
    by_read = _shuffled(gradient, op.factor)
    by_x[:, :, : by_read.shape[2], : by_read.shape[3]] = by_read
    return Gradients((by_x,))


@forward.register
def _channel_shuffle(op: ChannelShuffle, call: OpCall) -> Array:
    return call.x[:, list(op.order(call.x.shape[1]))]


@backward.register
def _channel_shuffle_back(op: ChannelShuffle, call: OpCall, result: Array, gradient: Array) -> Gradients:
    return Gradients((gradient[:, np.argsort(op.order(call.x.shape[1]))],))
