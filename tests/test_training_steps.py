"""Steps on images, against torchvision, Pillow, Keras and the papers."""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from resnet_dsl.recipe import image_steps
from resnet_dsl.recipe.assembly import all_definitions
from resnet_dsl.recipe.image_steps import ImageStep
from resnet_dsl.training.colours import COMPONENTS, DEVIATIONS, colour, colour_noise, normalise
from resnet_dsl.training.draws import IMAGE, Draw, Draws
from resnet_dsl.training.geometry import (
    FILTERS,
    centre_crop,
    crop,
    drawn_box,
    flip,
    pad,
    resize,
    resized_crop,
    scale_jitter,
)  # fmt: skip
from resnet_dsl.training.images import Array, DataError
from resnet_dsl.training.views import scales, ten_crop
from resnet_dsl.training.warps import shear, warped, zoom
from tests.support.oracles import torchvision_models

SIZES = st.integers(3, 40)


def torchvision_transforms() -> Any:
    torchvision_models()
    return importlib.import_module("torchvision.transforms")


def picture(height: int, width: int, channels: int = 3) -> Array:
    drawn = np.random.default_rng(height * 1000 + width)
    return drawn.integers(0, 256, (height, width, channels), np.uint8)


def draw(item: int = 0, epoch: int = 0) -> Draw:
    return Draws(0, IMAGE, epoch, item)[0]


def test_each_image_step_of_the_language_has_its_function() -> None:
    steps = [
        each for each in vars(image_steps).values() if isinstance(each, type) and issubclass(each, ImageStep)
    ]
    kinds = {each.kind for each in steps if hasattr(each, "kind")}
    assert len(kinds) > 12
    assert kinds <= all_definitions().keys()


@settings(max_examples=60, deadline=None)
@given(SIZES, SIZES, SIZES, SIZES)
def test_padding_and_the_middle_are_those_of_torchvision(
    height: int, width: int, rows: int, columns: int
) -> None:
    functional = torchvision_transforms().functional
    image = picture(height, width)
    drawn = Image.fromarray(image)
    assert np.array_equal(pad(image, 4), np.asarray(functional.pad(drawn, 4)))
    assert np.array_equal(
        pad(image, 2, "reflect"), np.asarray(functional.pad(drawn, 2, padding_mode="reflect"))
    )
    assert np.array_equal(
        centre_crop(image, (rows, columns)), np.asarray(functional.center_crop(drawn, [rows, columns]))
    )


@settings(max_examples=40, deadline=None)
@given(SIZES, SIZES, SIZES, st.sampled_from(["bilinear", "bicubic", "nearest", "lanczos"]))
def test_resizing_the_shorter_side_is_torchvisions(height: int, width: int, side: int, filter: str) -> None:
    functional = torchvision_transforms().functional
    mode = torchvision_transforms().InterpolationMode(filter)
    image = picture(height, width)
    wanted = functional.resize(Image.fromarray(image), side, mode)
    assert np.array_equal(resize(image, side, filter), np.asarray(wanted))


def test_a_grey_image_keeps_its_form_when_it_is_resized() -> None:
    image = picture(9, 12, 1)
    wanted = Image.fromarray(image[..., 0]).resize((6, 5), FILTERS["bilinear"])
    assert np.array_equal(resize(image, (5, 6))[..., 0], np.asarray(wanted))


def test_a_reflection_larger_than_the_image_is_refused() -> None:
    with pytest.raises(DataError, match="an image of 4x9 cannot be mirrored by 4 pixels"):
        pad(picture(4, 9), 4, "reflect")


def test_a_crop_takes_every_place_equally_often() -> None:
    image = np.arange(25, dtype=np.uint8).reshape(5, 5, 1)
    corners = [int(crop(image, each, (3, 3))[0, 0, 0]) for each in each_draw(9000)]
    counts = np.bincount(corners, minlength=25)
    possible = [0, 1, 2, 5, 6, 7, 10, 11, 12]
    assert counts.sum() == counts[possible].sum()
    chi = ((counts[possible] - 1000) ** 2 / 1000).sum()
    assert chi < 26.1  # one in a thousand is more, of 8 degrees of freedom


def test_half_of_the_images_are_mirrored() -> None:
    image = picture(3, 4)
    mirrored = sum(np.array_equal(flip(image, each), image[:, ::-1]) for each in each_draw(4000))
    assert abs(mirrored - 2000) < 4 * math.sqrt(1000)


def test_an_image_that_is_smaller_than_its_crop_lies_in_zeros() -> None:
    made = crop(picture(3, 9) | 1, draw(), (7, 5))
    assert made.shape == (7, 5, 3)
    assert not made[:2].any()
    assert not made[5:].any()
    assert made[2:5].all()


def test_a_resized_crop_resizes_its_window_as_torchvision_does() -> None:
    functional = torchvision_transforms().functional
    image = picture(40, 50)
    for item in range(20):
        left, top, right, bottom = drawn_box(40, 50, draw(item), (0.08, 1.0), (3 / 4, 4 / 3))
        box = (top, left, bottom - top, right - left)
        wanted = functional.resized_crop(Image.fromarray(image), *box, [16, 12])
        assert np.array_equal(resized_crop(image, draw(item), (16, 12)), np.asarray(wanted))


