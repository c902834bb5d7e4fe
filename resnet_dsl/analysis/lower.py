"""Network to graph: every body is written out under the path of its use."""

from __future__ import annotations

from typing import NamedTuple

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Diagnostic
from resnet_dsl.ir.graph import INPUT, Graph, GraphNode
from resnet_dsl.ir.network import PREVIOUS, BlockCall, Body, FurtherResult, Network, Node
from resnet_dsl.limits import NAMES


def lower(network: Network) -> Graph:
    """Return the flat graph of a network."""
    nodes: list[GraphNode] = []
    found: dict[str, list[str]] = {}  # by part or block, its results
    results: dict[str, str] = {}
    current, length = INPUT, 0
    owners, made = network.owners(), dict[str, GraphNode]()
    places = network.places()

    def result(name: str) -> str:
        if name == INPUT:
            return INPUT
        part, position = places[name]
        return found[part][position]

    for (part, path, body), taken in zip(network.parts(), network.taken(), strict=True):
        inputs = [current if name == PREVIOUS else result(name) for name in taken]
        before = len(nodes)
        place = _Place(path, part, owners.get(path, path))
        found[path or part] = _lower(body, place, inputs, nodes, made)
        current = found[path or part][0]
        length += sum(len(node.name) for node in nodes[before:])
        if length > NAMES.most:
            message = f"the program is too large: the names of its ops have {length:,} characters together"
            raise CompileError([Diagnostic(NAMES.code, message, nodes[-1].author)])
        results[part] = current
        if path:
            results[path] = current
    named = tuple((name, result(name)) for name in network.outputs) or (("output", current),)
    return Graph(network, tuple(nodes), named, tuple(results.items()))


class _Place(NamedTuple):
    """Where a body stands: its path and part, and the path under which its tensors are."""

    path: str
    part: str
    home: str

    def step(self, node: Node) -> _Place:
        """The place of a step of the body."""
        front, home = (f"{path}." if path else "" for path in (self.path, self.home))
        return _Place(f"{front}{node.name}", self.part, f"{home}{node.owner or node.name}")


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
        name, _, home = own = place.step(node)
        taken = [value(index) for index in node.inputs]
        if isinstance(node.what, BlockCall):
            several[number] = _lower(node.what.body, own, taken, nodes, made)
            results.append(several[number][0])
            continue
        shapes = tuple(body.shape_of(index) for index in node.inputs)
        places = node.span, node.author, node.given
        owner = None if home == name else made[home]
        step = GraphNode(name, node.what, tuple(taken), shapes, node.shape, place.part, *places, owner)
        made[name] = step
        nodes.append(step)
        results.append(name)
    return list(map(value, body.results))
