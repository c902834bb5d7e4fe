"""A model under the names of a world: the one map that covers its layers and whose conditions hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from resnet_dsl.diagnostics.model import UsageError
from resnet_dsl.ir.graph import Graph, GraphNode
from resnet_dsl.ir.ops import Flatten
from resnet_dsl.program import Program
from resnet_dsl.zoo.conditions import Failure, failures
from resnet_dsl.zoo.flattening import flattened
from resnet_dsl.zoo.name_maps import ORDERS, Map, Rule, World, find_world
from resnet_dsl.zoo.patterns import Pattern, made

LISTED = 6
INDEX = "index"
"""In every name: how many ops come before the layer, from the input on or from the last `flatten`."""

Value = TypeVar("Value")
Place = tuple[int, int]


@dataclass(frozen=True)
class Layer:
    """A layer with tensors, as it is called and kept there."""

    node: GraphNode
    theirs: str
    bias: bool | None = None
    layout: str | None = None


@dataclass(frozen=True)
class Naming:
    """The names of one model in a world.

    `layers` are those with tensors by our paths, in the order of the rules, which is the order of
    their files; `names` has every path, blocks' among them.
    """

    world: str
    map: Map
    layers: Mapping[str, Layer]
    names: Mapping[str, str]

    @property
    def is_identity(self) -> bool:
        """Whether every layer is called there as it is here."""
        return all(path == layer.theirs for path, layer in self.layers.items())

    def ignores(self, tensor: str) -> bool:
        """Whether a tensor there is none of the model that is meant."""
        return any(pattern.find(tensor) is not None for pattern in self.map.ignore)


def naming(program: Program, world: str, partial: bool = False) -> Naming:
    """Return a model's names in a world; raises UsageError unless exactly one map applies.

    If `partial` is asked for, a map that leaves layers without names will do, such as a new head.
    """
    found = find_world(world)
    tried = [_Tried(each, program.graph) for each in found.maps]
    least = min(len(each.uncovered) for each in tried) if partial else 0
    fitting = [each for each in tried if len(each.uncovered) == least and not each.failures]
    if len(fitting) != 1:
        raise UsageError(_refusal(found, program, tried, fitting))
    chosen = fitting[0]
    names = chosen.names()
    for name, count in Counter(names[node.name] for node in program.graph.nodes).items():
        if count > 1:
            raise UsageError(f"{world}: {count} layers of {program.name} would be called `{name}`")
    return Naming(world, chosen.map, chosen.layers(), names)


def named(program: Program, world: str) -> Program:
    """Return the program whose layers backends call as a world does."""
    return replace(program, names=naming(program, world).names)


def renamed(state: Mapping[str, Value], program: Program) -> dict[str, Value]:
    """Return tensors under the names that the program's layers are to have."""
    return {program.tensor_name(name): value for name, value in state.items()}


