"""What a file is by its first bytes, whatever it is called."""

from __future__ import annotations

import zipfile
from pathlib import Path

FIRST = 512
"""As many bytes of a file as tell what it is."""
SAFETENSORS, HDF5, TORCH, NUMPY, PICKLE, ONNX = "safetensors", "HDF5", "torch", "npz", "pickle", "ONNX"
INDEX = "index"
ONNX_FIELDS = (0x12, 0x1A, 0x22, 0x32, 0x3A, 0x42)
# The suffix of the format that reads such files.
SUFFIXES = {
    SAFETENSORS: ".safetensors", HDF5: ".h5", TORCH: ".pth", PICKLE: ".pth", NUMPY: ".npz", ONNX: ".onnx",
    INDEX: ".index.json",
}  # fmt: skip
# Files that hold no weights in any format known here, and what to do.
OTHERS = {
    b"version https://git-lfs": "a Git LFS pointer and not the file itself: `git lfs pull` fetches it",
    b"<!DOCTYPE": "a web page",
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"\x1f\x8b": "a gzip archive: unpack it first",
    b"BZh": "a bzip2 archive: unpack it first",
    b"\xfd7zXZ": "an xz archive: unpack it first",
    b"7z\xbc\xaf": "a 7-Zip archive: unpack it first",
    b"GGUF": "a GGUF file, whose tensors are quantised: start from the float model",
    b"\x93NUMPY": "a single array of NumPy: `numpy.savez(FILE, **arrays)` writes them by name",
}
PARTS = {
    "model.json": "a TensorFlow.js model",
    "model.weights.h5": "a .keras archive, which can hold code and is not opened; "
    "`model.save_weights('NAME.weights.h5')` writes its weights",
}


def kind_of(path: Path, head: bytes) -> str:
    """Return the kind of a file by its contents: a key of `SUFFIXES`, empty if it is none."""
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return HDF5
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_zip(path)
    # The length of a header in JSON, whose first bytes may be those of a pickle.
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**40:
        return SAFETENSORS
    if len(head) > 1 and head[0] == 0x80 and head[1] in range(2, 6):
        return PICKLE
    if path.name.endswith(SUFFIXES[INDEX]):
        return INDEX
    # The version of the format, then whatever field has a length: no text begins so.
    is_onnx = len(head) > 4 and head[0] == 0x08 and 0 < head[1] < 0x20 and head[2] in ONNX_FIELDS
    return ONNX if is_onnx else ""


def other_kind(path: Path, head: bytes) -> str:
    """Return what a file is that holds no weights known here, as a message has it; empty if that is open."""
    found = next((what for magic, what in OTHERS.items() if head.startswith(magic)), "")
    if not found and head[4:8] == b"TFL3":
        return "a TensorFlow Lite model; start from the Keras model it was made from"
    if not found and head[257:262] == b"ustar":
        return "a tar archive: unpack it first"
    if found or not head.startswith(b"PK\x03\x04"):
        return found
    names = {name.rpartition("/")[2] for name in _names(path)}
    return next((what for name, what in PARTS.items() if name in names), "a zip archive of something else")


def _kind_of_zip(path: Path) -> str:
    names = _names(path)
    if any(name == "data.pkl" or name.endswith("/data.pkl") for name in names):
        return TORCH
    if names and all(name.endswith(".npy") for name in names):
        return NUMPY
    return ""


def _names(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError):
        return []
