"""Layers of a head under names of one's own: found by kind and shape, where only one fits."""

from __future__ import annotations

from collections.abc import Mapping

from resnet_dsl.backend.contents import COUNTER, Stored
from resnet_dsl.zoo.candidates import HEAD, NamedLayer
from resnet_dsl.zoo.model_names import ModelNames

Kind = frozenset[tuple[str, tuple[int, ...]]]
"""What tells a layer by: its tensors' names and shapes."""


def found_heads(names: ModelNames, tensors: Mapping[str, Stored], any_rows: bool = False) -> dict[str, str]:
    """Return what the file calls layers of the head that it has under no name that is known.

    Only a layer of a kind and shape that no other lost one has, here or there, is found. If `any_rows`, a
    classifier may be of other classes there.
    """
    lost = {
        path: _kind(names, path, layer)
        for path, layer in names.layers.items()
        if layer.node.part == HEAD and not _any_of(names, path, layer, tensors)
    }
    if not lost:
        return {}
    left = _left(names, tensors)
    if any_rows:
        lost, left = _without_rows(lost), _without_rows(left)
    ours, theirs = _once(lost), _once(left)
    return {path: theirs[kind] for kind, path in ours.items() if kind in theirs}


def _without_rows(layers: Mapping[str, Kind]) -> dict[str, Kind]:
    return {layer: frozenset((tensor, shape[1:]) for tensor, shape in kind) for layer, kind in layers.items()}


def _kind(names: ModelNames, path: str, layer: NamedLayer) -> Kind:
    joint = names.map.style.joint
    own = names.layers[path].theirs
    return frozenset(
        (names.tensor(path, parameter).removeprefix(f"{own}{joint}"), parameter.shape)
        for _, parameter in layer.node.parameters()
    )


def _any_of(names: ModelNames, path: str, layer: NamedLayer, tensors: Mapping[str, Stored]) -> bool:
    return any(names.tensor(path, parameter) in tensors for _, parameter in layer.node.parameters())


def _left(names: ModelNames, tensors: Mapping[str, Stored]) -> dict[str, Kind]:
    """The layers of the file that no layer of the model is called."""
    taken = {layer.theirs for layer in names.layers.values()}
    joint = names.map.style.joint
    found: dict[str, set[tuple[str, tuple[int, ...]]]] = {}
    for name, stored in tensors.items():
        layer, _, tensor = name.rpartition(joint)
        if layer not in taken and not name.endswith(COUNTER) and not names.ignores(name):
            found.setdefault(layer, set()).add((tensor, tuple(stored.shape)))
    return {layer: frozenset(kind) for layer, kind in found.items()}


def _once(layers: Mapping[str, Kind]) -> dict[Kind, str]:
    """The layers by kind, where one alone is of it."""
    kinds = list(layers.values())
    return {kind: layer for layer, kind in layers.items() if kinds.count(kind) == 1}
