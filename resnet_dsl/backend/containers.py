"""The dictionaries of tensors in what a pickle holds: a checkpoint has one or more, among other things.

Checkpoints of trainers, whole pickled modules and TorchScript's are all of one shape here: mappings within
mappings. A mapping that holds a kernel is an entry; what an optimizer keeps, by number or by name, is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from resnet_dsl.backend.contents import Contents, Stored
from resnet_dsl.backend.unpickling import PickledTensor, StandIn
from resnet_dsl.diagnostics.wording import printable

DEPTH = 8
LISTED = 8
MODULE = ("_parameters", "_buffers", "_modules")
"""Where an eager module of torch keeps what it is made of."""
SMALL = 4
"""What has fewer than one in so many of the tensors of the largest entry is no model beside it."""


def contents_of(value: object, format: str) -> Contents:
    """Return the tensors in what a file of pickles holds, which may be in several entries."""
    found = {".".join(path): _contents(path, entry, format) for path, entry in _entries(value, (), (), {})}
    kernels = {
        key: each for key, each in found.items() if any(len(t.shape) > 1 for t in each.tensors.values())
    }
    found = kernels or found
    most = max((len(each.tensors) for each in found.values()), default=0)
    found = {key: each for key, each in found.items() if len(each.tensors) * SMALL >= most}
    return found[""] if list(found) == [""] else Contents(format, {}, entries=found)


def with_note(contents: Contents, note: str) -> Contents:
    """Return contents with a note on each of their entries, before those that they have."""
    entries = {key: with_note(entry, note) for key, entry in contents.entries.items()}
    return replace(contents, entries=entries, notes=(note, *contents.notes))


def _has_kernels(contents: Contents) -> bool:
    return any(len(stored.shape) > 1 for stored in contents.tensors.values())


@dataclass(frozen=True)
class _Entry:
    """A dictionary of tensors; what else there is on the way to it, and in it; the class of a module."""

    tensors: Mapping[str, Stored]
    beside: tuple[str, ...]
    of_object: str = ""


def _contents(path: tuple[str, ...], entry: _Entry, format: str) -> Contents:
    notes = []
    aside = ", ".join(sorted(map(ascii, entry.beside))[:LISTED])
    left = f"left aside: {aside}" if aside else ""
    if path:
        notes.append(f"taken from its `{printable('.'.join(path))}`" + (f"; {left}" if left else ""))
    elif left:
        notes.append(left)
    if entry.of_object:
        notes.append(f"tensors of an object of {printable(entry.of_object)}, which is not built")
    ways = (f"from its `{printable('.'.join(path))}`",) if path else ()
    return Contents(format, entry.tensors, {}, tuple(notes), ways=ways, beside=entry.beside)


def _entries(
    value: object, path: tuple[str, ...], beside: tuple[str, ...], seen: dict[int, object]
) -> Iterator[tuple[tuple[str, ...], _Entry]]:
    if id(value) in seen or len(path) > DEPTH:
        return
    seen[id(value)] = value
    if isinstance(value, StandIn) and (tensors := dict(_of_module(value, "", {}, DEPTH * 2))):
        yield path, _Entry(tensors, beside, value.title)
        return
    children = _children(value)
    tensors = {name: child.stored for name, child in children.items() if isinstance(child, PickledTensor)}
    if tensors:
        yield path, _Entry(tensors, (*beside, *(name for name in children if name not in tensors)))
    for name, child in children.items():
        rest = (*beside, *(other for other in children if other != name))
        yield from _entries(child, (*path, name), rest, seen)


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