@pytest.mark.parametrize(("height", "width"), [(40, 50), (300, 200), (10, 200), (200, 10)])
def test_windows_are_drawn_as_torchvision_draws_them(height: int, width: int) -> None:
    torch = pytest.importorskip("torch")
    transforms = torchvision_transforms()
    stats = pytest.importorskip("scipy.stats")
    torch.manual_seed(0)
    image = torch.zeros(3, height, width)
    scale, ratio = (0.08, 1.0), (3 / 4, 4 / 3)
    theirs = [transforms.RandomResizedCrop.get_params(image, scale, ratio) for _ in range(3000)]
    ours = [drawn_box(height, width, each, scale, ratio) for each in each_draw(3000)]
    measured = [
        ([b - t for _, t, _, b in ours], [h for _, _, h, _ in theirs]),
        ([r - left for left, _, r, _ in ours], [w for _, _, _, w in theirs]),
        ([t for _, t, _, _ in ours], [t for t, _, _, _ in theirs]),
        ([left for left, _, _, _ in ours], [left for _, left, _, _ in theirs]),
    ]
    for own, other in measured:
        assert stats.ks_2samp(own, other).pvalue > 1e-3


def test_scale_jitter_draws_every_side_from_the_lowest_to_the_highest() -> None:
    image = picture(8, 8)
    sides = {scale_jitter(image, each, 5, 9).shape[0] for each in each_draw(100)}
    assert sides == {5, 6, 7, 8, 9}


def test_grey_is_that_of_pillow() -> None:
    image = picture(64, 64)
    assert np.array_equal(colour(image, "grey")[..., 0], np.asarray(Image.fromarray(image).convert("L")))
    grey = image[..., :1]
    assert np.array_equal(colour(grey), np.repeat(grey, 3, axis=2))
    assert colour(image) is image


def test_colour_noise_is_alexnets() -> None:
    """The published components are those of a covariance: they are of length 1 and stand at right angles."""
    assert np.allclose(COMPONENTS.T @ COMPONENTS, np.eye(3), atol=2e-4)
    image = np.full((4, 4, 3), 128, np.uint8)
    moved = np.array([colour_noise(image, each, 1.0)[0, 0] - 128.0 for each in each_draw(20_000)])
    covariance = 255**2 * COMPONENTS @ np.diag(DEVIATIONS**2) @ COMPONENTS.T
    assert np.abs(moved.mean(axis=0)).max() < 4 * math.sqrt(covariance.max() / 20_000)
    assert np.allclose(np.cov(moved.T), covariance, rtol=0.05, atol=5)  # bytes are rounded, and end at 255


def test_all_pixels_of_an_image_get_the_same_colour_noise() -> None:
    image = np.arange(100, 136, dtype=np.uint8).reshape(6, 6, 1).repeat(3, axis=2)
    moved = colour_noise(image, draw(), 0.3).astype(int) - image
    assert moved.any()
    assert (moved == moved[0, 0]).all()


def test_normalising_is_in_double_precision() -> None:
    image = picture(5, 5)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    wanted = (image.astype(np.float64) * (1 / 255) - np.array(mean)) / np.array(std)
    assert np.array_equal(normalise(image, mean, std), wanted)


def test_ten_crops_are_those_of_torchvision() -> None:
    functional = torchvision_transforms().functional
    image = picture(12, 16)
    wanted = {np.asarray(each).tobytes() for each in functional.ten_crop(Image.fromarray(image), [8, 6])}
    views = ten_crop(image, (8, 6))
    assert len(views) == 10
    assert {np.ascontiguousarray(each).tobytes() for each in views} == wanted


def test_scales_are_the_image_at_each_size_and_their_mirror_images() -> None:
    image = picture(12, 16)
    views = scales(image, (6, 9))
    assert [each.shape for each in views] == [(6, 8, 3), (9, 12, 3)] * 2
    assert np.array_equal(views[2], resize(image, 6)[:, ::-1])


AXES = {"row_axis": 0, "col_axis": 1, "channel_axis": 2}


def smooth(height: int, width: int) -> Array:
    y, x = np.mgrid[:height, :width]
    waves = [127 + 100 * np.sin(x / 7 + k) * np.cos(y / 9 - k) for k in range(3)]
    return np.stack(waves, axis=2).round().astype(np.uint8)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_shear_and_zoom_are_those_of_keras() -> None:
    image_module = pytest.importorskip("keras.src.legacy.preprocessing.image")
    image = smooth(40, 40)  # of others Keras takes another point for the middle
    for item in range(6):
        angle = draw(item).between(-0.4, 0.4)
        wanted = image_module.apply_affine_transform(image, shear=math.degrees(angle), **AXES)
        assert np.abs(shear(image, draw(item), 0.4).astype(float) - wanted).max() <= 1.01
        both = draw(item)
        rows, columns = both.between(0.7, 1.3), both.between(0.7, 1.3)
        wanted = image_module.apply_affine_transform(image, zx=columns, zy=rows, **AXES)
        assert np.abs(zoom(image, draw(item), 0.3).astype(float) - wanted).max() <= 1.01


@settings(max_examples=30, deadline=None)
@given(SIZES, SIZES, st.sampled_from([1, 3]))
def test_a_warp_that_moves_nothing_changes_nothing(height: int, width: int, channels: int) -> None:
    image = picture(height, width, channels)
    assert np.array_equal(warped(image, (1.0, 0.0, 0.0, 1.0)), image)


def each_draw(count: int) -> list[Draw]:
    draws = Draws(7, IMAGE, 0, 0, count)
    return [draws[item] for item in range(count)]