class _Tried:
    """A map held against a graph: what each of its rules finds, what none does, what does not hold."""

    def __init__(self, map: Map, graph: Graph) -> None:
        self.map = map
        self.graph = graph
        self.found = {node.name: self._rule(node, index) for node, index in _indexed(graph)}
        owners = [node.name for node in graph.nodes if any(True for _ in node.parameters())]
        self.uncovered = [path for path in owners if self.found[path] is None]

    @cached_property
    def failures(self) -> list[Failure]:
        """What of the map's conditions does not hold."""
        covered = (path for path, rule in self.found.items() if rule is not None)
        eps = {} if self.map.eps is None else dict.fromkeys(covered, self.map.eps)
        return failures(self.map.where, eps, self.graph)

    def distance(self) -> tuple[int, int]:
        """How far the graph is from the map's networks: layers that it lacks, then others that differ."""
        lacking = sum(failure.lacking for failure in self.failures)
        return lacking, sum(failure.layers for failure in self.failures)

    def _rule(self, node: GraphNode, index: int) -> tuple[Rule, str, Place] | None:
        """The rule for a layer, its name there, and its place in the order of rules."""
        path = node.name
        for block in self.map.blocks:
            inside = block.ours.within(path)
            found = None if inside is None else _first(block.layers, inside[1])
            if inside is not None and found is not None:
                rule, numbers, place = found
                numbers = {**inside[0], **numbers, INDEX: index}
                name = made(rule.theirs, numbers, rule.ours.rest(inside[1]))
                front = made(block.theirs, numbers)
                return rule, f"{front}{self.map.separator}{name}" if name else front, (0, place)
        found = _first(self.map.layers, path)
        if found is not None:
            rule, numbers, place = found
            return rule, made(rule.theirs, {**numbers, INDEX: index}), (1, 0)
        if any(pattern.find(path) is not None for pattern in self.map.same):
            return Rule(Pattern(path), path), path, (1, 0)
        return None

    def layers(self) -> dict[str, Layer]:
        """The layers with tensors, in the order of the rules."""
        begun: dict[str, int] = {}
        places: dict[str, tuple[int, int]] = {}
        found: dict[str, Layer] = {}
        for position, node in enumerate(self.graph.nodes):
            match = self.found[node.name]
            if match is None or not any(True for _ in node.parameters()):
                continue
            rule, theirs, (alone, place) = match
            block = node.name if alone else self._block_of(node.name)[0]
            places[node.name] = begun.setdefault(block, position), place
            found[node.name] = Layer(node, theirs, rule.bias, self._layout(rule.layout, node))
        return {path: found[path] for path in sorted(found, key=places.__getitem__)}

    def _layout(self, layout: str | None, node: GraphNode) -> str | None:
        """A rule's layout; none where a map is flattened in the same order here."""
        if layout in ORDERS:
            return None if flattened(node, self.graph).order == layout else layout
        return layout

    def _block_of(self, path: str) -> tuple[str, str]:
        """The path of the block that a rule finds around a layer, and the block's name there."""
        for block in self.map.blocks:
            inside = block.ours.within(path)
            if inside is not None:
                return path[: -len(inside[1]) - 1], made(block.theirs, inside[0])
        return "", ""

    def names(self) -> dict[str, str]:
        """Every path with its name, blocks among them; layers without tensors may have none of theirs."""
        names: dict[str, str] = {}
        for path, match in self.found.items():
            block, theirs = self._block_of(path)
            if block:
                names[block] = theirs
            if match is not None:
                names[path] = match[1]
            elif block:
                rest = path[len(block) + 1 :].replace(".", self.map.separator)
                names[path] = f"{theirs}{self.map.separator}{rest}"
            else:
                names[path] = path
        return names


def _first(rules: tuple[Rule, ...], path: str) -> tuple[Rule, dict[str, int], int] | None:
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
        count = 0 if isinstance(node.op, Flatten) else count + 1


# --- refusing ----------------------------------------------------------------------------------


def _refusal(world: World, program: Program, tried: list[_Tried], fitting: list[_Tried]) -> str:
    if fitting:
        kinds = " and ".join(f"`{each.map.about}`" for each in fitting)
        return f"{world.name}: the names of {program.name} are those of {kinds} alike"
    covering = [each for each in tried if not each.uncovered]
    if covering:
        closest = min(covering, key=_Tried.distance)
        title = f"{world.name} has names for all layers of {program.name}, but for another network"
        sentences = [failure.sentence for failure in closest.failures]
        return f"{title} ({closest.map.about}):\n{_listed(sentences)}"
    closest = min(tried, key=lambda each: len(each.uncovered))
    title = f"{world.name} has no names for some layers of {program.name}; closest are those of"
    return f"{title} {closest.map.about}, without:\n{_listed(closest.uncovered)}"


def _listed(items: list[str]) -> str:
    lines = [f"  {item}" for item in items[:LISTED]]
    more = len(items) - LISTED
    return "\n".join([*lines, f"  and {more} more"] if more > 0 else lines)
