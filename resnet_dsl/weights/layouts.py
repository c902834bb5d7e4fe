"""Layouts that a weight has in another world: as stored there, in the axes that torch would have.

Each is a pair of functions on the array and the layer; a shape that is none of that layout is left
as it is, and does not fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from resnet_dsl.diagnostics import UsageError
from resnet_dsl.ir.graph import Graph, GraphNode
from resnet_dsl.ir.ops import Conv, Flatten

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
Change = Callable[[Array], Array]


class Layout(NamedTuple):
    """A weight of another world: its shape here and there, and the way from there and back."""

    ours: Shape
    theirs: Shape
    to_ours: Change
    to_theirs: Change


def layout_of(name: str, node: GraphNode, graph: Graph) -> Layout:
    """Return the layout of a layer's weight; raises UsageError where the layer cannot have it."""
    shape = next(parameter.shape for parameter in node.op.parameters(*node.input_shapes))
    match name:
        case "conv1x1":
            return _conv1x1(shape)
        case "hwc":
            return _hwc(shape, node, graph)
        case "depthwise":
            return _depthwise(shape, node)
        case _:
            raise ValueError(name)


def _conv1x1(shape: Shape) -> Layout:
    """A fully connected layer that is a 1x1 convolution there."""
    theirs = (*shape, 1, 1)
    return Layout(shape, theirs, lambda value: value.reshape(shape), lambda value: value.reshape(theirs))


def _hwc(shape: Shape, node: GraphNode, graph: Graph) -> Layout:
    """A fully connected layer on a map that was flattened with its channels innermost."""
    rows = shape[0]
    channels, height, width = _flattened(node, graph)

    def to_ours(value: Array) -> Array:
        return value.reshape(rows, height, width, channels).transpose(0, 3, 1, 2).reshape(shape)

    def to_theirs(value: Array) -> Array:
        return value.reshape(rows, channels, height, width).transpose(0, 2, 3, 1).reshape(shape)

    return Layout(shape, shape, to_ours, to_theirs)


def _flattened(node: GraphNode, graph: Graph) -> Shape:
    """The shape of the map that a layer takes flattened; what leaves its input as it is may lie between."""
    nodes = {each.name: each for each in graph.nodes}
    found = nodes.get(node.inputs[0])
    while found is not None and not isinstance(found.op, Flatten) and len(found.inputs) == 1:
        found = nodes.get(found.inputs[0]) if found.shape == found.input_shapes[0] else None
    if found is None or not isinstance(found.op, Flatten):
        raise UsageError(f"{node.name}: its input is no flattened map, which the names of that world mean")
    sizes = [size for size in found.input_shapes[0].at(graph.network.extent) if size is not None]
    return tuple(sizes)


def _depthwise(shape: Shape, node: GraphNode) -> Layout:
    """A grouped convolution that is there a depthwise one whose results are summed over each group."""
    assert isinstance(node.op, Conv)
    groups = node.op.groups
    out, each, *kernel = shape
    theirs = (out // groups, groups * each, *kernel)

    def to_ours(value: Array) -> Array:
        apart = value.reshape(out // groups, groups, each, *kernel)
        return apart.transpose(1, 0, 2, 3, 4).reshape(shape)

    def to_theirs(value: Array) -> Array:
        apart = value.reshape(groups, out // groups, each, *kernel)
        return apart.transpose(1, 0, 2, 3, 4).reshape(theirs)

    return Layout(shape, theirs, to_ours, to_theirs)
