"""Schedules as Python: what the function `rate` of a data file says of each phase."""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch

from resnet_dsl.recipe.pipeline_source import call
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
from resnet_dsl.recipe.script_lines import WIDTH
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
    for index, phase in enumerate(phases[:-1]):
        yield f"if phase == {index}:" + (f"  # {phase.name}" if phase.name else "")
        yield from (f"    {line}" for line in product_lines(rate_factors(phase), WIDTH - 8))
    yield from product_lines(rate_factors(phases[-1]), WIDTH - 4)


def product_lines(factors: list[str], width: int) -> list[str]:
    """Return the lines that return a product, as a formatter breaks them."""
    whole = f"return {' * '.join(factors)}"
    if len(whole) <= width:
        return [whole]
    first, *others = factors
    return ["return (", f"    {first}", *(f"    * {each}" for each in others), ")"]


def rate_factors(phase: Phase) -> list[str]:
    """Return what a phase's rate is the product of, as expressions."""
    lr = repr(float(phase.optimiser.lr))
    if isinstance(phase.schedule, PlateauRate):
        lr = f"{lr} if plateau is None else plateau.rate"
        lr = lr if phase.warmup is None else f"({lr})"
    after = 0 if phase.warmup is None else phase.warmup.epochs
    warm = f"warm_up(time, {after}, {phase.warmup.start!r})" if phase.warmup is not None else ""
    return [each for each in (lr, warm, factor(phase.schedule, after)) if each]


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
    return call(schedule, "time", "length", function="cosine_factor", **_after(after))


@factor.register
def _linear(schedule: LinearRate, after: int) -> str:
    return call(schedule, "time", "length", function="linear_factor", **_after(after))


@factor.register
def _one_cycle(schedule: OneCycleRate, after: int) -> str:
    return call(schedule, "step", "steps_per_epoch", "length", function="one_cycle_factor", **_after(after))


def _after(epochs: int) -> dict[str, str]:
    return {"after": str(epochs)} if epochs else {}


def plateau(schedule: PlateauRate, lr: float) -> str:
    """Return what follows a plateau as an expression."""
    given = f"{float(lr)!r}, {schedule.factor!r}, {schedule.patience}, {schedule.threshold!r}"
    return f"Plateau({given}, rising={schedule.watch == 'metric'}, least={schedule.least!r})"
