"""How large the parts of a model's file are, before protobuf makes objects of them."""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from onnx import ModelProto

from resnet_dsl.backend.bounds import GRAPH, check_tensors
from resnet_dsl.backend.refusals import UsageError

GRAPH_FIELD = 7  # of a model
TENSORS_FIELD = 5  # of a graph
VARINT, FIXED64, MESSAGE, FIXED32 = 0, 1, 2, 5  # the kinds of fields
FIXED = {FIXED64: 8, FIXED32: 4}


def parsed(path: Path) -> ModelProto:
    """Return the model in a file; raises UsageError where its graph alone would fill the memory.

    What protobuf makes of a graph takes many times its bytes, of a tensor no more than it has.
    """
    with path.open("rb") as file:
        if path.stat().st_size:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                _check(path, data)
        content = file.read()
    model = ModelProto()
    model.ParseFromString(content)
    return model


def _check(path: Path, data: mmap.mmap) -> None:
    counts: Counter[int] = Counter()  # of nodes, tensors and values, by their field
    beside = 0
    try:
        for field, start, end in fields(data, 0, len(data)):
            if field != GRAPH_FIELD:
                beside += end - start
            else:
                for inner, begin, stop in fields(data, start, end):
                    counts[inner] += 1
                    beside += 0 if inner == TENSORS_FIELD else stop - begin
                    check_tensors(path, counts[inner])
            if beside > GRAPH.most:
                raise UsageError(f"{path}: its graph has more than {GRAPH.most:,} bytes beside its tensors")
    except (IndexError, ValueError):  # no model: protobuf will say so
        return


def fields(data: bytes | mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (number, begin, end) of the fields of a message."""
    while start < end:
        key, start = _varint(data, start)
        kind = key & 7
        if kind == MESSAGE:
            length, start = _varint(data, start)
            stop = start + length
        elif kind == VARINT:
            _, stop = _varint(data, start)
        elif kind in FIXED:
            stop = start + FIXED[kind]
        else:
            raise ValueError
        if stop > end:
            raise ValueError
        yield key >> 3, start, stop
        start = stop


def _varint(data: bytes | mmap.mmap, start: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[start]
        start += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, start
        if shift > 63:
            raise ValueError
