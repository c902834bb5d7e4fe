"""The names of a model in a library: the one map that covers its layers and whose conditions hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from resnet_dsl.backend.interface import Backend
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.ir.graph import Graph, GraphNode
from resnet_dsl.program import Program
from resnet_dsl.zoo.conditions import Unmet, unmet
from resnet_dsl.zoo.layouts import ORDERS, flatten_before
from resnet_dsl.zoo.name_maps import Library, NameMap, NameRule, find_library
from resnet_dsl.zoo.patterns import Pattern, fill

LISTED = 6
INDEX = "index"
"""In every name: how many ops come before the layer, from the input on or from the last `flatten`."""


@dataclass(frozen=True)
class NamedLayer:
    """A layer with tensors, as it is called and kept there."""

    node: GraphNode
    theirs: str
    bias: bool | None = None
    layout: str | None = None


@dataclass(frozen=True)
class ModelNames:
    """The names of one model in a library.

    `layers` are those with tensors by our paths, in the order of the rules, which is the order of
    their files; `names` has every path, blocks' among them.
    """

    library: str
    map: NameMap
    layers: Mapping[str, NamedLayer]
    names: Mapping[str, str]

    @property
    def is_identity(self) -> bool:
        """Whether every layer is called there as it is here."""
        return all(path == layer.theirs for path, layer in self.layers.items())

    def ignores(self, tensor: str) -> bool:
        """Whether a tensor there is none of the model that is meant."""
        return any(pattern.find(tensor) is not None for pattern in self.map.ignore)


def model_names(program: Program, library: str, partial: bool = False) -> ModelNames:
    """Return a model's names in a library; raises UsageError unless exactly one map applies.

    If `partial` is asked for, a map that leaves layers without names will do, such as a new head.
    """
    found = find_library(library)
    tried = [_Candidate(each, program.graph) for each in found.maps]
    least = min(len(each.uncovered) for each in tried) if partial else 0
    fitting = [each for each in tried if len(each.uncovered) == least and not each.unmet]
    if len(fitting) != 1:
        raise UsageError(_refusal(found, program, tried, fitting))
    chosen = fitting[0]
    names = chosen.names()
    for name, count in Counter(names[node.name] for node in program.graph.nodes).items():
        if count > 1:
            raise UsageError(f"{library}: {count} layers of {program.name} would be called `{name}`")
    return ModelNames(library, chosen.map, chosen.layers(), names)


def with_names(program: Program, library: str | None, backend: Backend) -> Program:
    """Return the program with the names of a library; raises UsageError if the backend cannot use them."""
    if library is None:
        return program
    found = model_names(program, library)
    for path, layer in found.layers.items():
        if layer.layout in ORDERS:
            raise UsageError(
                f"{layer.theirs} of {library} takes its input in another order than {path}, "
                "so that weights of one would pass for those of the other; "
                f"`weights convert --to {library}` puts them in order"
            )
    if backend.renames:
        return replace(program, names=found.names)
    if found.is_identity:
        return program
    path, layer = next((p, layer) for p, layer in found.layers.items() if p != layer.theirs)
    raise UsageError(
        f"{backend.name} calls layers by the spec's own paths, as {path}, and not as {layer.theirs}; "
        f"`weights convert --to {library}` writes weights under the names of {library}"
    )


# --- a map held against a graph ----------------------------------------------------------------


class _Match(NamedTuple):
    """What a map's rules find for a layer: its name there, and where in the order of layers it is."""

    rule: NameRule
    theirs: str
    in_block: bool
    place: int


