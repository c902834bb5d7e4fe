"""Values moved between channels and pixels; ONNX has another order of channels than torch on the way back."""

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
    """Yield the nodes of pixels as channels: what makes whole squares, and the channels in torch's order."""
    (x,), factor = node.inputs, op.factor
    sizes = [extent.of(size) for size in node.input_shapes[0].spatial]
    if any(size is None or size % factor for size in sizes):
        size = yield from step(node.name, "size", "Shape", x, start=2, end=4)
        squares = yield from step(node.name, "squares", "Div", size, Constant("int64", (factor,)))
        end = yield from step(node.name, "end", "Mul", squares, Constant("int64", (factor,)))
        bounds = (Constant("int64", (0, 0)), end, Constant("int64", (2, 3)))
        x = yield from step(node.name, "whole", "Slice", x, *bounds)
    x = yield from step(node.name, "pixels", "SpaceToDepth", x, blocksize=factor)
    channels, square = node.input_shapes[0].channels, factor * factor
    order = tuple(place * channels + channel for channel in range(channels) for place in range(square))
    yield _taken(x, order, f"unshuffled/{channels}/{factor}")


@lower.register
def channel_shuffle(op: ops.ChannelShuffle, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield the node of channels in another order."""
    channels = node.shape.channels
    yield _taken(node.inputs[0], op.order(channels), f"shuffled/{channels}/{op.groups}")


def _taken(x: str, order: tuple[int, ...], name: str) -> OnnxNode:
    return OnnxNode("Gather", (x, Constant("int64", order, (len(order),), name)), {"axis": 1})
