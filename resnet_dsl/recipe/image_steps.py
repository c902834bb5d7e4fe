"""What is done with an image on its way to the network; each step a function of the same name in `training`.

Images are H x W x C: bytes until `normalise` makes numbers of them. A step that draws says what it is
without: an evaluation without a pipeline of its own takes that. Each says what becomes of the size.
"""

from __future__ import annotations

from typing import ClassVar

from resnet_dsl.ir.arguments import COUNT, PAIR, RATE, ArgumentRule, Pair, argument, choice
from resnet_dsl.recipe.terms import BELOW_ONE, FROM_ZERO, POSITIVE, Term, term
from resnet_dsl.records import dataclass, replace

SCALE = ArgumentRule(
    "two numbers above 0, the smallest and the largest, such as `[0.08, 1]`",
    lambda value: _range(value),
)
NUMBERS = ArgumentRule(
    "a number, a list with one for each channel, or `channel`, `pixel` or `preprocess`",
    lambda value: _numbers(value),
    ("channel", "pixel", "preprocess"),
)
FILTER = choice("bilinear", "bicubic", "nearest", "lanczos")
SIDE_OR_SIZE = ArgumentRule(
    "a positive whole number or a size such as `224x224`",
    lambda value: COUNT.accept(value) if isinstance(value, int) else PAIR.accept(value),
)
SIZES = ArgumentRule(
    "a list of sizes, such as `[224, 256, 384]`",
    lambda value: (
        value
        if isinstance(value, tuple) and value and all(COUNT.accept(item) is not None for item in value)
        else None
    ),
)
# The side of what is cut out in that of the whole, as Inception and torchvision evaluate: 224 of 256.
CROPPED = 0.875


def _range(value: object) -> tuple[float, float] | None:
    if not isinstance(value, tuple) or len(value) != 2:
        return None
    low, high = map(POSITIVE.accept, value)
    return (low, high) if isinstance(low, float) and isinstance(high, float) and low <= high else None


def _numbers(value: object) -> float | tuple[float, ...] | None:
    if isinstance(value, tuple):
        found = tuple(map(_numbers, value))
        return tuple(n for n in found if isinstance(n, float)) if found and None not in found else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


class CropTooLarge(ValueError):
    """A window that is larger than the image it is cut out of."""


@dataclass(frozen=True)
class KnownImage:
    """What a pipeline says of an image so far: its size, or how long its shorter side is; its channels."""

    size: Pair | None = None
    shorter: int = 0
    """0 where nothing is known."""
    channels: int | None = None

    def cut(self, size: Pair) -> KnownImage:
        """Return a window of the image; raises CropTooLarge if it cannot have that size."""
        least = self.size or (self.shorter, self.shorter)
        if (self.size or self.shorter) and (size[0] > least[0] or size[1] > least[1]):
            whole = sized(self.size) if self.size else f"{self.shorter} at their shorter side"
            raise CropTooLarge(f"a window of {sized(size)} is cut out of images of {whole}")
        return replace(self, size=size, shorter=0)


def sized(size: Pair) -> str:
    """Return a size as the language has it."""
    return f"{size[0]}x{size[1]}"


class ImageStep(Term):
    """One step. `draws` says whether it is random; `views` whether it makes several images of one."""

    draws: ClassVar[bool] = False
    views: ClassVar[bool] = False

    def without_draws(self) -> tuple[ImageStep, ...]:
        """Return what an evaluation does instead; nothing, or several steps."""
        return (self,)

    def after(self, image: KnownImage) -> KnownImage:
        """Return what is known of an image after the step; raises CropTooLarge."""
        return image


class RandomStep(ImageStep):
    """A step with a draw of its own for each image and epoch."""

    draws: ClassVar[bool] = True

    def without_draws(self) -> tuple[ImageStep, ...]:
        """Return no step: nothing is done instead."""
        return ()


@term
class PadStep(ImageStep):
    """`amount` pixels on each side, of zeros or of the mirrored image (`reflect`)."""

    kind: ClassVar[str] = "pad"
    amount: int = argument(COUNT)
    mode: str = argument(choice("zeros", "reflect"), "zeros")

    def after(self, image: KnownImage) -> KnownImage:
        """Return the image with the pixels around it."""
        both = 2 * self.amount
        if image.size is not None:
            return replace(image, size=(image.size[0] + both, image.size[1] + both))
        return replace(image, shorter=image.shorter + both) if image.shorter else image


@term
class ColourStep(ImageStep):
    """Grey images as `rgb` by repeating, colour images as `grey` by ITU-R 601-2."""

    kind: ClassVar[str] = "colour"
    to: str = argument(choice("rgb", "grey"), "rgb")

    def after(self, image: KnownImage) -> KnownImage:
        """Return the image with its channels."""
        return replace(image, channels=3 if self.to == "rgb" else 1)


@term
class ResizeStep(ImageStep):
    """A number: the shorter side, the aspect kept; a size: just that. By Pillow."""

    kind: ClassVar[str] = "resize"
    size: Pair | int = argument(SIDE_OR_SIZE)
    filter: str = argument(FILTER, "bilinear")

    def after(self, image: KnownImage) -> KnownImage:
        """Return the image of that size."""
        if not isinstance(self.size, int):
            return replace(image, size=self.size, shorter=0)
        if image.size is not None and image.size[0] == image.size[1]:
            return replace(image, size=(self.size, self.size))
        return replace(image, size=None, shorter=self.size)


@term
class CentreCropStep(ImageStep):
    """The middle of an image; zeros where it is smaller."""

    kind: ClassVar[str] = "centre_crop"
    size: Pair = argument(PAIR)

    def after(self, image: KnownImage) -> KnownImage:
        """Return the window."""
        return image.cut(self.size)


