"""Names of no library: which layers of a file are which of a residual network, by kinds, shapes and order.

Layers are grouped by the numbers in their names. A group is a block if its convolutions are those of a basic
block or a bottleneck, its first one takes what the block before gives, and its norms are on what
convolutions give or get. Everything has to have a place; else nothing is found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise

from resnet_dsl.zoo.block_by_shape import CONV, FC, NORM, Layer, parse_blocks

Shape = tuple[int, ...]
WORD = re.compile(r"[._/]")
DIGITS = re.compile(r"([0-9]+)")
IN_BLOCK = re.compile(r"layer[0-9]+\.[0-9]+\.(.+)")
NUMBERED = re.compile(r".*[0-9]")
DEEPEST = 12
MOST_LAYERS = 10_000
"""Three times those of the deepest network that has been published."""
STEMS = {1: ("conv1",), 3: ("conv1.0", "conv1.3", "conv1.6")}
STEM_NORMS = {1: ("bn1",), 3: ("conv1.1", "conv1.4", "bn1")}
LAST_NORM = "bn"
NORM_TENSORS = ({"weight", "bias", "running_mean", "running_var"}, {"weight", "bias"})


def names_by_shape(shapes: Mapping[str, Shape]) -> dict[str, str] | None:
    """Return our path of each layer outside of the head, None where the file is not such a network."""
    layers = _layers(shapes)
    if not layers or len(layers) > MOST_LAYERS:
        return None
    by_name = [layer.path for layer in layers] == sorted(layer.path for layer in layers)
    if by_name:
        layers.sort(key=lambda layer: [_natural(word) for word in layer.words])
    deepest = min(DEEPEST, max(len(layer.words) for layer in layers))
    found = (_grouped(layers, depth, by_name) for depth in range(deepest, 0, -1))
    names = next((names for names in found if names is not None), None)
    return None if names is None or _is_patchwork(names) else names


def _is_patchwork(names: Mapping[str, str]) -> bool:
    """Whether some layers of a kind have our names and some others: those are not the same network's."""
    kinds: dict[str, set[bool]] = {}
    for theirs, ours in names.items():
        inside = IN_BLOCK.fullmatch(ours)
        if ours != LAST_NORM:
            kinds.setdefault(inside[1] if inside else "", set()).add(theirs == ours)
    return any(len(same) > 1 for same in kinds.values())


def _layers(shapes: Mapping[str, Shape]) -> list[Layer] | None:
    """The layers in the order of the file, None if one is of no known kind."""
    grouped: dict[str, dict[str, Shape]] = {}
    for name, shape in shapes.items():
        path, _, tensor = name.rpartition(".")
        grouped.setdefault(path, {})[tensor] = shape
    layers: list[Layer] = []
    for path, tensors in grouped.items():
        kind = _kind(tensors)
        if kind is None:
            return None
        words = tuple(WORD.split(path))
        layers.append(Layer(path, words, kind, tensors["weight"], "bias" in tensors))
    return layers


def _kind(tensors: Mapping[str, Shape]) -> str | None:
    shapes = set(tensors.values())
    if set(tensors) in NORM_TENSORS and len(shapes) == 1 and len(next(iter(shapes))) == 1:
        return NORM
    if set(tensors) in ({"weight"}, {"weight", "bias"}):
        return {4: CONV, 2: FC}.get(len(tensors["weight"]))
    return None


def _natural(word: str) -> tuple[tuple[int, str], ...]:
    """A key by which numbers come in their order."""
    return tuple(
        (len(part.lstrip("0")), part.lstrip("0")) if part.isdecimal() else (0, part)
        for part in DIGITS.split(word)
    )


def _grouped(layers: Sequence[Layer], depth: int, by_name: bool) -> dict[str, str] | None:
    """The names if blocks are what begins with the same words, so many."""

    def key(layer: Layer) -> tuple[str, ...] | None:
        front = layer.words[:depth]
        return front if len(layer.words) > depth and NUMBERED.fullmatch(front[-1]) else None

    runs = [(front, list(group)) for front, group in groupby(layers, key)]
    blocks = [(front, run) for front, run in runs if front is not None and _may_be_block(run)]
    fronts = [front for front, _ in blocks]
    if not blocks or len(set(fronts)) < len(fronts):
        return None
    inside = {layer.path for _, run in blocks for layer in run}
    outside = [layer for layer in layers if layer.path not in inside]
    stem = _stem([layer for layer in outside if layer.kind == CONV])
    if stem is None:
        return None
    parsed = parse_blocks([run for _, run in blocks], stem[-1].channels, depth, by_name)
    if parsed is None:
        return None
    names = {layer.path: name for layer, name in zip(stem, STEMS[len(stem)], strict=True)}
    norms = _norms([layer for layer in outside if layer.kind == NORM], stem, parsed[-1].after)
    if norms is None:
        return None
    names |= norms
    for (stage, number), block in zip(_stages(fronts, [each.after for each in parsed]), parsed, strict=True):
        names |= {path: f"layer{stage}.{number}.{name}" for path, name in block.names.items()}
    return names


def _may_be_block(run: Sequence[Layer]) -> bool:
    return sum(layer.kind == CONV for layer in run) > 1


def _stem(convs: Sequence[Layer]) -> Sequence[Layer] | None:
    """The convolutions of the stem, each of which takes what the one before gives."""
    follows = all(after.weight[1] == before.channels for before, after in pairwise(convs))
    return convs if len(convs) in STEMS and follows else None


def _norms(norms: Sequence[Layer], stem: Sequence[Layer], last: int) -> dict[str, str] | None:
    """The norms outside of blocks: those of the stem, and the last one of pre-activation."""
    names = STEM_NORMS[len(stem)]
    wanted = [conv.channels for conv in stem]
    found = [norm.channels for norm in norms]
    for channels, called in (
        (wanted, names),
        ([*wanted, last], (*names, LAST_NORM)),
        ([last, *wanted], (LAST_NORM, *names)),
        ([last], (LAST_NORM,)),
        ([], ()),
    ):
        if found == channels:
            return {norm.path: name for norm, name in zip(norms, called, strict=True)}
    return None


def _stages(fronts: Sequence[tuple[str, ...]], channels: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the stage and number of each block: by name, or by channels where they are numbered through."""
    parents = [(*front[:-1], front[-1].rstrip("0123456789")) for front in fronts]
    by_name = len(set(parents)) > 1
    keys: Sequence[object] = parents if by_name else channels
    for stage, (_, group) in enumerate(groupby(keys)):
        for number, _ in enumerate(group):
            yield stage + 1, number
