"""Layers that are spelt otherwise, and what before or behind them can be part of them.

Numbers by which the channels of a layer's result are multiplied, and those that are added, are taken
into its weight and bias: so a norm that an exporter has evaluated ends where other exporters put it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb, prod
from typing import Any

import numpy as np

from resnet_dsl.backend.foreign_graph import ForeignNode
from resnet_dsl.backend.ir import Array
from resnet_dsl.backend.records import replace
from resnet_dsl_onnx.exported_graph import CONSTANT, GraphTensor, array_tensor
from resnet_dsl_onnx.plain.channel_order import along
from resnet_dsl_onnx.plain.fixed_values import MOST_FILLED, combined, reordered, reshaped
from resnet_dsl_onnx.plain.rewriting import Form, Rewriting
from resnet_dsl_onnx.plain.usual_forms import padded_before

LARGEST_BLUR = 8
LAYERS = {"Conv": 4, "Gemm": 2}
"""How many extents a layer's weight has; the first are the channels it gives."""
PLAIN_GEMM = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 1}


def _conv(walk: Rewriting, node: ForeignNode) -> bool:
    """With the padding before it, and without a bias of zeros that the graph makes."""
    inputs = [*map(walk.value, node.inputs)]
    bias = walk.tensors.get(inputs[2]) if len(inputs) > 2 else None
    if bias is not None and bias.uniform == 0.0:
        del inputs[2:]
    inputs[1] = _as_blur(walk, node, inputs[1])
    attributes = _with_pads(walk, node)
    found = padded_before(walk, node.inputs[0])
    pads = attributes.get("pads", (0,) * 4)
    if found is not None and attributes.get("auto_pad", "NOTSET") == "NOTSET" and len(pads) == 4:
        value, sides = found
        total = tuple(a + b for a, b in zip(pads, sides, strict=True))
        if total[:2] == total[2:]:
            inputs[0], attributes = value, {**attributes, "pads": total}
    walk.add(replace(node, inputs=tuple(inputs), attributes=attributes))
    return True


def _as_blur(walk: Rewriting, node: ForeignNode, weight: str) -> str:
    """The name of a kernel that blurs each channel behind mirrored edges: ours are constants."""
    tensor, before = walk.tensors.get(weight), walk.maker(node.inputs[0])
    if tensor is None or before is None or before.op != "Pad" or before.attributes.get("mode") != "reflect":
        return weight
    channels, *rest = tensor.shape if len(tensor.shape) == 4 else (0, 0)
    size = rest[-1]
    if (
        rest != [1, size, size]
        or not 1 < size < LARGEST_BLUR
        or channels > MOST_FILLED
        or len(node.inputs) > 2
    ):
        return weight
    taps = np.array([comb(size - 1, place) / 2 ** (size - 1) for place in range(size)])
    kernel = np.outer(taps, taps).astype(np.float32)
    if node.attributes.get("group") != channels or not (tensor.load() == kernel).all():
        return weight
    name = f"{CONSTANT}blur/{size}x{size}/{channels}"
    walk.tensors[name] = replace(tensor, dtype="float32")
    return name


def _slopes(walk: Rewriting, node: ForeignNode) -> bool:
    """A slope for each channel, as a vector that the graph puts in its place."""
    tensor = walk.tensors.get(node.inputs[1]) if len(node.inputs) > 1 else None
    value, order = walk.stands(node.inputs[0])
    turned = None if tensor is None or len(order) != 4 else along(tensor, order)
    flat = None if turned is None else reshaped(turned, (prod(turned.shape),))
    if turned is None or flat is None or len(turned.shape) != 4 or turned.shape[1] != prod(turned.shape):
        return False
    names = f"{node.result}/weight", f"{node.result}/axes", f"{node.result}/slopes"
    walk.derived(flat, names[0], node.inputs[1])
    if turned.shape[1] > 1:
        walk.tensors[names[1]] = array_tensor(np.array((1, 2), np.int64))
        walk.add(ForeignNode(names[2], "Unsqueeze", names[:2], names[2:], {}))
    walk.become(node, "PRelu", value, names[2] if turned.shape[1] > 1 else names[0])
    if walk.is_reordered(node.inputs[0]):
        walk.orders[node.result] = order
    return True


