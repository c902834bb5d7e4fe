"""Several views of one image, over which the evaluation takes the mean."""

from __future__ import annotations

from resnet_dsl.training.geometry import at_least, centre_crop, mirrored, resize, window
from resnet_dsl.training.images import Array


def ten_crop(image: Array, size: tuple[int, int]) -> list[Array]:
    """Return the four corners and the middle, then their mirror images (Krizhevsky et al. 2012)."""
    image = at_least(image, size)
    bottom, right = image.shape[0] - size[0], image.shape[1] - size[1]
    corners = [window(image, top, left, size) for top in (0, bottom) for left in (0, right)]
    five = [*corners, centre_crop(image, size)]
    return five + [mirrored(view) for view in five]


def scales(image: Array, sizes: tuple[int, ...]) -> list[Array]:
    """Return the image with its shorter side at each of `sizes`, then the mirror images (He et al. 2015)."""
    resized = [resize(image, size) for size in sizes]
    return resized + [mirrored(view) for view in resized]
