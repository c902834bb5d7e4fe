"""Shapes that a graph computes, seen through: what is reshaped by them is flattened, as a rule."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from resnet_dsl.backend.foreign_graph import ForeignNode
from resnet_dsl.backend.records import replace
from resnet_dsl_onnx.exported_graph import FEW, WHOLE, array_tensor
from resnet_dsl_onnx.plain.rewriting import ACTIVATIONS, Extents, Form, Rewriting, Size

ENDLESS = 2**31


def _put(walk: Rewriting, node: ForeignNode, found: Sequence[Size]) -> bool:
    """Keep what a node gives; the node stays, too, for whoever takes it otherwise."""
    if len(found) > FEW:
        return False
    walk.vectors[node.result] = tuple(found)
    whole = [number for number in found if isinstance(number, int)]
    if len(whole) == len(found):
        walk.tensors[node.result] = array_tensor(np.array(whole, np.int64))
    else:
        walk.keep(node)
    return True


def _shape(walk: Rewriting, node: ForeignNode) -> bool:
    tensor = walk.tensors.get(node.inputs[0])
    begin, end = node.attributes.get("start", 0), node.attributes.get("end", ENDLESS)
    if tensor is not None:
        return _put(walk, node, tensor.shape[begin:end])
    value, order = walk.stands(node.inputs[0])
    extents = walk.extents.get(value)
    if extents is None or len(extents) != len(order):
        return False
    sizes: list[Size] = []
    for axis in order:
        size = extents[axis]
        sizes.append((value, axis) if size is None or axis == 0 else size)
    return _put(walk, node, sizes[begin:end])


def _gather(walk: Rewriting, node: ForeignNode) -> bool:
    vector, places = walk.numbers(node.inputs[0]), walk.whole(node, 1, "indices")
    if vector is None or not places or not all(-len(vector) <= place < len(vector) for place in places):
        return False
    return _put(walk, node, [vector[place] for place in places])


def _slice(walk: Rewriting, node: ForeignNode) -> bool:
    vector = walk.numbers(node.inputs[0])
    begin, end = walk.whole(node, 1, "starts"), walk.whole(node, 2, "ends")
    step = walk.whole(node, 4, "steps") or (1,)
    if vector is None or not begin or not end or len(begin) != 1 or step != (1,):
        return False
    return _put(walk, node, vector[begin[0] : end[0]])


def _concat(walk: Rewriting, node: ForeignNode) -> bool:
    vectors = [walk.numbers(name) for name in node.inputs]
    if node.attributes.get("axis") != 0:
        return False
    found = [each for each in vectors if each is not None]
    return len(found) == len(vectors) and _put(walk, node, [size for each in found for size in each])


def _same(walk: Rewriting, node: ForeignNode) -> bool:
    """A vector in another precision, or one number in a vector of its own and back."""
    vector = walk.numbers(node.inputs[0])
    return vector is not None and _put(walk, node, vector)


def _reshape(walk: Rewriting, node: ForeignNode) -> bool:
    """Flattened, where the images stay apart; or a vector of a shape."""
    if node.inputs[0] in walk.vectors:
        return _same(walk, node)
    wanted: tuple[Size, ...] | None = walk.whole(node, 1, "shape") or (
        walk.numbers(node.inputs[1]) if len(node.inputs) > 1 else None
    )
    shape = walk.shape(node.inputs[0])
    if wanted is None or shape is None:
        return False
    if len(wanted) in (3, 4):
        return _gate(walk, node, shape, wanted)
    if len(wanted) != 2 or len(shape) not in (2, 4):
        return False
    if not _keeps_images(walk, node.inputs[0], shape, wanted):
        return False
    return flattened(walk, node)


def _gate(walk: Rewriting, node: ForeignNode, shape: Extents, wanted: tuple[Size, ...]) -> bool:
    """The channels of one pixel as a signal, and a signal as the channels of one pixel."""
    value, _ = walk.stands(node.inputs[0])
    maker = walk.nodes.get(value)
    if maker is not None and maker.op == "Flatten":
        value = maker.inputs[0]
    given = walk.extents.get(value, ())
    signal = len(wanted) == 3 and wanted[1] == 1 and given[2:] == (1, 1)
    pixel = len(wanted) == 4 and wanted[2:] == (1, 1) and given[1:2] == (1,) and len(given) == 3
    count = given[1] if signal else given[2] if pixel else None
    if count is None or not _keeps_images(walk, node.inputs[0], shape, (wanted[0], -1)):
        return False
    if wanted[2 if signal else 1] not in (-1, count):
        return False
    if pixel and maker is not None and maker.op in ACTIVATIONS and walk.maker(node.inputs[0]) is not None:
        between = ForeignNode(
            node.name, node.op, (maker.inputs[0], *node.inputs[1:]), (f"{node.result}/pixel",), {}
        )
        walk.takers[maker.inputs[0]] = 1
        if _gate(walk, between, shape, wanted):
            walk.add(replace(maker, inputs=(between.result, *maker.inputs[1:]), outputs=node.outputs))
            return True
    name = f"{node.result}/shape"
    walk.tensors[name] = array_tensor(np.array((0, 1, count) if signal else (0, count, 1, 1), np.int64))
    walk.become(node, "Reshape", value, name, allowzero=0)
    walk.extents[node.result] = (given[0], 1, count) if signal else (given[0], count, 1, 1)
    return True


def _unsqueeze(walk: Rewriting, node: ForeignNode) -> bool:
    """A vector of a shape, or the channels of one pixel as a signal and back."""
    if node.inputs[0] in walk.vectors:
        return _same(walk, node)
    shape, axes = walk.shape(node.inputs[0]), walk.whole(node, 1, "axes")
    if shape is None or not axes:
        return False
    count, rest = len(shape) + len(axes), iter((0, -1) if len(shape) == 2 else (0, 1, -1))
    new = {axis % count for axis in axes}
    wanted = tuple(1 if place in new else next(rest, -1) for place in range(count))
    return len(wanted) == 3 and _gate(walk, node, shape, wanted)


def _expand(walk: Rewriting, node: ForeignNode) -> bool:
    """One pixel for each of a map, where it is multiplied by one: that does the same."""
    value, order = walk.stands(node.inputs[0])
    extents = walk.extents.get(value, ())
    taker = walk.taker(node.result)
    if len(extents) != 4 or extents[2:] != (1, 1) or taker is None or taker.op != "Mul":
        return False
    other = next((name for name in taker.inputs if name != node.result), "")
    shape = walk.shape(other)
    if shape is None or len(shape) != 4 or shape[1] != extents[1] or walk.is_reordered(other):
        return False
    wanted = walk.numbers(node.inputs[1])
    if (
        wanted is None
        or len(wanted) != 4
        or not all(_is_like(*pair) for pair in zip(wanted, shape, strict=True))
    ):
        return False
    walk.alias(node.result, value, order)
    return True


def _is_like(size: Size, extent: int | None) -> bool:
    return isinstance(size, tuple) or size in (1, extent)


def _keeps_images(walk: Rewriting, name: str, shape: Extents, wanted: tuple[Size, ...]) -> bool:
    """Whether what is reshaped to a matrix has a row for each image."""
    first, second = wanted
    if isinstance(first, tuple):
        return first[1] == 0
    if first == 0 or (first == shape[0] and first > 0):
        return True
    known = [size for size in shape[1:] if size is not None]
    return first == -1 and len(known) == len(shape) - 1 and second == prod(known)


def flattened(walk: Rewriting, node: ForeignNode) -> bool:
    """Put a flatten in a node's place; of one pixel the order of its axes is no matter."""
    value, _ = walk.stands(node.inputs[0])
    extents = walk.extents.get(value, ())
    if len(extents) == 2:
        walk.alias(node.result, value)
        return True
    given = value if extents[2:] == (1, 1) else walk.value(node.inputs[0])
    walk.become(node, "Flatten", given, axis=1)
    return True