class _Candidate:
    """A map held against a graph: what each of its rules finds, what none does, what does not hold."""

    def __init__(self, map: NameMap, graph: Graph) -> None:
        self.map = map
        self.graph = graph
        self.found = {node.name: self._match(node.name, index) for node, index in _indexed(graph)}
        self.owners = [node for node in graph.nodes if any(True for _ in node.parameters())]
        self.uncovered = [node.name for node in self.owners if self.found[node.name] is None]

    @cached_property
    def unmet(self) -> list[Unmet]:
        """What of the map's conditions does not hold."""
        covered = (path for path, match in self.found.items() if match is not None)
        eps = {} if self.map.eps is None else dict.fromkeys(covered, self.map.eps)
        return unmet(self.map.where, eps, self.graph)

    def distance(self) -> tuple[int, int]:
        """How far the graph is from the map's networks: layers that it lacks, then others that differ."""
        lacking = sum(each.lacking for each in self.unmet)
        return lacking, sum(each.layers for each in self.unmet)

    def _match(self, path: str, index: int) -> _Match | None:
        for block in self.map.blocks:
            inside = block.ours.within(path)
            found = None if inside is None else _first(block.layers, inside[1])
            if inside is not None and found is not None:
                rule, numbers, place = found
                numbers = {**inside[0], **numbers, INDEX: index}
                name = fill(rule.theirs, numbers, rule.ours.rest(inside[1]))
                front = fill(block.theirs, numbers)
                theirs = f"{front}{self.map.separator}{name}" if name else front
                return _Match(rule, theirs, True, place)
        found = _first(self.map.layers, path)
        if found is not None:
            rule, numbers, _ = found
            return _Match(rule, fill(rule.theirs, {**numbers, INDEX: index}), False, 0)
        if any(pattern.find(path) is not None for pattern in self.map.same):
            return _Match(NameRule(Pattern(path), path), path, False, 0)
        return None

    def layers(self) -> dict[str, NamedLayer]:
        """The layers with tensors: blocks in the order of the network, layers within by the rules' order."""
        begun: dict[str, int] = {}
        places: dict[str, tuple[int, int]] = {}
        found: dict[str, NamedLayer] = {}
        for position, node in enumerate(self.owners):
            match = self.found[node.name]
            if match is None:
                continue
            block = self._block_of(node.name)[0] if match.in_block else node.name
            places[node.name] = begun.setdefault(block, position), match.place
            layout = match.rule.layout
            if layout in ORDERS and flatten_before(node, self.graph).op.flattens == layout:
                layout = None  # the weight lies as it does here
            found[node.name] = NamedLayer(node, match.theirs, match.rule.bias, layout)
        return {path: found[path] for path in sorted(found, key=places.__getitem__)}

    def _block_of(self, path: str) -> tuple[str, str]:
        """The path of the block that a rule finds around a layer, and the block's name there."""
        for block in self.map.blocks:
            inside = block.ours.within(path)
            if inside is not None:
                return path[: -len(inside[1]) - 1], fill(block.theirs, inside[0])
        return "", ""

    def names(self) -> dict[str, str]:
        """Every path with its name, blocks among them; layers without tensors may have none of theirs."""
        names: dict[str, str] = {}
        for path, match in self.found.items():
            block, theirs = self._block_of(path)
            if block:
                names[block] = theirs
            if match is not None:
                names[path] = match.theirs
            elif block:
                rest = path[len(block) + 1 :].replace(".", self.map.separator)
                names[path] = f"{theirs}{self.map.separator}{rest}"
            else:
                names[path] = path
        return names


def _first(rules: tuple[NameRule, ...], path: str) -> tuple[NameRule, dict[str, int], int] | None:
    """The first rule that finds a path, the numbers in it, and the rule's place."""
    for place, rule in enumerate(rules):
        numbers = rule.ours.find(path)
        if numbers is not None:
            return rule, numbers, place
    return None


def _indexed(graph: Graph) -> Iterator[tuple[GraphNode, int]]:
    """Yield every node with its place in its part."""
    count = 0
    for node in graph.nodes:
        yield node, count
        count = 0 if node.op.flattens else count + 1


# --- refusing ----------------------------------------------------------------------------------


def _refusal(library: Library, program: Program, tried: list[_Candidate], fitting: list[_Candidate]) -> str:
    if fitting:
        kinds = " and ".join(f"`{each.map.about}`" for each in fitting)
        return f"{library.name}: the names of {program.name} are those of {kinds} alike"
    covering = [each for each in tried if not each.uncovered]
    if covering:
        closest = min(covering, key=_Candidate.distance)
        title = f"{library.name} has names for all layers of {program.name}, but for another network"
        return f"{title} ({closest.map.about}):\n{_listed([each.sentence for each in closest.unmet])}"
    closest = min(tried, key=lambda each: len(each.uncovered))
    title = f"{library.name} has no names for some layers of {program.name}; closest are those of"
    return f"{title} {closest.map.about}, without:\n{_listed(closest.uncovered)}"


def _listed(items: list[str]) -> str:
    lines = [f"  {item}" for item in items[:LISTED]]
    more = len(items) - LISTED
    return "\n".join([*lines, f"  and {more} more"] if more > 0 else lines)
