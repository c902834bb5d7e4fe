"""Safetensors, the canonical file: names as torch's, sorted, and all metadata in one JSON value.

One value because the library writes several in an order that changes from run to run.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from resnet_dsl.backend.contents import KEY, Contents, Metadata, Stored, metadata_value
from resnet_dsl.ir.arrays import Array
from resnet_dsl.program import Program

Header = Mapping[str, Metadata]
"""What a file says of each tensor: dtype, shape, and where its data begin and end."""
DTYPES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64", "BOOL": "bool"}


def encode(program: Program, state: Mapping[str, Array], metadata: Metadata, suffix: str) -> bytes:
    """Return the file's bytes, the same on every run."""
    return encode_named(state, metadata, suffix)


def encode_named(state: Mapping[str, Array], metadata: Metadata, suffix: str) -> bytes:
    """Return the bytes of a file of tensors under whatever names."""
    tensors = {name: np.ascontiguousarray(state[name], np.float32) for name in sorted(state)}
    content: bytes = save(tensors, metadata={KEY: json.dumps(metadata, sort_keys=True)})
    return content


def read(path: Path) -> Contents:
    """Return what a file holds; the library checks header, offsets and sizes before anything is allocated."""
    file: Any = safe_open(path, framework="numpy")
    with path.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        header: Header = json.loads(opened.read(length))  # `safe_open` has found it sound
    tensors = {name: _stored(path, 8 + length, header[name]) for name in file.keys()}  # noqa: SIM118
    metadata = {key: metadata_value(value) for key, value in (file.metadata() or {}).items()}
    return Contents("safetensors", tensors, metadata)


def _stored(path: Path, offset: int, place: Metadata) -> Stored:
    dtype = DTYPES.get(place["dtype"], _long_name(place["dtype"]))
    shape = tuple(place["shape"])
    begin = offset + place["data_offsets"][0]
    return Stored(shape, dtype, functools.partial(_load, path, begin, dtype, shape))


def _long_name(dtype: str) -> str:
    """`I64` and `U8` as NumPy names them; others as they are."""
    kinds = {"I": "int", "U": "uint"}
    return kinds[dtype[0]] + dtype[1:] if dtype[0] in kinds and dtype[1:].isdigit() else dtype.lower()


def _load(path: Path, begin: int, dtype: str, shape: tuple[int, ...]) -> Array:
    """Read one tensor; NumPy has no bfloat16, which is the upper half of a float32."""
    count = int(np.prod(shape, dtype=np.int64))
    raw = np.dtype("<u2" if dtype == "bfloat16" else dtype).newbyteorder("<")
    values = np.fromfile(path, raw, count, offset=begin)
    if dtype == "bfloat16":
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return values.reshape(shape)
