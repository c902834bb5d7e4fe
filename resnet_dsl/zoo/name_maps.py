"""The maps of a world, read from its file: rules of names, and what must hold for them to apply.

The files are ours, in `specs/names`, one a world, and read when one is asked for.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resnet_dsl.diagnostics.model import UsageError
from resnet_dsl.diagnostics.suggest import did_you_mean
from resnet_dsl.shipped import names_folder
from resnet_dsl.zoo.patterns import Pattern

SUFFIX = ".toml"
ORDERS = ("chw", "hwc")
"""Layouts of a layer that takes a flattened map: which of its axes was outermost there."""
LAYOUTS = ("conv1x1", "depthwise", *ORDERS)
SAME = {"*": "*"}
BECAUSE = "because"


@dataclass(frozen=True)
class Rule:
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
    layers: tuple[Rule, ...]


@dataclass(frozen=True)
class Condition:
    """What the ops at some paths must be like, since names do not tell."""

    layers: Pattern
    wanted: Mapping[str, Any]
    because: str


@dataclass(frozen=True)
class Map:
    """The names of one kind of network; `eps` is that of its batch norms (None: as ours)."""

    about: str
    separator: str
    layers: tuple[Rule, ...] = ()
    blocks: tuple[BlockRule, ...] = ()
    same: tuple[Pattern, ...] = ()
    where: tuple[Condition, ...] = ()
    ignore: tuple[Pattern, ...] = ()
    eps: float | None = None


@dataclass(frozen=True)
class World:
    """A library or repository: its maps, by kind of network."""

    name: str
    maps: tuple[Map, ...] = field(repr=False)


def world_names() -> list[str]:
    """Return the worlds that there are names of."""
    return sorted(path.name.removesuffix(SUFFIX) for path in names_folder().glob(f"*{SUFFIX}"))


def find_world(name: str) -> World:
    """Return a world by name; raises UsageError for one that does not exist."""
    known = world_names()
    if name not in known:
        hint = did_you_mean(name, known) or f"there are {', '.join(known)}"
        raise UsageError(f"no names of a world `{name}`; {hint}")
    return _read(names_folder() / f"{name}{SUFFIX}")


@functools.cache
def _read(path: Path) -> World:
    """Read a file; a key that means nothing raises TypeError."""
    with path.open("rb") as file:
        data = tomllib.load(file)
    separator = data.pop("separator")
    shared = _conditions(data.pop("where", {}))
    maps = tuple(_map(separator, shared, **entry) for entry in data.pop("map"))
    if data:
        raise TypeError(f"{path.name}: {', '.join(data)}")
    return World(path.name.removesuffix(SUFFIX), maps)


def _map(
    separator: str,
    shared: tuple[Condition, ...],
    about: str,
    layers: Mapping[str, Any] | None = None,
    block: list[Mapping[str, Any]] | None = None,
    same: list[str] | None = None,
    where: Mapping[str, Mapping[str, Any]] | None = None,
    ignore: list[str] | None = None,
    eps: float | None = None,
) -> Map:
    return Map(
        about,
        separator,
        _rules(layers or {}),
        tuple(_block(**entry) for entry in block or ()),
        tuple(map(Pattern, same or ())),
        _conditions(where or {}) + shared,
        tuple(map(Pattern, ignore or ())),
        eps,
    )


def _block(ours: str, theirs: str, layers: Mapping[str, Any] = SAME) -> BlockRule:
    return BlockRule(Pattern(ours), theirs, _rules(layers))


def _rules(layers: Mapping[str, Any]) -> tuple[Rule, ...]:
    return tuple(
        Rule(Pattern(ours), theirs) if isinstance(theirs, str) else _rule(ours, **theirs)
        for ours, theirs in layers.items()
    )


def _rule(ours: str, name: str, bias: bool | None = None, layout: str | None = None) -> Rule:
    if layout not in (None, *LAYOUTS):
        raise TypeError(f"no layout {layout}")
    return Rule(Pattern(ours), name, bias, layout)


def _conditions(where: Mapping[str, Mapping[str, Any]]) -> tuple[Condition, ...]:
    return tuple(_condition(pattern, wanted) for pattern, wanted in where.items())


def _condition(pattern: str, wanted: Mapping[str, Any]) -> Condition:
    rest = {name: value for name, value in wanted.items() if name != BECAUSE}
    return Condition(Pattern(pattern), rest, wanted.get(BECAUSE, ""))
