"""Steps that bend an image: shear and zoom about its middle, by Pillow's bilinear sampling."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from resnet_dsl.training.draws import Draw
from resnet_dsl.training.images import Array

Matrix = tuple[float, float, float, float]


def shear(image: Array, draw: Draw, amount: float = 0.2) -> Array:
    """Shear by an angle of up to `amount` radians to either side; edge pixels fill what is uncovered."""
    angle = draw.between(-amount, amount)
    return warped(image, (1.0, -math.sin(angle), 0.0, math.cos(angle)))


def zoom(image: Array, draw: Draw, amount: float = 0.2) -> Array:
    """Zoom by factors from 1 - `amount` to 1 + `amount`, one for each axis; below 1 things get larger."""
    rows = draw.between(1 - amount, 1 + amount)
    columns = draw.between(1 - amount, 1 + amount)
    return warped(image, (columns, 0.0, 0.0, rows))


def warped(image: Array, matrix: Matrix) -> Array:
    """Take each pixel from where a matrix puts it: (a x + b y, c x + d y), from the middle of the image."""
    height, width, channels = image.shape
    a, b, c, d = matrix
    # a border as far as the warp reaches, in which Pillow finds the pixels of the edge
    columns = border(width, abs(a) * width + abs(b) * height)
    rows = border(height, abs(c) * width + abs(d) * height)
    bordered = np.pad(image, ((rows, rows), (columns, columns), (0, 0)), "edge")
    left = columns + (width - a * width - b * height) / 2
    top = rows + (height - c * width - d * height) / 2
    picture = Image.fromarray(bordered.squeeze(2) if channels == 1 else bordered)
    coefficients = (a, b, left, c, d, top)
    made = picture.transform((width, height), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)
    return np.asarray(made).reshape(height, width, channels)


def border(extent: int, reach: float) -> int:
    """Return how many pixels a warp that reaches so far takes beyond each edge."""
    return max(math.ceil((reach - extent) / 2), 0) + 2
