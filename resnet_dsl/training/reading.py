"""Reading a data set: what lies at a path is found out, and checked before any training."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np

from resnet_dsl.training.array_files import read_npz
from resnet_dsl.training.cifar import cifar_folder, read_cifar
from resnet_dsl.training.idx import idx_folder, read_idx_files
from resnet_dsl.training.images import Data, DataError
from resnet_dsl.training.picture_folders import read_folders


def read_data(path: str, channels: int = 3) -> Data:
    """Return the images at a path: folders by class, .npz, IDX or CIFAR's own files."""
    path = os.path.expanduser(path)
    if not os.path.exists(path):
        raise DataError(f"{path}: nothing is there; give the folder or the file of the images with --data")
    if os.path.isfile(path):
        if path.endswith(".npz"):
            return read_npz(path)
        raise DataError(f"{path}: a file of an unknown kind; give a folder or .npz, archives unpacked")
    try:
        if (files := idx_folder(path)) is not None:
            return read_idx_files(files)
        if (batches := cifar_folder(path)) is not None:
            return read_cifar(batches)
        return read_folders(path, 1 if channels == 1 else 3)
    except OSError as why:
        raise DataError(f"{path}: cannot be read: {why.strerror or why}") from why


def held_out(data: Data, path: str, validation: float = 0, subset: int = 0) -> Data:
    """Hold out the last images for validation, a number or a share of them; of the rest take `subset`."""
    count = round(validation * len(data.train)) if validation < 1 else int(validation)
    rest = len(data.train) - count
    if rest < 1 or subset > rest:
        wanted = f"{count} for validation and {subset or 1} for training"
        raise DataError(f"{path}: there are {len(data.train)} images for training, fewer than {wanted}")
    apart = data.train.part(rest, len(data.train)) if count else data.validation
    return replace(data, train=data.train.part(0, subset or rest), validation=apart)


def expect_classes(data: Data, path: str, told: int, expected: tuple[str, ...] = ()) -> Data:
    """Return the data with its classes as `expected` has them; the network tells so many."""
    found = data.classes
    if expected and found != numbered(len(found)) and set(found) != set(expected):
        raise DataError(f"{path}: the classes are {listed(found)}; the recipe expects {listed(expected)}")
    if expected and len(found) != len(expected):
        raise DataError(
            f"{path}: there are {len(found)} classes; the recipe names {len(expected)}: {listed(expected)}"
        )
    if len(found) != told:
        count = f"there are {len(found)} classes ({listed(found)})"
        raise DataError(f"{path}: {count}, and the network tells {told}; change one of them")
    return data if found == expected or not expected else in_order(data, expected)


def in_order(data: Data, classes: tuple[str, ...]) -> Data:
    """Return the data with labels that are numbers in `classes`."""
    if data.classes == numbered(len(classes)):
        return replace(data, classes=classes)
    places = np.array([classes.index(name) for name in data.classes], np.int64)
    train, validation, test = (
        replace(images, labels=places[images.labels]) for images in (data.train, data.validation, data.test)
    )
    return Data(train, validation, test, classes)


def numbered(count: int) -> tuple[str, ...]:
    """Return the names of classes that have none."""
    return tuple(map(str, range(count)))


def listed(names: tuple[str, ...], most: int = 8) -> str:
    """Return names in a row, the first few of many."""
    return ", ".join(names[:most]) + (f", … {len(names)} in all" if len(names) > most else "")
