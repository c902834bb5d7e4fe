"""Channels that come last in a file come second: transposes are taken along, as far as they cancel out.

A value that is transposed keeps standing for itself, and its order is remembered. What does the same to
each number takes it as it is; where the order matters the transpose is put back.
"""

from __future__ import annotations

from resnet_dsl.backend.foreign_graph import ForeignNode
from resnet_dsl.backend.records import replace
from resnet_dsl_onnx.exported_graph import ExportedGraph, GraphTensor
from resnet_dsl_onnx.plain.fixed_values import reordered, reshaped
from resnet_dsl_onnx.plain.rewriting import ACTIVATIONS, Form, Rewriting

FROM_LAST = (0, 3, 1, 2)
PAIRS = ("Add", "Div", "Max", "Min", "Mul", "Sub", "Sum")
PASSING = ("Add", "Cast", "Identity", "Mul", "Pad", "Sub", "Div")


def is_channels_last(graph: ExportedGraph) -> bool:
    """Whether the images are of such an order: all that takes them has it changed soon."""
    values = {graph.input}
    found = False
    if len(graph.sizes) != 4:
        return False
    for node in graph.nodes:
        if values.isdisjoint(node.inputs):
            continue
        if node.op == "Transpose":
            if node.attributes.get("perm") != FROM_LAST:
                return False
            found = True
        elif node.op in PASSING:
            values.update(node.outputs)
        else:
            return False
    return found


def _transpose(walk: Rewriting, node: ForeignNode) -> bool:
    value, order = walk.stands(node.inputs[0])
    perm = node.attributes.get("perm", tuple(range(len(order)))[::-1])
    if value in walk.tensors or sorted(perm) != list(range(len(order))):
        return False
    walk.alias(node.result, value, tuple(order[axis] for axis in perm))
    return True


def _single(walk: Rewriting, node: ForeignNode) -> bool:
    """What takes one value and does the same everywhere."""
    if not walk.is_reordered(node.inputs[0]):
        return False
    value, order = walk.stands(node.inputs[0])
    walk.add(replace(node, inputs=(value, *map(walk.value, node.inputs[1:]))))
    walk.orders[node.result] = order
    return True


def _pair(walk: Rewriting, node: ForeignNode) -> bool:
    """Two values of one order, or one and numbers along its axes."""
    computed = [name for name in node.inputs if name not in walk.tensors]
    if len(node.inputs) != 2 or not any(map(walk.is_reordered, computed)):
        return False
    orders = {walk.stands(name)[1] for name in computed}
    order = orders.pop()
    if orders:
        return False
    inputs = []
    for name in node.inputs:
        if name in walk.tensors:
            turned = along(walk.tensors[name], order)
            if turned is None:
                return False
            name_there = f"{node.result}/{name}"
            walk.derived(turned, name_there, name)
            inputs.append(name_there)
        else:
            inputs.append(walk.stands(name)[0])
    walk.add(replace(node, inputs=tuple(inputs)))
    walk.orders[node.result] = order
    return True


def along(tensor: GraphTensor, order: tuple[int, ...]) -> GraphTensor | None:
    """Return numbers along axes of such an order as they are along ours."""
    if not tensor.shape:
        return tensor
    whole = reshaped(tensor, (*[1] * (len(order) - len(tensor.shape)), *tensor.shape))
    if whole is None or len(whole.shape) != len(order):
        return None
    return reordered(whole, [order.index(axis) for axis in range(len(order))])


def _along_axis(walk: Rewriting, node: ForeignNode) -> bool:
    """What works along one axis, of values of one order."""
    orders = {walk.stands(name)[1] for name in node.inputs}
    axis = node.attributes.get("axis", -1)
    if not any(map(walk.is_reordered, node.inputs)) or len(orders) != 1 or not isinstance(axis, int):
        return False
    order = orders.pop()
    if not -len(order) <= axis < len(order):
        return False
    inputs = tuple(walk.stands(name)[0] for name in node.inputs)
    walk.add(replace(node, inputs=inputs, attributes={**node.attributes, "axis": order[axis]}))
    walk.orders[node.result] = order
    return True


ORDER_FORMS: dict[str, Form] = {
    **dict.fromkeys((*ACTIVATIONS, "Dropout"), _single),
    **dict.fromkeys(PAIRS, _pair),
    "Concat": _along_axis,
    "Softmax": _along_axis,
    "Transpose": _transpose,
}
