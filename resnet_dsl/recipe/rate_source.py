"""Schedules as Python: what the function `rate` of a data file says of each phase."""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch

from resnet_dsl.recipe.recipe import Phase
from resnet_dsl.recipe.schedules import (
    ConstantRate,
    CosineRate,
    LinearRate,
    OneCycleRate,
    PlateauRate,
    Schedule,
    StepRate,
)  # fmt: skip
from resnet_dsl.records import dataclass


@dataclass(frozen=True)
class RateSource:
    """The lines of `rate`, whether they need the time and the length of a phase, and what plateaus follow."""

    lines: tuple[str, ...]
    time: bool
    length: bool
    plateaus: tuple[tuple[int, str], ...]


def rate_source(phases: tuple[Phase, ...]) -> RateSource:
    """Return the rates of a recipe as Python."""
    lines = tuple(rate_lines(phases))
    plateaus = tuple(
        (index, plateau(phase.schedule, phase.optimiser.lr))
        for index, phase in enumerate(phases)
        if isinstance(phase.schedule, PlateauRate)
    )
    text = "\n".join(lines)
    return RateSource(lines, "time" in text, "length" in text, plateaus)


def rate_lines(phases: tuple[Phase, ...]) -> Iterator[str]:
    """Yield the lines that choose among phases; the last needs no question."""
    for index, phase in enumerate(phases):
        if index < len(phases) - 1:
            yield f"if phase == {index}:" + (f"  # {phase.name}" if phase.name else "")
        indent = "    " if index < len(phases) - 1 else ""
        yield f"{indent}return {rate(phase)}"


def rate(phase: Phase) -> str:
    """Return the rate of a phase as an expression."""
    lr = repr(float(phase.optimiser.lr))
    if isinstance(phase.schedule, PlateauRate):
        lr = f"({lr} if plateau is None else plateau.rate)"
    after = 0 if phase.warmup is None else phase.warmup.epochs
    warm = f"warm_up(time, {after}, {phase.warmup.start!r})" if phase.warmup is not None else ""
    return " * ".join(part for part in (lr, warm, factor(phase.schedule, after)) if part)


@singledispatch
def factor(schedule: Schedule, after: int) -> str:
    """Return the factor of a schedule as an expression; nothing for 1; `after` is how long the warm-up is."""
    raise NotImplementedError(f"the schedule {schedule.kind} has no source")


@factor.register(ConstantRate)
@factor.register(PlateauRate)
def _constant(schedule: Schedule, after: int) -> str:
    return ""


@factor.register
def _steps(schedule: StepRate, after: int) -> str:
    return f"step_factor(time, {schedule.at!r}, {schedule.factor!r})"


@factor.register
def _cosine(schedule: CosineRate, after: int) -> str:
    return f"cosine_factor(time, length, to={schedule.to!r}, after={after})"


@factor.register
def _linear(schedule: LinearRate, after: int) -> str:
    return f"linear_factor(time, length, to={schedule.to!r}, after={after})"


@factor.register
def _one_cycle(schedule: OneCycleRate, after: int) -> str:
    begun = (
        f"(step - {after} * steps_per_epoch, (length - {after}) * steps_per_epoch"
        if after
        else ("(step, length * steps_per_epoch")
    )
    return f"one_cycle_factor{begun}, {schedule.rise!r}, {schedule.divide!r}, {schedule.end!r})"


def plateau(schedule: PlateauRate, lr: float) -> str:
    """Return what follows a plateau as an expression."""
    given = f"{float(lr)!r}, {schedule.factor!r}, {schedule.patience}, {schedule.threshold!r}"
    return f"Plateau({given}, rising={schedule.watch == 'metric'}, least={schedule.least!r})"
