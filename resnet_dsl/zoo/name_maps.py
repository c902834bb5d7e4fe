"""The name maps of a library, read from its file: rules of names, and what must hold for them to apply.

The files are ours, in `specs/name_maps`, one a library, and read when one is asked for.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.suggest import did_you_mean
from resnet_dsl.shipped import name_maps_folder
from resnet_dsl.zoo.layouts import LAYOUTS
from resnet_dsl.zoo.patterns import Pattern

SUFFIX = ".toml"
SAME = {"*": "*"}
BECAUSE = "because"
Wanted = str | int | float
Table = Mapping[str, Any]
"""A table of TOML."""


@dataclass(frozen=True)
class NameRule:
    """What a layer is called there, whether it has a bias (None: as ours), and how its weight lies."""

    ours: Pattern
    theirs: str
    bias: bool | None = None
    layout: str | None = None


@dataclass(frozen=True)
class BlockRule:
    """What a block is called there, and the layers within it."""

    ours: Pattern
    theirs: str
    layers: tuple[NameRule, ...]


@dataclass(frozen=True)
class Condition:
    """What the ops at some paths must be like, since names do not tell."""

    layers: Pattern
    wanted: Mapping[str, Wanted]
    because: str


@dataclass(frozen=True)
class NameMap:
    """The names of one kind of network; `eps` is that of its batch norms (None: as ours)."""

    about: str
    separator: str
    layers: tuple[NameRule, ...] = ()
    blocks: tuple[BlockRule, ...] = ()
    same: tuple[Pattern, ...] = ()
    where: tuple[Condition, ...] = ()
    ignore: tuple[Pattern, ...] = ()
    eps: float | None = None


@dataclass(frozen=True)
class Library:
    """A library or repository of models: its name maps, by kind of network."""

    name: str
    maps: tuple[NameMap, ...] = field(repr=False)


def known_libraries() -> list[str]:
    """Return the libraries that there are name maps of."""
    return sorted(path.name.removesuffix(SUFFIX) for path in name_maps_folder().glob(f"*{SUFFIX}"))


def find_library(name: str) -> Library:
    """Return a library by name; raises UsageError for one that does not exist."""
    known = known_libraries()
    if name not in known:
        hint = did_you_mean(name, known) or f"there are {', '.join(known)}"
        raise UsageError(f"no names of a library `{name}`; {hint}")
    return _read(name_maps_folder() / f"{name}{SUFFIX}")


@functools.cache
def _read(path: Path) -> Library:
    """Read a file; a key that means nothing raises TypeError."""
    with path.open("rb") as file:
        data = tomllib.load(file)
    separator = data.pop("separator")
    shared = _conditions(data.pop("where", {}))
    maps = tuple(_map(separator, shared, **entry) for entry in data.pop("map"))
    if data:
        raise TypeError(f"{path.name}: {', '.join(data)}")
    return Library(path.name.removesuffix(SUFFIX), maps)


def _map(
    separator: str,
    shared: tuple[Condition, ...],
    about: str,
    layers: Table | None = None,
    block: list[Table] | None = None,
    same: list[str] | None = None,
    where: Mapping[str, Table] | None = None,
    ignore: list[str] | None = None,
    eps: float | None = None,
) -> NameMap:
    return NameMap(
        about,
        separator,
        _rules(layers or {}),
        tuple(_block(**entry) for entry in block or ()),
        tuple(map(Pattern, same or ())),
        _conditions(where or {}) + shared,
        tuple(map(Pattern, ignore or ())),
        eps,
    )


def _block(ours: str, theirs: str, layers: Table = SAME) -> BlockRule:
    return BlockRule(Pattern(ours), theirs, _rules(layers))


def _rules(layers: Table) -> tuple[NameRule, ...]:
    return tuple(
        NameRule(Pattern(ours), theirs) if isinstance(theirs, str) else _rule(ours, **theirs)
        for ours, theirs in layers.items()
    )


def _rule(ours: str, name: str, bias: bool | None = None, layout: str | None = None) -> NameRule:
    if layout not in (None, *LAYOUTS):
        raise TypeError(f"no layout {layout}")
    return NameRule(Pattern(ours), name, bias, layout)


def _conditions(where: Mapping[str, Table]) -> tuple[Condition, ...]:
    return tuple(
        Condition(
            Pattern(pattern),
            {name: value for name, value in wanted.items() if name != BECAUSE},
            wanted.get(BECAUSE, ""),
        )
        for pattern, wanted in where.items()
    )
