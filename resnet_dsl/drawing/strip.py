"""The strip of a picture: input, stem, stages and head, with their maps, and what each takes from where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from math import sqrt

from resnet_dsl.drawing.distinct import Distinct
from resnet_dsl.drawing.picture import Map, Picture, StripPart
from resnet_dsl.ir.network import INPUT, PREVIOUS, Body, Network
from resnet_dsl.ir.shapes import Extent, Shape
from resnet_dsl.ir.sizes import Size
from resnet_dsl.printing.headline import headline
from resnet_dsl.program import Program
from resnet_dsl.records import replace

USUAL = 224  # pixels of an input whose size is open, where only how sizes relate matters
STACKED = 4  # results of a part that are drawn one by one
NAMED = 3  # blocks of a part that are named one by one


def picture_of(program: Program, marked: Iterable[str] = ()) -> Picture:
    """Return what the picture of a program shows."""
    network, distinct = program.network, Distinct()
    parts = list(_parts(network, distinct))
    blocks = tuple(distinct.drawings())
    letters = [block.letter for block in blocks]
    places = distinct.places()
    facts = f"input {_text(network.input, network.extent)} · {headline(program)}"
    shown = tuple(
        StripPart(name, maps, count, _contents(letters, inside), tuple(dict.fromkeys(inside)), taken, outputs)
        for name, maps, count, numbers, taken, outputs in parts
        for inside in [[places[number] for number in numbers]]
    )
    return Picture(network.name, facts, shown, blocks, frozenset(marked))


Part = tuple[str, tuple[Map, ...], int | None, list[int], tuple[int, ...], tuple[str, ...]]


def _parts(network: Network, distinct: Distinct) -> Iterator[Part]:
    """Yield name, maps, count and numbers of blocks, what is taken, and the outputs of each part."""
    places, outputs = network.places(), _outputs(network)
    yield INPUT, (_map(network.input, network.extent),), None, [], (), ()
    names = [INPUT]
    for name, members, taken in _in_parts(network):
        if name not in names:
            names.append(name)
        here = len(names) - 1
        numbers = [distinct.use(body, path) for path, body in members]
        sources = {here - 1 if source == PREVIOUS else _index(source, places, names) for source in taken}
        last, sources = members[-1][1], sources - {here}
        count = len(members) if members[0][0] else None
        yield name, _maps(last, network.extent), count, numbers, tuple(sorted(sources)), outputs.get(name, ())


def _in_parts(network: Network) -> Iterator[tuple[str, list[tuple[str, Body]], list[str]]]:
    """Yield each part with its bodies by path and what it takes from other parts."""
    members: dict[str, list[tuple[str, Body]]] = {}
    taken: dict[str, list[str]] = {}
    for (part, path, body), names in zip(network.parts(), network.taken(), strict=True):
        inner = part in members  # what a block takes from the one before it in its part
        members.setdefault(part, []).append((path, body))
        outside = [name for name in names if not (inner and name == PREVIOUS)]
        taken.setdefault(part, []).extend(outside)
    for part, bodies in members.items():
        yield part, bodies, taken[part]


def _index(source: str, places: dict[str, tuple[str, int]], names: list[str]) -> int:
    """The part that a result is of."""
    if source in names:
        return names.index(source)
    path = places[source][0]
    return names.index(path if path in names else path.rpartition(".")[0])


def _outputs(network: Network) -> dict[str, tuple[str, ...]]:
    """The outputs that each part has, where there are several or it is not the last part."""
    places = network.places()
    found: dict[str, tuple[str, ...]] = {}
    for name in network.outputs:
        if name != INPUT:
            path = places[name][0]
            part = path.partition(".")[0]
            found[part] = (*found.get(part, ()), name)
    return found


# --- maps --------------------------------------------------------------------------------------


def _maps(body: Body, extent: Extent) -> tuple[Map, ...]:
    """The results of a part; only the first where they are many."""
    maps = tuple(_map(body.shape_of(value), extent) for value in body.results)
    return (replace(maps[0], text=f"{len(maps)} results"),) if len(maps) > STACKED else maps


def _map(shape: Shape, extent: Extent) -> Map:
    sizes = [extent.of(size) or size.at(USUAL) for size in shape.spatial]
    side = sqrt(sizes[0] * sizes[1]) if len(sizes) == 2 else 0.0
    return Map(_text(shape, extent), shape.channels, side)


def _text(shape: Shape, extent: Extent) -> str:
    """A size as `256×56×56`, or with parts of the input's: `256×H/4×W/4`."""
    return "×".join([str(shape.channels), *(_size(size, extent.of(size)) for size in shape.spatial)])


def _size(size: Size, known: int | None) -> str:
    if known is not None or size.axis is None:
        return str(size.add if known is None else known)
    period, growth = size.cycle
    whole = size.axis if growth == 1 else f"{growth}{size.axis}"
    return whole if period == 1 else f"{whole}/{period}"


# --- contents ----------------------------------------------------------------------------------


def _contents(letters: list[str], blocks: list[int]) -> str:
    """Which blocks a part has, by their letters: `A, B ×2`."""
    counts = Counter(letters[place] for place in blocks if letters[place])
    if len(counts) > NAMED:
        return f"{next(iter(counts))}–{list(counts)[-1]}"
    return ", ".join(letter if count == 1 else f"{letter} ×{count}" for letter, count in counts.items())
