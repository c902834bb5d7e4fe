"""What training asks of ops: which output is the activation of its loss, and what drops whole branches."""

from __future__ import annotations

from resnet_dsl.backend.ir import Graph, GraphNode, ops

SOFTMAX, SIGMOID = ops.Softmax("channels", 1), ops.Sigmoid()


def activation_of(graph: Graph, output: str, binary: bool) -> GraphNode | None:
    """Return the op that makes probabilities of logits at the end of an output, None if there is none."""
    name = dict(graph.outputs)[output]
    node = next(node for node in graph.nodes if node.name == name)
    return node if node.op == (SIGMOID if binary else SOFTMAX) else None


def drop_rate(node: GraphNode) -> float:
    """Return the probability with which an op drops in training."""
    return node.op.rate if isinstance(node.op, ops.Dropout | ops.StochasticDepth) else 0.0


def drops_branches(node: GraphNode) -> bool:
    """Whether an op drops the whole of an image."""
    return isinstance(node.op, ops.StochasticDepth)