def _flatten(walk: Rewriting, node: ForeignNode) -> bool:
    shape = walk.shape(node.inputs[0])
    axis = node.attributes.get("axis", 1)
    if shape is None or not isinstance(axis, int) or axis not in (1, 1 - len(shape)):
        return False
    return flattened(walk, node)


def _squeeze(walk: Rewriting, node: ForeignNode) -> bool:
    """One pixel without the axes of its place."""
    if node.inputs[0] in walk.vectors:
        return _same(walk, node)
    value, order = walk.stands(node.inputs[0])
    axes = walk.whole(node, 1, "axes")
    if walk.extents.get(value, ())[2:] != (1, 1) or axes is None or len(order) != 4:
        return False
    if sorted(order[axis] for axis in axes if -4 <= axis < 4) != [2, 3]:
        return False
    return flattened(walk, node)


def _cast(walk: Rewriting, node: ForeignNode) -> bool:
    tensor = walk.tensors.get(node.inputs[0])
    if node.inputs[0] in walk.vectors or (tensor is not None and tensor.dtype in WHOLE):
        return _same(walk, node)
    return False


SHAPE_FORMS: dict[str, Form] = {
    "Cast": _cast,
    "Concat": _concat,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Reshape": _reshape,
    "Shape": _shape,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
}
