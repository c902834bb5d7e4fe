"""One residual block by kinds, shapes and order: which convolution projects, which norm is whose."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from resnet_dsl.records import dataclass

CONV, NORM, FC = "conv", "norm", "fc"
NUMBER = re.compile("[0-9]+|^[a-z]$")
MAINS = ((3, 3), (1, 3, 1))
"""Kernels of the main branch: a basic block, a bottleneck."""


@dataclass(frozen=True)
class Layer:
    """A layer of a file: the words of its path, its kind, and the shape of its weight."""

    path: str
    words: tuple[str, ...]
    kind: str
    weight: tuple[int, ...]
    has_bias: bool

    @property
    def channels(self) -> int:
        """How many channels it gives."""
        return self.weight[0]


@dataclass(frozen=True)
class FoundBlock:
    """What its layers are called within the block, and the channels it gives."""

    names: dict[str, str]
    after: int


@dataclass(frozen=True)
class _Split:
    """A block's convolutions: those of the main branch, and the projection if there is one."""

    main: tuple[Layer, ...]
    projection: Layer | None


def parse_blocks(
    blocks: Sequence[Sequence[Layer]], channels: int, depth: int, by_name: bool
) -> list[FoundBlock] | None:
    """Return what the layers of blocks are, of which the first takes so many channels.

    Where a block may be read in two ways, that is taken which calls the projection as other blocks do.
    If layers are in the order of their names (`by_name`), those have to be numbered.
    """
    options: list[list[_Split]] = []
    for block in blocks:
        found = list(_splits([layer for layer in block if layer.kind == CONV], channels))
        if not found:
            return None
        options.append(found)
        channels = found[0].main[-1].channels
    certain = {
        split.projection.words[depth:]
        for found in options
        if len(found) == 1 and (split := found[0]).projection is not None
    }
    result: list[FoundBlock] = []
    for block, found in zip(blocks, options, strict=True):
        named = [s for s in found if s.projection is not None and s.projection.words[depth:] in certain]
        chosen = named if len(found) > 1 and named else found
        parsed = None if len(chosen) != 1 else _named(block, chosen[0], depth, by_name)
        if parsed is None:
            return None
        result.append(parsed)
    return result


def _splits(convs: Sequence[Layer], channels: int) -> Iterator[_Split]:
    """Yield each way in which convolutions are a main branch and perhaps a projection."""
    if _is_main(convs, channels):
        yield _Split(tuple(convs), None)
    for place, conv in enumerate(convs):
        main = [*convs[:place], *convs[place + 1 :]]
        projects = conv.weight[1:] == (channels, 1, 1) and bool(main) and conv.channels == main[-1].channels
        if projects and _is_main(main, channels):
            yield _Split(tuple(main), conv)


def _is_main(convs: Sequence[Layer], channels: int) -> bool:
    kernels = tuple(conv.weight[2] for conv in convs if conv.weight[2] == conv.weight[3])
    if kernels not in MAINS or len(kernels) != len(convs):
        return False
    for place, conv in enumerate(convs):
        takes = conv.weight[1]
        grouped = place == 1 and len(convs) == 3 and takes > 0 and channels % takes == 0
        if takes != channels and not grouped:
            return False
        channels = conv.channels
    return True


def _named(block: Sequence[Layer], split: _Split, depth: int, by_name: bool) -> FoundBlock | None:
    """The names of a block's layers, None if its norms or something else of it have no place."""
    norms = [layer for layer in block if layer.kind == NORM]
    if len(norms) + len(split.main) + (split.projection is not None) != len(block):
        return None
    names = {conv.path: f"conv{number + 1}" for number, conv in enumerate(split.main)}
    own: Layer | None = None
    if split.projection is not None:
        if len(norms) == len(split.main) + 1:
            own = _norm_of(split.projection, block, norms, split.main)
            if own is None:
                return None
            norms.remove(own)
        names |= _projection(split.projection, own, bare=bool(norms) and own is None)
    given = [conv.channels for conv in split.main]
    taken = [split.main[0].weight[1], *given[:-1]]
    on = [norm.channels for norm in norms]
    numbered = _are_numbered(split.main, depth) and _are_numbered(norms, depth)
    if on not in ([], given, taken) or (by_name and not numbered):
        return None
    names |= {norm.path: f"bn{number + 1}" for number, norm in enumerate(norms)}
    return FoundBlock(names, given[-1])


def _norm_of(
    projection: Layer, block: Sequence[Layer], norms: Sequence[Layer], main: Sequence[Layer]
) -> Layer | None:
    """The norm of a projection: the one whose name has the most in common with its, or the one behind it."""
    fitting = [norm for norm in norms if norm.channels == projection.channels]
    shared = {norm.path: _common(norm.words, projection.words) for norm in fitting}
    most = max(shared.values(), default=0)
    others = [_common(conv.words, projection.words) for conv in main]
    closest = [norm for norm in fitting if shared[norm.path] == most]
    if len(closest) == 1 and most > max(others):
        return closest[0]
    behind = list(block)[list(block).index(projection) + 1 :][:1]
    return next((norm for norm in fitting if norm in behind), None)


def _are_numbered(layers: Sequence[Layer], depth: int) -> bool:
    """Whether names differ in numbers or letters alone, so that their order is that of the network."""
    return len({tuple(NUMBER.sub("", word) for word in layer.words[depth:]) for layer in layers}) < 2


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many words two names begin with alike."""
    count = 0
    while count < min(len(one), len(other)) and one[count] == other[count]:
        count += 1
    return count


def _projection(conv: Layer, norm: Layer | None, bare: bool) -> dict[str, str]:
    """The names of a projection; where a step without tensors comes before it, that is a pool (ResNet-D)."""
    if bare:
        return {conv.path: "shortcut"}
    pooled = norm is not None and (conv.words[-1], norm.words[-1]) == ("1", "2")
    first, second = ("downsample.1", "downsample.2") if pooled else ("downsample.0", "downsample.1")
    return {conv.path: first} | ({norm.path: second} if norm is not None else {})
