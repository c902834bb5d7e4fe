"""Rates: factors of the rate, each a number of the time alone, in double precision.

`time` is counted in epochs from the start of a phase, `epochs` is how long the phase is, and `after` when
the warm-up ends: there begins what goes on in every step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field


def warm_up(time: float, epochs: int, start: float) -> float:
    """Return the factor of a warm-up: from `start` to 1 in a straight line."""
    return start + (1 - start) * time / epochs if time < epochs else 1.0


def step_factor(time: float, at: tuple[int, ...], factor: float) -> float:
    """Return `factor` to the power of how many of the epochs `at` have begun."""
    return math.prod(factor for epoch in at if epoch <= time)


def cosine_factor(time: float, epochs: int, to: float = 0.0, after: int = 0) -> float:
    """Return what half a cosine from 1 to `to` has come to."""
    share = max(time - after, 0.0) / (epochs - after)
    return to + (1 - to) * (1 + math.cos(math.pi * share)) / 2


def linear_factor(time: float, epochs: int, to: float = 0.0, after: int = 0) -> float:
    """Return what a straight line from 1 to `to` has come to."""
    return 1 + (to - 1) * max(time - after, 0.0) / (epochs - after)


def one_cycle_factor(
    step: int,
    steps_per_epoch: int,
    epochs: int,
    rise: float = 0.3,
    divide: float = 25.0,
    end: float = 1e4,
    after: int = 0,
) -> float:
    """Return where a cycle is: from 1 / `divide` up to 1, down to 1 / (`divide` `end`) in the last step."""
    steps, done = (epochs - after) * steps_per_epoch, max(step - after * steps_per_epoch, 0)
    top, last = rise * steps - 1, steps - 1
    if done <= top:
        return between_by_cosine(1 / divide, 1.0, done / top if top else 1.0)
    return between_by_cosine(1.0, 1 / (divide * end), (done - top) / (last - top))


def between_by_cosine(start: float, end: float, share: float) -> float:
    """Return a number between two by half a cosine."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))


@dataclass
class Plateau:
    """A rate that falls once a figure is no better for some epochs (torch's ReduceLROnPlateau, relative)."""

    rate: float
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    rising: bool = False
    """Whether more is better."""
    least: float = 0.0
    best: float | None = field(default=None)
    waited: int = 0

    def update(self, figure: float) -> None:
        """Take the figure of an epoch."""
        if self.better(figure):
            self.best, self.waited = figure, 0
            return
        self.waited += 1
        if self.waited > self.patience:
            self.rate, self.waited = max(self.rate * self.factor, self.least), 0

    def better(self, figure: float) -> bool:
        """Whether a figure is better than the best by more than the threshold."""
        if self.best is None:
            return True
        if self.rising:
            return figure > self.best * (1 + self.threshold)
        return figure < self.best * (1 - self.threshold)

    def state(self) -> dict[str, float | None]:
        """Return what a checkpoint is to keep."""
        return {"rate": self.rate, "best": self.best, "waited": self.waited}

    def restore(self, state: dict[str, float | None]) -> None:
        """Take what a checkpoint has kept."""
        self.rate, self.best = float(state["rate"] or 0.0), state["best"]
        self.waited = int(state["waited"] or 0)
