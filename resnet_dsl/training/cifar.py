"""CIFAR-10 and CIFAR-100 as they are distributed: pickles of Python, read without running code, or .bin."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from typing import Literal

import numpy as np

from resnet_dsl.training.array_files import checked_labels
from resnet_dsl.training.images import NO_IMAGES, Array, Data, DataError, Images

TRAIN_FILES = tuple(f"data_batch_{number}" for number in range(1, 6))
FOLDERS = ("", "cifar-10-batches-py", "cifar-100-python", "cifar-10-batches-bin", "cifar-100-binary")
PIXELS = 3 * 32 * 32


def cifar_folder(path: str) -> dict[str, list[str]] | None:
    """Return the files of a folder by split, and those of its names; None if it has none of the kind."""
    for folder in (os.path.join(path, name) for name in FOLDERS):
        for suffix in ("", ".bin"):
            train = [os.path.join(folder, name + suffix) for name in TRAIN_FILES]
            if os.path.isfile(train[0]):
                return cifar_files(folder, train, f"test_batch{suffix}", ("batches.meta", "batches.meta.txt"))
            if os.path.isfile(os.path.join(folder, "train" + suffix)):
                train = [os.path.join(folder, "train" + suffix)]
                return cifar_files(folder, train, f"test{suffix}", ("meta", "fine_label_names.txt"))
    return None


def cifar_files(folder: str, train: list[str], test: str, names: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the files, all of which have to be there; those of names need not."""
    files = {"train": train, "test": [os.path.join(folder, test)]}
    for file in (*files["train"], *files["test"]):
        if not os.path.isfile(file):
            raise DataError(f"{file}: it is missing, while other files of CIFAR are there; fetch them anew")
    there = [path for name in names if os.path.isfile(path := os.path.join(folder, name))]
    return {**files, "names": there[:1]}


def read_cifar(files: dict[str, list[str]]) -> Data:
    """Return the images of CIFAR's files."""
    train, test = (joined([cifar_images(file) for file in files[split]]) for split in ("train", "test"))
    count = 100 if len(files["train"]) == 1 else 10
    classes = cifar_names(files["names"][0]) if files["names"] else tuple(map(str, range(count)))
    return checked_labels(Data(train, NO_IMAGES, test, classes), os.path.dirname(files["train"][0]))


def joined(some: list[Images]) -> Images:
    """Return several rows of images as one."""
    pixels = np.concatenate([images.source for images in some if isinstance(images.source, np.ndarray)])
    return Images(pixels, np.concatenate([images.labels for images in some]))


def cifar_images(path: str) -> Images:
    """Return the images of one file; of CIFAR-100 with the fine labels."""
    rows, labels = binary_rows(path) if path.endswith(".bin") else pickled_rows(path)
    return Images(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).copy(), labels.astype(np.int64))


def binary_rows(path: str) -> tuple[Array, Array]:
    """Return pixels and labels of a .bin file: a byte for the label, two in CIFAR-100, and the pixels."""
    content = np.fromfile(path, np.uint8)
    head = 1 if "_batch" in os.path.basename(path) else 2
    if not content.size or content.size % (head + PIXELS):
        size = f"{content.size} bytes are no whole number of images"
        raise DataError(f"{path}: it is cut off: {size}; fetch it anew")
    rows = content.reshape(-1, head + PIXELS)
    return rows[:, head:], rows[:, head - 1]


def pickled_rows(path: str) -> tuple[Array, Array]:
    """Return pixels and labels of a pickle of Python."""
    match unpickled(path):
        case {b"data": PickledPart() as table, b"labels": list() as labels}:
            pass
        case {b"data": PickledPart() as table, b"fine_labels": list() as labels}:
            pass
        case _:
            raise DataError(f"{path}: no batch of CIFAR: `data` and `labels` are needed")
    try:
        rows = table.pixels()
    except pickle.UnpicklingError as why:
        raise DataError(f"{path}: {why}") from why
    if rows.shape != (len(labels), PIXELS) or not all(type(each) is int and each >= 0 for each in labels):
        raise DataError(f"{path}: no batch of CIFAR: its arrays are of another form")
    return rows, np.array(labels, np.int64)


def cifar_names(path: str) -> tuple[str, ...]:
    """Return the names of the classes."""
    if path.endswith(".txt"):
        with open(path, encoding="utf-8") as file:
            return tuple(line.strip() for line in file if line.strip())
    match unpickled(path):
        case {b"label_names": list() as names} | {b"fine_label_names": list() as names}:
            return tuple(name.decode() if isinstance(name, bytes) else str(name) for name in names)
    raise DataError(f"{path}: no names of classes are in it")


# --- pickles -----------------------------------------------------------------------------------


def unpickled(path: str) -> object:
    """Return what a pickle holds, numbers, text, lists, dictionaries and arrays, nothing else."""
    with open(path, "rb") as file:
        content = file.read()
    try:
        return DataUnpickler(io.BytesIO(content), encoding="bytes").load()
    except pickle.UnpicklingError as why:
        raise DataError(f"{path}: {why}") from why
    except Exception as why:  # a pickle that is broken may raise anything
        raise DataError(f"{path}: a broken pickle: {why}; fetch it anew") from why


class PickledPart:
    """What a pickle makes an array of; only its values are kept, and nothing is called with them."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments
        self.state: tuple[object, ...] = ()

    def __setstate__(self, state: tuple[object, ...]) -> None:
        self.state = state

    def pixels(self) -> Array:
        """Return the table of bytes that is meant; raises pickle.UnpicklingError for any other array."""
        match self.state:
            case (int(), (int() as rows, int() as columns), PickledPart() as kind, turned, bytes() as data):
                if kind.arguments[:1] == ("u1",) and min(rows, columns) >= 0 and rows * columns == len(data):
                    order: Literal["F", "C"] = "F" if turned else "C"
                    return np.frombuffer(data, np.uint8).reshape((rows, columns), order=order)
        raise pickle.UnpicklingError("an array that is no table of bytes")


class PickledBytes:
    """Bytes as newer versions of Python write them for old ones: text of the Latin alphabet."""

    def __call__(self, text: str, alphabet: str) -> bytes:
        """Return the bytes."""
        return text.encode("latin1")

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("bytes have no state")


ARRAYS = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


class DataUnpickler(pickle.Unpickler):
    """Reads plain data; whatever else a pickle names, and could run, is refused."""

    def find_class(self, module: str, name: str) -> Callable[..., object]:
        """Return what stands for a part of an array."""
        if (module, name) in ARRAYS:
            return PickledPart
        if (module, name) == ("_codecs", "encode"):
            return PickledBytes()
        raise pickle.UnpicklingError(f"it asks to call {module}.{name}, which is refused")
