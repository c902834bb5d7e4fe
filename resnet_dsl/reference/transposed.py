"""Transposed convolution: each pixel adds its matrix of results, one tap of the kernel after the other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from resnet_dsl.ir.arguments import sides
from resnet_dsl.ir.ops import ConvTranspose
from resnet_dsl.reference.meaning import Array, Gradients, OpCall, backward, forward

Tap = tuple[slice, slice, slice, slice]


@forward.register
def _conv_transpose(op: ConvTranspose, call: OpCall) -> Array:
    weight, x = _grouped(op, call.tensors["weight"]), _split(call.x, op.groups)
    full = _nothing(op, call.x)
    for (i, j), tap in _taps(op, call.x):
        full[tap] += np.einsum("ngchw,gco->ngohw", x, weight[:, :, :, i, j]).reshape(full[tap].shape)
    result = full[_kept(op, full)]
    return result + call.tensors["bias"][:, None, None] if op.bias else result.copy()


@backward.register
def _conv_transpose_back(op: ConvTranspose, call: OpCall, result: Array, gradient: Array) -> Gradients:
    weight, x = _grouped(op, call.tensors["weight"]), _split(call.x, op.groups)
    full = _nothing(op, call.x)
    full[_kept(op, full)] = gradient
    by_x, by_weight = np.zeros(x.shape), np.empty_like(weight)
    for (i, j), tap in _taps(op, call.x):
        outer = _split(full[tap], op.groups)
        by_x += np.einsum("ngohw,gco->ngchw", outer, weight[:, :, :, i, j])
        by_weight[:, :, :, i, j] = np.einsum("ngohw,ngchw->gco", outer, x)
    tensors = {"weight": by_weight.reshape(call.tensors["weight"].shape)}
    if op.bias:
        tensors["bias"] = gradient.sum((0, 2, 3))
    return Gradients((by_x.reshape(call.x.shape),), tensors)


def _grouped(op: ConvTranspose, weight: Array) -> Array:
    """(C, O/g, k, l) → (g, C/g, O/g, k, l)."""
    return weight.reshape(op.groups, -1, *weight.shape[1:])


def _split(x: Array, groups: int) -> Array:
    """(N, C, H, W) → (N, g, C/g, H, W)."""
    return x.reshape(len(x), groups, -1, *x.shape[2:])


def _nothing(op: ConvTranspose, x: Array) -> Array:
    """Zeros for the full result, and for what `output_padding` adds past it."""
    sizes = ((n - 1) * s + span + out for n, s, span, out in
             zip(x.shape[2:], op.stride, op.spans, op.output_padding, strict=True))  # fmt: skip
    return np.zeros((len(x), op.channels, *sizes))


def _taps(op: ConvTranspose, x: Array) -> Iterator[tuple[tuple[int, int], Tap]]:
    """Yield each tap of the kernel with the places of the full result that it adds to."""
    for i in range(op.kernel[0]):
        for j in range(op.kernel[1]):
            rows, columns = (
                slice(at * d, at * d + (n - 1) * s + 1, s)
                for at, d, n, s in zip((i, j), op.dilation, x.shape[2:], op.stride, strict=True)
            )
            yield (i, j), (slice(None), slice(None), rows, columns)


def _kept(op: ConvTranspose, full: Array) -> Tap:
    """What the padding leaves of the full result."""
    rows, columns = (
        slice(before, size - after)
        for (before, after), size in zip(sides(op.pad), full.shape[2:], strict=True)  # type: ignore[arg-type]
    )
    return slice(None), slice(None), rows, columns
