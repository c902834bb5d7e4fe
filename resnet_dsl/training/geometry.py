"""Steps on an image that move its pixels: padding, cutting, mirroring, resizing; of one image H x W x C."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from resnet_dsl.training.draws import Draw
from resnet_dsl.training.images import Array, DataError

FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
    "lanczos": Image.Resampling.LANCZOS,
}


def pad(image: Array, amount: int, mode: str = "zeros") -> Array:
    """Add `amount` pixels on each side: zeros, or the image mirrored at its edge (`reflect`)."""
    height, width, channels = image.shape
    if mode == "reflect":
        if amount >= min(height, width):
            raise DataError(f"an image of {height}x{width} cannot be mirrored by {amount} pixels; pad less")
        return np.pad(image, ((amount, amount), (amount, amount), (0, 0)), "reflect")
    padded = np.zeros((height + 2 * amount, width + 2 * amount, channels), image.dtype)
    padded[amount : amount + height, amount : amount + width] = image
    return padded


def window(image: Array, top: int, left: int, size: tuple[int, int]) -> Array:
    """Cut out a window."""
    return image[top : top + size[0], left : left + size[1]]


def crop(image: Array, draw: Draw, size: tuple[int, int]) -> Array:
    """Cut out a window of `size` at a place that is drawn; zeros surround an image that is smaller."""
    image = at_least(image, size)
    top = draw.below(image.shape[0] - size[0] + 1)
    left = draw.below(image.shape[1] - size[1] + 1)
    return window(image, top, left, size)


def centre_crop(image: Array, size: tuple[int, int]) -> Array:
    """Cut out the middle; zeros surround an image that is smaller."""
    image = at_least(image, size)
    top = round((image.shape[0] - size[0]) / 2)
    left = round((image.shape[1] - size[1]) / 2)
    return window(image, top, left, size)


def at_least(image: Array, size: tuple[int, int]) -> Array:
    """Surround an image that is smaller than `size` with zeros."""
    rows, columns = (max(wanted - found, 0) for wanted, found in zip(size, image.shape, strict=False))
    if not rows and not columns:
        return image
    sides = ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2), (0, 0))
    return np.pad(image, sides)


def mirrored(image: Array) -> Array:
    """Exchange left and right."""
    return image[:, ::-1]


def flip(image: Array, draw: Draw, p: float = 0.5) -> Array:
    """Exchange left and right with the probability `p`."""
    return mirrored(image) if draw.unit() < p else image


def resize(image: Array, size: int | tuple[int, int], filter: str = "bilinear") -> Array:
    """Resize by Pillow: to a size, or the shorter side to a number, the aspect kept."""
    height, width = image.shape[:2]
    if isinstance(size, int):
        size = shorter_side(height, width, size)
    return image if size == (height, width) else resampled(image, (0, 0, width, height), size, filter)


def shorter_side(height: int, width: int, side: int) -> tuple[int, int]:
    """Return the size whose shorter side is `side`; the longer one is cut to whole pixels."""
    longer = side * max(height, width) // min(height, width)
    return (side, longer) if height <= width else (longer, side)


def resampled(image: Array, box: tuple[int, int, int, int], size: tuple[int, int], filter: str) -> Array:
    """Resize what lies in a box (left, top, right, bottom)."""
    cut = np.ascontiguousarray(image[box[1] : box[3], box[0] : box[2]])
    picture = Image.fromarray(cut.squeeze(2) if cut.shape[2] == 1 else cut)
    made = np.asarray(picture.resize(size[::-1], FILTERS[filter]))
    return made.reshape(*size, image.shape[2])


def scale_jitter(
    image: Array, draw: Draw, low: int = 256, high: int = 480, filter: str = "bilinear"
) -> Array:
    """Resize the shorter side to a number of pixels drawn from `low` to `high`."""
    return resize(image, low + draw.below(high - low + 1), filter)


def resized_crop(
    image: Array,
    draw: Draw,
    size: tuple[int, int],
    scale: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
    filter: str = "bilinear",
) -> Array:
    """Resize a window of a share of the area (`scale`) and an aspect (`ratio`) that are drawn."""
    box = drawn_box(image.shape[0], image.shape[1], draw, scale, ratio)
    return resampled(image, box, size, filter)


def drawn_box(
    height: int, width: int, draw: Draw, scale: tuple[float, float], ratio: tuple[float, float]
) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a window; the largest in the middle if ten do not fit."""
    for _ in range(10):
        area = height * width * draw.between(*scale)
        aspect = math.exp(draw.between(math.log(ratio[0]), math.log(ratio[1])))
        columns, rows = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < columns <= width and 0 < rows <= height:
            top, left = draw.below(height - rows + 1), draw.below(width - columns + 1)
            return left, top, left + columns, top + rows
    columns = min(width, round(height * ratio[1]))
    rows = min(height, round(width / ratio[0]))
    top, left = (height - rows) // 2, (width - columns) // 2
    return left, top, left + columns, top + rows
