"""What depends on no input, as tensors: nothing is computed before it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from resnet_dsl.backend.foreign_graph import ForeignNode
from resnet_dsl.backend.ir import Array
from resnet_dsl_onnx.exported_graph import FEW, GraphTensor
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
    if found is not None and node.op in SAME:
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
    return replace(given, shape=shape, load=lambda: given.load().transpose(order))


def reshaped(given: GraphTensor, shape: Sequence[int]) -> GraphTensor | None:
    """Return a tensor with other extents, if it has as many elements."""
    found = tuple(shape)
    if prod(found) != prod(given.shape):
        return None
    return replace(given, shape=found, load=lambda: given.load().reshape(found))


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


def _arithmetic(walk: Rewriting, node: ForeignNode, given: GraphTensor) -> GraphTensor | None:
    """Of floating numbers, computed in double and kept in single precision."""
    other = walk.tensors.get(node.inputs[1])
    if other is None:
        return None
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

    return GraphTensor(shape, "float32", load)


def _single(walk: Rewriting, node: ForeignNode, given: GraphTensor) -> GraphTensor | None:
    function = SINGLE[node.op]
    if given.dtype not in FLOATING:
        return None

    def load() -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(function(given.load().astype(np.float64)).astype(np.float32))

    return GraphTensor(given.shape, "float32", load)


Fold = Callable[[Rewriting, ForeignNode, GraphTensor], "GraphTensor | None"]
SAME = ("Cast", "CastLike", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
"""What changes no value of a tensor."""
FIXED: dict[str, Fold] = {
    "Cast": _cast,
    "CastLike": _cast,
    "Expand": _expanded,
    "Identity": _identity,
    "Reshape": _reshaped,
    "Squeeze": _squeezed,
    "Transpose": _transposed,
    "Unsqueeze": _unsqueezed,
    **dict.fromkeys(ARITHMETIC, _arithmetic),
    **dict.fromkeys(SINGLE, _single),
}
