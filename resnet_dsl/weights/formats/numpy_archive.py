"""`.npz`: arrays of NumPy by name, as publishers of JAX models have them; read and not written."""

from __future__ import annotations

import functools
import zipfile
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from resnet_dsl.backend.bounds import AXES, check_tensors
from resnet_dsl.backend.contents import Contents, Metadata, Stored
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.ir.arrays import Array
from resnet_dsl.program import Program

SUFFIX = ".npy"
LONGEST = 10_000  # characters of an array's header; NumPy's own bound


def read(path: Path) -> Contents:
    """Return the arrays of a file, each read when it is asked for; no pickled one ever is."""
    with zipfile.ZipFile(path) as archive:
        check_tensors(path, len(archive.infolist()))
        found = {name.removesuffix(SUFFIX): _stored(path, archive, name) for name in archive.namelist()}
    return Contents("npz", found)


def encode(program: Program, state: Mapping[str, Array], metadata: Metadata, suffix: str) -> bytes:
    """Raise UsageError: such files are read alone."""
    raise UsageError("an .npz file is read and not written")


def encode_named(state: Mapping[str, Array], metadata: Metadata, suffix: str) -> bytes:
    """Raise UsageError: such files are read alone."""
    raise UsageError("an .npz file is read and not written")


def _stored(path: Path, archive: zipfile.ZipFile, name: str) -> Stored:
    with archive.open(name) as file:
        shape, fortran, dtype = _header(file)
    if len(shape) > AXES.most:
        raise ValueError(f"an array has {len(shape):,} axes")
    if dtype.hasobject:
        return Stored(shape, "object", lambda: np.zeros(()))
    return Stored(shape, dtype.name, functools.partial(_load, path, name, shape, fortran, dtype))


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return reader(file, LONGEST)


def _load(path: Path, name: str, shape: tuple[int, ...], fortran: bool, dtype: np.dtype[Any]) -> Array:
    with zipfile.ZipFile(path) as archive, archive.open(name) as file:
        _header(file)
        size = prod(shape) * dtype.itemsize
        data = file.read(size)
    if len(data) != size:
        raise ValueError("the file ends within an array")
    values: Array = np.frombuffer(data, dtype)
    return values.reshape(shape[::-1]).T if fortran else values.reshape(shape)
