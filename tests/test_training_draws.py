"""Draws: fixed for all time, whoever makes them in whatever order, and distributed as they should be."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_dsl.training.draws import IMAGE, MIX, ORDER, Draw, Draws, beta_draw, order, words

PLACES = st.integers(0, 2**31)


def each_draw(count: int, seed: int = 0) -> list[Draw]:
    draws = Draws(seed, IMAGE, 0, 0, count)
    return [draws[item] for item in range(count)]


def test_words_are_those_of_the_paper() -> None:
    """The known answer of Philox4x64-10 for zeros; NumPy counts before its first block."""
    known = [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B]
    before = np.array([2**64 - 1] * 4, np.uint64)
    philox = np.random.Philox(key=np.zeros(2, np.uint64), counter=before)
    assert philox.random_raw(4).tolist() == known


def test_words_stay_what_they_are() -> None:
    """Whoever resumes a run with another version of anything gets the same images."""
    assert words(1, IMAGE, 2, 3, 1).tolist() == [
        [9341993852216707020, 11424917726786185972, 10899380747594819412, 10653060083860121189]
    ]
    assert order(0, 0, 8).tolist() == [0, 5, 2, 4, 7, 1, 3, 6]


@settings(max_examples=50, deadline=None)
@given(PLACES, PLACES, PLACES, st.integers(1, 9), st.integers(0, 8))
def test_an_item_has_the_same_draws_alone_and_in_a_row(
    seed: int, epoch: int, first: int, count: int, item: int
) -> None:
    item %= count
    row, alone = Draws(seed, IMAGE, epoch, first, count)[item], Draws(seed, IMAGE, epoch, first + item)[0]
    assert [row.word() for _ in range(11)] == [alone.word() for _ in range(11)]


def test_items_do_not_share_draws() -> None:
    """Not with neighbours, other epochs, other purposes, other seeds, nor with their own next block."""
    found = [
        int(word)
        for seed in range(2)
        for purpose in (ORDER, IMAGE, MIX)
        for epoch in range(3)
        for block in range(3)
        for word in words(seed, purpose, epoch, 0, 40, block).ravel()
    ]
    assert len(set(found)) == len(found)


def test_another_process_draws_the_same() -> None:
    shown = "words(5, IMAGE, 1, 9, 2).tolist(), order(3, 4, 50).tolist()"
    code = f"from resnet_dsl.training.draws import *; print({shown})"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.split() == f"{words(5, IMAGE, 1, 9, 2).tolist()} {order(3, 4, 50).tolist()}".split()


@settings(max_examples=30, deadline=None)
@given(PLACES, PLACES, st.integers(1, 300))
def test_an_order_is_of_all(seed: int, epoch: int, count: int) -> None:
    assert sorted(order(seed, epoch, count)) == list(range(count))


def test_orders_are_fair() -> None:
    """Each image comes first, and each pair is the right way round, as often as any other."""
    orders = np.array([order(0, epoch, 10) for epoch in range(5000)])
    first = np.bincount(orders[:, 0], minlength=10)
    assert ((first - 500) ** 2 / 500).sum() < 27.9  # 9 degrees of freedom, one in a thousand
    places = orders.argsort(axis=1)
    ahead = (places[:, :1] < places[:, 1:]).mean(axis=0)
    assert np.abs(ahead - 0.5).max() < 4 * 0.5 / math.sqrt(5000)


def test_units_are_uniform_and_independent() -> None:
    rows = np.array([[each.unit() for _ in range(6)] for each in each_draw(5000)])
    assert rows.min() >= 0
    assert rows.max() < 1
    assert np.abs(rows.mean(axis=0) - 0.5).max() < 4 / math.sqrt(12 * 5000)
    assert np.abs(np.corrcoef(rows.T) - np.eye(6)).max() < 4 / math.sqrt(5000)
    assert abs(np.corrcoef(rows[:-1, 0], rows[1:, 0])[0, 1]) < 4 / math.sqrt(5000)


@pytest.mark.parametrize("count", [1, 2, 3, 9, 224])
def test_whole_numbers_are_uniform(count: int) -> None:
    drawn = np.bincount([each.below(count) for each in each_draw(20_000)], minlength=count)
    assert len(drawn) == count
    expected = 20_000 / count
    freedom = count - 1
    assert ((drawn - expected) ** 2 / expected).sum() <= freedom + 5 * math.sqrt(2 * freedom)


def test_normal_draws_are_normal() -> None:
    stats = pytest.importorskip("scipy.stats")
    assert stats.kstest([each.normal() for each in each_draw(5000)], "norm").pvalue > 1e-3


@pytest.mark.parametrize("alpha", [0.01, 0.2, 1.0, 3.5])
def test_beta_draws_are_of_the_beta_distribution(alpha: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    drawn = [beta_draw(each, alpha) for each in each_draw(4000, seed=3)]
    assert all(0 <= each <= 1 for each in drawn)
    if alpha < 0.1:  # nearly all are 0 or 1 in double precision
        assert abs(np.mean(drawn) - 0.5) < 4 * 0.5 / math.sqrt(4000)
    else:
        assert stats.kstest(drawn, stats.beta(alpha, alpha).cdf).pvalue > 1e-3
