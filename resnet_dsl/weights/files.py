"""Weight files as the compiler sees them: a format, and contents whose tensors are read when asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

KEY = "resnet-dsl"
"""Under this key a file of ours holds all its metadata, as one JSON value."""


@dataclass(frozen=True)
class Format:
    """A kind of file, and the module that knows it.

    The module offers `read(path) -> Contents` and
    `encode(program, state, metadata, suffix) -> bytes`; it is imported when one of them is called.
    """

    title: str
    module: str
    extra: str
    """What `pip install "resnet-dsl[…]"` installs the packages with."""
    reading: tuple[str, ...]
    """The packages that reading needs."""
    writing: tuple[str, ...]


@dataclass(frozen=True)
class Stored:
    """A tensor as a file holds it, in torch's layout; `load` reads it, `dtype` is as it lies there."""

    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], Array]


@dataclass(frozen=True)
class Contents:
    """What a file holds, under the names it gives; `notes` say what was done to get at them."""

    format: str
    tensors: Mapping[str, Stored]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
