"""Network to graph: every body is written out under the path of its use."""

from __future__ import annotations

from typing import NamedTuple

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Diagnostic
from resnet_dsl.ir.graph import INPUT, Graph, GraphNode
from resnet_dsl.ir.network import PREVIOUS, BlockCall, Body, Network, Node
from resnet_dsl.limits import NAMES


def lower(network: Network) -> Graph:
    """Return the flat graph of a network."""
    nodes: list[GraphNode] = []
    results: dict[str, str] = {}
    current, length = INPUT, 0
    owners, made = network.owners(), dict[str, GraphNode]()
    for (part, path, body), taken in zip(network.parts(), network.taken(), strict=True):
        inputs = [current if name == PREVIOUS else results[name] for name in taken]
        before = len(nodes)
        place = _Place(path, part, owners.get(path, path))
        current = _lower(body, place, inputs, nodes, made)
        length += sum(len(node.name) for node in nodes[before:])
        if length > NAMES.most:
            message = f"the program is too large: the names of its ops have {length:,} characters together"
            raise CompileError([Diagnostic(NAMES.code, message, nodes[-1].author)])
        results[part] = current
        if path:
            results[path] = current
    named = tuple((name, results[name]) for name in network.outputs) or (("output", current),)
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
) -> str:
    """Append the body's ops to `nodes` and return the name of its result; `made` has all by name."""
    results: list[str] = []

    def value(index: int) -> str:
        return inputs[-1 - index] if index < 0 else results[index]

    for node in body.nodes:
        name, _, home = own = place.step(node)
        taken = [value(index) for index in node.inputs]
        if isinstance(node.what, BlockCall):
            results.append(_lower(node.what.body, own, taken, nodes, made))
            continue
        shapes = tuple(body.shape_of(index) for index in node.inputs)
        places = node.span, node.author, node.given
        owner = None if home == name else made[home]
        step = GraphNode(name, node.what, tuple(taken), shapes, node.shape, place.part, *places, owner)
        made[name] = step
        nodes.append(step)
        results.append(name)
    return value(body.result)
