"""A model's bytes as protobuf would write them, in pieces: its weights stay in the arrays they are in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from onnx import ModelProto, TensorProto

from resnet_dsl.backend.artefacts import Pieces
from resnet_dsl.backend.ir import Array
from resnet_dsl_onnx.message_sizes import GRAPH_FIELD, MESSAGE, TENSORS_FIELD, fields

CONTENT_FIELD = TensorProto.RAW_DATA_FIELD_NUMBER
"""The contents of a tensor: the last of the fields that tensors of ours have."""


def in_pieces(model: ModelProto, weights: Sequence[Array]) -> Pieces:
    """Return the bytes of a model with its first initialisers filled; they have no contents of their own."""
    outline = model.SerializeToString(deterministic=True)
    pieces: list[bytes | memoryview] = [b""]
    at = 0
    for field, begin, end in fields(outline, 0, len(outline)):
        if field != GRAPH_FIELD:
            _add(pieces, outline[at:end])
        else:
            graph = list(_filled(outline, begin, end, weights))
            _add(pieces, _head(field, sum(map(len, graph))))
            for piece in graph:
                _add(pieces, piece)
        at = end
    return tuple(pieces)


def _filled(outline: bytes, start: int, stop: int, weights: Sequence[Array]) -> Iterator[bytes | memoryview]:
    """Yield the fields of a graph, each tensor's contents behind what else it says of itself."""
    waiting = iter(weights)
    done = at = start
    for field, begin, end in fields(outline, start, stop):
        value = next(waiting, None) if field == TENSORS_FIELD else None
        if value is not None:
            content = value.reshape(-1).view(np.uint8).data
            head = outline[begin:end] + _head(CONTENT_FIELD, len(content))
            yield outline[done:at] + _head(TENSORS_FIELD, len(head) + len(content)) + head
            yield content
            done = end
        at = end
    yield outline[done:stop]


def _add(pieces: list[bytes | memoryview], piece: bytes | memoryview) -> None:
    """Append a piece; neighbours that were made for the file are one."""
    last = pieces[-1]
    if isinstance(piece, bytes) and isinstance(last, bytes):
        pieces[-1] = last + piece
    else:
        pieces.append(piece)


def _head(field: int, length: int) -> bytes:
    """What stands before a field that has a length."""
    return _varint(field << 3 | MESSAGE) + _varint(length)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)
