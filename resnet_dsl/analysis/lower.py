"""Network to graph: every body is written out under the path of its use."""

from __future__ import annotations

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Diagnostic
from resnet_dsl.ir.graph import INPUT, Graph, GraphNode
from resnet_dsl.ir.network import PREVIOUS, BlockCall, Body, Network
from resnet_dsl.limits import NAMES


def lower(network: Network) -> Graph:
    """Return the flat graph of a network."""
    nodes: list[GraphNode] = []
    results: dict[str, str] = {}
    current, length = INPUT, 0
    for (part, path, body), taken in zip(network.parts(), network.taken(), strict=True):
        inputs = [current if name == PREVIOUS else results[name] for name in taken]
        before = len(nodes)
        current = _lower(body, path, part, inputs, nodes)
        length += sum(len(node.name) for node in nodes[before:])
        if length > NAMES.most:
            message = f"the program is too large: the names of its ops have {length:,} characters together"
            raise CompileError([Diagnostic(NAMES.code, message, nodes[-1].author)])
        results[part] = current
        if path:
            results[path] = current
    named = tuple((name, results[name]) for name in network.outputs) or (("output", current),)
    return Graph(network, tuple(nodes), named, tuple(results.items()))


def _lower(body: Body, path: str, part: str, inputs: list[str], nodes: list[GraphNode]) -> str:
    """Append the body's ops to `nodes` and return the name of its result."""
    results: list[str] = []

    def value(index: int) -> str:
        return inputs[-1 - index] if index < 0 else results[index]

    for node in body.nodes:
        name = f"{path}.{node.name}" if path else node.name
        taken = [value(index) for index in node.inputs]
        if isinstance(node.what, BlockCall):
            results.append(_lower(node.what.body, name, part, taken, nodes))
            continue
        shapes = tuple(body.shape_of(index) for index in node.inputs)
        places = node.span, node.author, node.given
        nodes.append(GraphNode(name, node.what, tuple(taken), shapes, node.shape, part, *places))
        results.append(name)
    return value(body.result)
