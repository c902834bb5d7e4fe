"""IDX, the format of MNIST and those that follow it, also compressed by gzip."""

from __future__ import annotations

import gzip
import math
import os
import zlib

import numpy as np

from resnet_dsl.training.array_files import data_of_arrays
from resnet_dsl.training.images import Array, Data, DataError

IDX_NAMES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
UNSIGNED_BYTE = 8  # the code of the only element type images have


def idx_folder(path: str) -> dict[str, str] | None:
    """Return the four files of a folder by what is in them; None if it has none of the kind."""
    for folder in (path, os.path.join(path, "raw")):
        found = {name: file for name, usual in IDX_NAMES.items() if (file := idx_file(folder, usual))}
        if found and len(found) < len(IDX_NAMES):
            missing = ", ".join(usual for name, usual in IDX_NAMES.items() if name not in found)
            raise DataError(f"{folder}: {missing} is missing; all four files of IDX are needed")
        if found:
            return found
    return None


def idx_file(folder: str, usual: str) -> str:
    """Return the path of a file under one of its names, zipped or not; nothing if it is not there."""
    spellings = (usual, usual.replace("-idx", ".idx"))
    paths = (os.path.join(folder, each + suffix) for each in spellings for suffix in ("", ".gz"))
    return next((each for each in paths if os.path.isfile(each)), "")


def read_idx_files(files: dict[str, str]) -> Data:
    """Return the images of the four files."""
    return data_of_arrays(
        {name: read_idx(file) for name, file in files.items()}, os.path.dirname(files["x_train"])
    )


def read_idx(path: str) -> Array:
    """Return the array of an IDX file of bytes."""
    try:
        with gzip.open(path) if path.endswith(".gz") else open(path, "rb") as file:
            content = file.read()
    except (OSError, EOFError, zlib.error) as why:
        raise DataError(f"{path}: it cannot be read: {why}; fetch it anew") from why
    rank = content[3] if len(content) > 3 else 0
    if content[:3] != bytes([0, 0, UNSIGNED_BYTE]) or not rank:
        raise DataError(f"{path}: no IDX file of bytes: it begins with {content[:4].hex() or 'nothing'}")
    head = 4 + 4 * rank
    if len(content) < head:
        raise DataError(f"{path}: it is cut off after {len(content)} bytes; fetch it anew")
    shape = [int(extent) for extent in np.frombuffer(content[4:head], ">u4")]
    if len(content) - head != math.prod(shape):
        raise DataError(
            f"{path}: it is cut off or too long: {len(content) - head} bytes"
            f" for {'x'.join(map(str, shape))}; fetch it anew"
        )
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)
