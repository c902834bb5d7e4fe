"""Network to graph: every body is written out under the path of its use."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Diagnostic
from resnet_dsl.ir.graph import INPUT, Graph, GraphNode, Repeated
from resnet_dsl.ir.network import PREVIOUS, BlockCall, Body, FurtherResult, Network, Node, Placed
from resnet_dsl.limits import NAMES
from resnet_dsl.records import dataclass


@dataclass(frozen=True, eq=False)
class Lowered:
    """A network's graph in two forms: with runs of equal blocks once, and flat for who asks.

    What is counted or decided needs the first alone, so that a deep network costs what a shallow one does.
    `given` is both, where the graph is not made from the network.
    """

    network: Network
    given: Graph | None = None

    @cached_property
    def runs(self) -> Graph:
        """The graph in which blocks that are alike are there once."""
        return self.given or _graph(self.network, tuple(self.network.runs()))

    @cached_property
    def flat(self) -> Graph:
        """The graph of all ops."""
        return self.given or lower(self.network)


def lower(network: Network) -> Graph:
    """Return the flat graph of a network."""
    return _graph(network, tuple(network.placed()))


def _graph(network: Network, placed: Iterable[Placed]) -> Graph:
    nodes: list[GraphNode] = []
    found: dict[str, list[str]] = {}  # by part or block, its results
    results: dict[str, str] = {}
    repeated: dict[str, Repeated] = {}
    current, length = INPUT, 0
    made = dict[str, GraphNode]()
    places = network.places(placed)

    def result(name: str) -> str:
        if name == INPUT:
            return INPUT
        part, position = places[name]
        return found[part][position]

    for part, path, run in placed:
        inputs = [current if name == PREVIOUS else result(name) for name in run.inputs]
        own, before = path or part, len(nodes)
        place = _Place(path, part, run.owner or path, run.count)
        found[own] = _lower(run.body, place, inputs, nodes, made)
        length = _with_names(length, nodes[before:], place)
        start, current = current, found[own][0]
        if run.count > 1 and current != start:
            repeated[current] = Repeated(start, run.count)
        results[part] = current
        if path:
            results[path] = current
    named = tuple((name, result(name)) for name in network.outputs) or (("output", current),)
    return Graph(network, tuple(nodes), named, tuple(results.items()), repeated)


class _Place(NamedTuple):
    """Where a body stands: its path and part, the path of its tensors, and how often it is in a row."""

    path: str
    part: str
    home: str
    times: int

    def step(self, node: Node) -> _Place:
        """The place of a step of the body."""
        front, home = (f"{path}." if path else "" for path in (self.path, self.home))
        return self._replace(path=f"{front}{node.name}", home=f"{home}{node.owner or node.name}")


def _with_names(length: int, nodes: list[GraphNode], place: _Place) -> int:
    """Add the characters of the names of a run's ops, which differ in the number of the block."""
    own = sum(len(node.name) for node in nodes)
    number = place.path.rpartition(".")[2]
    for each in range(int(number), int(number) + place.times) if place.times > 1 else (number,):
        length += own + len(nodes) * (len(str(each)) - len(number))
        if length > NAMES.most:
            message = f"the program is too large: the names of its ops have {length:,} characters together"
            raise CompileError([Diagnostic(NAMES.code, message, nodes[-1].author)])
    return length


def _lower(
    body: Body, place: _Place, inputs: list[str], nodes: list[GraphNode], made: dict[str, GraphNode]
) -> list[str]:
    """Append the body's ops to `nodes` and return the names of its results; `made` has all by name."""
    results: list[str] = []
    several: dict[int, list[str]] = {}  # by call, all its results

    def value(index: int) -> str:
        return inputs[-1 - index] if index < 0 else results[index]

    for number, node in enumerate(body.nodes):
        if isinstance(node.what, FurtherResult):
            results.append(several[node.inputs[0]][node.what.position])
            continue
        name, part, home, times = own = place.step(node)
        taken = [value(index) for index in node.inputs]
        if isinstance(node.what, BlockCall):
            several[number] = _lower(node.what.body, own, taken, nodes, made)
            results.append(several[number][0])
            continue
        shapes = tuple(body.shape_of(index) for index in node.inputs)
        places = node.span, node.author, node.given
        owner = None if home == name else made[home]
        step = GraphNode(name, node.what, tuple(taken), shapes, node.shape, part, *places, owner, times)
        made[name] = step
        nodes.append(step)
        results.append(name)
    return list(map(value, body.results))
