"""Each layer has tensors of its own: one that several take is there for each of them.

Exporters and tools write equal tensors once. A bias is called as the weight beside it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from resnet_dsl.backend.foreign_graph import ROLES, ForeignNode
from resnet_dsl.backend.records import replace
from resnet_dsl_onnx.exported_graph import CONSTANT, ExportedGraph, GraphTensor


def with_own_tensors(graph: ExportedGraph) -> ExportedGraph:
    """Return the graph with a tensor for each use as part of a layer."""
    uses = Counter(name for node in graph.nodes for name in _parts(node, graph.tensors).values())
    tensors = dict(graph.tensors)
    nodes = []
    called: dict[str, str] = {}
    for node in graph.nodes:
        parts = _parts(node, graph.tensors)
        names = _names(node, parts, graph.origins, uses, called)
        for role, name in names.items():
            tensors[name] = graph.tensors[parts[role]]
            called[name] = parts[role]
        places = {parts[role]: name for role, name in names.items()}
        own = tuple(places.get(name, name) if place else name for place, name in enumerate(node.inputs))
        nodes.append(replace(node, inputs=own))
    taken = {name for node in nodes for name in node.inputs}
    left = {name: tensor for name, tensor in tensors.items() if name in taken}
    return replace(graph, nodes=tuple(nodes), tensors=left)


def _parts(node: ForeignNode, tensors: Mapping[str, GraphTensor]) -> dict[str, str]:
    """The tensors of a layer by their roles."""
    roles = ROLES.get(node.op, ())
    given = zip(roles, node.inputs[1:], strict=False)
    return {role: name for role, name in given if name in tensors and CONSTANT not in name}


def _names(
    node: ForeignNode,
    parts: Mapping[str, str],
    origins: Mapping[str, str],
    uses: Counter[str],
    called: Mapping[str, str],
) -> dict[str, str]:
    """What a layer's tensors are called: as in the file if they are its alone, else by its path there."""
    named = {role: origins.get(name, name) for role, name in parts.items()}
    own = {role: name for role, name in named.items() if uses[parts[role]] == 1}
    paths = [name.removesuffix(f".{role}") for role, name in own.items() if name.endswith(f".{role}")]
    path = paths[0] if paths else ""
    found: dict[str, str] = {}
    for role, name in named.items():
        wanted = name
        if role not in own or (path and not name.endswith(f".{role}")):
            wanted = f"{path}.{role}" if path else f"{node.result}/{role}"
        if not path and name.endswith(f".{role}") and name not in called:
            wanted = name
        if wanted in called or wanted in found.values():
            wanted = f"{node.result}/{role}"
        found[role] = wanted
    return found
