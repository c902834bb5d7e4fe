"""Pictures in folders: a folder for each class, below `train` and `val` or `test`, or without these."""

from __future__ import annotations

import os

import numpy as np

from resnet_dsl.training.images import NO_IMAGES, Data, DataError, Images, PictureFiles

SPLITS = {"train": ("train", "training"), "validation": ("val", "valid", "validation"), "test": ("test",)}
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
"""Files of other names are no pictures, and are not looked at; hidden ones neither."""


def read_folders(path: str, channels: int) -> Data:
    """Return the pictures below a folder."""
    splits = {split: split_folder(path, names) for split, names in SPLITS.items()}
    train = splits["train"] or (path if not any(splits.values()) else "")
    if not train:
        raise DataError(f"{path}: there is no folder `train` beside the others; add it")
    classes = subfolders(train)
    if not classes:
        raise DataError(f"{train}: no folder of a class is in it; put the pictures of each class in a folder")
    first, validation, test = (
        pictures_of(folder, classes, channels) if folder else NO_IMAGES
        for folder in (train, splits["validation"], splits["test"])
    )
    return Data(first, validation, test, classes)


def split_folder(path: str, names: tuple[str, ...]) -> str:
    """Return the folder of a split under one of its names; empty if there is none."""
    return next((folder for name in names if os.path.isdir(folder := os.path.join(path, name))), "")


def subfolders(path: str) -> tuple[str, ...]:
    """Return the names of the folders in a folder, sorted."""
    with os.scandir(path) as entries:
        names = [each.name for each in entries if each.is_dir()]
    return tuple(sorted(name for name in names if not name.startswith((".", "__"))))


def pictures_of(path: str, classes: tuple[str, ...], channels: int) -> Images:
    """Return the pictures of a split, which has a folder for each class."""
    if (own := subfolders(path)) != classes:
        raise DataError(f"{path}: {differing(own, classes)}")
    files = [pictures_below(os.path.join(path, name)) for name in classes]
    for name, some in zip(classes, files, strict=True):
        if not some:
            raise DataError(f"{os.path.join(path, name)}: no picture is in it; add some, or remove the class")
    rows = [
        ((place + 0.5) / len(some), label, file)
        for label, some in enumerate(files)
        for place, file in enumerate(some)
    ]
    rows.sort()  # classes take turns, so that the last images are of all of them
    labels = np.array([label for _, label, _ in rows], np.int64)
    return Images(PictureFiles(tuple(file for *_, file in rows), channels), labels)


def differing(found: tuple[str, ...], expected: tuple[str, ...]) -> str:
    """Say which classes differ from those for training."""
    lacking = [name for name in expected if name not in found]
    new = [name for name in found if name not in expected]
    parts = [f"{verb} {', '.join(names)}" for verb, names in (("lacks", lacking), ("adds", new)) if names]
    return f"its classes differ from those for training: it {' and '.join(parts)}"


def pictures_below(path: str) -> list[str]:
    """Return the paths of the pictures in a folder and in those below it, sorted."""
    found: list[str] = []
    seen: set[str] = set()
    for folder, folders, files in os.walk(path, followlinks=True):
        if (real := os.path.realpath(folder)) in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        found += [os.path.join(folder, file) for file in sorted(files) if is_picture(file)]
    return found


def is_picture(file: str) -> bool:
    """Whether a file is a picture by its name."""
    return not file.startswith(".") and file.lower().endswith(SUFFIXES)
