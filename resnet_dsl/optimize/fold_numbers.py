"""Folds in numbers: what the tensors of a network hold in the form of it for inference.

Everything is computed in double precision and rounded once, to the precision that the layer's weight had.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.folds import ChannelMapFold, Fold, PlainWeight, TensorOwner
from resnet_dsl.ir.graph import Graph
from resnet_dsl.ir.ops import LinearLayer
from resnet_dsl.reference import weight_used

State = dict[str, Array]


def folded(state: Mapping[str, Array], folds: Iterable[Fold], graph: Graph) -> State:
    """Return the tensors of the graph that the folds lead to, in its order."""
    found, kinds = dict(state), dict[str, Any]()
    for fold in folds:
        weight = f"{fold.layer.path}.weight"
        kinds.setdefault(fold.layer.path, found[weight].dtype)
        _fold(fold, found)
    return {
        name: np.ascontiguousarray(found[name], kinds.get(name.rpartition(".")[0], found[name].dtype))
        for name, _ in graph.parameters()
    }


class _Scaling(NamedTuple):
    """What a step does to each channel: x * by + plus."""

    by: Array
    plus: Array


def _fold(fold: Fold, state: State) -> None:
    """Put into the state what a layer's tensors become."""
    match fold:
        case PlainWeight():
            _make_plain(fold, state)
        case ChannelMapFold(of_input=True):
            _fold_into_layer_after(fold, state)
        case ChannelMapFold():
            _fold_into_layer_before(fold, state)
        case _:
            raise TypeError(f"no numbers for {type(fold).__name__}")


def _make_plain(fold: PlainWeight, state: State) -> None:
    own = {name: _double(state, f"{fold.layer.path}.{name}") for _, name in fold.layer.tensors}
    state[f"{fold.layer.path}.weight"] = weight_used(fold.layer.op, own)


def _fold_into_layer_before(fold: ChannelMapFold, state: State) -> None:
    layer, weight, bias = _layer(fold, state)
    scaling = _scaling(fold.map, state)
    channels = weight.shape[layer.results] * (layer.groups if layer.results else 1)
    state[f"{fold.layer.path}.weight"] = _scaled(weight, layer.results, layer.groups, scaling.by)
    state[fold.bias] = np.broadcast_to(bias * scaling.by + scaling.plus, (channels,))


def _fold_into_layer_after(fold: ChannelMapFold, state: State) -> None:
    layer, weight, bias = _layer(fold, state)
    scaling = _scaling(fold.map, state)
    if fold.shifts:
        state[fold.bias] = bias + _of_shift(weight, layer, scaling.plus)
    state[f"{fold.layer.path}.weight"] = _scaled(weight, layer.inputs, layer.groups, scaling.by)


def _layer(fold: Fold, state: State) -> tuple[LinearLayer, Array, Array]:
    """How the layer is linear, its weight, and its bias or 0."""
    layer = fold.layer.op.linear_layer
    assert layer is not None
    bias = _double(state, fold.bias) if fold.bias in state else np.zeros(1)
    return layer, _double(state, f"{fold.layer.path}.weight"), bias


def _scaling(owner: TensorOwner, state: State) -> _Scaling:
    """The scale and shift of a step: one for each channel, or one for all."""
    channel_map = owner.op.channel_map
    assert channel_map is not None
    scale, shift, mean, variance = (
        None if (name := owner.tensor(role)) is None else _double(state, name)
        for role in ("scale", "shift", "mean", "variance")
    )
    by = np.ones(1) if variance is None else 1.0 / np.sqrt(variance + channel_map.eps)
    by = by if scale is None else by * scale
    plus = np.zeros(1) if mean is None else -mean * by
    plus = plus if shift is None else plus + shift
    return _Scaling(channel_map.factor * by, channel_map.factor * plus + channel_map.offset)


def _scaled(weight: Array, axis: int, groups: int, by: Array) -> Array:
    """The weight with the channels along an axis scaled; along the second it has those of one group."""
    if by.size == 1:
        return weight * by.reshape(())
    if axis == 0:
        return weight * by.reshape(-1, *(1 for _ in weight.shape[1:]))
    parts = _by_group(weight, groups)
    result: Array = (parts * by.reshape(groups, 1, -1, *(1 for _ in weight.shape[2:]))).reshape(weight.shape)
    return result


def _of_shift(weight: Array, layer: LinearLayer, shift: Array) -> Array:
    """What a shift of the input's channels adds to the result: every weight takes part everywhere."""
    parts = _by_group(weight, layer.groups)
    per_channel = np.broadcast_to(shift, (layer.groups * parts.shape[2],))
    shifts = per_channel.reshape(layer.groups, 1, -1, *(1 for _ in weight.shape[2:]))
    result: Array = (parts * shifts).sum(tuple(range(2, parts.ndim))).reshape(-1)
    return result


def _by_group(weight: Array, groups: int) -> Array:
    return weight.reshape(groups, -1, *weight.shape[1:])


def _double(state: Mapping[str, Array], name: str) -> Array:
    return np.asarray(state[name], np.float64)
