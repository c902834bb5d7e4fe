"""Arrays of files: read into memory or, where a command asks for it, the pages of the file themselves.

A program that keeps its arrays must not have them change or vanish when somebody writes the file anew.
A command that reads a file, writes another and ends has no use for a copy, nor has who copies them anyway.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_dsl.ir.arrays import Array

if TYPE_CHECKING:
    import numpy as np

_maps: ContextVar[dict[Path, mmap.mmap] | None] = ContextVar("maps", default=None)


@contextmanager
def mapped_files() -> Iterator[None]:
    """Let arrays that are read within be views of their files, which cannot be written to."""
    token = _maps.set({})
    try:
        yield
    finally:
        _maps.reset(token)


def array_at(path: Path, dtype: np.dtype[np.generic], count: int, offset: int) -> Array:
    """Return the elements from an offset on: as many as asked for, or as there are."""
    import numpy as np  # which a command that reads no weights does without

    maps = _maps.get()
    if maps is None or count == 0:
        return np.fromfile(path, dtype, count, offset=offset)
    if path not in maps:
        with path.open("rb") as file:
            maps[path] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    there = max(len(maps[path]) - offset, 0) // dtype.itemsize
    return np.frombuffer(maps[path], dtype, min(count, there), offset) if there else np.empty(0, dtype)
