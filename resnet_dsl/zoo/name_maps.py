"""The name maps of a library, read from its file: rules of names, and what must hold for them to apply.

The files are ours, in `specs/name_maps`, one a library, and read when one is asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.suggest import did_you_mean
from resnet_dsl.ir.ops import Role, TensorSpec
from resnet_dsl.records import dataclass, field
from resnet_dsl.shipped import name_maps_folder
from resnet_dsl.zoo.layouts import LAYOUTS
from resnet_dsl.zoo.patterns import Pattern

SUFFIX = ".toml"
SAME = {"*": "*"}
BECAUSE = "because"
Wanted = str | int | float | tuple[str | int | float, ...]
"""A value, or several of which any will do."""
Table = Mapping[str, Any]
"""A table of TOML."""


@dataclass(frozen=True)
class NameRule:
    """What a layer is called there, whether it has a bias (None: as ours), and how its weight lies.

    `is_tensor` says that the name is that of the layer's one tensor, which is in no layer of its own there.
    """

    ours: Pattern
    theirs: str
    bias: bool | None = None
    layout: str | None = None
    is_tensor: bool = False


@dataclass(frozen=True)
class BlockRule:
    """What a block is called there, and the layers within it."""

    ours: Pattern
    theirs: str
    layers: tuple[NameRule, ...]

    def name_of(self, rule: NameRule, separator: str) -> str:
        """Return the template of a layer's name; a block or a layer without one of its own adds none."""
        return separator.join(filter(None, (self.theirs, rule.theirs)))


@dataclass(frozen=True)
class Condition:
    """What the ops at some paths must be like, since names do not tell."""

    layers: Pattern
    wanted: Mapping[str, Wanted]
    because: str


@dataclass(frozen=True)
class Style:
    """What all names of a library have in common: what joins them, and what tensors are called.

    `tensors` are names by role, where they are not ours. `flattened` is the order in which layers take
    a map that was flattened, unless a rule says another.
    """

    separator: str = "."
    joint: str = "."
    tensors: Mapping[Role, str] = field(default_factory=dict)
    flattened: str = "chw"


@dataclass(frozen=True)
class NameMap:
    """The names of one kind of network; `eps` is that of its batch norms (None: as ours).

    `prefix` begins names that files of a body alone have without it. Names of an `older` map are read
    only.
    """

    about: str
    style: Style = Style()
    layers: tuple[NameRule, ...] = ()
    blocks: tuple[BlockRule, ...] = ()
    same: tuple[Pattern, ...] = ()
    where: tuple[Condition, ...] = ()
    ignore: tuple[Pattern, ...] = ()
    eps: float | None = None
    prefix: str = ""
    older: bool = False

    @property
    def separator(self) -> str:
        """What stands between a block's name and its layers'."""
        return self.style.separator

    def tensor(self, layer: str, parameter: TensorSpec) -> str:
        """Return the name of a tensor there, given that of its layer."""
        return self.tensor_in_role(layer, parameter.role, parameter.name)

    def tensor_in_role(self, layer: str, role: Role, ours: str) -> str:
        """Return the name of the tensor of a layer there that has a role."""
        return f"{layer}{self.style.joint}{self.style.tensors.get(role, ours)}"


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
    import tomllib  # of all that knows of name maps, little reads one

    with path.open("rb") as file:
        data = tomllib.load(file)
    shared = _conditions(data.pop("where", {}))
    entries = data.pop("map")
    style = Style(**data)
    maps: list[NameMap] = []
    for entry in entries:
        like = next((map for map in maps if map.about == entry.get("like")), None)
        maps.append(_map(style, shared, like, **entry))
    return Library(path.name.removesuffix(SUFFIX), tuple(maps))


def _map(
    style: Style,
    shared: tuple[Condition, ...],
    alike: NameMap | None,
    about: str,
    layers: Table | None = None,
    block: list[Table] | None = None,
    same: list[str] | None = None,
    where: Mapping[str, Table] | None = None,
    ignore: list[str] | None = None,
    eps: float | None = None,
    prefix: str = "",
    older: bool = False,
    like: str = "",
) -> NameMap:
    """Make a map; what holds of the one it is `like` holds of it as well, after its own conditions."""
    if like and alike is None:
        raise TypeError(f"no map before `{about}` is about `{like}`")
    others = alike.where if alike else shared
    return NameMap(
        about,
        style,
        _rules(layers or {}),
        tuple(_block(**entry) for entry in block or ()),
        tuple(map(Pattern, same or ())),
        _conditions(where or {}) + others,
        tuple(map(Pattern, ignore or ())),
        eps,
        prefix,
        older,
    )


def _block(ours: str, theirs: str, layers: Table = SAME) -> BlockRule:
    return BlockRule(Pattern(ours), theirs, _rules(layers))


def _rules(layers: Table) -> tuple[NameRule, ...]:
    return tuple(
        NameRule(Pattern(ours), theirs) if isinstance(theirs, str) else _rule(ours, **theirs)
        for ours, theirs in layers.items()
    )


def _rule(
    ours: str, name: str, bias: bool | None = None, layout: str | None = None, tensor: bool = False
) -> NameRule:
    if layout not in (None, *LAYOUTS):
        raise TypeError(f"no layout {layout}")
    return NameRule(Pattern(ours), name, bias, layout, tensor)


def _conditions(where: Mapping[str, Table]) -> tuple[Condition, ...]:
    return tuple(
        Condition(
            Pattern(pattern),
            {name: _wanted(value) for name, value in wanted.items() if name != BECAUSE},
            wanted.get(BECAUSE, ""),
        )
        for pattern, wanted in where.items()
    )


def _wanted(value: Any) -> Wanted:
    return tuple(value) if isinstance(value, list) else value
