"""Files of `torch.save` and `torch.jit.save`, read without torch: a pickle, and the bytes of its storages.

Since version 1.6 such a file is a zip archive that nothing in is compressed; before, pickles one behind the
other and then the storages. TorchScript's archives have the same pickle beside their code, which nobody runs.
"""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
from pathlib import Path
from typing import BinaryIO

from resnet_dsl.backend.bounds import METADATA, OPCODES, check_tensors
from resnet_dsl.backend.records import dataclass
from resnet_dsl.backend.refusals import UsageError
from resnet_dsl.backend.unpickling import unpickled
from resnet_dsl_torch.archived_tensors import ArchivedTensors, Storage, persistent

# Element types and dtypes, and what NumPy writes its numbers by.
OF_TENSORS = re.compile(
    r"torch\.(\w+Storage|[a-z]+\d+\w*|storage\.\w+)|numpy\.(ndarray|_?core\.multiarray\.scalar)"
)
MAGIC = 0x1950A86A20F9469CFC6C
OLD_PICKLES = 2  # behind the magic number: version and system; then the object and the keys of storages


@dataclass(frozen=True)
class Archive:
    """What a file holds, and whether it is TorchScript's."""

    value: object
    named: tuple[str, ...] = ()
    """What its pickle names beside what tensors are made of, by module and name; none of it is imported."""
    scripted: bool = False


def read_archive(path: Path) -> Archive:
    """Return what a file of torch holds; raises UsageError for one that torch would not have written."""
    named: set[str] = set()
    value, scripted = _read_zip(path, named) if zipfile.is_zipfile(path) else (_read_old(path, named), False)
    return Archive(value, tuple(sorted(name for name in named if not OF_TENSORS.fullmatch(name))), scripted)


# --- the zip archive ---------------------------------------------------------------------------


def _read_zip(path: Path, named: set[str]) -> tuple[object, bool]:
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        check_tensors(path, len(entries))
        pickles = [name for name in entries if name.rpartition("/")[2] == "data.pkl"]
        if not pickles:
            raise UsageError(f"{path}: a zip archive without `data.pkl`; torch.save writes one")
        folder = min(pickles, key=len).rpartition("/")[0]
        front = f"{folder}/" if folder else ""
        scripted = f"{front}constants.pkl" in entries  # torch.jit.save compresses its pickles
        packed = [entry for entry in entries.values() if entry.compress_type != zipfile.ZIP_STORED]
        if packed and not scripted:
            raise UsageError(f"{path}: a compressed archive; torch.save writes none")
        if packed and entries[f"{front}data.pkl"].file_size > METADATA.most:
            raise UsageError(f"{path}: its pickle is compressed and has more than {METADATA.most:,} bytes")
        data = archive.read(f"{front}data.pkl")
        big = f"{front}byteorder" in entries and archive.read(f"{front}byteorder") == b"big"
    _check_opcodes(path, io.BytesIO(data))

    def begins(storage: Storage) -> int:
        entry = entries.get(f"{front}data/{storage.key}") or entries.get(f"{front}tensors/{storage.key}")
        stored = entry is not None and entry.compress_type == zipfile.ZIP_STORED
        if entry is None or not stored or entry.file_size < storage.size:
            raise ValueError("a tensor has no data of its size")
        return _data_of(path, entry)

    tensors = ArchivedTensors(path, begins, ">" if big else "<")
    return unpickled(io.BytesIO(data), tensors.functions(), persistent, named), scripted


def _data_of(path: Path, entry: zipfile.ZipInfo) -> int:
    """Where the bytes of an entry that is not compressed begin."""
    with path.open("rb") as file:
        file.seek(entry.header_offset)
        header = file.read(30)
    return entry.header_offset + 30 + sum(int.from_bytes(header[at : at + 2], "little") for at in (26, 28))


# --- pickles one behind the other ---------------------------------------------------------------


def _read_old(path: Path, named: set[str]) -> object:
    places: dict[str, int] = {}
    with path.open("rb") as file:
        _check_opcodes(path, file, 1 + OLD_PICKLES + 2)
        file.seek(0)
        if (value := unpickled(file, named=named)) != MAGIC:
            return value  # a pickle of its own
        for _ in range(OLD_PICKLES):
            unpickled(file)
        sizes: dict[str, int] = {}

        def noted(identifier: object) -> object:
            found = persistent(identifier)
            if isinstance(found, Storage):
                sizes[found.key] = found.item
            return found

        tensors = ArchivedTensors(path, lambda storage: places[storage.key], "<")
        value = unpickled(file, tensors.functions(), noted, named)
        keys = unpickled(file)
        for key in keys if isinstance(keys, list) else []:
            count = int.from_bytes(file.read(8), "little", signed=True)
            if str(key) not in sizes or count < 0:
                raise ValueError("its storages are not those of its tensors")
            places[str(key)] = file.tell()
            file.seek(count * sizes[str(key)], io.SEEK_CUR)
        if file.tell() > path.stat().st_size:
            raise ValueError("its storages go beyond the end")
    return value


def _check_opcodes(path: Path, file: BinaryIO, pickles: int = 1) -> None:
    """Count opcodes, each of which may make an object: a short file could fill the memory."""
    count = 0
    for _ in range(pickles):
        try:
            for _ in pickletools.genops(file):
                count += 1
                if count > OPCODES.most:
                    raise UsageError(f"{path}: its pickle has more than {OPCODES.most:,} opcodes")
        except (ValueError, IndexError, UnicodeError):  # no pickle: loading it will say so
            return
