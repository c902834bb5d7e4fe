"""How deep Keras recurses: into one frame for each operation on the longest way through a model."""

from __future__ import annotations

from resnet_dsl.ir import ops
from resnet_dsl.ir.graph import INPUT, Graph

USUAL = 1000  # Python's own limit: what a caller of the model may use in any case
SAFE = 600  # operations that fit into it, with room for a notebook's or a test's own frames


def recursion_limit(graph: Graph, safe: int = SAFE) -> int:
    """Return the recursion limit that building and loading the model needs, 0 where the usual one does."""
    longest = {INPUT: 0}
    for node in graph.nodes:
        longest[node.name] = max(longest[name] for name in node.inputs) + _operations(node.op)
    depth = max(longest.values())
    return depth + USUAL if depth > safe else 0


def _operations(op: ops.Op) -> int:
    """The operations of Keras that an op becomes, at most."""
    match op:
        case ops.Conv():
            return 1 if op.stride == (1, 1) and _keeps_size(op) else 3
        case ops.MaxPool() | ops.Flatten() | ops.FullyConnected() | ops.Affine() | ops.LeakyRelu():
            return 2
        case ops.ChannelConv() | ops.LayerNorm():
            return 3
        case ops.Upsample():
            return 4
        case ops.AvgPool():
            return 5
        case ops.Gelu():
            return 6
        case ops.BlurPool():
            return op.kernel
        case ops.LocalResponseNorm():
            return 8
        case ops.AdaptiveAvgPool():
            return 24
        case _:
            return 1


def _keeps_size(op: ops.Conv) -> bool:
    """Whether the convolution pads by itself, as `same`."""
    spans = [d * (k - 1) for k, d in zip(op.kernel, op.dilation, strict=True)]
    return op.pad == "same" or [2 * pad for pad in op.pad] == spans
