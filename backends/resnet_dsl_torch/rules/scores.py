"""What an output is to a loss: logits, or the probabilities that the loss' own activation makes of them."""

from __future__ import annotations

from resnet_dsl.backend.ir import Graph, ops


def gives_probabilities(graph: Graph, output: str, binary: bool) -> bool:
    """Whether an output is a softmax over classes, or for a binary loss a sigmoid."""
    result = dict(graph.outputs)[output]
    last = next(node for node in graph.nodes if node.name == result)
    return last.op == (ops.Sigmoid() if binary else ops.Softmax("channels", 1))
