"""Ops that move values and add zeros: flatten, subsample, a part, padding of channels and of edges."""

from __future__ import annotations

import numpy as np

from resnet_dsl.ir.arguments import sides
from resnet_dsl.ir.ops import Flatten, PadChannels, Part, Subsample, ZeroPad
from resnet_dsl.reference.meaning import Array, Gradients, OpCall, backward, forward


@forward.register
def _flatten(op: Flatten, call: OpCall) -> Array:
    x = call.x if op.order == "chw" else np.moveaxis(call.x, 1, -1)
    return x.reshape(len(x), -1)


@backward.register
def _flatten_back(op: Flatten, call: OpCall, result: Array, gradient: Array) -> Gradients:
    if op.order == "chw":
        return Gradients((gradient.reshape(call.x.shape),))
    batch, channels, *pixels = call.x.shape
    return Gradients((np.moveaxis(gradient.reshape(batch, *pixels, channels), -1, 1),))


@forward.register
def _subsample(op: Subsample, call: OpCall) -> Array:
    return call.x[:, :, :: op.stride[0], :: op.stride[1]]


@backward.register
def _subsample_back(op: Subsample, call: OpCall, result: Array, gradient: Array) -> Gradients:
    by_x = np.zeros(call.x.shape)
    by_x[:, :, :: op.stride[0], :: op.stride[1]] = gradient
    return Gradients((by_x,))


@forward.register
def _pad_channels(op: PadChannels, call: OpCall) -> Array:
    result = np.zeros((len(call.x), op.channels, *call.x.shape[2:]))
    result[:, _old_channels(op, call.x)] = call.x
    return result


@backward.register
def _pad_channels_back(op: PadChannels, call: OpCall, result: Array, gradient: Array) -> Gradients:
    return Gradients((gradient[:, _old_channels(op, call.x)],))


def _old_channels(op: PadChannels, x: Array) -> slice:
    before = op.before(x.shape[1])
    return slice(before, before + x.shape[1])


@forward.register
def _zero_pad(op: ZeroPad, call: OpCall) -> Array:
    return np.pad(call.x, ((0, 0), (0, 0), *sides(op.amount)))


@backward.register
def _zero_pad_back(op: ZeroPad, call: OpCall, result: Array, gradient: Array) -> Gradients:
    (above, _), (left, _) = sides(op.amount)
    height, width = call.x.shape[2:]
    return Gradients((gradient[:, :, above : above + height, left : left + width],))


@forward.register
def _part(op: Part, call: OpCall) -> Array:
    return call.x[:, slice(*op.bounds(call.x.shape[1]))]


@backward.register
def _part_back(op: Part, call: OpCall, result: Array, gradient: Array) -> Gradients:
    by_x = np.zeros(call.x.shape)
    by_x[:, slice(*op.bounds(call.x.shape[1]))] = gradient
    return Gradients((by_x,))
