"""Safetensors, the canonical file: names as torch's, sorted, and all metadata in one JSON value.

One value because the order of several would have to be settled, too. The format is a length, a header in
JSON and the data, so it is read and written here: its library takes twice the memory of a large header,
and ends the process where memory is short.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from resnet_dsl.backend.bounds import AXES, HEADER, check_metadata, check_tensors
from resnet_dsl.backend.contents import KEY, Contents, Metadata, Stored, metadata_value
from resnet_dsl.backend.file_arrays import array_at
from resnet_dsl.codegen.seal import Pieces
from resnet_dsl.ir.arrays import Array
from resnet_dsl.program import Program

EXTRA = "__metadata__"
# The bits of an element.
BITS = {
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8,
    "F8_E8M0": 8, "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32,
    "U64": 64, "I64": 64, "F64": 64, "C64": 64,
}  # fmt: skip
DTYPES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64", "BOOL": "bool"}


# --- writing -----------------------------------------------------------------------------------


def encode(program: Program, state: Mapping[str, Array], metadata: Metadata, suffix: str) -> Pieces:
    """Return the file's bytes, the same on every run."""
    return encode_named(state, metadata, suffix)


def encode_named(state: Mapping[str, Array], metadata: Metadata, suffix: str) -> Pieces:
    """Return the bytes of a file of tensors under whatever names."""
    header: dict[str, object] = {EXTRA: {KEY: json.dumps(metadata, sort_keys=True)}}
    values, end = [], 0
    for name in sorted(state):
        value = np.ascontiguousarray(state[name], "<f4")
        begin, end = end, end + value.nbytes
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [begin, end]}
        values.append(value.reshape(-1).view(np.uint8).data)
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    return (len(text).to_bytes(8, "little") + text, *values)


# --- reading -----------------------------------------------------------------------------------


def read(path: Path) -> Contents:
    """Return what a file holds; header, offsets and sizes are checked, and no tensor is read yet."""
    size = path.stat().st_size
    with path.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if size < 8:
            raise ValueError(f"it has {size} bytes")
        if length > HEADER.most:
            raise ValueError(f"header too large: {length:,} bytes; the limit is {HEADER.most:,}")
        if length > size - 8:
            raise ValueError(f"the header of {length:,} bytes goes beyond the end")
        text = opened.read(length)
    check_tensors(path, text.count(b'"data_offsets"'))
    header = json.loads(text.decode("utf-8"), object_pairs_hook=_once)
    if not isinstance(header, dict):
        raise ValueError("the header is no object")
    metadata = _metadata(path, header.pop(EXTRA, {}))
    places = {name: _place(name, entry) for name, entry in header.items()}
    _check_order(places.values(), size - 8 - length)
    tensors = {name: _stored(path, 8 + length, *place) for name, place in places.items()}
    return Contents("safetensors", tensors, metadata)


Place = tuple[str, tuple[int, ...], int, int]
"""A tensor's dtype and shape, and where its data begin and end."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is given twice")
    return found


def _metadata(path: Path, given: object) -> dict[str, Any]:
    items = given.items() if isinstance(given, dict) else ()
    texts = {key: value for key, value in items if isinstance(value, str)}
    if texts != given:
        raise ValueError("the metadata are not all text")
    check_metadata(path, sum(map(len, texts.values())))
    return {key: metadata_value(value) for key, value in texts.items()}


def _place(name: str, entry: object) -> Place:
    """Read what the header says of a tensor, and hold its size against its dtype and shape."""
    match entry:
        case {"dtype": str() as dtype, "shape": list() as shape, "data_offsets": [begin, end]}:
            numbers = (*shape, begin, end)
        case _:
            raise ValueError(f"{name} lacks dtype, shape or place")
    if dtype not in BITS:
        raise ValueError(f"{name} has the unknown dtype {dtype}")
    if not all(type(number) is int and 0 <= number < 2**63 for number in numbers):
        raise ValueError(f"{name} has a shape or place that is none")
    if len(shape) > AXES.most:
        raise ValueError(f"{name} has {len(shape):,} axes")
    if prod(shape) * BITS[dtype] != (end - begin) * 8:
        raise ValueError(f"{name} has {end - begin} bytes, not those of its shape")
    return dtype, tuple(shape), begin, end


def _check_order(places: Iterable[Place], size: int) -> None:
    """The data of tensors follow each other without gap or overlap, and fill the file."""
    reached = 0
    for _, _, begin, end in sorted(places, key=lambda place: place[2:]):
        if begin != reached:
            raise ValueError("the data of its tensors overlap or leave a gap")
        reached = end
    if reached != size:
        raise ValueError(f"its tensors have {reached:,} bytes; there are {size:,}")


def _stored(path: Path, offset: int, dtype: str, shape: tuple[int, ...], begin: int, end: int) -> Stored:
    long = DTYPES.get(dtype) or _long_name(dtype)
    return Stored(shape, long, functools.partial(_load, path, offset + begin, long, shape))


@functools.cache
def _long_name(dtype: str) -> str:
    """`I64` and `U8` as NumPy names them; others as they are."""
    kinds = {"I": "int", "U": "uint"}
    return kinds[dtype[0]] + dtype[1:] if dtype[0] in kinds and dtype[1:].isdigit() else dtype.lower()


def _load(path: Path, begin: int, dtype: str, shape: tuple[int, ...]) -> Array:
    """Read one tensor; NumPy has no bfloat16, which is the upper half of a float32."""
    raw = np.dtype("<u2" if dtype == "bfloat16" else dtype).newbyteorder("<")
    values = array_at(path, raw, prod(shape), begin)
    if dtype == "bfloat16":
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return values.reshape(shape)
