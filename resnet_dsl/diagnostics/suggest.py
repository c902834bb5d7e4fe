"""Names that were perhaps meant: those spelled almost alike, and what other libraries call the same."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

MAX_NAMES = 1_000

# What other languages and libraries call fields of models, parameters and blocks, without their underscores.
FOREIGN = {
    "numclasses": "classes", "nclasses": "classes", "layers": "stages", "depths": "stages",
    "numblocks": "stages", "blocks": "stages", "imagesize": "input", "inputshape": "input",
    "inputsize": "input", "planes": "width", "outplanes": "width", "filters": "width",
    "channels": "width", "strides": "stride", "cardinality": "groups", "widthpergroup": "base_width",
    "normlayer": "norm", "actlayer": "act", "downsample": "shortcut", "dropoutrate": "drop_rate",
    "droppathrate": "drop_path", "classifier": "head", "top": "head", "backbone": "base",
    "extends": "base", "parent": "base", "basicblock": "basic", "residualblock": "basic",
    "resblock": "basic", "bottleneckblock": "bottleneck", "seblock": "se", "selayer": "se",
    "squeezeexcitation": "se", "squeezeexcite": "se", "ecalayer": "eca", "ecamodule": "eca",
    "projection": "B",
}  # fmt: skip


def bare_name(name: str) -> str:
    """Return a name as names are compared: in lower case, without underscores and `2d`."""
    return name.replace("_", "").lower().removesuffix("2d")


def close_names(name: str, known: Iterable[str], aliases: Iterable[tuple[str, str]] = ()) -> list[str]:
    """Return the known names that `name` may stand for, the likeliest first.

    `aliases` are what others call known names, each with the name.
    """
    names = sorted(set(islice(known, MAX_NAMES)))
    bare = bare_name(name)
    alike = [other for other in names if bare_name(other) == bare]
    foreign = [other for alias, other in (*aliases, *FOREIGN.items()) if alias == bare and other in names]
    return _spelled(name, names) or list(dict.fromkeys((*alike, *foreign))) or _nearly_spelled(name, names)


def spelled_alike(name: str, known: Iterable[str]) -> list[str]:
    """Return the known names that `name` is a misspelling of, whatever it means elsewhere."""
    names = sorted(set(islice(known, MAX_NAMES)))
    return _spelled(name, names) or _nearly_spelled(name, names)


def _spelled(name: str, names: list[str]) -> list[str]:
    """The name in other letters; else in the singular or plural."""
    lower = name.lower()
    same = [other for other in names if other.lower() == lower]
    return same or [other for other in names if other.lower().rstrip("s") == lower.rstrip("s")]


def _nearly_spelled(name: str, names: list[str]) -> list[str]:
    import difflib  # most runs suggest nothing

    return difflib.get_close_matches(name, names, n=3, cutoff=0.6)


def did_you_mean(name: str, known: Iterable[str], aliases: Iterable[tuple[str, str]] = ()) -> str:
    """Return a hint with the known names closest to `name`, or an empty string."""
    close = [f"`{match}`" for match in close_names(name, known, aliases)]
    return f"did you mean {one_of(close)}?" if close else ""


def names_meant(hint: str) -> list[str]:
    """Return the names that a hint of `did_you_mean` offers; none where it is another hint."""
    found = re.match(r"did you mean (.+)\?", hint)
    return re.findall(r"`(\w+)`", found[1]) if found else []


def one_of(words: list[str]) -> str:
    """Return words as a choice: `a`, `a or b`, `a, b or c`."""
    *front, last = words
    return f"{', '.join(front)} or {last}" if front else last
