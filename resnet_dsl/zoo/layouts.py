"""Layouts that a weight has in another world: as stored there, in the axes that torch would have.

Each is a pair of functions on the array and the layer; a shape that is none of that layout is left
as it is, and does not fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from resnet_dsl.ir.graph import Graph, GraphNode
from resnet_dsl.ir.ops import Conv, Flatten
from resnet_dsl.zoo.flattening import flatten_node

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
    """Return the layout of a layer's weight, by its name in a map."""
    shape = next(parameter.shape for parameter in node.op.parameters(*node.input_shapes))
    match name:
        case "conv1x1":
            return _conv1x1(shape)
        case "depthwise":
            return _depthwise(shape, node)
        case _:
            return _flattened(shape, node, graph)


def _conv1x1(shape: Shape) -> Layout:
    """A fully connected layer that is a 1x1 convolution there."""
    theirs = (*shape, 1, 1)
    return Layout(shape, theirs, lambda value: value.reshape(shape), lambda value: value.reshape(theirs))


def _flattened(shape: Shape, node: GraphNode, graph: Graph) -> Layout:
    """A fully connected layer on a map that is flattened in the other order there."""
    flatten = flatten_node(node, graph)
    assert isinstance(flatten.op, Flatten)
    channels, *sizes = flatten.input_shapes[0].at(graph.network.extent)
    axes = {"C": channels, "H": sizes[0], "W": sizes[1]}
    chw, hwc = (tuple(axes[axis] for axis in order) for order in ("CHW", "HWC"))

    def to_chw(value: Array) -> Array:
        return value.reshape(-1, *hwc).transpose(0, 3, 1, 2).reshape(shape)

    def to_hwc(value: Array) -> Array:
        return value.reshape(-1, *chw).transpose(0, 2, 3, 1).reshape(shape)

    changes = (to_chw, to_hwc) if flatten.op.order == "chw" else (to_hwc, to_chw)
    return Layout(shape, shape, *changes)


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
