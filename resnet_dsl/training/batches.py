"""Batches: which images a step takes, in which order; the same whatever processes and workers do it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from resnet_dsl.training.draws import Draw, Draws
from resnet_dsl.training.images import Array, DataError, Images, Labels, Numbers

Size = tuple[int | None, ...]  # the sides that a network takes, None for any
PIECE = 2**15  # numbers in double precision: 256 KiB


def slice_of_process(batch: int, rank: int, world: int, parts: int = 1) -> tuple[int, int]:
    """Return where the slice of a process begins in a batch, and how many images it has."""
    if batch % (world * parts):
        shares = f"{world} processes" if parts == 1 else f"{world} processes of {parts} parts each"
        raise DataError(f"a batch of {batch} cannot be shared equally by {shares}; change the batch")
    share = batch // world
    return rank * share, share


def steps_of_epoch(images: Images, batch: int) -> int:
    """Return how many whole batches there are."""
    if len(images) < batch:
        raise DataError(f"there are {len(images)} images for training, fewer than a batch of {batch}")
    return len(images) // batch


def drawn_images(
    images: Images,
    indices: Labels,
    draws: Draws,
    steps: Callable[[Array, Draw], Array],
    channels: int,
    size: Size = (),
) -> tuple[Array, Labels]:
    """Return images after their steps, in one array, with their labels."""
    found = [images.next_readable(int(index)) for index in indices]
    made = [steps(image, draws[place]) for place, (image, _) in enumerate(found)]
    return stacked(made, channels, size), np.array([label for _, label in found], np.int64)


def viewed_images(
    images: Images, indices: range, steps: Callable[[Array], list[Array]], channels: int, size: Size = ()
) -> tuple[list[Array], Labels]:
    """Return the views of images, an array for each view, with the labels."""
    found = [images.next_readable(index) for index in indices]
    views = zip(*(steps(image) for image, _ in found), strict=True)
    labels = np.array([label for _, label in found], np.int64)
    return [stacked(view, channels, size) for view in views], labels


def in_pieces(images: Array, numbers: Callable[[Array], Numbers], dtype: str) -> Array:
    """Return the numbers of images, made of a few at a time: so many as stay in a processor's cache."""
    made = np.empty(images.shape, dtype)
    count = max(PIECE // images[0].size, 1)
    for first in range(0, len(images), count):
        made[first : first + count] = numbers(images[first : first + count])
    return made


def stacked(images: Sequence[Array], channels: int, size: Size = ()) -> Array:
    """Return images in one array: they need to be of one size, the network's, and to have its channels."""
    if images[0].shape[2] != channels:
        have = images[0].shape[2]
        hint = {1: "add colour(grey)", 3: "add colour(rgb)"}.get(channels, "take other images")
        raise DataError(f"images have {have} channels, and the network takes {channels}: {hint}")
    shapes = list(dict.fromkeys(image.shape for image in images))
    if len(shapes) > 1:
        sizes = " and ".join("x".join(map(str, shape)) for shape in shapes[:2])
        raise DataError(f"images of several sizes, {sizes}, are no batch: add resize or a crop to the recipe")
    given = images[0].shape[:2]
    if any(side not in (None, own) for side, own in zip(size, given, strict=False)):
        wanted = "x".join("any" if side is None else str(side) for side in size)
        hint = "add resize or a crop to the recipe"
        raise DataError(f"images of {given[0]}x{given[1]}, and the network takes {wanted}: {hint}")
    return np.stack(images)


def indices_of_process(count: int, index: int, batch: int, rank: int, world: int) -> range:
    """Return which images a process evaluates in its batch `index`: every world-th is its own."""
    return range(rank, count, world)[index * batch : (index + 1) * batch]
