"""Why an op diverges: its result under each usual mistake, held against what the backend gave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from resnet_dsl.ir import ops
from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.graph import GraphNode
from resnet_dsl.reference.meaning import OpCall, forward

Mistake = tuple[str, ops.Op, dict[str, Array]]


def likely_cause(node: GraphNode, inputs: tuple[Array, ...], tensors: Mapping[str, Array], got: Array) -> str:
    """Return what was done wrong, if doing it wrong gives the backend's numbers, else an empty string."""
    for words, op, changed in _mistakes(node.op, dict(tensors)):
        try:
            wrong = forward(op, OpCall(inputs, changed))
        except (ValueError, IndexError):
            continue
        if wrong.shape == got.shape and _close(wrong, got):
            return words
    if isinstance(node.op, ops.MaxPool) and _zeros_win(node.op, inputs[0], got):
        return "padding: zeros instead of minus infinity"
    return ""


def _close(a: Array, b: Array) -> bool:
    return bool(np.abs(a - b).max() <= 1e-3 * max(np.abs(a).max(), 1e-30))


def _mistakes(op: ops.Op, tensors: dict[str, Array]) -> Iterator[Mistake]:
    """Yield usual mistakes with an op: words, the op as if it were so, its tensors as if they were so."""
    match op:
        case ops.Conv() | ops.MaxPool() | ops.AvgPool():
            yield from _windows(op, tensors)
        case ops.BatchNorm():
            yield from _batch_norm(op, tensors)
        case ops.Flatten():
            other, layout = ("hwc", "NHWC") if op.order == "chw" else ("chw", "NCHW")
            yield f"layout: flattened as {layout}", replace(op, order=other), tensors
        case ops.Upsample():
            other = "nearest" if op.mode == "bilinear" else "bilinear"
            yield f"mode: {other} instead of {op.mode}", replace(op, mode=other), tensors
        case ops.LeakyRelu():
            for slope in (0.3, 0.2, 0.01):
                if slope != op.slope:
                    yield f"slope: {slope:g} instead of {op.slope:g}", replace(op, slope=slope), tensors
        case ops.Gelu():
            words = "gelu: exact instead of by tanh" if op.approximate else "gelu: by tanh instead of exact"
            yield words, replace(op, approximate=not op.approximate), tensors
        case ops.LocalResponseNorm():
            for alpha in (op.alpha * op.size, op.alpha / op.size):
                yield "lrn: whether alpha is divided by the size", replace(op, alpha=alpha), tensors
        case ops.FullyConnected():
            weight = tensors["weight"]
            if weight.shape[0] == weight.shape[1]:
                yield "layout: the dense kernel is transposed", op, tensors | {"weight": weight.T}


def _windows(op: Any, tensors: dict[str, Array]) -> Iterator[Mistake]:
    if op.pad == "same":
        half = type(op).make({"kernel": op.kernel, "pad": "half", **_channels(op)}).pad
        yield "padding: symmetric instead of TensorFlow's `same`", replace(op, pad=half), tensors
    else:
        yield "padding: TensorFlow's `same` instead of symmetric", replace(op, pad="same"), tensors
        yield "padding: none", replace(op, pad=(0, 0)), tensors
    if isinstance(op, ops.Pool):
        yield "ceil mode", replace(op, ceil=not op.ceil), tensors
    if isinstance(op, ops.AvgPool):
        yield "average pool: whether padding counts", replace(op, count_pad=not op.count_pad), tensors
    if isinstance(op, ops.Conv):
        weight = tensors["weight"]
        yield (
            "layout: the kernel's rows and columns are swapped",
            op,
            tensors | {"weight": weight.swapaxes(2, 3)},
        )
        if "bias" in tensors:
            yield "the bias is missing", op, tensors | {"bias": 0 * tensors["bias"]}


def _channels(op: Any) -> dict[str, int]:
    return {"channels": op.channels} if isinstance(op, ops.Conv) else {}


def _batch_norm(op: ops.BatchNorm, tensors: dict[str, Array]) -> Iterator[Mistake]:
    for eps in (1e-3, 1.001e-5, 1e-5, 0.0):
        if eps != op.eps:
            yield f"eps: {eps:g} instead of {op.eps:g}", replace(op, eps=eps), tensors
    swaps = {
        "statistics: gamma and beta are swapped": ("weight", "bias"),
        "statistics: mean and variance are swapped": ("running_mean", "running_var"),
    }
    for words, (a, b) in swaps.items():
        yield words, op, tensors | {a: tensors[b], b: tensors[a]}
    root = np.sqrt(np.abs(tensors["running_var"]))
    yield "statistics: a deviation where a variance belongs", op, tensors | {"running_var": root}


def _zeros_win(op: ops.MaxPool, x: Array, got: Array) -> bool:
    if op.pad == "same" or not any(op.pad):
        return False
    height, width = op.pad
    padded = np.pad(x, ((0, 0), (0, 0), (height, height), (width, width)))
    return _close(forward(replace(op, pad=(0, 0)), OpCall((padded,))), got)
