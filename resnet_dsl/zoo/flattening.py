"""The flatten before a fully connected layer, whose order its weights follow."""

from __future__ import annotations

from resnet_dsl.diagnostics.model import UsageError
from resnet_dsl.ir.graph import Graph, GraphNode
from resnet_dsl.ir.ops import Flatten


def flattened(node: GraphNode, graph: Graph) -> Flatten:
    """Return the flatten that a layer takes the result of; raises UsageError if there is none."""
    op = flatten_node(node, graph).op
    assert isinstance(op, Flatten)
    return op


def flatten_node(node: GraphNode, graph: Graph) -> GraphNode:
    """Return the node of that flatten; what keeps the order of a vector may lie between."""
    nodes = {each.name: each for each in graph.nodes}
    found = nodes.get(node.inputs[0])
    while found is not None and not isinstance(found.op, Flatten):
        keeps = len(found.inputs) == 1 and found.shape == found.input_shapes[0] and found.shape.is_vector
        found = nodes.get(found.inputs[0]) if keeps else None
    if found is None:
        raise UsageError(f"{node.name}: its input is no flattened map, as the names of that world mean")
    return found
