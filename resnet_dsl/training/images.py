"""Images with their labels: arrays in memory, or pictures that are read when they are asked for."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

Array = npt.NDArray[Any]
Labels = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


class DataError(Exception):
    """Data that cannot be used: one line that says what, where, and what helps."""


class BrokenPicture(Exception):
    """A file that cannot be read as a picture."""


@dataclass(frozen=True)
class PictureFiles:
    """Pictures on the disk, each read anew; `channels` is 1 for grey and 3 for colours."""

    paths: tuple[str, ...]
    channels: int = 3

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Array:
        return read_picture(self.paths[index], self.channels)

    def part(self, start: int, stop: int) -> PictureFiles:
        """Return some in a row."""
        return PictureFiles(self.paths[start:stop], self.channels)


def read_picture(path: str, channels: int = 3) -> Array:
    """Return a picture as bytes, H x W x C: upright, without transparency, grey or RGB as asked for."""
    try:
        with Image.open(path) as picture:
            ImageOps.exif_transpose(picture, in_place=True)
            pixels = as_grey(picture) if channels == 1 else as_rgb(picture)
    except Exception as why:  # a broken file may make a decoder raise anything
        raise BrokenPicture(f"{path}: {why}") from why
    return pixels.reshape(*pixels.shape[:2], channels)


def as_rgb(picture: Image.Image) -> Array:
    """Return red, green and blue; grey is each of them."""
    if picture.mode.startswith(("I", "F")):
        return np.repeat(as_grey(picture)[..., None], 3, axis=2)
    return np.asarray(picture.convert("RGB"))


def as_grey(picture: Image.Image) -> Array:
    """Return brightness by ITU-R 601-2; of 16 bits the upper 8."""
    if picture.mode.startswith("I"):
        return (np.clip(np.asarray(picture, np.int64), 0, 65535) >> 8).astype(np.uint8)
    return np.asarray(picture.convert("L"))


SAID: set[str] = set()


def say_once(message: str) -> None:
    """Tell the user something, once in a process."""
    if message not in SAID:
        SAID.add(message)
        print(f"warning: {message}", file=sys.stderr)


@dataclass(frozen=True)
class ImageStatistics:
    """Mean and deviation of the training images as bytes, of each channel; or the mean of each pixel."""

    mean: Numbers
    std: Numbers


BYTES = ImageStatistics(np.zeros(1), np.ones(1))
"""Those that leave numbers as they are."""


@dataclass(frozen=True)
class Images:
    """A row of images with their labels; `statistics` are of the training images, where they are needed."""

    source: Array | PictureFiles
    labels: Labels
    statistics: ImageStatistics = BYTES

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int) -> Array:
        """Return an image, H x W x C bytes; raises BrokenPicture for a file that holds none."""
        found: Array = self.source[index]
        return found

    def label(self, index: int) -> int:
        """Return the number of an image's class."""
        return int(self.labels[index])

    def part(self, start: int, stop: int) -> Images:
        """Return some in a row."""
        files = self.source
        some = files.part(start, stop) if isinstance(files, PictureFiles) else files[start:stop]
        return Images(some, self.labels[start:stop], self.statistics)

    def next_readable(self, index: int) -> tuple[Array, int]:
        """Return an image and its label; in the place of a broken picture the next that can be read."""
        for step in range(len(self)):
            at = (index + step) % len(self)
            try:
                return self.image(at), self.label(at)
            except BrokenPicture as why:
                say_once(f"skipped a broken picture, the next takes its place: {why}")
        raise DataError("none of the pictures can be read")


NO_IMAGES = Images(np.zeros((0, 1, 1, 1), np.uint8), np.zeros(0, np.int64))


@dataclass(frozen=True)
class Data:
    """The images of a recipe; `test` and `validation` may be empty. Labels are numbers in `classes`."""

    train: Images
    validation: Images
    test: Images
    classes: tuple[str, ...]

    @property
    def evaluated(self) -> Images:
        """What is evaluated after an epoch: the validation set if there is one, else the test set."""
        return self.validation if len(self.validation) else self.test

    @property
    def facts(self) -> dict[str, object]:
        """What is said of the images beside weights: classes, and what `normalise` takes of them."""
        found: dict[str, object] = {"classes": list(self.classes)}
        statistics = self.train.statistics
        if statistics is not BYTES:
            found["statistics"] = {"mean": statistics.mean.tolist(), "std": statistics.std.tolist()}
        return found
