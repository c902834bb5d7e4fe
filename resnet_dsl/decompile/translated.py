"""Tensors under the names of other libraries, as `specs/name_maps` has them, brought under ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from resnet_dsl.backend.layer_places import BY_PLACE
from resnet_dsl.decompile.tensors import Shape, Shapes
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.program import Program
from resnet_dsl.zoo.layouts import CONV1X1
from resnet_dsl.zoo.model_names import model_names
from resnet_dsl.zoo.name_maps import NameMap, NameRule, find_library, known_libraries
from resnet_dsl.zoo.patterns import HOLE, REST, Pattern, backwards, fill, number_in

LONGEST = 200


@dataclass(frozen=True)
class Reading:
    """A file's tensors under our names, if they are those of a library."""

    library: str
    """Empty where the names are those of the layers' places in a graph."""
    names: Mapping[str, str]
    """Our name of each of theirs."""
    shapes: Shapes

    @property
    def whose(self) -> str:
        """Whose names they are."""
        return f"the names of {self.library}" if self.library else "the names of its places"

    def remark(self, program: Program) -> str:
        """Return what the person has to know about the names."""
        if not self.library:
            return BY_PLACE
        try:
            model_names(program, self.library)
        except UsageError as error:
            return f"its names are as those of {self.library}, but the net is none of those: {error}"
        return (
            f"its names are those of {self.library}, the spec has its own; "
            f"--from {self.library} lets `weights convert` read it"
        )


def by_place(places: Mapping[str, str], shapes: Shapes) -> Reading | None:
    """Return the names by the layers' places in a graph, if they are others than those it has."""
    names = {theirs: ours for ours, theirs in places.items()}
    if all(theirs == ours for theirs, ours in names.items()):
        return None
    found = {names.get(name, name): shape for name, shape in shapes.items()}
    return Reading("", names, found) if len(found) == len(shapes) else None


def readings(shapes: Shapes) -> Iterator[Reading]:
    """Yield each way to read the names as those of a library, other than as they are."""
    seen: set[tuple[tuple[str, str], ...]] = set()
    for library in known_libraries():
        for map in find_library(library).maps:
            for place in range(_most_choices(map)):
                reading = _reading(library, map, place, shapes)
                if reading is None or (key := tuple(reading.names.items())) in seen:
                    continue
                seen.add(key)
                yield reading


def _reading(library: str, map: NameMap, place: int, shapes: Shapes) -> Reading | None:
    """Read the names by a map; where several of our layers may be meant, by the one at this place."""
    inverses = list(_inverses(map))
    layers: dict[str, tuple[str, str | None]] = {}
    names: dict[str, str] = {}
    found: dict[str, Shape] = {}
    for name, shape in shapes.items():
        path, _, tensor = name.rpartition(".")
        if len(path) > LONGEST:
            return None
        if path not in layers:
            ours = list(dict.fromkeys(each for inverse in inverses if (each := inverse(path)) is not None))
            if not ours:
                return None
            layers[path] = ours[min(place, len(ours) - 1)]
        ours_path, layout = layers[path]
        names[name] = f"{ours_path}.{tensor}"
        found[names[name]] = shape[:2] if layout == CONV1X1 and shape[2:] == (1, 1) else shape
    if len(found) != len(shapes) or all(name == ours for name, ours in names.items()):
        return None
    return Reading(library, names, found)


Inverse = Callable[[str], "tuple[str, str | None] | None"]


def _inverses(map: NameMap) -> Iterator[Inverse]:
    """Yield the ways back, also from the names that files of a body alone have."""
    for prefix in dict.fromkeys(("", map.prefix)):
        for block in map.blocks:
            for rule in block.layers:
                theirs = block.name_of(rule, map.separator).removeprefix(prefix)
                yield from _inverse(f"{block.ours.text}.{rule.ours.text}", theirs, rule)
        for rule in map.layers:
            yield from _inverse(rule.ours.text, rule.theirs.removeprefix(prefix), rule)
    for pattern in map.same:
        yield _kept(pattern)


def _kept(pattern: Pattern) -> Inverse:
    return lambda path: (path, None) if pattern.find(path) is not None else None


def _inverse(ours: str, theirs: str, rule: NameRule) -> Iterator[Inverse]:
    """Yield the way back, where every number of our name is in theirs."""
    there = backwards(theirs)
    if there is None or not set(HOLE.findall(ours)) <= there[1].keys() or ours.endswith(REST):
        return
    expression, terms = there

    def back(path: str) -> tuple[str, str | None] | None:
        found = expression.fullmatch(path)
        if found is None:
            return None
        return fill(ours, {name: number_in(found[name], term) for name, term in terms.items()}), rule.layout

    yield back


def _most_choices(map: NameMap) -> int:
    """How many of our layers one of theirs may be, at most."""
    rules = [rule.theirs for block in map.blocks for rule in block.layers]
    return max((rules.count(theirs) for theirs in rules), default=1)
