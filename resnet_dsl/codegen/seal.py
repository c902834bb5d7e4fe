"""The seal of a file, a hash of all the rest: by it the compiler knows what it wrote and nobody changed.

An artefact is made with an open seal, `seal` and 64 zeros, in its header or its metadata. `sealed` puts the
hash of the whole in their place. The text is of one length, so that neither the length fields of ONNX,
safetensors and HDF5 nor anything else in the file changes.
"""

from __future__ import annotations

import hashlib
import re
from mmap import mmap
from typing import Literal, overload

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

Condition = Literal["ours", "changed", "foreign"]


@overload
def sealed(content: str) -> str: ...
@overload
def sealed(content: bytes) -> bytes: ...
@overload
def sealed(content: str | bytes) -> str | bytes: ...
def sealed(content: str | bytes) -> str | bytes:
    """Return a file's content with its own open seal closed; as it is if it has none.

    The spec's text, which may hold anything, follows the header of a source and comes before metadata.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    places = [place for place in _seals(data) if data[slice(*place)] == OPEN.encode()]
    if not places:
        return content
    begin, end = places[0] if isinstance(content, str) else places[-1]
    closed = data[:begin] + _hash(data, begin, end).encode() + data[end:]
    return closed.decode("utf-8") if isinstance(content, str) else closed


def condition(data: bytes | mmap) -> Condition:
    """Return whether content is `ours` and as it was written, was ours and is `changed`, or is `foreign`."""
    if ARCHIVE.match(data):
        return "ours"
    places = _seals(data)
    for begin, end in places:
        if _hash(data, begin, end).encode() == data[begin:end]:
            return "ours"
    return "changed" if places else "foreign"


def _hash(data: bytes | mmap, begin: int, end: int) -> str:
    """The hash of the content with this seal open, without a copy of it."""
    view = memoryview(data)
    found = hashlib.sha256(view[:begin])
    found.update(OPEN.encode())
    found.update(view[end:])
    view.release()
    return found.hexdigest()


def _seals(data: bytes | mmap) -> list[tuple[int, int]]:
    """The places of the hashes of all seals, in order; of many the first and last few."""
    found = [match.span(1) for match in SEAL.finditer(data)]
    return found if len(found) <= 2 * TRIED else found[:TRIED] + found[-TRIED:]
