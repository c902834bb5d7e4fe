"""What depends on no input, as tensors: nothing is computed before it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from resnet_dsl.backend.foreign_graph import ForeignNode
from resnet_dsl.backend.ir import Array
from resnet_dsl.backend.records import replace
from resnet_dsl_onnx.exported_graph import DEEPEST, FEW, FILLING, WHOLE, GraphTensor, array_tensor
from resnet_dsl_onnx.plain.rewriting import Rewriting

MOST_FILLED = 65_536
"""Elements of a tensor of one number: one for each channel."""
FLOATING = ("float32", "float16", "bfloat16", "float64")
KINDS = {1: "float32", 10: "float16", 11: "float64", 16: "bfloat16"}
ARITHMETIC: dict[str, Callable[[Array, Array], Array]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
}
SINGLE: dict[str, Callable[[Array], Array]] = {
    "Neg": np.negative,
    "Reciprocal": np.reciprocal,
    "Sqrt": np.sqrt,
}


def fixed(walk: Rewriting, node: ForeignNode) -> GraphTensor | None:
    """Return the tensor that a node gives whatever the input; None where it takes other values."""
    form = FIXED.get(node.op)
    given = [walk.tensors.get(name) for name in node.inputs if name]
    if form is None or not given or given[0] is None or len(node.outputs) != 1:
        return None
    try:
        found = form(walk, node, given[0])
    except (ValueError, TypeError, IndexError, OverflowError):  # extents of a broken file
        return None
    if found is None or found.depth > DEEPEST:
        return None
    if node.op in SAME:
        source = node.inputs[0]
        if node.op != "Identity":
            walk.origins[node.result] = walk.origins.get(source, source)
    return found


def _identity(walk: Rewriting, node: ForeignNode, given: GraphTensor) -> GraphTensor:
    return given


def _cast(walk: Rewriting, node: ForeignNode, given: GraphTensor) -> GraphTensor | None:
    """Between floating precisions the tensor is read as it lies in the file."""
    kind = KINDS.get(node.attributes.get("to", 1)) if node.op == "Cast" else "float32"
    return given if given.dtype in FLOATING and kind is not None else None


def _transposed(walk: Rewriting, node: ForeignNode, given: GraphTensor) -> GraphTensor | None:
    order = node.attributes.get("perm", tuple(range(len(given.shape)))[::-1])
    return reordered(given, order) if sorted(order) == list(range(len(given.shape))) else None


def reordered(given: GraphTensor, order: Sequence[int]) -> GraphTensor:
    """Return a tensor with its axes in another order."""
    shape = tuple(given.shape[axis] for axis in order)
    return replace(given, shape=shape, load=lambda: given.load().transpose(order), depth=given.depth + 1)


def reshaped(given: GraphTensor, shape: Sequence[int]) -> GraphTensor | None:
    """Return a tensor with other extents, if it has as many elements."""
    found = tuple(shape)
    if prod(found) != prod(given.shape):
        return None
    return replace(given, shape=found, load=lambda: given.load().reshape(found), depth=given.depth + 1)


def _reshaped(walk: Rewriting, node: ForeignNode, given: GraphTensor) -> GraphTensor | None:
    wanted = walk.whole(node, 1, "shape")
    if not wanted:
        return None
    kept = [given.shape[place] if size == 0 else size for place, size in enumerate(wanted)]
    known = prod(size for size in kept if size != -1)
    if kept.count(-1) == 1 and known:
        kept[kept.index(-1)] = prod(given.shape) // known
    return reshaped(given, kept)


def _squeezed(walk: Rewriting, node: ForeignNode, given: GraphTensor) -> GraphTensor | None:
    axes = walk.whole(node, 1, "axes")
    if axes is None:
        return None
    count = len(given.shape)
    gone = [axis % count for axis in axes] if axes else [n for n, size in enumerate(given.shape) if size == 1]
    return reshaped(given, [size for place, size in enumerate(given.shape) if place not in gone])


def _unsqueezed(walk: Rewriting, node: ForeignNode, given: GraphTensor) -> GraphTensor | None:
    axes = walk.whole(node, 1, "axes")
    if not axes or len(axes) > FEW:
        return None
    count, rest = len(given.shape) + len(axes), iter(given.shape)
    new = {axis % count for axis in axes}
    return reshaped(given, [1 if place in new else next(rest) for place in range(count)])


def _expanded(walk: Rewriting, node: ForeignNode, given: GraphTensor) -> GraphTensor | None:
    """One number in every place."""
    wanted = walk.whole(node, 1, "shape")
    if not wanted or prod(given.shape) != 1 or not 0 < prod(wanted) <= MOST_FILLED:
        return None
    shape = np.broadcast_shapes(given.shape, wanted)
    value = given.load()
    number = float(value.ravel()[0])
    return replace(given, shape=shape, load=lambda: np.full(shape, value.ravel()[0]), uniform=number)


def _filled(walk: Rewriting, node: ForeignNode, given: GraphTensor) -> GraphTensor | None:
    """One whole number in a few places."""
    wanted, value = walk.numbers(node.inputs[0]), node.attributes.get("value")
    shape = tuple(size for size in wanted or () if isinstance(size, int))
    if wanted is None or value is None or len(shape) != len(wanted) or not 0 <= prod(shape) <= FEW:
        return None
    return array_tensor(np.full(shape, value).astype(np.int64)) if float(value).is_integer() else None


def _joined(walk: Rewriting, node: ForeignNode, given: GraphTensor) -> GraphTensor | None:
    """A few whole numbers in a row."""
    parts = [each for name in node.inputs if (each := walk.tensors.get(name)) is not None and _are_few(each)]
    if len(parts) != len(node.inputs):
        return None
    return array_tensor(np.concatenate([each.load() for each in parts], node.attributes.get("axis", 0)))


def _part(walk: Rewriting, node: ForeignNode, given: GraphTensor) -> GraphTensor | None:
    """Some of a few whole numbers."""
    begin, end = walk.whole(node, 1, "starts"), walk.whole(node, 2, "ends")
    axes, steps = walk.whole(node, 3, "axes"), walk.whole(node, 4, "steps")
    if not _are_few(given) or not begin or not end or axes is None or steps is None:
        return None
    found = given.load()
    for place, axis in enumerate(axes or range(len(begin))):
        step = steps[place] if steps else 1
        last = None if step < 0 and end[place] < -found.shape[axis] else end[place]
        found = np.moveaxis(np.moveaxis(found, axis, 0)[begin[place] : last : step], 0, axis)
    return array_tensor(found)


def _are_few(tensor: GraphTensor) -> bool:
    return tensor.within and tensor.dtype in WHOLE and prod(tensor.shape) <= FEW


def _arithmetic(walk: Rewriting, node: ForeignNode, given: GraphTensor) -> GraphTensor | None:
    """Of floating numbers, computed in double and kept in single precision; of a few whole ones at once."""
    other = walk.tensors.get(node.inputs[1])
    if other is None:
        return None
    if _are_few(given) and _are_few(other) and node.op != "Div":
        return array_tensor(ARITHMETIC[node.op](given.load(), other.load()))
    return combined(ARITHMETIC[node.op], given, other)


def combined(
    function: Callable[[Array, Array], Array], given: GraphTensor, other: GraphTensor
) -> GraphTensor | None:
    """Return what two tensors come to, if that is no larger than the larger one."""
    if given.dtype not in FLOATING or other.dtype not in FLOATING:
        return None
    shape = np.broadcast_shapes(given.shape, other.shape)
    if prod(shape) > max(prod(given.shape), prod(other.shape)):
        return None

    def load() -> Array:
        with np.errstate(all="ignore"):  # what is not finite is reported with the others
            found = function(given.load().astype(np.float64), other.load().astype(np.float64))
            return np.asarray(found.astype(np.float32))

    return GraphTensor(shape, "float32", load, depth=max(given.depth, other.depth) + 1)


def _single(walk: Rewriting, node: ForeignNode, given: GraphTensor) -> GraphTensor | None:
    function = SINGLE[node.op]
    if given.dtype not in FLOATING:
        return None

    def load() -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(function(given.load().astype(np.float64)).astype(np.float32))

    return GraphTensor(given.shape, "float32", load, depth=given.depth + 1)


Fold = Callable[[Rewriting, ForeignNode, GraphTensor], "GraphTensor | None"]
SAME = ("Cast", "CastLike", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
"""What changes no value of a tensor."""
FIXED: dict[str, Fold] = {
    FILLING: _filled,
    "Cast": _cast,
    "CastLike": _cast,
    "Concat": _joined,
    "Expand": _expanded,
    "Identity": _identity,
    "Reshape": _reshaped,
    "Slice": _part,
    "Squeeze": _squeezed,
    "Transpose": _transposed,
    "Unsqueeze": _unsqueezed,
    **dict.fromkeys(ARITHMETIC, _arithmetic),
    **dict.fromkeys(SINGLE, _single),
}