@term
class CropStep(RandomStep):
    """A place drawn for a window of `size`; without draws the middle."""

    kind: ClassVar[str] = "crop"
    size: Pair = argument(PAIR)

    def without_draws(self) -> tuple[ImageStep, ...]:
        """Return the crop in the middle."""
        return (CentreCropStep(self.size),)

    def after(self, image: KnownImage) -> KnownImage:
        """Return the window."""
        return image.cut(self.size)


@term
class FlipStep(RandomStep):
    """Left and right exchanged with the probability `p`."""

    kind: ClassVar[str] = "flip"
    p: float = argument(RATE, 0.5)


@term
class ScaleJitterStep(RandomStep):
    """The shorter side drawn from `[low, high]` (VGG, He et al. 2015: 256 to 480); without draws `low`."""

    kind: ClassVar[str] = "scale_jitter"
    low: int = argument(COUNT, 256)
    high: int = argument(COUNT, 480)
    filter: str = argument(FILTER, "bilinear")

    def problem(self) -> tuple[str, str, str] | None:
        """Return what is wrong: a range goes up."""
        if self.low > self.high:
            return "high", f"`high` is below `low`, {self.low}", f"`scale_jitter({self.high}, {self.low})`"
        return None

    def without_draws(self) -> tuple[ImageStep, ...]:
        """Return the smallest of the scales."""
        return (ResizeStep(self.low, self.filter),)

    def after(self, image: KnownImage) -> KnownImage:
        """Return an image of which the shorter side alone is known."""
        return replace(image, size=None, shorter=self.low)


@term
class ResizedCropStep(RandomStep):
    """A share of the area and an aspect drawn, cut out and resized to `size` (Szegedy et al. 2014).

    As torchvision's RandomResizedCrop: ten tries, then the middle. Without draws it is the middle, 7/8 of
    the shorter side: `resize(256) -> centre_crop(224)` for 224.
    """

    kind: ClassVar[str] = "resized_crop"
    size: Pair = argument(PAIR)
    scale: tuple[float, float] = argument(SCALE, (0.08, 1.0))
    ratio: tuple[float, float] = argument(SCALE, (3 / 4, 4 / 3))
    filter: str = argument(FILTER, "bilinear")

    def without_draws(self) -> tuple[ImageStep, ...]:
        """Return the resize and the crop in the middle."""
        return ResizeStep(round(max(self.size) / CROPPED), self.filter), CentreCropStep(self.size)

    def after(self, image: KnownImage) -> KnownImage:
        """Return the image of that size."""
        return replace(image, size=self.size, shorter=0)


@term
class ColourNoiseStep(RandomStep):
    """Along each principal component of ImageNet's colours a draw of deviation `alpha` (AlexNet, 4.1)."""

    kind: ClassVar[str] = "colour_noise"
    alpha: float = argument(FROM_ZERO, 0.1)


@term
class ShearStep(RandomStep):
    """A shear of up to `amount` radians to either side; `shear_range` of Keras is in degrees."""

    kind: ClassVar[str] = "shear"
    amount: float = argument(FROM_ZERO, 0.2)


@term
class ZoomStep(RandomStep):
    """A zoom by a factor from 1 - `amount` to 1 + `amount`, each axis its own draw."""

    kind: ClassVar[str] = "zoom"
    amount: float = argument(BELOW_ONE, 0.2)


@term
class TenCropStep(ImageStep):
    """The four corners and the middle, and their mirror images (AlexNet): ten views."""

    kind: ClassVar[str] = "ten_crop"
    views: ClassVar[bool] = True
    size: Pair = argument(PAIR)

    def after(self, image: KnownImage) -> KnownImage:
        """Return one of the windows."""
        return image.cut(self.size)


@term
class ScalesStep(ImageStep):
    """The shorter side at each of `sizes`, and the mirror images (He et al. 2015: 224 to 640)."""

    kind: ClassVar[str] = "scales"
    views: ClassVar[bool] = True
    sizes: tuple[int, ...] = argument(SIZES)

    def after(self, image: KnownImage) -> KnownImage:
        """Return an image of no certain size."""
        return replace(image, size=None, shorter=0)


@term
class NormaliseStep(ImageStep):
    """Bytes as numbers, (image * `scale` - mean) / std; always the last step.

    `channel` and `pixel` are mean (and deviation, of `channel`) of the training images; `preprocess` is what
    the network says of its images. Left out both are that, or `channel` where it says nothing; if one of them
    is given, the other changes nothing, but is `channel` where that is. A checked recipe has numbers, or
    `channel` and `pixel`.
    """

    kind: ClassVar[str] = "normalise"
    mean: str | float | tuple[float, ...] = argument(NUMBERS, "preprocess")
    std: str | float | tuple[float, ...] = argument(NUMBERS, "preprocess")
    scale: float = argument(POSITIVE, 1 / 255)
    order: str = argument(choice("rgb", "bgr"), "rgb")
    """The order of channels that the network takes; images have red first."""

    def problem(self) -> tuple[str, str, str] | None:
        """Return what is wrong: a deviation of nothing, or of each pixel."""
        stds = self.std if isinstance(self.std, tuple) else (self.std,)
        if 0 in stds:
            return "std", "`std` is 0, by which nothing is divided", "`std=1`"
        if self.std == "pixel":
            return "std", "`std` is of channels alone: that of some pixels is 0", "`std=channel`"
        if (self.mean, self.std) == ("pixel", "channel"):
            return "std", "a mean by pixel goes with a number, and `std` is by channel", "`mean=channel`"
        return None
