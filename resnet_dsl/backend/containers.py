"""The dictionaries of tensors in what a pickle holds: a checkpoint has one or more, among other things.

Checkpoints of trainers, whole pickled modules and TorchScript's are all of one shape here: mappings within
mappings. A mapping that holds a kernel is an entry; what an optimizer keeps, by number or by name, is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from resnet_dsl.backend.contents import Contents, Stored
from resnet_dsl.backend.unpickling import PickledTensor, StandIn
from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.records import dataclass, replace

DEPTH = 8
LISTED = 8
MODULE = ("_parameters", "_buffers", "_modules")
"""Where an eager module of torch keeps what it is made of."""
MOST = 16
"""Entries that are held against a model; of more, the largest."""
SMALL = 4
"""What has fewer than one in so many of the tensors of the largest entry is no model beside it."""


def contents_of(value: object, format: str) -> Contents:
    """Return the tensors in what a file of pickles holds, which may be in several entries."""
    found = list(_entries(value, (), {}))
    found = [entry for entry in found if _has_kernels(entry)] or found
    sizes = sorted((len(entry.tensors) for entry in found), reverse=True)[:MOST]
    least = max(sizes[0] / SMALL, sizes[-1]) if sizes else 0
    kept = [entry for entry in found if len(entry.tensors) >= least][:MOST]
    entries = {entry.key: _contents(entry, format) for entry in kept}
    return entries[""] if list(entries) == [""] else Contents(format, {}, entries=entries)


def with_note(contents: Contents, note: str) -> Contents:
    """Return contents with a note on each of their entries, before those that they have."""
    entries = {key: with_note(entry, note) for key, entry in contents.entries.items()}
    return replace(contents, entries=entries, notes=(note, *contents.notes))


@dataclass(frozen=True)
class _Entry:
    """A dictionary of tensors, or a module: what there is on each level on the way to it, and its step."""

    tensors: Mapping[str, Stored]
    levels: tuple[tuple[Mapping[str, object], str], ...]
    others: tuple[str, ...] = ()
    of_object: str = ""

    @property
    def key(self) -> str:
        return ".".join(step for _, step in self.levels)

    def beside(self) -> tuple[str, ...]:
        """What is left aside."""
        found = (name for level, step in self.levels for name in level if name != step)
        return (*found, *self.others)


def _has_kernels(entry: _Entry) -> bool:
    return any(len(stored.shape) > 1 for stored in entry.tensors.values())


def _contents(entry: _Entry, format: str) -> Contents:
    notes = []
    aside = ", ".join(sorted(map(ascii, entry.beside()))[:LISTED])
    left = f"left aside: {aside}" if aside else ""
    if entry.key:
        notes.append(f"taken from its `{printable(entry.key)}`" + (f"; {left}" if left else ""))
    elif left:
        notes.append(left)
    if entry.of_object:
        notes.append(f"tensors of an object of {printable(entry.of_object)}, which is not built")
    ways = (f"from its `{printable(entry.key)}`",) if entry.key else ()
    return Contents(format, entry.tensors, {}, tuple(notes), ways=ways, beside=entry.beside())


def _entries(
    value: object, levels: tuple[tuple[Mapping[str, object], str], ...], seen: dict[int, object]
) -> Iterator[_Entry]:
    if id(value) in seen or len(levels) > DEPTH:
        return
    seen[id(value)] = value
    if isinstance(value, StandIn) and (tensors := dict(_of_module(value, "", {}, DEPTH * 2))):
        yield _Entry(tensors, levels, (), value.title)
        return
    children = _children(value)
    tensors = {name: child.stored for name, child in children.items() if isinstance(child, PickledTensor)}
    if tensors:
        yield _Entry(tensors, levels, tuple(name for name in children if name not in tensors))
    for name, child in children.items():
        yield from _entries(child, (*levels, (children, name)), seen)


def _children(value: object) -> dict[str, object]:
    """What a value holds by name; items of a list by number, but nothing that a dictionary has by number."""
    if isinstance(value, Mapping):
        return {name: child for name, child in value.items() if isinstance(name, str)}
    if isinstance(value, list | tuple) and len(value) <= LISTED:
        return {
            str(place): child for place, child in enumerate(value) if isinstance(child, Mapping | StandIn)
        }
    if isinstance(value, StandIn):
        state = value.state if isinstance(value.state, Mapping) else {}
        return {
            name: child for name, child in (*value.items.items(), *state.items()) if isinstance(name, str)
        }
    return {}


def _of_module(
    value: StandIn, front: str, seen: dict[int, object], depth: int
) -> Iterator[tuple[str, Stored]]:
    """Yield the tensors of a module and of those within it, as its state_dict would name them."""
    if id(value) in seen or depth == 0 or not isinstance(value.state, Mapping):
        return
    seen[id(value)] = value
    state = value.state
    if not all(isinstance(state.get(part), Mapping) for part in MODULE) and "training" not in state:
        return
    parts = [state.get(part) for part in MODULE if isinstance(state.get(part), Mapping)] or [state]
    children = [(name, child) for part in parts if isinstance(part, Mapping) for name, child in part.items()]
    for name, child in children:
        if isinstance(child, PickledTensor):
            yield f"{front}{name}", child.stored
    for name, child in children:
        if isinstance(child, StandIn):
            yield from _of_module(child, f"{front}{name}.", seen, depth - 1)
