"""Why an op diverges: its result under each usual mistake, held against what the backend gave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.graph import GraphNode
from resnet_dsl.ir.ops import Op
from resnet_dsl.reference.meaning import OpCall, forward

Tensors = Mapping[str, Array]


def likely_cause(node: GraphNode, inputs: tuple[Array, ...], tensors: Tensors, got: Array) -> str:
    """Return what was done wrong, if doing it wrong gives the backend's numbers, else an empty string."""
    right = forward(node.op, OpCall(inputs, tensors))
    for words, op, call in _mistakes(node, inputs, tensors):
        try:
            with np.errstate(all="ignore"):
                wrong = forward(op, call)
        except (ValueError, LookupError):  # such a mistake cannot be made here: the shapes do not fit
            continue
        if wrong.size and wrong.shape == got.shape and _explains(wrong, right, got):
            return words
    return ""


def _explains(wrong: Array, right: Array, got: Array) -> bool:
    """Whether a wrong result is what was given, and not only as near to it as the right one is."""
    distance = np.abs(wrong - got).max()
    near = distance <= 1e-3 * max(np.abs(wrong).max(), 1e-30)
    return bool(near and (right.shape != got.shape or distance < 0.1 * np.abs(right - got).max()))


def _mistakes(
    node: GraphNode, inputs: tuple[Array, ...], tensors: Tensors
) -> Iterator[tuple[str, Op, OpCall]]:
    """Yield the words of each mistake, with the op and what it is applied to as if it were made."""
    for mistake in node.op.mistakes():
        around = [(0, 0), (0, 0), *mistake.zeros]
        framed = tuple(np.pad(x, around) for x in inputs) if mistake.is_framed else inputs
        yield mistake.words, mistake.op, OpCall(framed, tensors)
    for words, changed in _swaps(node, tensors):
        yield words, node.op, OpCall(inputs, {**tensors, **changed})


def _swaps(node: GraphNode, tensors: Tensors) -> Iterator[tuple[str, Tensors]]:
    """Yield what may be wrong with tensors by what they are for, and those as if it were."""
    names = {tensor.role: tensor.name for tensor in node.op.parameters(*node.input_shapes)}
    values = {role: tensors[name] for role, name in names.items()}
    match values.get("weight"):
        case np.ndarray(ndim=4) as weight:
            yield (
                "layout: the kernel's rows and columns are swapped",
                {names["weight"]: weight.swapaxes(2, 3)},
            )
        case np.ndarray(ndim=2) as weight:
            yield "layout: the dense kernel is transposed", {names["weight"]: weight.T}
    if "bias" in values:
        yield "the bias is missing", {names["bias"]: 0 * values["bias"]}
    if {"scale", "shift"} <= values.keys():
        swapped = {names["scale"]: values["shift"], names["shift"]: values["scale"]}
        yield "statistics: gamma and beta are swapped", swapped
    if {"mean", "variance"} <= values.keys():
        swapped = {names["mean"]: values["variance"], names["variance"]: values["mean"]}
        yield "statistics: mean and variance are swapped", swapped
        root = np.sqrt(np.abs(values["variance"]))
        yield "statistics: a deviation where a variance belongs", {names["variance"]: root}
