"""Pixels gathered by weights, with learned positions; maps as columns of pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from resnet_dsl.ir.ops import Attention, Pixel, Positions, Tokens, WeightedSum
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


@forward.register
def _attention(op: Attention, call: OpCall) -> Array:
    x, _, values = (_heads(op, each) for each in call.inputs)
    result: Array = values @ _weights(op, call).swapaxes(2, 3)
    return result.reshape(len(x), -1, *call.x.shape[2:])


@backward.register
def _attention_back(op: Attention, call: OpCall, result: Array, gradient: Array) -> Gradients:
    x, keys, values = (_heads(op, each) for each in call.inputs)
    weights, outer = _weights(op, call), _heads(op, gradient)
    by_weights = outer.swapaxes(2, 3) @ values
    by_scores = weights * (by_weights - (by_weights * weights).sum(3, keepdims=True))
    scale = x.shape[2] ** -0.5
    by_x, by_keys, by_values = (
        scale * (keys @ by_scores.swapaxes(2, 3)),
        scale * (x @ by_scores),
        outer @ weights,
    )
    tensors = {}
    if any(op.relative):
        by_positions = by_scores.reshape(*by_scores.shape[:2], *op.relative, *op.relative)
        by_positions = by_positions * (scale if op.scale_positions else 1.0)
        maps = x.reshape(*x.shape[:3], *op.relative)
        for name, by, equation, axis in (
            ("height_rel", by_positions.sum(5), "nhijk,nhdij->ikd", 0),
            ("width_rel", by_positions.sum(4), "nhijk,nhdij->jkd", 1),
        ):
            places, given = _distances(op.relative[axis]), call.tensors[name]
            tensors[name] = np.zeros(given.shape)
            np.add.at(tensors[name], places, np.einsum(equation, by, maps))
            vectors, back = given[places], f"nhijk,{equation[-3:]}->nhdij"
            by_x = by_x + np.einsum(back, by, vectors).reshape(x.shape)
    shapes = [each.shape for each in call.inputs]
    found = zip((by_x, by_keys, by_values), shapes, strict=True)
    return Gradients(tuple(each.reshape(shape) for each, shape in found), tensors)


def _heads(op: Attention, x: Array) -> Array:
    """(N, C, H, W) → (N, heads, C / heads, H W)."""
    return x.reshape(len(x), op.heads, x.shape[1] // op.heads, -1)


def _weights(op: Attention, call: OpCall) -> Array:
    """How much of each pixel of the keys each pixel takes: (N, heads, pixels, pixels of keys)."""
    x, keys = (_heads(op, each) for each in call.inputs[:2])
    scale = x.shape[2] ** -0.5
    scores = scale * (x.swapaxes(2, 3) @ keys)
    if any(op.relative):
        maps = x.reshape(*x.shape[:3], *op.relative)
        rows, columns = (
            np.einsum(f"nhdij,{axes}->nhijk", maps, call.tensors[name][_distances(size)])
            for name, axes, size in zip(("height_rel", "width_rel"), ("ikd", "jkd"), op.relative, strict=True)
        )
        positions = rows[..., :, None] + columns[..., None, :]
        scores = scores + (scale if op.scale_positions else 1.0) * positions.reshape(scores.shape)
    powers = np.exp(scores - scores.max(3, keepdims=True))
    result: Array = powers / powers.sum(3, keepdims=True)
    return result


def _distances(size: int) -> NDArray[np.int64]:
    """Which vector is meant, by a pixel's own place and that of the other."""
    places = np.arange(size)
    return places[None, :] - places[:, None] + size - 1


@forward.register
def _positions(op: Positions, call: OpCall) -> Array:
    return call.x + call.tensors["positional_embedding"].T.reshape(1, *call.x.shape[1:])


@backward.register
def _positions_back(op: Positions, call: OpCall, result: Array, gradient: Array) -> Gradients:
    by_own = gradient.sum(0).reshape(gradient.shape[1], -1).T
    return Gradients((gradient,), {"positional_embedding": by_own})


@forward.register
def _tokens(op: Tokens, call: OpCall) -> Array:
    column = call.x.reshape(*call.x.shape[:2], -1, 1)
    return np.concatenate([column.mean(2, keepdims=True), column], 2) if op.mean else column


@backward.register
def _tokens_back(op: Tokens, call: OpCall, result: Array, gradient: Array) -> Gradients:
    by_x = gradient
    if op.mean:
        by_x = gradient[:, :, 1:] + gradient[:, :, :1] / (gradient.shape[2] - 1)
    return Gradients((by_x.reshape(call.x.shape),))


@forward.register
def _pixel(op: Pixel, call: OpCall) -> Array:
    return call.x[:, :, op.row : op.row + 1, op.column : op.column + 1]


@backward.register
def _pixel_back(op: Pixel, call: OpCall, result: Array, gradient: Array) -> Gradients:
    by_x = np.zeros(call.x.shape)
    by_x[:, :, op.row : op.row + 1, op.column : op.column + 1] = gradient
    return Gradients((by_x,))
