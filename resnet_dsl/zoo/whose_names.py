"""Whose names the layers of a file have, told without a model: the library whose maps know most of them."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterator

from resnet_dsl.backend.contents import COUNTER
from resnet_dsl.records import dataclass
from resnet_dsl.zoo.name_maps import NameMap, find_library, known_libraries
from resnet_dsl.zoo.patterns import NUMBER, REST
from resnet_dsl.zoo.prefixes import leading

OURS = ""
OWN = ("conv1", "conv1.{i}", "bn1", "bn", "fc", "layer{s}.{b}.*")
"""What the layers of a residual network are called here, as in torchvision."""
TERM_OF = re.compile(r"\{[^}]*\}")
ENOUGH = 0.3
"""Names that know less of the layers than this share are not those of the file."""
PREFIXES = 8
LOOKED_AT = 1_000
"""So many layers are held against the maps; a larger network tells by these whose names it has."""


@dataclass(frozen=True)
class WhoseNames:
    """The libraries whose names a file has behind a prefix; ours are called by the empty text.

    Of the layers that were looked at so many are known, and these are not.
    """

    libraries: tuple[str, ...]
    prefix: str
    known: int
    others: tuple[str, ...]


def whose_names(names: Collection[str]) -> WhoseNames | None:
    """Return whose the names of tensors are, None if no one's that is known."""
    kept = [name for name in names if not name.endswith(COUNTER)]
    joints = {kind.joint for kind in _kinds()}
    by_joint = {
        joint: list(dict.fromkeys(n.rpartition(joint)[0] for n in kept))[:LOOKED_AT] for joint in joints
    }
    found: list[tuple[WhoseNames, bool]] = []
    for prefix in ("", *leading(kept)[:PREFIXES]):
        for kind in _kinds():
            layers = by_joint[kind.joint]
            known = {path for path in layers if path.startswith(prefix) and kind.has(path[len(prefix) :])}
            if len(known) >= max(2, ENOUGH * len(layers)):
                others = tuple(path for path in layers if path not in known)
                whole = kind.has_parts({path[len(prefix) :] for path in known})
                found.append((WhoseNames((kind.library,), prefix, len(known), others), whole))
    most = max((each.known for each, _ in found), default=0)
    equals = [(each, whole) for each, whole in found if each.known == most]
    if not equals:
        return None
    prefix = equals[0][0].prefix
    there = [(each, whole) for each, whole in equals if each.prefix == prefix]
    best = [each for each, whole in there if whole] or [each for each, _ in there]
    alike = dict.fromkeys(library for each in best for library in each.libraries)
    libraries = (OURS,) if OURS in alike else tuple(alike)
    return WhoseNames(libraries, best[0].prefix, most, best[0].others)


@dataclass(frozen=True)
class _Kind:
    """The names of one kind of network: what finds them, and what stands between a layer and its tensor."""

    library: str
    joint: str
    expressions: tuple[re.Pattern[str], ...]
    parts: tuple[str, ...] = ()
    """What the names of parts begin with that a network has beside its body, whatever is in them."""

    def has_parts(self, paths: Collection[str]) -> bool:
        """Whether one of those parts is there, if any is known: else the body may be any network's."""
        return not self.parts or any(path.startswith(self.parts) for path in paths)

    def has(self, path: str) -> bool:
        """Whether a layer may be called so."""
        return any(each.fullmatch(path) is not None for each in self.expressions)


@functools.cache
def _kinds() -> tuple[_Kind, ...]:
    own = _Kind(OURS, ".", tuple(_expression(text) for text in OWN))
    maps = ((library, each) for library in known_libraries() for each in find_library(library).maps)
    return own, *(
        _Kind(library, each.style.joint, tuple(_expressions(each)), tuple(_parts(each)))
        for library, each in maps
    )


def _parts(map: NameMap) -> Iterator[str]:
    """Yield what the names begin with in parts that a map takes as a whole."""
    for pattern in map.same:
        if pattern.text.endswith(f".{REST}") and not TERM_OF.search(pattern.text):
            yield pattern.text.removesuffix(REST)


def _expressions(map: NameMap) -> Iterator[re.Pattern[str]]:
    """Yield what finds the names of a map, also those that files of a body alone have."""
    rules = [block.name_of(rule, map.separator) for block in map.blocks for rule in block.layers]
    rules += [rule.theirs for rule in map.layers] + [pattern.text for pattern in map.same]
    for prefix in dict.fromkeys(("", map.prefix)):
        yield from dict.fromkeys(_expression(rule.removeprefix(prefix)) for rule in rules)


def _expression(template: str) -> re.Pattern[str]:
    """What finds the names that a template or a pattern makes: numbers at its terms, anything at its rest."""
    parts = [re.escape(part) for part in TERM_OF.split(template.removesuffix(REST))]
    ending = ".*" if template.endswith(REST) else ""
    return re.compile(f"(?:{NUMBER}|[a-z])".join(parts) + ending)
