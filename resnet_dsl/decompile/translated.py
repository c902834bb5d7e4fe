"""Tensors under the names of other libraries, as `specs/name_maps` has them, brought under ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping

from resnet_dsl.backend.layer_places import BY_PLACE
from resnet_dsl.decompile.tensors import Shape, Shapes, renamed
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass
from resnet_dsl.zoo.layouts import CONV1X1
from resnet_dsl.zoo.model_names import model_names
from resnet_dsl.zoo.name_maps import NameMap, NameRule, find_library, known_libraries
from resnet_dsl.zoo.names_by_shape import names_by_shape
from resnet_dsl.zoo.patterns import HOLE, LAST, REST, Pattern, backwards, fill, number_in

LONGEST = 200
EXAMPLES = (
    re.compile(r"conv1(\.0)?\.weight"),
    re.compile(r"layer1\.0\.conv1\.weight"),
    re.compile(r"layer.*\.(downsample|shortcut).*\.weight"),
)
OF_LAST = "<last>"
LAST_BLOCK = re.compile(rf"^(.*\.){OF_LAST}")
NUMBERED = re.compile(r"(layer[0-9]+\.)([0-9]{1,6})\.")


@dataclass(frozen=True)
class Reading:
    """A file's tensors under our names, if they are those of a library."""

    library: str
    """Empty for names of no library."""
    names: Mapping[str, str]
    """Our name of each of theirs."""
    shapes: Shapes
    placed: bool = False
    """Whether the names are those of the layers' places in a graph."""

    @property
    def whose(self) -> str:
        """Whose names they are."""
        return "the names of its places" if self.placed else f"the names of {self.library}"

    def refusal(self, program: Program) -> str | None:
        """Return why the library has no such network, None if it has one or there is no library."""
        if not self.library:
            return None
        try:
            model_names(program, self.library)
        except UsageError as error:
            return str(error)
        return None

    def remark(self, program: Program) -> str:
        """Return what the person has to know about the names."""
        if self.placed:
            return BY_PLACE
        if not self.library:
            return (
                "its names are no library's; which layer is which is taken from kinds, shapes and order: "
                f"{', '.join(self._examples())} …; `weights convert` does the same"
            )
        refusal = self.refusal(program)
        if refusal is not None:
            return f"its names are as those of {self.library}, but the net is none of those: {refusal}"
        return (
            f"its names are those of {self.library}, the spec has its own; "
            f"--from {self.library} lets `weights convert` read it"
        )

    def _examples(self) -> Iterator[str]:
        """Yield a layer of the stem, one of a block and a projection, as they are called there and here."""
        for kind in EXAMPLES:
            for theirs, ours in self.names.items():
                if kind.fullmatch(ours):
                    there, here = theirs.rpartition(".")[0], ours.rpartition(".")[0]
                    yield f"`{printable(there)}` is {here}"
                    break


def by_place(places: Mapping[str, str], shapes: Shapes) -> Reading | None:
    """Return the names by the layers' places in a graph, if they are others than those it has."""
    names = {theirs: ours for ours, theirs in places.items()}
    if all(theirs == ours for theirs, ours in names.items()):
        return None
    found = {names.get(name, name): shape for name, shape in shapes.items()}
    return Reading("", names, found, placed=True) if len(found) == len(shapes) else None


def readings(shapes: Shapes) -> Iterator[Reading]:
    """Yield each way to read the names as those of a library, other than as they are."""
    seen: set[tuple[tuple[str, str], ...]] = set()
    paths = dict.fromkeys(name.rpartition(".")[0] for name in shapes)
    own = {name.removesuffix(".weight") for name, shape in shapes.items() if len(shape) == 2}
    for library in known_libraries():
        for map in find_library(library).maps:
            for place in range(_most_choices(map)):
                reading = _reading(library, map, place, _File(shapes, paths, own))
                if reading is None or (key := tuple(reading.names.items())) in seen:
                    continue
                seen.add(key)
                yield reading


def reading_by_shape(shapes: Shapes) -> Reading | None:
    """Return names of no library as ours, where kinds, shapes and order tell which layer is which."""
    called = names_by_shape(shapes)
    if called is None:
        return None
    found = renamed(shapes, called)
    names = dict(zip(shapes, found, strict=True)) if len(found) == len(shapes) else {}
    return Reading("", names, found) if any(theirs != ours for theirs, ours in names.items()) else None


@dataclass(frozen=True)
class _File:
    """A file's tensors, its layers, and those that are fully connected."""

    shapes: Shapes
    paths: Collection[str]
    own: Collection[str]


def _reading(library: str, map: NameMap, place: int, file: _File) -> Reading | None:
    """Read the names by a map; where several of our layers may be meant, by the one at this place.

    What is fully connected may have a name of one's own, as the classifier of a new task has.
    """
    inverses = list(_inverses(map))
    layers: dict[str, tuple[str, str | None]] = {}
    for path in file.paths:
        ours = list(dict.fromkeys(each for inverse in inverses if (each := inverse(path)) is not None))
        if len(path) > LONGEST or not (ours or path in file.own):
            return None
        layers[path] = ours[min(place, len(ours) - 1)] if ours else (path, None)
    called = _with_last_blocks([ours for ours, _ in layers.values()])
    names: dict[str, str] = {}
    found: dict[str, Shape] = {}
    for name, shape in file.shapes.items():
        path, _, tensor = name.rpartition(".")
        ours_path, layout = layers[path]
        names[name] = f"{called[ours_path]}.{tensor}"
        found[names[name]] = shape[:2] if layout == CONV1X1 and shape[2:] == (1, 1) else shape
    if len(found) != len(file.shapes) or all(name == ours for name, ours in names.items()):
        return None
    return Reading(library, names, found)


def _with_last_blocks(paths: list[str]) -> dict[str, str]:
    """Return the paths with the number of the last block of a stage, which its name there does not tell."""
    last: dict[str, int] = {}
    for path in paths:
        found = NUMBERED.match(path)
        if found is not None:
            last[found[1]] = max(last.get(found[1], 0), int(found[2]) + 1)
    return {path: LAST_BLOCK.sub(lambda found: f"{found[1]}{last.get(found[1], 0)}", path) for path in paths}


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
    there = backwards(theirs.removesuffix(REST))
    rest = ours.endswith(REST)
    if there is None or not set(HOLE.findall(ours)) <= {*there[1], LAST} or rest != theirs.endswith(REST):
        return
    expression, terms = there
    template = ours.removesuffix(REST)
    if LAST not in terms:
        template = template.replace(f"{{{LAST}}}", OF_LAST)

    def back(path: str) -> tuple[str, str | None] | None:
        found = expression.match(path)
        if found is None or (not rest and found.end() < len(path)):
            return None
        numbers = {name: number_in(found[name], term) for name, term in terms.items()}
        return fill(template, numbers) + path[found.end() :], rule.layout

    yield back


def _most_choices(map: NameMap) -> int:
    """How many of our layers one of theirs may be, at most."""
    rules = [rule.theirs for block in map.blocks for rule in block.layers]
    return max((rules.count(theirs) for theirs in rules), default=1)
