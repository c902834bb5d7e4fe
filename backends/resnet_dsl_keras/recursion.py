"""How deep Keras recurses: into one frame for each operation on the longest way through a model."""

from __future__ import annotations

from resnet_dsl.backend.ir import INPUT, Graph
from resnet_dsl_keras.rules import lowered_node

USUAL = 1000  # Python's own limit: what a caller of the model may use in any case
SAFE = 600  # operations that fit into it, with room for a notebook's or a test's own frames


def recursion_limit(graph: Graph, safe: int = SAFE) -> int:
    """Return the recursion limit that building and loading the model needs, 0 where the usual one does."""
    longest = {INPUT: 0}
    depths: dict[tuple[int, ...], int] = {}  # uses of one body are written alike
    for node in graph.nodes:
        key = id(node.op), id(node.shape), *map(id, node.input_shapes)
        if key not in depths:
            depths[key] = lowered_node(node).depth
        longest[node.name] = max(longest[name] for name in node.inputs) + depths[key]
    depth = max(longest.values())
    return depth + USUAL if depth > safe else 0
