"""Schedules: the rate of every step, in double precision, from the recipe, the phase and the step alone.

t is the time from the start of a phase in epochs: step / (steps an epoch). After a warm-up of w epochs, those
that go on in every step (`cosine`, `linear`, `one_cycle`) run from t = w to the phase's end.
"""

from __future__ import annotations

from typing import ClassVar

from resnet_dsl.ir.arguments import COUNT, INDEX, RATE, ArgumentRule, argument, choice
from resnet_dsl.recipe.terms import BELOW_ONE, FROM_ZERO, POSITIVE, Term, number_rule, term

FACTOR = number_rule("a number above 0 and below 1", lambda value: 0 < value < 1)
EPOCHS = ArgumentRule(
    "a list of epochs, each after the one before, such as `[82, 123]`",
    lambda value: (
        value
        if isinstance(value, tuple) and value and all(isinstance(item, int) and item > 0 for item in value)
        and list(value) == sorted(set(value))
        else None
    ),
)  # fmt: skip


class Schedule(Term):
    """What becomes of the optimiser's rate in the course of a phase."""

    @property
    def last_epoch(self) -> int:
        """The epoch, counted from 0, with which it changes something for the last time, if it says one."""
        return 0


@term
class ConstantRate(Schedule):
    """The rate stays."""

    kind: ClassVar[str] = "constant"


@term
class StepRate(Schedule):
    """The rate times `factor` from the start of each epoch in `at` on, counted from 0."""

    kind: ClassVar[str] = "steps"
    at: tuple[int, ...] = argument(EPOCHS)
    factor: float = argument(FACTOR, 0.1)

    @property
    def last_epoch(self) -> int:
        """The last of the epochs in `at`."""
        return self.at[-1]


@term
class PlateauRate(Schedule):
    """The rate times `factor` once the watched figure is no better than its best for `patience` epochs.

    The loss of the evaluation has to fall, or the first metric to rise, by more than `threshold` of the best,
    as torch.optim.lr_scheduler.ReduceLROnPlateau in its relative mode, without cooldown.
    """

    kind: ClassVar[str] = "plateau"
    factor: float = argument(FACTOR, 0.1)
    patience: int = argument(INDEX, 10)
    threshold: float = argument(BELOW_ONE, 1e-4)
    watch: str = argument(choice("loss", "metric"), "loss")
    least: float = argument(FROM_ZERO, 0.0)


@term
class CosineRate(Schedule):
    """From the rate to `to` times the rate by half a cosine (Loshchilov & Hutter 2016), in every step."""

    kind: ClassVar[str] = "cosine"
    to: float = argument(RATE, 0.0)


@term
class LinearRate(Schedule):
    """From the rate to `to` times the rate in a straight line, in every step."""

    kind: ClassVar[str] = "linear"
    to: float = argument(RATE, 0.0)


@term
class OneCycleRate(Schedule):
    """Up from lr / `divide` to lr in the first `rise` of the phase, then down to lr / (`divide` `end`).

    Both by half a cosine, in every step, as torch.optim.lr_scheduler.OneCycleLR; momentum stays as it is.
    """

    kind: ClassVar[str] = "one_cycle"
    rise: float = argument(FACTOR, 0.3)
    divide: float = argument(POSITIVE, 25.0)
    end: float = argument(POSITIVE, 1e4)


@term
class WarmUp(Term):
    """For `epochs` from `start` times the rate up to it, in a straight line in every step."""

    kind: ClassVar[str] = "warmup"
    epochs: int = argument(COUNT)
    start: float = argument(RATE, 0.0)
