"""Steps in the place of others, told once for all their places, in the words of a block where it has some."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Sequence
from typing import NamedTuple

from resnet_dsl.compare.body_differences import ChangedSteps
from resnet_dsl.compare.changed_arguments import call_text, changed_arguments, is_geometry, likeness_key
from resnet_dsl.compare.difference_places import PlaceWords
from resnet_dsl.compare.flat_steps import FlatStep, FlatSteps
from resnet_dsl.compare.occurrences import ChangeAt
from resnet_dsl.compare.one_difference import NONE, NetworkDifference
from resnet_dsl.elaborate.values import Function, show
from resnet_dsl.ir.ops import Op

Steps = ChangeAt[ChangedSteps]
MOST_STEPS, SHOWN = 12, 4


class BlockArgument(NamedTuple):
    """The argument of a block that its steps follow from, and what it is on either side."""

    name: str
    a: str
    b: str


class Slot(NamedTuple):
    """Where within a part steps are: `of` is the kind of the op that they stand for, or behind."""

    where: str
    of: str = ""
    step: str = ""


def steps_key(found: Steps) -> Hashable:
    """Return what such steps have in common with those of other places that are told with them."""
    cause = _cause(found)
    if cause is not None:
        return cause
    slot = _slot(found)
    return slot.where, slot.of, *_likeness(found)


def steps_told(group: list[Steps], words: PlaceWords) -> NetworkDifference:
    """Return the difference that steps are, at all their places."""
    cause = _cause(group[0])
    alike: dict[Hashable, list[Steps]] = {}
    for each in group:
        alike.setdefault((_slot(each)[:2], *_likeness(each)), []).append(each)
    chains = [tuple(_chain(found, side) for side in (0, 1)) for found in alike.values()]
    ops = [op for side in (0, 1) for op in _ops(group[0], side)]
    if cause is None:
        where, (a, b), what = _where(group, words), chains[0], ""
    else:
        where, a, b, what = words.of_parts([each.pair for each in group]), cause.a, cause.b, cause.name
    details = dict.fromkeys(f"{mine} against {theirs}" for mine, theirs in chains) if cause else ()
    return NetworkDifference(
        "steps", "training" if all(op.random for op in ops) else "computes", where, what, "", a, b,
        tuple(each.a.full(i) for each in group for i in each.what.a),
        tuple(each.b.full(j) for each in group for j in each.what.b),
        any(_tensors(each.a.flat, each.what.a) != _tensors(each.b.flat, each.what.b) for each in group),
        tuple(details),
    )  # fmt: skip


# --- why -----------------------------------------------------------------------------------------


def _cause(found: Steps) -> BlockArgument | None:
    """The argument of the block, a block itself, that these steps are of, where it is another there."""
    a, b = found.a.flat, found.b.flat
    if a.definition != b.definition or len(found.what.a) == len(found.what.b) == 1:
        return None
    calls = {call for i in found.what.a for call in a.steps[i].calls}
    calls |= {call for j in found.what.b for call in b.steps[j].calls}
    theirs = dict(found.b.arguments)
    for name, value in found.a.arguments:
        other = theirs.get(name)
        blocks = {each.name for each in (value, other) if isinstance(each, Function)}
        if blocks & calls and show(value) != show(other):
            return BlockArgument(name, show(value), show(other))
    return None


# --- where ---------------------------------------------------------------------------------------


def _slot(found: Steps) -> Slot:
    """Where within the part the steps are."""
    a, b, what = found.a.flat, found.b.flat, found.what
    of_shortcut = [a.is_of_shortcut(i) for i in what.a[:1]] + [b.is_of_shortcut(j) for j in what.b[:1]]
    if len(what.a) == len(what.b) == 1:
        step = a.steps[what.a[0]]
        return Slot("", step.op.kind, step.name)
    if all(of_shortcut):
        return Slot("on the shortcut of")
    before = _before(found)
    if before is None:
        return Slot("at the start of")
    return Slot("after", before.op.kind, before.name)


def _before(found: Steps) -> FlatStep | None:
    """The step before, of the first network; of the second if it has no counterpart."""
    a, b, what = found.a.flat, found.b.flat, found.what
    if what.a:
        place = max(a.steps[what.a[0]].inputs)
        return a.steps[place] if place >= 0 else None
    place = max(b.steps[what.b[0]].inputs)
    if place < 0:
        return None
    here = {j: i for i, j in found.found.matched}
    return a.steps[here[place]] if place in here else b.steps[place]


def _where(group: list[Steps], words: PlaceWords) -> str:
    slot = _slot(group[0])
    if not slot.of:
        return f"{slot.where} {words.of_parts([each.pair for each in group])}"
    places = [(each.pair, _slot(each).step) for each in group]
    return f"{slot.where} {words.of_steps(slot.of, places, of_first=True)}".lstrip()


# --- what ----------------------------------------------------------------------------------------


def _places(found: Steps, side: int) -> tuple[FlatSteps, tuple[int, ...]]:
    return (found.a.flat, found.what.a) if side == 0 else (found.b.flat, found.what.b)


def _ops(found: Steps, side: int) -> list[Op]:
    flat, places = _places(found, side)
    return [flat.steps[place].op for place in places]


def _told_alone(found: Steps, side: int) -> Iterator[Collection[str]]:
    """Yield for each step the arguments that are told as differences of their own."""
    matched = dict(found.found.matched) if side == 0 else {j: i for i, j in found.found.matched}
    flat, places = _places(found, side)
    other = found.b.flat if side == 0 else found.a.flat
    for place in places:
        op = flat.steps[place].op
        twin = other.steps[matched[place]].op if place in matched else op
        names = changed_arguments(op, twin) if type(op) is type(twin) else ()
        yield {name for name in names if not is_geometry(op, twin, name)}


def _likeness(found: Steps) -> tuple[Hashable, Hashable]:
    a, b = (tuple(map(likeness_key, _ops(found, side), _told_alone(found, side))) for side in (0, 1))
    return a, b


def _chain(group: list[Steps], side: int) -> str:
    """The steps of several places as one pipeline, of many the first and the last."""
    columns = zip(*(_ops(found, side) for found in group), strict=True)
    calls = list(map(call_text, columns, _told_alone(group[0], side)))
    if len(calls) > MOST_STEPS:
        left = len(calls) - 2 * SHOWN
        calls = [*calls[:SHOWN], f"… {left} more …", *calls[-SHOWN:]]
    return " -> ".join(calls) or NONE


def _tensors(flat: FlatSteps, places: Sequence[int]) -> list[tuple[str, tuple[int, ...]]]:
    steps = (flat.steps[place] for place in places)
    return [(tensor.name, tensor.shape) for step in steps for tensor in step.op.parameters(*step.shapes)]
