"""The name-seeded weights of the golden files: anybody with the right names gets the same numbers."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from math import prod, sqrt
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def named_state(names_and_shapes: Iterable[tuple[str, tuple[int, ...]]]) -> dict[str, Array]:
    """Return float32 weights by name: torch's names have dots, those of Keras end in `/variable`."""
    return {name: _tensor(name, shape) for name, shape in names_and_shapes}


def golden_input(size: int, dtype: str = "float64") -> Array:
    """Return the NCHW input that the golden files were computed at."""
    x = np.random.default_rng(0).standard_normal((2, 3, size, size)).astype(np.float32)
    return x.astype(dtype)


def _tensor(name: str, shape: tuple[int, ...]) -> Array:
    random = np.random.default_rng(zlib.crc32(name.encode()))
    last = name.replace("/", ".").rsplit(".", 1)[-1]
    if last == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    if last in ("running_var", "moving_variance"):
        value = random.uniform(0.5, 1.5, shape)
    elif last in ("running_mean", "moving_mean"):
        value = 0.1 * random.standard_normal(shape)
    elif last == "gamma" or (last == "weight" and len(shape) == 1):
        value = random.uniform(0.5, 1.5, shape)
    elif len(shape) == 1:
        value = 0.1 * random.standard_normal(shape)
    else:
        fan = prod(shape[:-1]) if "/" in name else prod(shape[1:])
        value = random.standard_normal(shape) * sqrt(2 / fan)
    return value.astype(np.float32)
