"""Mean and deviation of the training images, by sums of whole numbers: exact in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from resnet_dsl.training.images import (
    Array,
    BrokenPicture,
    Data,
    DataError,
    Images,
    ImageStatistics,
    say_once,
)


def with_statistics(data: Data, statistics: ImageStatistics) -> Data:
    """Return the data, every row of images with what `normalise` is to know of the training images."""
    train, validation, test = (
        replace(images, statistics=statistics) for images in (data.train, data.validation, data.test)
    )
    return replace(data, train=train, validation=validation, test=test)


def channel_statistics(images: Images, steps: Callable[[Array], Array]) -> ImageStatistics:
    """Return mean and deviation of each channel over all pixels of the images after some steps."""
    count, total, squares = 0, np.zeros(0, np.int64), np.zeros(0, np.int64)
    for image in prepared_images(images, steps):
        rows = image.reshape(-1, image.shape[2]).astype(np.int64)
        total = rows.sum(axis=0) + (total if count else 0)
        squares = np.einsum("pc,pc->c", rows, rows) + (squares if count else 0)
        count += len(rows)
    mean = total / count
    # whole numbers of any length: nothing is lost in the difference
    variances = [int(s) * count - int(t) ** 2 for s, t in zip(squares, total, strict=True)]
    if not all(variances):
        raise DataError("all pixels of a channel are alike in the training images; `normalise` cannot divide")
    return ImageStatistics(mean, np.array([np.sqrt(float(v) / count**2) for v in variances]))


def pixel_means(images: Images, steps: Callable[[Array], Array]) -> ImageStatistics:
    """Return the mean image; all images need one size after the steps. Nothing is divided by."""
    total, count = np.zeros(0, np.int64), 0
    for image in prepared_images(images, steps):
        if count and image.shape != total.shape:
            raise DataError(
                "images of several sizes have no mean by pixel: add a crop, or take it by channel"
            )
        total = image.astype(np.int64) + (total if count else 0)
        count += 1
    return ImageStatistics(total / count, np.ones(1))


def prepared_images(images: Images, steps: Callable[[Array], Array]) -> Iterator[Array]:
    """Yield the images that can be read, after some steps."""
    for index in range(len(images)):
        try:
            yield steps(images.image(index))
        except BrokenPicture as why:
            say_once(f"skipped a broken picture, the next takes its place: {why}")
