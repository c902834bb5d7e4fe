"""Mixing the images of a batch, counting what is right, and statistics of the training images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from resnet_dsl.training.draws import MIX, Draw, Draws, beta_draw
from resnet_dsl.training.images import NO_IMAGES, Array, Data, DataError, Images
from resnet_dsl.training.metrics import mean_of_views, right_among, softmax
from resnet_dsl.training.mixtures import cutmix, mixup, one_hot, partners, rectangle
from resnet_dsl.training.reading import read_data
from resnet_dsl.training.statistics import channel_statistics, pixel_means, with_statistics
from tests.support.training_data import coloured, save_pictures

LABELS = np.array([0, 1, 2, 2])


def batch() -> tuple[Array, Array]:
    return coloured(4, 8, 10).astype(np.float64), one_hot(LABELS, 3)


def draw(step: int = 0) -> Draw:
    return Draws(0, MIX, 0, step)[0]


def test_partners_are_neighbours() -> None:
    assert partners(np.arange(6)).tolist() == [1, 0, 3, 2, 5, 4]
    with pytest.raises(DataError, match="3 images of a process cannot be mixed in pairs"):
        partners(np.arange(3))


def test_mixup_is_a_weighted_mean_of_partners_and_of_their_labels() -> None:
    images, labels = batch()
    mixed, targets = mixup(images, labels, draw(), 0.5)
    weight = beta_draw(draw(), 0.5)
    assert 0 < weight < 1
    assert np.array_equal(mixed[0], weight * images[0] + (1 - weight) * images[1])
    assert np.array_equal(mixed[3], weight * images[3] + (1 - weight) * images[2])
    assert targets[0].tolist() == [weight, 1 - weight, 0]
    assert np.allclose(targets[2], [0, 0, 1])


@pytest.mark.parametrize("step", range(8))
def test_cutmix_labels_are_the_shares_of_the_area(step: int) -> None:
    images, labels = batch()
    images += 0.5 * np.arange(4)[:, None, None, None] / 10  # no pixel is that of its partner
    mixed, targets = cutmix(images, labels, draw(step), 1.0)
    own = (mixed == images).all(axis=3)
    other = (mixed == partners(images)).all(axis=3)
    assert (own ^ other).all()
    assert np.allclose(targets[0], [own[0].mean(), 1 - own[0].mean(), 0])
    assert (own == own[0]).all()  # one rectangle for all
    rows, columns = np.nonzero(other[0])
    filled = (np.ptp(rows) + 1) * (np.ptp(columns) + 1) if len(rows) else 0
    assert filled == len(rows)


def test_a_rectangle_has_the_area_that_its_weight_leaves_if_no_edge_cuts_it() -> None:
    areas = [
        (bottom - top) * (right - left)
        for top, bottom, left, right in (rectangle(100, 100, 0.96, draw(step)) for step in range(300))
    ]
    assert max(areas) == 400
    assert np.mean([area == 400 for area in areas]) == pytest.approx(0.8**2, abs=0.1)


def test_images_are_mixed_alike_in_one_process_and_in_two() -> None:
    images, labels = batch()
    whole = cutmix(images, labels, draw(5), 1.0)
    halves = [cutmix(images[k : k + 2], labels[k : k + 2], draw(5), 1.0) for k in (0, 2)]
    for part in range(2):
        assert np.array_equal(whole[part], np.concatenate([half[part] for half in halves]))


# --- metrics -----------------------------------------------------------------------------------


def test_what_is_right_is_that_of_torch() -> None:
    torch = pytest.importorskip("torch")
    drawn = np.random.default_rng(0)
    scores, labels = drawn.normal(size=(200, 10)), drawn.integers(0, 10, 200)
    for k in (1, 3, 5):
        top = torch.topk(torch.tensor(scores), k).indices
        assert right_among(scores, labels, k) == int((top == torch.tensor(labels)[:, None]).any(dim=1).sum())


def test_of_equal_scores_the_first_counts() -> None:
    scores = np.zeros((3, 4))
    assert right_among(scores, np.array([0, 1, 3])) == 1
    assert right_among(scores, np.array([0, 1, 3]), 2) == 2


def test_views_count_by_the_mean_of_their_probabilities() -> None:
    views = [np.array([[0.0, 3.0]]), np.array([[9.0, 0.0]])]
    wanted = (softmax(views[0]) + softmax(views[1])) / 2
    assert np.allclose(mean_of_views(views), wanted)
    assert np.allclose(mean_of_views(views).sum(), 1)
    assert np.isfinite(softmax(np.array([[1e4, -1e4]], np.float32))).all()


# --- statistics --------------------------------------------------------------------------------


def same(image: Array) -> Array:
    return image


def as_images(pixels: Array) -> Images:
    return Images(pixels, np.zeros(len(pixels), np.int64))


def test_statistics_by_channel_are_those_of_all_pixels() -> None:
    pixels = coloured(50, 6, 7)
    found = channel_statistics(as_images(pixels), same)
    assert np.allclose(found.mean, pixels.mean(axis=(0, 1, 2)), rtol=1e-14)
    assert np.allclose(found.std, pixels.std(axis=(0, 1, 2)), rtol=1e-13)


def test_statistics_do_not_depend_on_the_order_of_the_images() -> None:
    pixels = coloured(50, 6, 7)
    first, second = (channel_statistics(as_images(each), same) for each in (pixels, pixels[::-1]))
    assert np.array_equal(first.mean, second.mean)
    assert np.array_equal(first.std, second.std)


def test_the_mean_by_pixel_is_an_image() -> None:
    pixels = coloured(50, 6, 7)
    assert np.allclose(pixel_means(as_images(pixels), same).mean, pixels.mean(axis=0), rtol=1e-14)


def test_statistics_are_of_images_after_their_steps() -> None:
    pixels = coloured(50, 6, 7)
    found = pixel_means(as_images(pixels), lambda image: image[:2, :3])
    assert np.allclose(found.mean, pixels[:, :2, :3].mean(axis=0), rtol=1e-14)


def test_statistics_that_cannot_be_are_said() -> None:
    with pytest.raises(DataError, match="all pixels of a channel are alike"):
        channel_statistics(as_images(np.full((5, 4, 4, 1), 7, np.uint8)), same)
    sizes = iter([(4, 4), (5, 5)])
    with pytest.raises(DataError, match="images of several sizes have no mean by pixel"):
        pixel_means(as_images(coloured(2)), lambda image: image[: next(sizes)[0]])


def test_broken_pictures_are_in_no_statistics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = read_data(save_pictures(tmp_path, ("a", "b"), each=3))
    wanted = channel_statistics(whole.train, same)
    (tmp_path / "a" / "7.png").write_bytes(b"broken")
    found = channel_statistics(read_data(str(tmp_path)).train, same)
    assert np.array_equal(found.mean, wanted.mean)
    assert "7.png" in capsys.readouterr().err


def test_every_row_of_images_knows_the_statistics() -> None:
    images = as_images(coloured(4))
    statistics = channel_statistics(images, same)
    data = with_statistics(Data(images, NO_IMAGES, images, ("a",)), statistics)
    assert data.train.part(1, 2).statistics is data.test.statistics is statistics
