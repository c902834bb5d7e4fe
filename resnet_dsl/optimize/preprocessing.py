"""A program whose artefacts take images: what `preprocess:` says of the numbers is part of them."""

from __future__ import annotations

from typing import Any

from resnet_dsl.analysis.lower import Lowered
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.ir.network import Network, PixelInput
from resnet_dsl.program import Program
from resnet_dsl.records import replace

LARGEST = 255  # of a pixel that is a byte


def taking_images(program: Program) -> Program:
    """Return the program that takes images as bytes, N x H x W x C, red first.

    Raises UsageError where its `preprocess` does not say what becomes of the numbers.
    """
    network = replace(program.network, pixels=_pixels(program.network))
    return replace(program, network=network, lowered=Lowered(network))


def _pixels(network: Network) -> PixelInput:
    said: dict[str, Any] = dict(network.preprocess)
    if not said:
        usual = "`preprocess: { color: rgb  range: [0, 1] }`"
        wanted = "which says what becomes of images: write one, such as"
        raise UsageError(f"{network.name} has no `preprocess`, {wanted} {usual}")
    if network.input.is_vector:
        raise UsageError(f"{network.name} takes vectors, and no images")
    low, high = _range(network.name, said)
    means, stds = (_each(said.get(name, usual), network) for name, usual in (("mean", 0.0), ("std", 1.0)))
    if 0 in stds:
        raise UsageError(f"`preprocess` of {network.name} has a `std` of 0, by which nothing is divided")
    scale = tuple((high - low) / LARGEST / std for std in stds)
    shift = tuple((low - mean) / std for mean, std in zip(means, stds, strict=True))
    return PixelInput(scale, shift, said.get("color") == "bgr")


def _range(name: str, said: dict[str, Any]) -> tuple[float, float]:
    match said.get("range"):
        case (int() | float() as low, int() | float() as high):
            return low, high
        case None:
            hint = "`range: [0, 1]`, or `[0, 255]` where they stay as they are"
            raise UsageError(f"`preprocess` of {name} does not say what range pixels are in: {hint}")
        case _:
            raise UsageError(f"`range` in `preprocess` of {name} is no pair of numbers such as [0, 1]")


def _each(value: Any, network: Network) -> tuple[float, ...]:
    """A number for each channel."""
    values = value if isinstance(value, tuple) else (value,) * network.input.channels
    if not all(isinstance(each, int | float) for each in values):
        raise UsageError(f"`mean` and `std` in `preprocess` of {network.name} have to be numbers")
    return tuple(map(float, values))
