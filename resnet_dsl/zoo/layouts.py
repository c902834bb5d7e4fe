"""Layouts that a weight has in another library: as stored there, in the axes that torch would have.

Each is a pair of functions on the array; a shape that is none of that layout is left as it is, and
does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.graph import Graph, GraphNode

Dimensions = tuple[int, ...]
Change = Callable[[Array], Array]


class Layout(NamedTuple):
    """A weight of another library: its shape here and there, and the way from there and back."""

    ours: Dimensions
    theirs: Dimensions
    to_ours: Change
    to_theirs: Change


def layout_of(name: str, node: GraphNode, graph: Graph) -> Layout:
    """Return the layout of a layer's first tensor, its weight, by the layout's name in a map."""
    weight = next(parameter for _, parameter in node.parameters())
    return LAYOUTS[name](weight.shape, node, graph)


def layout_of_length(name: str, node: GraphNode, graph: Graph, there: Dimensions) -> Layout | None:
    """Return the layout by which a weight of this shape there is the layer's, one axis longer or shorter."""
    weight = next(parameter for _, parameter in node.parameters())
    if name == DEPTHWISE:
        return None  # of another length it is of other groups
    for axis in range(len(weight.shape)):
        for length in dict.fromkeys(there):
            shape = (*weight.shape[:axis], length, *weight.shape[axis + 1 :])
            layout = LAYOUTS[name](shape, node, graph)
            if layout.theirs == there:
                return layout
    return None


def flatten_before(node: GraphNode, graph: Graph) -> GraphNode:
    """Return the flatten whose order a layer's weight follows; raises UsageError if there is none."""
    found = _flatten_before(node, graph)
    if found is None:
        raise UsageError(f"{node.name}: its input is no flattened map, as the names of that library mean")
    return found


def is_flattened(node: GraphNode, graph: Graph, order: str) -> bool:
    """Whether a layer takes a map that is flattened in another order than this."""
    if node.tensor("weight") is None or not node.input_shapes[0].is_vector:
        return False
    found = _flatten_before(node, graph)
    return found is not None and found.op.flattens != order


def _flatten_before(node: GraphNode, graph: Graph) -> GraphNode | None:
    nodes = {each.name: each for each in graph.nodes}
    found = nodes.get(node.inputs[0])
    while found is not None and not found.op.flattens:
        # What works on a vector value by value, as an activation does, may lie between.
        keeps = len(found.inputs) == 1 and found.shape == found.input_shapes[0] and found.shape.is_vector
        found = nodes.get(found.inputs[0]) if keeps and found.tensor("weight") is None else None
    return found


def _conv1x1(shape: Dimensions, node: GraphNode, graph: Graph) -> Layout:
    """A fully connected layer that is a 1x1 convolution there."""
    theirs = (*shape, 1, 1)
    return Layout(shape, theirs, lambda value: value.reshape(shape), lambda value: value.reshape(theirs))


def _linear(shape: Dimensions, node: GraphNode, graph: Graph) -> Layout:
    """A 1x1 convolution that is a fully connected layer there, along the channels of each pixel."""
    if shape[2:] != (1, 1):
        return Layout(shape, shape, lambda value: value, lambda value: value)
    theirs = shape[:2]
    return Layout(shape, theirs, lambda value: value.reshape(shape), lambda value: value.reshape(theirs))


def _scalar(shape: Dimensions, node: GraphNode, graph: Graph) -> Layout:
    """One number, which has no axis there."""
    theirs = () if shape == (1,) else shape
    return Layout(shape, theirs, lambda value: value.reshape(shape), lambda value: value.reshape(theirs))


def laid_out(node: GraphNode) -> str:
    """Return the full name of the tensor that the layouts of a layer are of, or nothing if it has none."""
    return next((name for name, _ in node.parameters()), "")


def _axes(order: str) -> Callable[[Dimensions, GraphNode, Graph], Layout]:
    """A weight whose axes come in this order there, by their places here."""
    there = [int(axis) for axis in order]
    back = [there.index(axis) for axis in range(len(there))]

    def layout(shape: Dimensions, node: GraphNode, graph: Graph) -> Layout:
        if len(shape) != len(there):
            return Layout(shape, shape, lambda value: value, lambda value: value)
        theirs = tuple(shape[axis] for axis in there)
        return Layout(shape, theirs, lambda v: v.transpose(back), lambda v: v.transpose(there))

    return layout


def _kernel_1x1_hwio(shape: Dimensions, node: GraphNode, graph: Graph) -> Layout:
    """A fully connected layer that is a 1x1 convolution there, of the layout of TensorFlow."""
    theirs = (1, 1, *reversed(shape))
    return Layout(shape, theirs, lambda v: v.reshape(theirs[2:]).T, lambda v: v.T.reshape(theirs))


def _flattened(shape: Dimensions, node: GraphNode, graph: Graph) -> Layout:
    """A fully connected layer on a map that is flattened in the other order there."""
    flatten = flatten_before(node, graph)
    channels, *sizes = flatten.input_shapes[0].at(graph.network.extent)
    axes = {"C": channels, "H": sizes[0], "W": sizes[1]}
    chw, hwc = (tuple(axes[axis] for axis in order) for order in ("CHW", "HWC"))

    def to_chw(value: Array) -> Array:
        return value.reshape(-1, *hwc).transpose(0, 3, 1, 2).reshape(shape)

    def to_hwc(value: Array) -> Array:
        return value.reshape(-1, *chw).transpose(0, 2, 3, 1).reshape(shape)

    changes = (to_chw, to_hwc) if flatten.op.flattens == "chw" else (to_hwc, to_chw)
    return Layout(shape, shape, *changes)


def _depthwise(shape: Dimensions, node: GraphNode, graph: Graph) -> Layout:
    """A grouped convolution that is there a depthwise one whose results are summed over each group."""
    out, each, *kernel = shape
    groups = node.input_shapes[0].channels // each
    theirs = (out // groups, groups * each, *kernel)

    def to_ours(value: Array) -> Array:
        apart = value.reshape(out // groups, groups, each, *kernel)
        return apart.transpose(1, 0, 2, 3, 4).reshape(shape)

    def to_theirs(value: Array) -> Array:
        apart = value.reshape(groups, out // groups, each, *kernel)
        return apart.transpose(1, 0, 2, 3, 4).reshape(theirs)

    return Layout(shape, theirs, to_ours, to_theirs)


CONV1X1 = "conv1x1"
DEPTHWISE = "depthwise"
ORDERS = ("chw", "hwc")
"""Layouts of a layer that takes a flattened map: which of its axes was outermost there."""
LAYOUTS: Mapping[str, Callable[[Dimensions, GraphNode, Graph], Layout]] = {
    CONV1X1: _conv1x1,
    "linear": _linear,
    "scalar": _scalar,
    DEPTHWISE: _depthwise,
    "io": _axes("10"),
    "hwio": _axes("2310"),
    "hwio1x1": _kernel_1x1_hwio,
    **dict.fromkeys(ORDERS, _flattened),
}
