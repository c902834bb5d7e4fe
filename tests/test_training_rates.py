"""Rates, step by step, against PyTorch's schedulers in double precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from resnet_dsl.training.rates import (
    Plateau,
    cosine_factor,
    linear_factor,
    one_cycle_factor,
    step_factor,
    warm_up,
)  # fmt: skip

torch = pytest.importorskip("torch")
schedulers = torch.optim.lr_scheduler

LR, EPOCHS, STEPS = 0.1, 12, 5
EXACT = 1e-15


def rates_of(made: Callable[[Any], Any], steps: int) -> list[float]:
    """The rates of a scheduler that is asked after every step."""
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR)
    scheduler = made(optimiser)
    found = []
    for _ in range(steps):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    return found


def of_time(factor: Callable[[float], float]) -> list[float]:
    return [LR * factor(step / STEPS) for step in range(EPOCHS * STEPS)]


def test_steps() -> None:
    wanted = rates_of(
        lambda optimiser: schedulers.MultiStepLR(optimiser, [3 * STEPS, 8 * STEPS], 0.2), EPOCHS * STEPS
    )
    assert of_time(lambda time: step_factor(time, (3, 8), 0.2)) == pytest.approx(wanted, abs=EXACT)


@pytest.mark.parametrize("to", [0.0, 0.01])
def test_cosine(to: float) -> None:
    total = EPOCHS * STEPS
    wanted = rates_of(lambda optimiser: schedulers.CosineAnnealingLR(optimiser, total, to * LR), total)
    # PyTorch goes from each rate to the next, which adds up what each rounds
    assert of_time(lambda time: cosine_factor(time, EPOCHS, to)) == pytest.approx(wanted, abs=1e-14)


def test_linear() -> None:
    total = EPOCHS * STEPS
    wanted = rates_of(lambda optimiser: schedulers.LinearLR(optimiser, 1.0, 0.05, total), total)
    assert of_time(lambda time: linear_factor(time, EPOCHS, 0.05)) == pytest.approx(wanted, abs=1e-14)


@pytest.mark.parametrize("rise", [0.3, 0.25, 0.5])
def test_one_cycle(rise: float) -> None:
    total = EPOCHS * STEPS
    wanted = rates_of(
        lambda optimiser: schedulers.OneCycleLR(
            optimiser,
            LR,
            total_steps=total,
            pct_start=rise,
            div_factor=25,
            final_div_factor=1e4,
            cycle_momentum=False,
        ),
        total,
    )
    assert [LR * one_cycle_factor(step, STEPS, EPOCHS, rise) for step in range(total)] == pytest.approx(
        wanted, abs=EXACT
    )


def test_a_warm_up_and_what_follows() -> None:
    warm, total = 2, EPOCHS * STEPS

    def both(optimiser: Any) -> Any:
        first = schedulers.LinearLR(optimiser, 0.1, 1.0, warm * STEPS)
        then = schedulers.CosineAnnealingLR(optimiser, total - warm * STEPS)
        return schedulers.SequentialLR(optimiser, [first, then], [warm * STEPS])

    own = of_time(lambda time: warm_up(time, warm, 0.1) * cosine_factor(time, EPOCHS, after=warm))
    assert own == pytest.approx(rates_of(both, total), abs=1e-14)


def test_a_warm_up_may_start_from_nothing() -> None:
    assert [warm_up(step / 4, 2, 0.0) for step in range(10)] == [
        0,
        0.125,
        0.25,
        0.375,
        0.5,
        0.625,
        0.75,
        0.875,
        1,
        1,
    ]


@pytest.mark.parametrize("rising", [False, True])
def test_plateau(rising: bool) -> None:
    figures = [
        5.0,
        4.0,
        4.0,
        3.9999,
        4.1,
        4.2,
        3.0,
        3.1,
        3.2,
        3.05,
        3.0,
        3.0,
        3.0,
        6.0,
        6.1,
        6.1,
        6.1,
        6.1,
        6.1,
        6.1,
    ]
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR)
    other = schedulers.ReduceLROnPlateau(
        optimiser, "max" if rising else "min", factor=0.1, patience=2, threshold=1e-4, min_lr=2e-4
    )
    own = Plateau(LR, 0.1, 2, 1e-4, rising, 2e-4)
    seen = set()
    for figure in figures:
        own.update(figure)
        other.step(figure)
        assert own.rate == optimiser.param_groups[0]["lr"]
        seen.add(own.rate)
    assert len(seen) > 2


def test_a_plateau_goes_on_from_its_state() -> None:
    whole, first = Plateau(LR, patience=1), Plateau(LR, patience=1)
    for figure in (3.0, 3.0):
        whole.update(figure)
        first.update(figure)
    again = Plateau(LR, patience=1)
    again.restore(first.state())
    for figure in (3.0, 2.0, 2.0, 2.0):
        whole.update(figure)
        again.update(figure)
    assert again == whole
    assert whole.rate < LR
