"""What was found in parts, each thing told once: findings alike at many places become one difference."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from fractions import Fraction
from itertools import groupby
from typing import Any

from resnet_dsl.compare.aligned_parts import PartPair
from resnet_dsl.compare.body_differences import ChangedArgument, ChangedWay, MovedArgument
from resnet_dsl.compare.changed_arguments import is_count, shows_in_tensors, values_text
from resnet_dsl.compare.difference_places import PlaceWords
from resnet_dsl.compare.flat_steps import FlatSteps, Value
from resnet_dsl.compare.occurrences import ChangeAt, grouped
from resnet_dsl.compare.one_difference import About, NetworkDifference
from resnet_dsl.compare.told_steps import steps_key, steps_told
from resnet_dsl.ir.ops import Op
from resnet_dsl.printing.stages import argument_text

LISTED = 4
MOST_LAYERS = 8
ORIGINAL, TODAYS = "v1", "v1.5"
"""What bottlenecks are called whose stride is on the 1x1, and on the 3x3 behind it."""


def told(pairs: Sequence[PartPair]) -> Iterator[NetworkDifference]:
    """Yield the differences of parts: of blocks as a whole, of steps, values that moved, arguments, ways."""
    words = PlaceWords(pairs)
    yield from _counts(pairs)
    replaced = [pair for pair in pairs if is_replaced(pair)]
    yield from _replaced(replaced, words)
    rest = [pair for pair in pairs if pair.differences is not None and pair not in replaced]
    yield from grouped(rest, lambda found: found.steps, steps_key, steps_told, words)
    yield from grouped(rest, lambda found: found.moved, _moved_key, _moved, words)
    yield from grouped(rest, lambda found: found.arguments, _argument_key, _argument, words)
    yield from grouped(rest, lambda found: found.ways, _way_key, _way, words)


# --- arguments -----------------------------------------------------------------------------------


def _ops(occurrence: ChangeAt[Any], change: ChangedArgument) -> tuple[Op, Op]:
    return occurrence.a.flat.steps[change.i].op, occurrence.b.flat.steps[change.j].op


def _argument_key(occurrence: ChangeAt[ChangedArgument]) -> Hashable:
    a, b = _ops(occurrence, occurrence.what)
    name = occurrence.what.name
    values = getattr(a, name), getattr(b, name)
    # Widths that are the same many times as large everywhere are one difference.
    change: Hashable = Fraction(values[1], values[0]) if is_count(a, name) else values
    return a.kind, name, change


def _argument(group: list[ChangeAt[ChangedArgument]], words: PlaceWords) -> NetworkDifference:
    first = group[0]
    name = first.what.name
    ops = [_ops(each, each.what) for each in group]
    pairs = list(dict.fromkeys((getattr(a, name), getattr(b, name)) for a, b in ops))
    a, b = (values_text(ops[0][side], name, [pair[side] for pair in pairs], LISTED) for side in (0, 1))
    kind = ops[0][0].kind
    places = [(each.pair, each.a.flat.steps[each.what.i].name) for each in group]
    return NetworkDifference(
        "argument", _about(ops[0][0], name), words.of_steps(kind, places), name, kind, a, b,
        tuple(each.a.full(each.what.i) for each in group),
        tuple(each.b.full(each.what.j) for each in group),
        any(_shows(each, each.what) for each in group),
    )  # fmt: skip


def _shows(occurrence: ChangeAt[Any], change: ChangedArgument) -> bool:
    """Whether tensors tell the argument."""
    shapes = occurrence.a.flat.steps[change.i].shapes
    return shows_in_tensors(*_ops(occurrence, change), change.name, shapes)


def _about(op: Op, name: str) -> About:
    if op.starts_alone(name):
        return "start"
    return "training" if op.in_training_alone(name) else "computes"


# --- values that moved ---------------------------------------------------------------------------


def _moved_key(occurrence: ChangeAt[MovedArgument]) -> Hashable:
    given, taken = occurrence.what.given, occurrence.what.taken
    steps, op = occurrence.a.flat.steps, _ops(occurrence, given)[0]
    return op.kind, given.name, getattr(op, given.name), steps[given.i].name, steps[taken.i].name


def _moved(group: list[ChangeAt[MovedArgument]], words: PlaceWords) -> NetworkDifference:
    first = group[0]
    given, taken = first.what.given, first.what.taken
    before, after = first.a.flat.steps[given.i], first.b.flat.steps[taken.j]
    versions = _versions(before.op, after.op, given.name)
    a, b = (f"{step.name}{version}" for step, version in zip((before, after), versions, strict=True))
    changes = [(each, change) for each in group for change in (each.what.given, each.what.taken)]
    return NetworkDifference(
        "moved", _about(_ops(first, given)[0], given.name),
        words.of_parts([each.pair for each in group]), given.name, before.op.kind, a, b,
        tuple(each.a.full(change.i) for each, change in changes),
        tuple(each.b.full(change.j) for each, change in changes),
        any(_shows(each, change) for each, change in changes),
    )  # fmt: skip


def _versions(before: Op, after: Op, name: str) -> tuple[str, str]:
    """What the field calls the two ways: of a stride, that goes from a pixel to a window or back."""
    pixels = [op.window.kernel == (1, 1) for op in (before, after)]
    is_stride = getattr(before, name) == before.window.stride != (1, 1)
    if not is_stride or pixels[0] == pixels[1]:
        return "", ""
    a, b = (ORIGINAL if pixel else TODAYS for pixel in pixels)
    return f" ({a})", f" ({b})"


# --- ways ----------------------------------------------------------------------------------------


def _way_key(occurrence: ChangeAt[ChangedWay]) -> Hashable:
    return occurrence.pair.is_block, _way_name(occurrence), *_taken(occurrence)


def _way_name(occurrence: ChangeAt[ChangedWay]) -> str:
    i = occurrence.what.i
    return "the result" if i < 0 else occurrence.a.flat.steps[i].name


def _taken(occurrence: ChangeAt[ChangedWay]) -> tuple[str, str]:
    i, j = occurrence.what.i, occurrence.what.j
    sides = ((occurrence.a.flat, i), (occurrence.b.flat, j))
    return tuple(  # type: ignore[return-value]
        ", ".join(_named(flat, value) for value in (flat.results if at < 0 else flat.steps[at].inputs))
        + _owned(flat, at)
        for flat, at in sides
    )


def _named(flat: FlatSteps, value: Value) -> str:
    return flat.steps[value].name if value >= 0 else "the input" if value == -1 else f"input {-value}"


def _owned(flat: FlatSteps, at: int) -> str:
    owner = flat.steps[at].owner if at >= 0 else -1
    return f" with the tensors of {flat.steps[owner].name}" if owner >= 0 else ""


def _way(group: list[ChangeAt[ChangedWay]], words: PlaceWords) -> NetworkDifference:
    first = group[0]
    a, b = _taken(first)
    name = _way_name(first)
    return NetworkDifference(
        "ways", "computes", words.of_parts([each.pair for each in group]), name, "", a, b,
        tuple(each.a.full(each.what.i) for each in group if each.what.i >= 0),
        tuple(each.b.full(each.what.j) for each in group if each.what.j >= 0),
        False,
    )  # fmt: skip


# --- blocks --------------------------------------------------------------------------------------


def is_replaced(pair: PartPair) -> bool:
    """Return whether a block is another one: of another name, and of other weight layers in its main path."""
    if not pair.is_block or pair.a is None or pair.b is None:
        return False
    a, b = pair.a.flat, pair.b.flat
    return a.definition != b.definition and len(a.weighted) != len(b.weighted)


def _replaced(pairs: Sequence[PartPair], words: PlaceWords) -> Iterator[NetworkDifference]:
    groups: dict[tuple[str, str], list[PartPair]] = {}
    for pair in pairs:
        assert pair.a is not None
        assert pair.b is not None
        groups.setdefault((_block(pair.a.flat), _block(pair.b.flat)), []).append(pair)
    for (a, b), found in groups.items():
        mine = tuple(path for pair in found if pair.a is not None for path in pair.a.paths)
        theirs = tuple(path for pair in found if pair.b is not None for path in pair.b.paths)
        where = words.of_parts(found)
        yield NetworkDifference("blocks", "computes", where, "", "", a, b, mine, theirs, True)


def _block(flat: FlatSteps) -> str:
    """A block by its name and the weight layers in its main path."""
    runs = [(layer, len(list(run))) for layer, run in groupby(map(_layer, flat.weighted))]
    texts = [layer if count == 1 else f"{count} * {layer}" for layer, count in runs]
    layers = ", ".join([*texts[:MOST_LAYERS], *(["…"] if len(texts) > MOST_LAYERS else [])])
    return f"{flat.definition} ({layers})" if layers else flat.definition


def _layer(op: Op) -> str:
    return op.kind if op.takes != "map" else f"{op.kind} {argument_text(op.window.kernel)}"


def _counts(pairs: Sequence[PartPair]) -> Iterator[NetworkDifference]:
    """Yield how many blocks stages have, of all in which these differ."""
    stages: dict[str, list[PartPair]] = {}
    for pair in pairs:
        if pair.is_block:
            stages.setdefault(pair.one.part, []).append(pair)
    odd = {name: found for name, found in stages.items() if any(None in (p.a, p.b) for p in found)}
    if not odd:
        return
    a = [str(sum(pair.a is not None for pair in found)) for found in odd.values()]
    b = [str(sum(pair.b is not None for pair in found)) for found in odd.values()]
    alone = [pair for found in odd.values() for pair in found if None in (pair.a, pair.b)]
    yield NetworkDifference(
        "count", "computes", ", ".join(odd), "blocks", "", ", ".join(a), ", ".join(b),
        tuple(path for pair in alone if pair.a is not None for path in pair.a.paths),
        tuple(path for pair in alone if pair.b is not None for path in pair.b.paths),
        True,
    )  # fmt: skip
