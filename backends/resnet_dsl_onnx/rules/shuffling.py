"""Values moved between channels and pixels, in the order of channels that torch has."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_dsl.backend.ir import Extent, GraphNode, ops
from resnet_dsl_onnx.nodes import Constant, OnnxNode, step
from resnet_dsl_onnx.rules.lowering import lower


@lower.register
def pixel_shuffle(op: ops.PixelShuffle, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield the node of channels as pixels."""
    yield OnnxNode("DepthToSpace", node.inputs, {"blocksize": op.factor, "mode": "CRD"})


@lower.register
def pixel_unshuffle(op: ops.PixelUnshuffle, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield the nodes of pixels as channels: of what makes whole squares, the channels in torch's order.

    `SpaceToDepth` with channels put in order behind it is shorter, and OpenVINO computes other numbers.
    """
    (x,), factor = node.inputs, op.factor
    sizes = [extent.of(size) for size in node.input_shapes[0].spatial]
    if any(size is None or size % factor for size in sizes):
        size = yield from step(node.name, "size", "Shape", x, start=2, end=4)
        squares = yield from step(node.name, "squares", "Div", size, Constant("int64", (factor,)))
        end = yield from step(node.name, "end", "Mul", squares, Constant("int64", (factor,)))
        bounds = (Constant("int64", (0, 0)), end, Constant("int64", (2, 3)))
        x = yield from step(node.name, "whole", "Slice", x, *bounds)
    # What a size divided by the factor is, follows from the rest: one side of a square at a time.
    x = yield from step(node.name, "columns", "Reshape", x, _sizes(0, 0, 0, -1, factor), allowzero=0)
    x = yield from step(node.name, "turned", "Transpose", x, perm=(0, 1, 4, 3, 2))
    x = yield from step(node.name, "rows", "Reshape", x, _sizes(0, 0, 0, 0, -1, factor), allowzero=0)
    x = yield from step(node.name, "pixels", "Transpose", x, perm=(0, 4, 3, 1, 5, 2))
    x = yield from step(node.name, "channels", "Reshape", x, _sizes(0, 0, 0, -1), allowzero=0)
    yield OnnxNode("Transpose", (x,), {"perm": (0, 3, 1, 2)})


@lower.register
def channel_shuffle(op: ops.ChannelShuffle, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield the node of channels in another order."""
    channels = node.shape.channels
    order = op.order(channels)
    constant = Constant("int64", order, (len(order),), f"shuffled/{channels}/{op.groups}")
    yield OnnxNode("Gather", (node.inputs[0], constant), {"axis": 1})


def _sizes(*sizes: int) -> Constant:
    return Constant("int64", sizes)