def _with_pads(walk: Rewriting, node: ForeignNode) -> dict[str, Any]:
    """The attributes, with paddings in numbers where they do not depend on the size of the map."""
    attributes = dict(node.attributes)
    kind = attributes.get("auto_pad", "NOTSET")
    weight = walk.tensors.get(node.inputs[1]) if len(node.inputs) > 1 else None
    if kind == "VALID":
        del attributes["auto_pad"]
    elif kind in ("SAME_UPPER", "SAME_LOWER") and weight is not None and len(weight.shape) == 4:
        kernel, dilations = weight.shape[2:], attributes.get("dilations", (1, 1))
        around = [(size - 1) * step for size, step in zip(kernel, dilations, strict=False)]
        if set(attributes.get("strides", (1, 1))) == {1} and not any(each % 2 for each in around):
            del attributes["auto_pad"]
            attributes["pads"] = tuple(each // 2 for each in around) * 2
    return attributes


def _matrix(walk: Rewriting, node: ForeignNode) -> bool:
    """A product with a matrix of the file: a fully connected layer without a bias."""
    weight = walk.tensors.get(node.inputs[1]) if len(node.inputs) == 2 else None
    shape = walk.shape(node.inputs[0])
    if weight is None or len(weight.shape) != 2 or shape is None or len(shape) != 2:
        return False
    name = f"{node.result}/weight"
    walk.derived(reordered(weight, (1, 0)), name, node.inputs[1])
    walk.become(node, "Gemm", walk.value(node.inputs[0]), name, **PLAIN_GEMM)
    return True


def _gemm(walk: Rewriting, node: ForeignNode) -> bool:
    """A fully connected layer whose weight lies as ours do: a row for each class."""
    given = {**PLAIN_GEMM, "transB": 0, **node.attributes}
    inputs = [*map(walk.value, node.inputs)]
    weight = walk.tensors.get(inputs[1]) if len(inputs) > 1 else None
    if weight is None or len(weight.shape) != 2 or {**given, "transB": 1} != PLAIN_GEMM:
        return False
    if not given["transB"]:
        name = f"{node.result}/weight"
        walk.derived(reordered(weight, (1, 0)), name, inputs[1])
        inputs[1] = name
    bias = walk.tensors.get(inputs[2]) if len(inputs) > 2 else None
    if bias is not None and bias.uniform == 0.0:
        del inputs[2:]
    elif bias is not None and len(bias.shape) != 1:
        flat = reshaped(bias, (prod(bias.shape),))
        if flat is not None:
            inputs[2] = f"{node.result}/bias"
            walk.derived(flat, inputs[2], node.inputs[2])
    walk.become(node, "Gemm", *inputs, **PLAIN_GEMM)
    return True


def _scaled(walk: Rewriting, node: ForeignNode) -> bool:
    """A layer behind which each channel is multiplied."""
    found = _layer_and_numbers(walk, node)
    if found is None or (node.op == "Div" and node.inputs[0] in walk.tensors):
        return False
    layer, numbers = found
    function = np.divide if node.op == "Div" else np.multiply
    weight, *bias = (walk.tensors[name] for name in layer.inputs[1:])
    column = reshaped(numbers, (weight.shape[0], *[1] * (len(weight.shape) - 1)))
    parts = [None if column is None else combined(function, weight, column)]
    parts += [combined(function, each, numbers) for each in bias]
    return _replaced(walk, node, layer, parts)


def _shifted(walk: Rewriting, node: ForeignNode) -> bool:
    """A layer behind which a number is added to each channel."""
    found = _layer_and_numbers(walk, node)
    if found is None or (node.op == "Sub" and node.inputs[0] in walk.tensors):
        return False
    layer, numbers = found
    function: Callable[[Array, Array], Array] = np.subtract if node.op == "Sub" else np.add
    weight, *bias = layer.inputs[1:]
    if not bias and node.op == "Add":
        shift: GraphTensor | None = numbers
        walk.origins[f"{node.result}/bias"] = next(n for n in node.inputs if n in walk.tensors)
    elif not bias:
        zeros = GraphTensor(numbers.shape, "float32", lambda: np.zeros(numbers.shape, np.float32))
        shift = combined(function, zeros, numbers)
    else:
        shift = combined(function, walk.tensors[bias[0]], numbers)
    return _replaced(walk, node, layer, [None, shift], weight)


def _layer_and_numbers(walk: Rewriting, node: ForeignNode) -> tuple[ForeignNode, GraphTensor] | None:
    """The layer that alone a node takes, and the number for each of its channels."""
    fixed = [name for name in node.inputs if name in walk.tensors]
    computed = [name for name in node.inputs if name not in walk.tensors]
    if len(fixed) != 1 or len(computed) != 1:
        return None
    layer, numbers = walk.maker(computed[0]), walk.tensors[fixed[0]]
    if layer is None or layer.op not in LAYERS or walk.takers[layer.result] > 1:
        return None
    names = [name for name in layer.inputs[1:] if name]
    if not names or not all(name in walk.tensors for name in names):
        return None
    weight = walk.tensors[names[0]].shape
    turned = along(numbers, walk.stands(computed[0])[1])
    if turned is None or len(weight) != LAYERS[layer.op] or len(turned.shape) != LAYERS[layer.op]:
        return None
    if turned.shape[1] != weight[0] or prod(turned.shape) != weight[0]:
        return None
    flat = reshaped(turned, weight[:1])
    return None if flat is None else (layer, flat)


def _replaced(
    walk: Rewriting,
    node: ForeignNode,
    layer: ForeignNode,
    parts: list[GraphTensor | None],
    weight: str = "",
) -> bool:
    """Put a layer with other tensors in a node's place."""
    names = [weight or f"{node.result}/weight", f"{node.result}/bias"][: len(parts)]
    for name, part in zip(names, parts, strict=True):
        if name != weight:
            if part is None:
                return False
            walk.tensors[name] = part
    computed = next(name for name in node.inputs if name not in walk.tensors)
    order = walk.orders.get(computed)
    del walk.nodes[layer.result]
    walk.add(replace(layer, inputs=(layer.inputs[0], *names), outputs=node.outputs[:1]))
    if order is not None:
        walk.orders[node.result] = order
    return True


LAYER_FORMS: dict[str, Form] = {
    "Add": _shifted,
    "Conv": _conv,
    "Div": _scaled,
    "Gemm": _gemm,
    "MatMul": _matrix,
    "Mul": _scaled,
    "PRelu": _slopes,
    "Sub": _shifted,
}
