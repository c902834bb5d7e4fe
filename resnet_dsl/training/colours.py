"""Steps on an image that change its numbers: grey and colour, colour noise, normalising."""

from __future__ import annotations

import numpy as np

from resnet_dsl.training.draws import Draw
from resnet_dsl.training.images import Array, Numbers

Number = float | tuple[float, ...] | Numbers
"""One number, one for each channel, or one for each of them and each pixel."""

COMPONENTS = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
"""The principal components of ImageNet's colours, a column each; red, green, blue."""
DEVIATIONS = np.array([0.2175, 0.0188, 0.0045])
"""The weight of each of them, for colours from 0 to 1."""
GREY = np.array([19595, 38470, 7471], np.int64)
"""ITU-R 601-2 in parts of 65536, as Pillow has it."""


def colour(image: Array, to: str = "rgb") -> Array:
    """Make grey images `rgb` by repeating, colour images `grey` by ITU-R 601-2."""
    if to == "rgb":
        return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
    if image.shape[2] == 1:
        return image
    weighted = image.astype(np.int64) @ GREY
    return np.asarray((weighted + 0x8000) >> 16, np.uint8)[..., None]


def colour_noise(image: Array, draw: Draw, alpha: float = 0.1) -> Array:
    """Add a draw of deviation `alpha` along each principal component (Krizhevsky et al. 2012, 4.1)."""
    drawn = np.array([draw.normal() * alpha for _ in DEVIATIONS])
    noise = 255 * (COMPONENTS * (drawn * DEVIATIONS)).sum(axis=1)
    return np.asarray(np.clip(np.rint(image + noise), 0, 255), np.uint8)


def normalise(image: Array, mean: Number, std: Number, scale: float = 1 / 255) -> Numbers:
    """Return (image * scale - mean) / std in double precision; of one image or of many."""
    made: Numbers = image.astype(np.float64)
    made *= scale
    made -= along_rows(mean, made)
    made /= along_rows(std, made)
    return made


def along_rows(number: Number, images: Numbers) -> Numbers:
    """Return a number for each place of a row at least, with which NumPy computes many at once."""
    extents = images.shape[-max(2, np.ndim(number)) :]
    return np.ascontiguousarray(np.broadcast_to(np.asarray(number, np.float64), extents))
