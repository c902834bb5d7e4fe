"""Mixing the images of a batch: image 2k with image 2k + 1, so that a process has both partners."""

from __future__ import annotations

import math

import numpy as np

from resnet_dsl.training.draws import Draw, beta_draw
from resnet_dsl.training.images import Array, DataError, Labels, Numbers


def one_hot(labels: Labels, classes: int) -> Numbers:
    """Return a row for each label: 1 at its class, 0 elsewhere."""
    return np.eye(classes)[labels]


def partners(batch: Array) -> Array:
    """Return the partner of each item of a batch."""
    if len(batch) % 2:
        raise DataError(f"{len(batch)} images of a process cannot be mixed in pairs; make the batch even")
    return batch.reshape(-1, 2, *batch.shape[1:])[:, ::-1].reshape(batch.shape)


def mixup(images: Numbers, labels: Numbers, draw: Draw, alpha: float = 0.2) -> tuple[Numbers, Numbers]:
    """Return weight x + (1 - weight) partner, the labels too (Zhang et al. 2017)."""
    weight = beta_draw(draw, alpha)
    mixed = weight * images + (1 - weight) * partners(images)
    return mixed, weight * labels + (1 - weight) * partners(labels)


def cutmix(images: Numbers, labels: Numbers, draw: Draw, alpha: float = 1.0) -> tuple[Numbers, Numbers]:
    """Return images with a rectangle of the partner, labels by its area (Yun et al. 2019)."""
    height, width = images.shape[1:3]
    top, bottom, left, right = rectangle(height, width, beta_draw(draw, alpha), draw)
    mixed = images.copy()
    mixed[:, top:bottom, left:right] = partners(images)[:, top:bottom, left:right]
    weight = 1 - (bottom - top) * (right - left) / (height * width)
    return mixed, weight * labels + (1 - weight) * partners(labels)


def rectangle(height: int, width: int, weight: float, draw: Draw) -> tuple[int, int, int, int]:
    """Return top, bottom, left and right of 1 - `weight` of the area, about a point that is drawn."""
    side = math.sqrt(1 - weight)
    rows, columns = int(height * side), int(width * side)
    y, x = draw.below(height), draw.below(width)
    top, bottom = max(y - rows // 2, 0), min(y + rows // 2, height)
    return top, bottom, max(x - columns // 2, 0), min(x + columns // 2, width)
