"""The seal of a file, a hash of all the rest: by it the compiler knows what it wrote and nobody changed.

An artefact is made with an open seal, `seal` and 64 zeros, in its header or its metadata. `sealed` puts the
hash of the whole in their place. The text is of one length, so that neither the length fields of ONNX,
safetensors and HDF5 nor anything else in the file changes.
"""

from __future__ import annotations

import hashlib
import re
from mmap import mmap
from typing import Literal, TypeAlias, overload

OPEN = "0" * 64
LINE = f"seal {OPEN}"
"""What the header of a source file says."""
KEY = "seal"
"""The key in metadata; its value is `OPEN`."""
# Between the word and the hash: a space, JSON's quotes and colon (within JSON, too), protobuf's length.
SEAL = re.compile(rb"seal\W{1,8}([0-9a-f]{64})(?![0-9a-f])")
# torch names the folder within its archive after the file; the formats that are no archive bear a seal.
ARCHIVE = re.compile(rb"PK\x03\x04.{26}resnet-dsl/", re.DOTALL)

TRIED = 4

Pieces: TypeAlias = tuple[bytes | memoryview, ...]
"""A file's content in parts: bytes that were made for it, and views of arrays, of which no copy is made.

The seal is in a part that was made, and lies in it whole.
"""

Condition = Literal["ours", "changed", "foreign"]


@overload
def sealed(content: str) -> str: ...
@overload
def sealed(content: bytes) -> bytes: ...
@overload
def sealed(content: Pieces) -> Pieces: ...
@overload
def sealed(content: str | bytes | Pieces) -> str | bytes | Pieces: ...
def sealed(content: str | bytes | Pieces) -> str | bytes | Pieces:
    """Return a file's content with its own open seal closed; as it is if it has none.

    The spec's text, which may hold anything, follows the header of a source and comes before metadata.
    """
    if isinstance(content, tuple):
        return _closed(content, last=True)
    data = content.encode("utf-8") if isinstance(content, str) else content
    closed = b"".join(_closed((data,), last=isinstance(content, bytes)))
    return closed.decode("utf-8") if isinstance(content, str) else closed


def _closed(pieces: Pieces, last: bool) -> Pieces:
    """The content with its first or its last open seal closed."""
    for index, piece in reversed(list(enumerate(pieces))):
        if not isinstance(piece, bytes):
            continue
        places = [place for place in _seals(piece) if piece[slice(*place)] == OPEN.encode()]
        if places:
            begin, end = places[-1 if last else 0]
            around = memoryview(piece)  # which may be all of a large file
            before = (*pieces[:index], around[:begin])
            behind = (around[end:], *pieces[index + 1 :])
            return (*before, _hash(before, behind).encode(), *behind)
    return pieces


def condition(data: bytes | mmap) -> Condition:
    """Return whether content is `ours` and as it was written, was ours and is `changed`, or is `foreign`."""
    if ARCHIVE.match(data):
        return "ours"
    places = _seals(data)
    for begin, end in places:
        with memoryview(data) as view, view[:begin] as before, view[end:] as behind:
            if _hash((before,), (behind,)).encode() == data[begin:end]:
                return "ours"
    return "changed" if places else "foreign"


def _hash(before: Pieces, behind: Pieces) -> str:
    """The hash of the content with the seal between its parts open, without a copy of it."""
    found = hashlib.sha256()
    for piece in (*before, OPEN.encode(), *behind):
        found.update(piece)
    return found.hexdigest()


def _seals(data: bytes | mmap) -> list[tuple[int, int]]:
    """The places of the hashes of all seals, in order; of many the first and last few."""
    found = [match.span(1) for match in SEAL.finditer(data)]
    return found if len(found) <= 2 * TRIED else found[:TRIED] + found[-TRIED:]
