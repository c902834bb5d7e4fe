"""A state_dict as `torch.save` writes it, made without torch: the pickle of its tensors, and their bytes.

The pickle is put together from opcodes, since pickling a name of torch's would import torch. Of an archive
that says `.format_version` torch computes where its storages lie, as its own writer places them; this one
does not say it, like those before torch 2.7, so that torch looks into the archive's directory.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from zipfile import ZipFile, ZipInfo

import numpy as np

from resnet_dsl.backend.artefacts import Pieces
from resnet_dsl.backend.ir import Array

PROTOCOL = 2  # torch's
VERSION = b"3\n"  # of the layout of archives
STORAGES = {"float32": "FloatStorage", "int64": "LongStorage"}
# A storage begins at a multiple of this, so that it can be mapped; the padding is an extra field.
ALIGNMENT = 64
LOCAL_HEADER, EXTRA_HEADER = 30, 4
PADDING = b"FB"  # the extra field's mark, torch's
UNIX = 3  # the system that an archive is from, whichever it is


def written_archive(folder: str, tensors: Mapping[str, Array]) -> Pieces:
    """Return the bytes of a file of torch whose names begin with `folder`; the tensors stay where they are.

    Arrays are in C order, of float32 or int64. Each has a storage of its own.
    """
    pieces = _Pieces()
    with ZipFile(pieces, "w") as archive:
        _add(archive, pieces, f"{folder}/data.pkl", _pickled(tensors))
        _add(archive, pieces, f"{folder}/byteorder", b"little")
        for key, value in enumerate(tensors.values()):
            _add(archive, pieces, f"{folder}/data/{key}", _content(value))
        _add(archive, pieces, f"{folder}/version", VERSION)
    return tuple(pieces.written)


class _Pieces:
    """A file that keeps what is written to it as it is: a view of an array is not copied."""

    def __init__(self) -> None:
        self.written: list[bytes | memoryview] = []
        self.size = 0

    def write(self, data: bytes | memoryview) -> int:
        """Take a piece."""
        self.written.append(data)
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: all is written."""

    def close(self) -> None:
        """Do nothing: the pieces are read later."""


def _add(archive: ZipFile, pieces: _Pieces, name: str, content: bytes | memoryview) -> None:
    """Write an entry as it is, its content aligned."""
    entry = ZipInfo(name)
    entry.create_system = UNIX
    padding = -(pieces.size + LOCAL_HEADER + len(name) + EXTRA_HEADER) % ALIGNMENT
    entry.extra = PADDING + padding.to_bytes(2, "little") + bytes(padding)
    archive.writestr(entry, content)


def _content(value: Array) -> memoryview:
    """The bytes of an array, lowest first."""
    return value.astype(value.dtype.newbyteorder("<"), copy=False).reshape(-1).view(np.uint8).data


# --- the pickle --------------------------------------------------------------------------------


def _pickled(tensors: Mapping[str, Array]) -> bytes:
    """The pickle of a dictionary of tensors, whose data lie outside of it by their numbers."""
    items = (_plain(name) + _tensor(str(key), value) for key, (name, value) in enumerate(tensors.items()))
    head = pickle.PROTO + bytes([PROTOCOL]) + pickle.EMPTY_DICT + pickle.MARK
    return head + b"".join(items) + pickle.SETITEMS + pickle.STOP


def _tensor(key: str, value: Array) -> bytes:
    """The call that makes a tensor: of storage, offset, shape, strides, no gradient and no hooks."""
    kind = _named("torch", STORAGES[value.dtype.name])
    storage = (_plain("storage"), kind, _plain(key), _plain("cpu"), _plain(value.size))
    hooks = _called("collections", "OrderedDict")
    layout = (_plain(0), _plain(value.shape), _plain(tuple(_strides(value.shape))))
    arguments = (_tuple(*storage), pickle.BINPERSID, *layout, pickle.NEWFALSE, hooks)
    return _called("torch._utils", "_rebuild_tensor_v2", *arguments)


def _strides(shape: Sequence[int]) -> Iterator[int]:
    """Yield by how many elements each axis goes on, as torch counts them: an empty axis as one."""
    for axis in range(len(shape)):
        yield prod(max(extent, 1) for extent in shape[axis + 1 :])


def _called(module: str, name: str, *arguments: bytes) -> bytes:
    return _named(module, name) + _tuple(*arguments) + pickle.REDUCE


def _named(module: str, name: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def _tuple(*items: bytes) -> bytes:
    return pickle.MARK + b"".join(items) + pickle.TUPLE


def _plain(value: str | int | tuple[int, ...]) -> bytes:
    """What a pickle has of a value between its head and its end."""
    return pickle.dumps(value, PROTOCOL)[2:-1]
