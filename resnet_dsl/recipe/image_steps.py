"""What is done with an image on its way to the network; each step a function of the same name in `training`.

Images are H x W x C: bytes until `normalise` makes numbers of them. A step that draws says what it is
without: an evaluation without a pipeline of its own takes that.
"""

from __future__ import annotations

from typing import ClassVar

from resnet_dsl.ir.arguments import COUNT, PAIR, RATE, REAL, ArgumentRule, Pair, argument, choice
from resnet_dsl.recipe.terms import Term, term

SCALE = ArgumentRule(
    "two numbers, the smallest and the largest, such as `[0.08, 1]`",
    lambda value: value if isinstance(value, tuple) and len(value) == 2 and value[0] <= value[1] else None,
)
NUMBERS = ArgumentRule(
    "a number, one for each channel, or `channel`, `pixel`: of the training images",
    lambda value: value if isinstance(value, (int, float, tuple)) and not isinstance(value, bool) else None,
    ("channel", "pixel", "model"),
)
FILTER = choice("bilinear", "bicubic", "nearest", "lanczos")
SIZES = ArgumentRule(
    "a list of sizes, such as `[224, 256, 384]`",
    lambda value: (
        value if isinstance(value, tuple) and value and all(isinstance(i, int) for i in value) else None
    ),
)


class ImageStep(Term):
    """One step. `draws` says whether it is random; `views` whether it makes several images of one."""

    draws: ClassVar[bool] = False
    views: ClassVar[bool] = False

    def without_draws(self) -> ImageStep | None:
        """Return what an evaluation does instead; None for nothing."""
        return self


class RandomStep(ImageStep):
    """A step with a draw of its own for each image and epoch."""

    draws: ClassVar[bool] = True

    def without_draws(self) -> ImageStep | None:
        """Return None: nothing is done instead."""
        return None


@term
class PadStep(ImageStep):
    """`amount` pixels on each side, of zeros or of the mirrored image (`reflect`)."""

    kind: ClassVar[str] = "pad"
    amount: int = argument(COUNT)
    mode: str = argument(choice("zeros", "reflect"), "zeros")


@term
class ColourStep(ImageStep):
    """Grey images as `rgb` by repeating, colour images as `grey` by ITU-R 601-2."""

    kind: ClassVar[str] = "colour"
    to: str = argument(choice("rgb", "grey"), "rgb")


@term
class ResizeStep(ImageStep):
    """A number: the shorter side, the aspect kept; a size: just that. By Pillow."""

    kind: ClassVar[str] = "resize"
    size: Pair | int = argument(
        ArgumentRule("a positive whole number or a size such as `224x224`", PAIR.accept)
    )
    filter: str = argument(FILTER, "bilinear")


@term
class CentreCropStep(ImageStep):
    """The middle of an image; zeros where it is smaller."""

    kind: ClassVar[str] = "centre_crop"
    size: Pair = argument(PAIR)


@term
class CropStep(RandomStep):
    """A place drawn for a window of `size`."""

    kind: ClassVar[str] = "crop"
    size: Pair = argument(PAIR)

    def without_draws(self) -> ImageStep | None:
        """Return the crop in the middle."""
        return CentreCropStep(self.size)


@term
class FlipStep(RandomStep):
    """Left and right exchanged with the probability `p`."""

    kind: ClassVar[str] = "flip"
    p: float = argument(RATE, 0.5)


@term
class ScaleJitterStep(RandomStep):
    """The shorter side drawn from `[low, high]` (VGG, He et al. 2015: 256 to 480)."""

    kind: ClassVar[str] = "scale_jitter"
    low: int = argument(COUNT, 256)
    high: int = argument(COUNT, 480)
    filter: str = argument(FILTER, "bilinear")

    def without_draws(self) -> ImageStep | None:
        """Return the smallest of the scales."""
        return ResizeStep(self.low, self.filter)


@term
class ResizedCropStep(RandomStep):
    """A share of the area and an aspect drawn, cut out and resized to `size` (Szegedy et al. 2014).

    As torchvision's RandomResizedCrop: ten tries, then the middle.
    """

    kind: ClassVar[str] = "resized_crop"
    size: Pair = argument(PAIR)
    scale: tuple[float, float] = argument(SCALE, (0.08, 1.0))
    ratio: tuple[float, float] = argument(SCALE, (3 / 4, 4 / 3))
    filter: str = argument(FILTER, "bilinear")

    def without_draws(self) -> ImageStep | None:
        """Return the crop in the middle."""
        return CentreCropStep(self.size)


@term
class ColourNoiseStep(RandomStep):
    """Along each principal component of ImageNet's colours a draw of deviation `alpha` (AlexNet, 4.1)."""

    kind: ClassVar[str] = "colour_noise"
    alpha: float = argument(REAL, 0.1)


@term
class ShearStep(RandomStep):
    """A shear of up to `amount` (radians) to either side, as keras' ImageDataGenerator's `shear_range`."""

    kind: ClassVar[str] = "shear"
    amount: float = argument(REAL, 0.2)


@term
class ZoomStep(RandomStep):
    """A zoom by a factor from 1 - `amount` to 1 + `amount`, each axis its own draw."""

    kind: ClassVar[str] = "zoom"
    amount: float = argument(REAL, 0.2)


@term
class TenCropStep(ImageStep):
    """The four corners and the middle, and their mirror images (AlexNet): ten views."""

    kind: ClassVar[str] = "ten_crop"
    views: ClassVar[bool] = True
    size: Pair = argument(PAIR)


@term
class ScalesStep(ImageStep):
    """The shorter side at each of `sizes`, and the mirror images (He et al. 2015: 224 to 640)."""

    kind: ClassVar[str] = "scales"
    views: ClassVar[bool] = True
    sizes: tuple[int, ...] = argument(SIZES)


@term
class NormaliseStep(ImageStep):
    """Bytes as numbers, (image * `scale` - mean) / std.

    `channel` and `pixel` are mean (and deviation, of `channel`) of the training images; `model` is what the
    network's own `preprocess` says. Left out it is the model's, or else `channel`.
    """

    kind: ClassVar[str] = "normalise"
    mean: object = argument(NUMBERS, "model")
    std: object = argument(NUMBERS, "model")
    scale: float = argument(REAL, 1 / 255)
