"""Images in arrays: what is in an .npz file, and what arrays have to be like."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping

import numpy as np

from resnet_dsl.training.images import NO_IMAGES, Array, Data, DataError, Images, Labels

IMAGE_NAMES = {
    "train": ("x_train", "train_images", "train_x", "x", "images", "data"),
    "validation": ("x_val", "val_images", "val_x", "x_valid", "x_validation", "validation_images"),
    "test": ("x_test", "test_images", "test_x"),
}
LABEL_NAMES = {
    "train": ("y_train", "train_labels", "train_y", "y", "labels", "target"),
    "validation": ("y_val", "val_labels", "val_y", "y_valid", "y_validation", "validation_labels"),
    "test": ("y_test", "test_labels", "test_y"),
}


def read_npz(path: str) -> Data:
    """Return the images of an .npz file: `x_train`, `y_train`, `x_test`, `y_test`, or names like these."""
    try:
        with zipfile.ZipFile(path):  # else NumPy takes it for a pickle
            opened = np.load(path, allow_pickle=False)
        with opened:
            arrays = {name.lower(): opened[name] for name in opened.files}
    except (OSError, ValueError, EOFError, KeyError, MemoryError, zipfile.BadZipFile, zlib.error) as why:
        if "allow_pickle" in str(why):
            refused = "it holds Python objects, which can run code; save plain arrays"
            raise DataError(f"{path}: {refused}") from why
        raise DataError(f"{path}: it cannot be read as .npz: {why}") from why
    return data_of_arrays(arrays, path)


def data_of_arrays(arrays: Mapping[str, Array], path: str) -> Data:
    """Return data of arrays by their names."""
    train, validation, test = (images_named(arrays, split, path) for split in IMAGE_NAMES)
    if not len(train):
        raise DataError(f"{path}: it has {', '.join(arrays) or 'nothing'}; x_train and y_train are needed")
    named = arrays.get("classes", arrays.get("label_names"))
    classes = class_names(train.labels, path) if named is None else tuple(map(str, named))
    return checked_labels(Data(train, validation, test, classes), path)


def images_named(arrays: Mapping[str, Array], split: str, path: str) -> Images:
    """Return the images of a split, none if there are none."""
    images = next((arrays[name] for name in IMAGE_NAMES[split] if name in arrays), None)
    labels = next((arrays[name] for name in LABEL_NAMES[split] if name in arrays), None)
    if images is None or labels is None:
        return NO_IMAGES
    return Images(as_images(images, path), as_labels(labels, len(images), path))


def as_images(array: Array, path: str) -> Array:
    """Return images as bytes, N x H x W x C."""
    image = array[..., None] if array.ndim == 3 else array
    if image.ndim != 4 or image.shape[3] not in (1, 3):
        shape = "x".join(map(str, array.shape))
        raise DataError(f"{path}: images of {shape}; N x H x W or N x H x W x C is needed, C is 1 or 3")
    if image.dtype == np.uint8:
        return image
    if image.dtype.kind in "iu" and image.size and image.min() >= 0 and image.max() <= 255:
        return image.astype(np.uint8)
    raise DataError(f"{path}: images of {array.dtype}; bytes are needed, whole numbers from 0 to 255")


def as_labels(array: Array, count: int, path: str) -> Labels:
    """Return labels as numbers from 0 on, also of one-hot rows."""
    one_hot = array.ndim == 2 and array.shape[1] > 1
    labels = array.argmax(axis=1) if one_hot else array.reshape(-1)
    if len(labels) != count:
        raise DataError(f"{path}: there are {count} images and {len(labels)} labels")
    if labels.dtype.kind not in "iu" or (labels.size and labels.min() < 0):
        raise DataError(f"{path}: labels of {array.dtype}; whole numbers from 0 on are needed")
    return labels.astype(np.int64)


def class_names(labels: Labels, path: str) -> tuple[str, ...]:
    """Return the numbers of classes as their names; each needs an image."""
    count = int(labels.max()) + 1 if labels.size else 0
    if count > labels.size:
        raise DataError(f"{path}: a label is {count - 1}, and there are {labels.size} images only")
    counts = np.bincount(labels, minlength=count)
    if (counts == 0).any():
        raise DataError(f"{path}: class {int(np.argmin(counts))} has no images; number the classes from 0")
    return tuple(map(str, range(count)))


def checked_labels(data: Data, path: str) -> Data:
    """Return the data; refuses labels that are no class."""
    for images in (data.train, data.validation, data.test):
        most = int(images.labels.max()) if len(images) else 0
        if most >= len(data.classes):
            raise DataError(f"{path}: a label is {most}, and there are {len(data.classes)} classes")
    return data
