"""What becomes of a picture on its way to a network: a recipe's `test` pipeline, or what the model says."""

from __future__ import annotations

from math import floor
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from resnet_dsl.backend.contents import KEY, Metadata
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.network import PixelInput
from resnet_dsl.optimize.preprocessing import taking_images
from resnet_dsl.program import Program
from resnet_dsl.recipe.data_module import data_module
from resnet_dsl.recipe.recipe import Recipe
from resnet_dsl.records import dataclass
from resnet_dsl.training.geometry import FILTERS, centre_crop, resize
from resnet_dsl.training.images import read_picture

STATISTICS = "statistics"  # of our metadata: mean and deviation of the images that weights were trained on


class Preparation(Protocol):
    """How pictures are prepared."""

    @property
    def told(self) -> str:
        """What is done, in words, where no recipe says it."""
        ...

    def views(self, path: str) -> list[Array]:
        """Return the views of a picture, each (C, H, W) in double precision.

        Raises BrokenPicture where there is none, UsageError where it does not go through the steps.
        """
        ...


@dataclass(frozen=True, eq=False)
class RecipePreparation:
    """The `test` pipeline, by the code of the recipe's data file."""

    module: ModuleType
    statistics: object
    told: str = ""

    def views(self, path: str) -> list[Array]:
        """Return what the evaluation of the recipe would see of a picture."""
        image = read_picture(path, self.module.CHANNELS)
        images = self.module.Images(image[None], np.zeros(1, np.int64), self.statistics)
        try:
            views, _ = self.module.TestBatches(images, 1, dtype="float64")[0]
        except self.module.DataError as why:
            raise UsageError(f"{path}: {why}") from None
        return [channels_first(view[0]) for view in views]


@dataclass(frozen=True, eq=False)
class ModelPreparation:
    """An image brought to a size, the shorter side first, and made numbers as a model's `preprocess` says.

    Without sizes it stays as large as it is.
    """

    channels: int
    shorter: int | None
    middle: tuple[int, int]
    filter: str
    pixels: PixelInput
    told: str

    def views(self, path: str) -> list[Array]:
        """Return the one view of a picture."""
        image = read_picture(path, self.channels)
        if self.shorter is not None:
            image = centre_crop(resize(image, self.shorter, self.filter), self.middle)
        return [channels_first(pixel_numbers(image, self.pixels))]


def by_recipe(recipe: Recipe, metadata: Metadata, data: str | None) -> RecipePreparation:
    """Return the pipeline of a recipe; what `normalise` knows of the training images is in the weights.

    Where it is not it is found from the data. Raises UsageError where these are not there either.
    """
    module = data_module(recipe)
    if not hasattr(module, "with_statistics"):
        return RecipePreparation(module, module.BYTES)
    told = _statistics_told(metadata) if data is None else None
    if told is not None and {each.shape[-1] for each in told} <= {1, module.CHANNELS}:
        return RecipePreparation(module, type(module.BYTES)(*told))
    try:
        return RecipePreparation(module, module.load(data).train.statistics)
    except module.DataError as why:
        wanted = "`normalise` takes mean and deviation of the training images"
        raise UsageError(f"{wanted}, which the weights do not tell: {why}") from None


def _statistics_told(metadata: Metadata) -> tuple[Array, Array] | None:
    """Mean and deviation of the training images, if a file of weights has them: by channel or by pixel."""
    ours: Any = metadata.get(KEY)
    found = ours.get(STATISTICS) if isinstance(ours, dict) else None
    try:
        mean, std = (np.asarray(found[name], np.float64) for name in ("mean", "std"))  # type: ignore[index]
    except (TypeError, KeyError, ValueError):
        return None
    return (mean, std) if {mean.ndim, std.ndim} <= {1, 3} else None


def by_model(program: Program) -> ModelPreparation:
    """Return what a model without a recipe says of its images; raises UsageError if it does not."""
    network = program.network
    try:
        pixels = taking_images(program).network.pixels
    except UsageError as why:
        raise UsageError(f"{why}; or name a recipe with --recipe") from None
    assert pixels is not None
    channels = network.input.channels
    if channels not in (1, 3):
        wanted = network.input.text(network.extent)
        raise UsageError(f"{network.name} takes {wanted}; pictures have 1 channel or 3")
    said: dict[str, Any] = dict(network.preprocess)
    filter = said.get("interpolation")
    filter = filter if filter in FILTERS else "bilinear"
    shorter, middle = _sizes(program, said)
    words = "pictures in their own size"
    if shorter is not None:
        words = f"the shorter side at {shorter} ({filter}), of that the middle {middle[0]}x{middle[1]}"
    words += f", then as `preprocess` of {network.name} says"
    return ModelPreparation(channels, shorter, middle, filter, pixels, words)


def _sizes(program: Program, said: dict[str, Any]) -> tuple[int | None, tuple[int, int]]:
    """The shorter side, None for any, and the middle that is left of it, by `size` and `crop` or the network.

    A crop below 1 is the share of the image that is left, as in timm; another is the size that is left.
    """
    _, *own = program.network.input.at(program.network.extent)
    size = _pair(said.get("size")) or (None if None in own else _pair(tuple(own)))
    if size is None:
        return None, (0, 0)
    crop = said.get("crop")
    middle = _pair(crop) or size
    share = crop if isinstance(crop, float) and 0 < crop <= 1 else 1.0
    return max(floor(min(size) / share), *middle), middle


def _pair(value: object) -> tuple[int, int] | None:
    match value:
        case bool():
            return None
        case int():
            return value, value
        case (int(height), int(width)):
            return height, width
    return None


def pixel_numbers(image: Array, pixels: PixelInput) -> Array:
    """Return what a network takes of bytes (H, W, C), in double precision."""
    ordered = image[..., ::-1] if pixels.reversed else image
    numbers: Array = ordered.astype(np.float64) * np.array(pixels.scale) + np.array(pixels.shift)
    return numbers


def channels_first(image: Array) -> Array:
    """(H, W, C) → (C, H, W)."""
    return np.ascontiguousarray(image.transpose(2, 0, 1))
