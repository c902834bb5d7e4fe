"""Draws from a counter: each number depends on the seed, the epoch and its item's place alone.

Philox (Salmon et al. 2011) makes 64-bit words of a key and a counter. Only its words are used: they are
fixed by the paper, while the distributions of a library may change with its versions.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

ORDER = 0  # what is drawn: the order of an epoch,
IMAGE = 1  # what becomes of an image,
MIX = 2  # how the images of a batch are mixed
WORDS = 4  # a block of Philox
LARGEST = 2**64


Words = npt.NDArray[np.uint64]


def words(seed: int, purpose: int, epoch: int, first: int, count: int, block: int = 0) -> Words:
    """Return a block of words for each of `count` items from `first` on, a row an item."""
    counter = np.array([first, block, epoch, purpose], np.uint64)
    philox = np.random.Philox(key=np.array([seed % LARGEST, 0], np.uint64), counter=counter)
    return philox.random_raw(count * WORDS).reshape(count, WORDS)


def order(seed: int, epoch: int, count: int) -> npt.NDArray[np.int64]:
    """Return the numbers below `count` in the order of an epoch."""
    drawn = words(seed, ORDER, epoch, 0, count)[:, 0]
    return np.argsort(drawn, kind="stable").astype(np.int64)


class Draws:
    """The draws of some items in a row; `draws[k]` are those of item `first + k`."""

    def __init__(self, seed: int, purpose: int, epoch: int, first: int, count: int = 1) -> None:
        self.place = seed, purpose, epoch, first, count
        self.blocks: list[list[list[int]]] = []

    def __getitem__(self, item: int) -> Draw:
        return Draw(self, item)

    def word(self, item: int, number: int) -> int:
        """Return a word of an item; words are made in blocks, for all items at once."""
        block, within = divmod(number, WORDS)
        while len(self.blocks) <= block:
            self.blocks.append(words(*self.place, block=len(self.blocks)).tolist())
        return self.blocks[block][item][within]


class Draw:
    """The draws of one item, in the order in which they are asked for."""

    def __init__(self, draws: Draws, item: int) -> None:
        self.draws, self.item, self.taken = draws, item, 0

    def word(self) -> int:
        """Return the next 64 bits."""
        self.taken += 1
        return self.draws.word(self.item, self.taken - 1)

    def unit(self) -> float:
        """Return a number from 0 to 1, 1 excluded: a multiple of 2^-53."""
        return (self.word() >> 11) * 2.0**-53

    def between(self, low: float, high: float) -> float:
        """Return a number from `low` to `high`."""
        return low + (high - low) * self.unit()

    def below(self, count: int) -> int:
        """Return a whole number from 0 on, below `count`."""
        return self.word() * count >> 64

    def normal(self) -> float:
        """Return a number of the standard normal distribution (Box and Muller 1958)."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self.unit()))
        return radius * math.cos(math.tau * self.unit())


def log_gamma_draw(draw: Draw, shape: float) -> float:
    """Return the logarithm of a draw of the gamma distribution (Marsaglia and Tsang 2000)."""
    boost = math.log(1.0 - draw.unit()) / shape  # of shape + 1, where the method holds for any shape
    d = shape + 2.0 / 3.0
    while True:
        x = draw.normal()
        v = (1.0 + x / math.sqrt(9.0 * d)) ** 3
        log_u = math.log(1.0 - draw.unit())
        if v > 0.0 and log_u < 0.5 * x * x + d - d * v + d * math.log(v):
            return math.log(d * v) + boost


def beta_draw(draw: Draw, alpha: float) -> float:
    """Return a draw of Beta(alpha, alpha)."""
    first, second = log_gamma_draw(draw, alpha), log_gamma_draw(draw, alpha)
    # of two logarithms, since for a small alpha the numbers themselves may be 0
    return 1.0 / (1.0 + math.exp(min(second - first, 700.0)))
