"""Ops that have several spellings: each in that of our rules."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from resnet_dsl.backend.foreign_graph import ForeignNode
from resnet_dsl.backend.records import replace
from resnet_dsl_onnx.exported_graph import array_tensor
from resnet_dsl_onnx.plain.fixed_values import FLOATING, KINDS
from resnet_dsl_onnx.plain.rewriting import Form, Rewriting

WHOLE_MAP = [2, 3]
ENDLESS, FAR = 2**63 - 1, 2**30
GLOBAL = "GlobalAveragePool"
NOT_NEGATIVE = ("Relu", "Sigmoid")


def _passed_on(walk: Rewriting, node: ForeignNode) -> bool:
    walk.alias(node.result, *walk.stands(node.inputs[0]))
    return True


def _cast(walk: Rewriting, node: ForeignNode) -> bool:
    """Between floating precisions: the network has one."""
    return KINDS.get(node.attributes.get("to", 0)) in FLOATING and _passed_on(walk, node)


def _mean(walk: Rewriting, node: ForeignNode) -> bool:
    """The mean of whole maps."""
    value, order = walk.stands(node.inputs[0])
    axes = walk.whole(node, 1, "axes")
    if axes is None or len(order) != 4 or not all(-4 <= axis < 4 for axis in axes):
        return False
    if sorted(order[axis] for axis in axes) != WHOLE_MAP:
        return False
    if node.attributes.get("keepdims", 1):
        walk.become(node, GLOBAL, value)
        if walk.is_reordered(node.inputs[0]):
            walk.orders[node.result] = order
        return True
    pooled = f"{node.result}/pooled"
    walk.add(ForeignNode(pooled, GLOBAL, (value,), (pooled,), {}))
    walk.become(node, "Flatten", pooled, axis=1)
    return True


def _clip(walk: Rewriting, node: ForeignNode) -> bool:
    """From 0 on and no further: the rectifier."""
    least, most = (_bound(walk, node, place, name) for place, name in ((1, "min"), (2, "max")))
    if least != 0.0 or (most is not None and most < np.finfo(np.float32).max):
        return False
    return _rectified(walk, node, node.inputs[0])


def _bound(walk: Rewriting, node: ForeignNode, place: int, name: str) -> float | None:
    if name in node.attributes:
        return float(node.attributes[name])
    if place >= len(node.inputs) or not node.inputs[place]:
        return None
    found = walk.scalar(node.inputs[place])
    return -inf if found is None else found


def _max(walk: Rewriting, node: ForeignNode) -> bool:
    if len(node.inputs) != 2:
        return False
    for given, other in (node.inputs, node.inputs[::-1]):
        if given not in walk.tensors and other in walk.tensors and walk.scalar(other) == 0.0:
            return _rectified(walk, node, given)
    return False


def _rectified(walk: Rewriting, node: ForeignNode, given: str) -> bool:
    value, order = walk.stands(given)
    walk.become(node, "Relu", value)
    if walk.is_reordered(given):
        walk.orders[node.result] = order
    return True


def _sum(walk: Rewriting, node: ForeignNode) -> bool:
    if len(node.inputs) != 2:
        return False
    walk.become(node, "Add", *map(walk.value, node.inputs))
    return True


def _softmax(walk: Rewriting, node: ForeignNode) -> bool:
    """Over the classes, also where they are called the last axis."""
    shape = walk.shape(node.inputs[0])
    last = -1 if walk.graph.opset >= 13 else 1
    if shape is None or len(shape) != 2 or node.attributes.get("axis", last) not in (-1, 1):
        return False
    walk.become(node, "Softmax", walk.value(node.inputs[0]), axis=1)
    return True


def _norm(walk: Rewriting, node: ForeignNode) -> bool:
    """A batch norm with what older opsets said of it; statistics are no result."""
    older = {"spatial": 1, "is_test": 1}
    if any(node.attributes.get(name, usual) != usual for name, usual in older.items()):
        return False
    kept = {name: value for name, value in node.attributes.items() if name not in (*older, "consumed_inputs")}
    if node.attributes.get("training_mode", 0) or any(walk.takers[name] for name in node.outputs[1:]):
        return False
    inputs = tuple(map(walk.value, node.inputs))
    walk.add(replace(node, inputs=inputs, outputs=node.outputs[:1], attributes=kept))
    return True


def _dropout(walk: Rewriting, node: ForeignNode) -> bool:
    """The rate as an input, as it is from opset 12 on; the mask is no result."""
    if any(walk.takers[name] for name in node.outputs[1:]) or walk.is_reordered(node.inputs[0]):
        return False
    rate: Any = node.attributes.get("ratio", 0.5)
    if len(node.inputs) > 1 and node.inputs[1]:
        rate = walk.scalar(node.inputs[1])
    if len(node.inputs) > 2 and node.inputs[2] and walk.scalar(node.inputs[2]) != 0:
        return False
    if not isinstance(rate, float):
        return False
    names = f"{node.result}/rate", f"{node.result}/training"
    for name, value in zip(names, (np.float32(rate), np.bool_(False)), strict=True):
        walk.tensors[name] = array_tensor(np.array(value))
    walk.become(node, "Dropout", walk.value(node.inputs[0]), *names)
    return True


def _pad(walk: Rewriting, node: ForeignNode) -> bool:
    """Zeros around, said with a number of their own; along our axes."""
    pads, value = walk.whole(node, 1, "pads"), _filling(walk, node)
    if pads and not any(pads):
        return _passed_on(walk, node)
    given, order = walk.stands(node.inputs[0])
    if not pads or value is None or len(pads) != 2 * len(order) or (len(node.inputs) > 3 and node.inputs[3]):
        return False
    if node.attributes.get("mode", "constant") != "constant":
        return False
    count = len(order)
    places = [order.index(axis) for axis in range(count)]
    ours = [pads[place] for place in places] + [pads[count + place] for place in places]
    names = f"{node.result}/pads", f"{node.result}/filling"
    walk.tensors[names[0]] = array_tensor(np.array(ours, np.int64))
    walk.tensors[names[1]] = array_tensor(np.array(value, np.float32))
    walk.become(node, "Pad", given, *names, mode="constant")
    if walk.is_reordered(node.inputs[0]):
        walk.orders[node.result] = order
    return True


def _filling(walk: Rewriting, node: ForeignNode) -> float | None:
    if "value" in node.attributes:
        return float(node.attributes["value"])
    return walk.scalar(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] else 0.0


def padded_before(walk: Rewriting, name: str) -> tuple[str, tuple[int, ...]] | None:
    """Return what is padded by zeros around the map, and by how many at each side."""
    node = walk.nodes.get(walk.passed.get(name, name))
    if node is None or node.op != "Pad" or walk.is_reordered(name) or len(node.inputs) != 3:
        return None
    pads = walk.numbers(node.inputs[1])
    if node.attributes.get("mode") != "constant" or walk.scalar(node.inputs[2]) != 0.0 or pads is None:
        return None
    sides = tuple(pad for pad in pads if isinstance(pad, int))
    if len(sides) != 8 or any(sides[:2]) or any(sides[4:6]) or min(sides) < 0:
        return None
    return node.inputs[0], (*sides[2:4], *sides[6:8])


def _pool(walk: Rewriting, node: ForeignNode) -> bool:
    """One that rounds up where there is nothing to round, as one that does not; and without zeros before."""
    rounded = _without_ceil(walk, node)
    if node.op == "MaxPool" and _padded_maximum(walk, node if rounded is None else rounded):
        return True
    if rounded is None:
        return False
    walk.keep(rounded)
    return True


def _without_ceil(walk: Rewriting, node: ForeignNode) -> ForeignNode | None:
    shape, kernel = walk.shape(node.inputs[0]), node.attributes.get("kernel_shape", ())
    strides, pads = node.attributes.get("strides", (1, 1)), node.attributes.get("pads", (0,) * 4)
    if not node.attributes.get("ceil_mode", 0) or shape is None or len(shape) != 4 or set(pads) != {0}:
        return None
    sizes = list(zip(shape[2:], kernel, strides, strict=False))
    if len(sizes) != 2 or any(size is None or step < 1 or (size - k) % step for size, k, step in sizes):
        return None
    return replace(node, attributes={**node.attributes, "ceil_mode": 0})


def _padded_maximum(walk: Rewriting, node: ForeignNode) -> bool:
    """A maximum over zeros around what is not negative: that of the map alone, if a window has some of it."""
    found = padded_before(walk, node.inputs[0])
    kernel, pads = node.attributes.get("kernel_shape", ()), node.attributes.get("pads", (0,) * 4)
    if found is None or any(pads) or node.attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        return False
    value, sides = found
    maker = walk.nodes.get(value)
    if maker is None or maker.op not in NOT_NEGATIVE or node.attributes.get("ceil_mode", 0):
        return False
    if sides[:2] != sides[2:] or any(pad >= size for pad, size in zip(sides, kernel, strict=False)):
        return False
    kept = {name: each for name, each in node.attributes.items() if name != "auto_pad"}
    walk.add(replace(node, inputs=(value,), attributes={**kept, "pads": sides}))
    return True


def _subsample(walk: Rewriting, node: ForeignNode) -> bool:
    """Every other row and column, also where they are taken one after the other."""
    shape = walk.shape(node.inputs[0])
    given = [
        walk.whole(node, 1 + place, name) for place, name in enumerate(("starts", "ends", "axes", "steps"))
    ]
    if (
        shape is None
        or len(shape) != 4
        or any(not each for each in given)
        or walk.is_reordered(node.inputs[0])
    ):
        return False
    starts, ends, axes, steps = (each or () for each in given)
    found = {axis % 4: step for axis, step in zip(axes, steps, strict=False)}
    whole = all(_reaches(end, shape[axis % 4]) for end, axis in zip(ends, axes, strict=False))
    if any(starts) or not whole or min(steps) < 1 or not found.keys() <= {2, 3}:
        return False
    before, value = walk.maker(node.inputs[0]), walk.value(node.inputs[0])
    if before is not None and before.op == "Slice" and before.result in walk.strided:
        found, value = {**walk.strided[before.result], **found}, before.inputs[0]
    walk.strided[node.result] = found
    rows = (
        (0,) * len(found),
        (ENDLESS,) * len(found),
        tuple(sorted(found)),
        tuple(found[a] for a in sorted(found)),
    )
    names = [f"{node.result}/{name}" for name in ("starts", "ends", "axes", "steps")]
    walk.tensors |= {
        name: array_tensor(np.array(row, np.int64)) for name, row in zip(names, rows, strict=True)
    }
    walk.become(node, "Slice", value, *names)
    return True


def _reaches(end: int, extent: int | None) -> bool:
    return end >= FAR or (extent is not None and end >= extent)


USUAL_FORMS: dict[str, Form] = {
    "AveragePool": _pool,
    "BatchNormalization": _norm,
    "Cast": _cast,
    "CastLike": _passed_on,
    "Clip": _clip,
    "Dropout": _dropout,
    "Identity": _passed_on,
    "Max": _max,
    "MaxPool": _pool,
    "Pad": _pad,
    "ReduceMean": _mean,
    "Slice": _subsample,
    "Softmax": _softmax,
    "Sum": _sum,
}
