"""Initial weights: from a seed and each tensor's name alone, the same bytes on every machine.

Bits come from Philox, a counter-based generator whose stream NumPy promises never to change (it
promises no such thing of `Generator.normal`). Its key is a hash of the seed and the tensor's
canonical name, so that a tensor does not depend on what else the network holds, nor on the order.
Arithmetic is double, by operations that IEEE 754 fixes to the last bit (see `normal.py`), and
rounded to float32 once, at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from math import prod, sqrt

import numpy as np

from resnet_dsl.initial.normal import ROWS, Bits, Floats, normals, uniforms
from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.graph import Graph
from resnet_dsl.ir.ops import Init, TensorSpec
from resnet_dsl.progress import LongTask

Start = tuple[float, Init]
CHUNK = 1 << 15  # what stays in a cache; the result does not depend on it


def initial_state(graph: Graph, seed: int) -> dict[str, Array]:
    """Return every tensor of the model, learned and buffers, as the spec starts it."""
    return _state(graph, seed, lambda tensor: (0.0, tensor.init))


def random_state(graph: Graph, seed: int) -> dict[str, Array]:
    """Return weights that make mistakes show: as initial ones, but no tensor is constant.

    Fresh statistics hide a swapped mean and variance, a wrong epsilon, a forgotten gamma.
    """
    return _state(graph, seed, _varied)


def _state(graph: Graph, seed: int, start: Callable[[TensorSpec], Start]) -> dict[str, Array]:
    tensors = dict(graph.parameters())
    task = LongTask("drawing weights", sum(tensor.size for tensor in tensors.values()), "values")
    state = {}
    for name, tensor in tensors.items():
        state[name] = _tensor(f"{seed}:{name}", tensor.shape, *start(tensor))
        task.advance(tensor.size)
    return state


def _varied(tensor: TensorSpec) -> Start:
    """The mean and the noise around it for a tensor of `random_state`."""
    match tensor.role:
        case "weight":
            return 0.0, Init("normal", sqrt(2 / prod(tensor.shape[1:])))
        case "scale" | "variance":
            return 1.0, Init("uniform", 0.5)
        case _:
            return 0.0, Init("normal", 0.1)


def _tensor(key: str, shape: tuple[int, ...], mean: float, init: Init) -> Array:
    """A tensor of `shape` with noise of the kind `init` around `mean`."""
    if init.kind == "constant":
        return np.full(shape, mean + init.value, np.float32)
    result = np.empty(prod(shape), np.float32)
    room = np.empty((ROWS, min(CHUNK, result.size)))
    for part, bits in _chunks(key, result):
        noise = _noise(init, bits, room[:, : part.size])
        noise *= init.value
        noise += mean
        part[:] = noise
    return result.reshape(shape)


def _noise(init: Init, bits: Bits, room: Floats) -> Floats:
    """Standard normal deviates, or uniform ones between -1 and 1."""
    if init.kind == "normal":
        return normals(bits, room)
    noise = uniforms(bits)
    noise *= 2.0
    noise -= 1.0
    return noise


def _chunks(key: str, whole: Array) -> Iterator[tuple[Array, Bits]]:
    """Yield slices of `whole` in turn, each with as many 64-bit words of the stream of `key`."""
    philox = np.random.Philox(key=int.from_bytes(sha256(key.encode()).digest()[:16], "little"))
    for begin in range(0, whole.size, CHUNK):
        part = whole[begin : begin + CHUNK]
        yield part, philox.random_raw(part.size)
