"""A map of names held against a graph: what it calls layers, which it does not name, what does not hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

from resnet_dsl.ir.graph import Graph, GraphNode
from resnet_dsl.records import dataclass
from resnet_dsl.zoo.conditions import Unmet, unmet
from resnet_dsl.zoo.layouts import ORDERS, flatten_before, is_flattened
from resnet_dsl.zoo.name_maps import BlockRule, NameMap, NameRule
from resnet_dsl.zoo.patterns import LAST, Pattern, fill

INDEX = "index"
"""In every name: how many ops come before the layer, from the input on or from the last `flatten`."""
BLOCK = "block"
"""In names within blocks: how many blocks of the stages come before."""
HEAD = "head"
"""The part of a network that may have layers of one's own, which no map names."""


@dataclass(frozen=True)
class NamedLayer:
    """A layer with tensors, as it is called and kept there; `is_tensor` if its one tensor is called so."""

    node: GraphNode
    theirs: str
    bias: bool | None = None
    layout: str | None = None
    is_tensor: bool = False


class _Match(NamedTuple):
    """What a map's rules find for a layer: its name there, and where in the order of layers it is."""

    rule: NameRule
    theirs: str
    in_block: bool
    place: int


class Candidate:
    """A map held against a graph; `called` are layers that the person names."""

    def __init__(self, map: NameMap, graph: Graph, called: Mapping[str, str]) -> None:
        self.map = map
        self.graph = graph
        self.called = called
        self.paths = {path for path, _ in graph.parts}
        self.numbered = _numbered(graph)
        self.owners = owners(graph)

    @cached_property
    def found(self) -> dict[str, _Match | None]:
        """What the rules find for each op."""
        return {node.name: self._match(node.name, index) for node, index in _indexed(self.graph)}

    @cached_property
    def uncovered(self) -> list[str]:
        """The layers with tensors that no rule finds."""
        return [node.name for node in self.owners if self.found[node.name] is None]

    @cached_property
    def unmet(self) -> list[Unmet]:
        """What of the map's conditions does not hold."""
        covered = (path for path, match in self.found.items() if match is not None)
        eps = {} if self.map.eps is None else dict.fromkeys(covered, self.map.eps)
        return unmet(self.map.where, eps, self.graph)

    @property
    def lacking(self) -> list[str]:
        """The layers without a name that may not be the person's own: all but those of the head."""
        own = {node.name for node in self.owners if node.part == HEAD}
        named = len(self.owners) - len(self.uncovered)
        return [path for path in self.uncovered if path not in own or not named]

    def distance(self) -> tuple[int, int]:
        """How far the graph is from the map's networks: layers that it lacks, then others that differ."""
        lacking = sum(each.lacking for each in self.unmet)
        return lacking, sum(each.layers for each in self.unmet)

    def first(self) -> str | None:
        """What the first layer with tensors is called there, if it is named."""
        if not self.owners:
            return None
        first = self.owners[0]
        index = next(index for node, index in _indexed(self.graph) if node is first)
        match = self._match(first.name, index)
        return None if match is None else match.theirs

    def _match(self, path: str, index: int) -> _Match | None:
        if path in self.called:
            return _Match(NameRule(Pattern(path), self.called[path]), self.called[path], False, 0)
        for block, numbers, inside in self._blocks_of(path):
            found = _first(block.layers, inside)
            if found is not None:
                rule, more, place = found
                known = {**numbers, **more, INDEX: index}
                name = fill(block.name_of(rule, self.map.separator), known, rule.ours.rest(inside))
                return _Match(rule, name, True, place)
        found = _first(self.map.layers, path)
        if found is not None:
            rule, numbers, _ = found
            name = fill(rule.theirs, {**numbers, INDEX: index}, rule.ours.rest(path))
            return _Match(rule, name, False, 0)
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
            block = self._block_of(node.name)[0] if match is not None and match.in_block else node.name
            place = 0 if match is None else match.place
            places[node.name] = begun.setdefault(block, position), place
            found[node.name] = self._own(node) if match is None else self._named(node, match)
        return {path: found[path] for path in sorted(found, key=places.__getitem__)}

    def _named(self, node: GraphNode, match: _Match) -> NamedLayer:
        layout = match.rule.layout or self._order(node)
        if layout in ORDERS and flatten_before(node, self.graph).op.flattens == layout:
            layout = None  # the weight lies as it does here
        return NamedLayer(node, match.theirs, match.rule.bias, layout, match.rule.is_tensor)

    def _own(self, node: GraphNode) -> NamedLayer:
        return NamedLayer(node, node.name, None, self._order(node))

    def _order(self, node: GraphNode) -> str | None:
        """How the weight of a layer on a flattened map lies there, if otherwise than here."""
        order = self.map.style.flattened
        return order if is_flattened(node, self.graph, order) else None

    def _blocks_of(self, path: str) -> Iterator[tuple[BlockRule, dict[str, int], str]]:
        """Yield the rules of blocks that a path is within, the numbers, and the path inside."""
        for block in self.map.blocks:
            found = block.ours.within(path)
            if found is None:
                continue
            numbers, inside = found
            front = path[: -len(inside) - 1]
            if LAST in numbers and f"{block.ours.before_last(front)}{numbers[LAST] + 1}" in self.paths:
                continue
            yield block, {**numbers, BLOCK: self.numbered.get(front, 0)}, inside

    def _block_of(self, path: str) -> tuple[str, str]:
        """The path of the block that a rule finds around a layer, and the block's name there."""
        for block, numbers, inside in self._blocks_of(path):
            if block.theirs:
                return path[: -len(inside) - 1], fill(block.theirs, numbers)
            return path[: -len(inside) - 1], ""
        return "", ""

    def names(self) -> dict[str, str]:
        """Every path with its name, blocks among them; layers without tensors may have none of theirs."""
        names: dict[str, str] = {}
        for path, match in self.found.items():
            block, theirs = self._block_of(path)
            if theirs:
                names[block] = theirs
            if match is not None:
                names[path] = match.theirs
            elif theirs:
                rest = path[len(block) + 1 :].replace(".", self.map.separator)
                names[path] = f"{theirs}{self.map.separator}{rest}"
            else:
                names[path] = path
        return names


def owners(graph: Graph) -> list[GraphNode]:
    """Return the layers with tensors of their own: what is applied again is the layer it was before."""
    return [node for node in graph.nodes if node.owner is None and any(True for _ in node.parameters())]


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


def _numbered(graph: Graph) -> dict[str, int]:
    """The blocks of all stages, numbered through."""
    blocks = [path for path, _ in graph.parts if path.rpartition(".")[2].isdecimal()]
    return {path: number for number, path in enumerate(blocks)}
