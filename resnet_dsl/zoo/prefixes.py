"""What trainers put before and into names: the attributes of what they wrapped the network in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from resnet_dsl.backend.contents import COUNTER, Contents, Stored
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.wording import counted, printable
from resnet_dsl.records import replace

WRAPPERS = {
    "_orig_mod": "torch.compile",
    "module": "DistributedDataParallel",
    "_fsdp_wrapped_module": "FullyShardedDataParallel",
    "_checkpoint_wrapped_module": "activation checkpointing",
    "_forward_module": "Lightning Fabric",
}
"""Attributes that wrappers of PyTorch keep a module in, wherever in a name, by what wraps so."""
DEEPEST = 8
WIDEST = 4
"""So many paths of a length are looked into."""
SHARE = 2 / 3
"""A path that stands before this share of the names may be that of the network in a larger one."""


def unwrapped(contents: Contents, own: Collection[str] = ()) -> Contents:
    """Return contents without what wrappers put into names, but for parts that are the model's `own`."""
    foreign = WRAPPERS.keys() - set(own)
    found = {name: _without(name, foreign) for name in contents.tensors}
    gone = sorted({part for name in found for part in name.split(".") if part in foreign})
    if not gone or len(set(found.values())) < len(found):
        return contents
    tensors = {found[name]: stored for name, stored in contents.tensors.items() if not _counts(name, stored)}
    left = [name for name, stored in contents.tensors.items() if _counts(name, stored)]
    words = " and ".join(f"`{part}.`" for part in gone)
    notes = [f"without {words} in its names, of {', '.join(WRAPPERS[part] for part in gone)}"]
    notes += [f"left aside: {', '.join(map(printable, left))}"] if left else []
    ways = (*contents.ways, f"without {words} in its names")
    return replace(contents, tensors=tensors, notes=(*contents.notes, *notes), ways=ways)


def under(contents: Contents, prefix: str) -> Contents:
    """Return the tensors whose names begin with a prefix, without it; raises UsageError if there are none."""
    for front in dict.fromkeys((prefix, f"{prefix}.")):
        tensors = {
            n.removeprefix(front): s
            for n, s in contents.tensors.items()
            if n.startswith(front) and n != front
        }
        if tensors and all(not name.startswith(".") for name in tensors):
            break
    else:
        known = ", ".join(f"`{front}`" for front in leading(contents.tensors)) or "none that many share"
        raise UsageError(f"no name begins with `{printable(prefix)}`; prefixes there: {known}")
    rest = len(contents.tensors) - len(tensors)
    way = f"without the prefix `{printable(front)}`"
    note = way + (f"; {counted(rest, 'tensor')} left aside" if rest else "")
    return replace(contents, tensors=tensors, notes=(*contents.notes, note), ways=(*contents.ways, way))


def leading(names: Iterable[str]) -> list[str]:
    """Return paths that stand before most names or before as many as another does, the shortest first."""
    listed = [name for name in names if not name.endswith(COUNTER)]
    found: list[str] = []
    fronts = [""]
    for _ in range(DEEPEST):
        deeper: list[str] = []
        for front in fronts:
            below = [name for name in listed if name.startswith(front)]
            counts = Counter(
                name[len(front) :].partition(".")[0] for name in below if "." in name[len(front) :]
            )
            most = max(counts.values(), default=0)
            likely = [part for part, count in counts.items() if count >= SHARE * len(below)]
            alike = [part for part, count in counts.items() if count == most and not part[-1:].isdecimal()]
            # Several of one size, as a model and its average are, but not the stages of one network.
            if not likely and len(alike) > 1 and len(alike) * most >= SHARE * len(below) and most > 8:
                likely = alike
            deeper += [f"{front}{part}." for part in likely]
        found += deeper
        fronts = deeper[:WIDEST]
    return found


def _without(name: str, parts: Collection[str]) -> str:
    return ".".join(part for part in name.split(".") if part not in parts)


def _counts(name: str, stored: Stored) -> bool:
    """Whether a tensor is a number that a wrapper counts with, such as how many models were averaged."""
    return not stored.shape and "." not in name and "int" in stored.dtype


def parts_of(names: Mapping[str, object] | Iterable[str]) -> set[str]:
    """Return every part of names, between dots."""
    return {part for name in names for part in name.split(".")}
