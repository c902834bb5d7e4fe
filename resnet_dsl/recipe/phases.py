"""The phases of a recipe: epochs, optimiser and schedule of each, and which parts learn in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from resnet_dsl.diagnostics.model import Label, Span
from resnet_dsl.ir.arguments import COUNT
from resnet_dsl.program import Program
from resnet_dsl.recipe.learning_parts import LearningParts
from resnet_dsl.recipe.optimisers import Optimiser
from resnet_dsl.recipe.reader import RecipeReader, listed
from resnet_dsl.recipe.recipe import Phase
from resnet_dsl.recipe.schedules import ConstantRate, Schedule, WarmUp
from resnet_dsl.recipe.vocabulary import FIELDS, OPTIMISERS, SCHEDULES, SPELLED
from resnet_dsl.syntax import ast

IN_PHASES = tuple(name for name, field in FIELDS.items() if field.in_phases)
SHARED = ("epochs", "optimiser", "schedule", "freeze")  # what a phase takes of the recipe

Fields = dict[str, ast.Field]


class Rates(NamedTuple):
    """A schedule, perhaps behind a warm-up, and where each is written."""

    schedule: Schedule
    warmup: WarmUp | None = None
    schedule_at: Span | None = None
    warmup_at: Span | None = None


def phases(reader: RecipeReader, fields: Fields, program: Program | None) -> tuple[Phase, ...]:
    """Return the phases; what is wrong with one is reported, and it is left out."""
    parts = None if program is None else LearningParts(program)
    given = {name: fields[name] for name in SHARED if name in fields}
    if "phases" not in fields:
        phase = _phase(reader, "", given, parts, reader.recipe.name_at)
        return () if phase is None else (phase,)
    value = fields["phases"].value
    if not isinstance(value, ast.Record) or not value.fields:
        hint = "`phases: { head: { train: [fc]  epochs: 5 }  all: { epochs: 10 } }`"
        reader.error("E0204", "`phases` must be a record of phases", value.span, hint)
        return ()
    own = {name: field for name, field in given.items() if field in reader.recipe.fields}
    _check_shared(reader, own, value)
    found = [_named_phase(reader, item, given, parts) for item in _once(reader, value.fields)]
    return tuple(phase for phase in found if phase is not None)


def _named_phase(
    reader: RecipeReader, item: ast.Field, given: Fields, parts: LearningParts | None
) -> Phase | None:
    if not isinstance(item.value, ast.Record):
        hint = f"`{item.name}: {{ train: [fc]  epochs: 5 }}`"
        reader.error("E0204", f"phase `{item.name}` must be a record of fields", item.value.span, hint)
        return None
    own: Fields = {}
    for field in _once(reader, item.value.fields):
        name = SPELLED.get(field.name, field.name)
        if name in IN_PHASES:
            own[name] = field
        elif name in FIELDS:
            message = f"`{name}` is of the whole recipe; a phase has {listed(IN_PHASES)}"
            reader.error("E0205", message, field.name_at, "write it outside of `phases`")
        else:
            message = f"a phase has no field `{field.name}`"
            reader.error("E0205", message, field.name_at, reader.suggest(field.name, IN_PHASES))
    if "train" in own and "freeze" in own:
        labels = (Label(own["train"].name_at, "what learns"),)
        message = "`train` says what learns, and `freeze` what does not: one of them is enough"
        reader.error("E0208", message, own["freeze"].name_at, "keep one of them", labels)
    inherited = {name: field for name, field in given.items() if name != "freeze" or "train" not in own}
    return _phase(reader, item.name, {**inherited, **own}, parts, item.name_at)


def _once(reader: RecipeReader, fields: tuple[ast.Field, ...]) -> Iterator[ast.Field]:
    """The fields of a record, each name once."""
    seen: dict[str, Span] = {}
    for field in fields:
        name = SPELLED.get(field.name, field.name)
        if name in seen:
            labels = (Label(seen[name], "the first"),)
            reader.error("E0208", f"`{name}` is given twice", field.name_at, "keep one", labels)
            continue
        seen[name] = field.name_at
        yield field


def _check_shared(reader: RecipeReader, given: Fields, phases: ast.Record) -> None:
    """Report what the recipe says and every phase says itself."""
    own = [
        {SPELLED.get(field.name, field.name) for field in item.value.fields}
        for item in phases.fields
        if isinstance(item.value, ast.Record)
    ]
    for name, field in given.items():
        says = (names | ({"freeze"} if "train" in names else set()) for names in own)
        if own and all(name in names for names in says):
            message = f"`{name}` has no effect: every phase has its own"
            reader.warn("W0602", message, field.name_at, "leave it out, or set it in a phase")


def _phase(
    reader: RecipeReader, name: str, fields: Fields, parts: LearningParts | None, at: Span
) -> Phase | None:
    what = f"phase `{name}`" if name else "the recipe"
    missing = [each for each in ("epochs", "optimiser") if each not in fields]
    if missing and name:  # of the recipe that is said elsewhere
        hint = "give it one, or the recipe one for all phases"
        reader.error("E0203", f"{what} has no {listed(missing)}", at, hint)
    epochs = reader.checked(fields["epochs"].value, COUNT, "`epochs`") if "epochs" in fields else None
    optimiser = reader.term(fields["optimiser"].value, OPTIMISERS) if "optimiser" in fields else None
    rates = _rates(reader, fields["schedule"].value) if "schedule" in fields else Rates(ConstantRate())
    if epochs is not None and rates is not None:
        _check_epochs(reader, rates, epochs, what)
    frozen = _frozen(reader, fields, parts, at, what)
    if epochs is None or optimiser is None or rates is None or frozen is None:
        return None
    assert isinstance(optimiser, Optimiser)
    return Phase(name, epochs, optimiser, rates.schedule, rates.warmup, frozen)


def _frozen(
    reader: RecipeReader, fields: Fields, parts: LearningParts | None, at: Span, what: str
) -> tuple[str, ...] | None:
    """The paths that are frozen beside the model's own; None after an error."""
    if parts is None:
        return None
    name = next((each for each in ("train", "freeze") if each in fields), None)
    if name is None:
        parts.check(reader, set(), at, what)
        return ()
    listed_layers = parts.of(reader, name, fields[name].value)
    if listed_layers is None:
        return None
    layers = parts.layers.keys() - listed_layers if name == "train" else listed_layers
    parts.check(reader, layers, fields[name].value.span, what)
    return parts.paths(layers)


# --- rates ---------------------------------------------------------------------------------------


def _rates(reader: RecipeReader, value: ast.Expr) -> Rates | None:
    """The schedule of a phase; None after an error."""
    exprs = (value.first, *value.steps) if isinstance(value, ast.Pipe) else (value,)
    terms = [reader.term(expr, SCHEDULES) for expr in exprs]
    if None in terms:
        return None
    hint = "`warmup(5) -> cosine`"
    if len(terms) > 2 or (len(terms) == 2 and not isinstance(terms[0], WarmUp)):
        message = "a schedule is one, or one behind a `warmup`"
        reader.error("E0204", message, exprs[1].span, hint)
        return None
    if isinstance(terms[-1], WarmUp):
        if len(terms) == 2:
            reader.error("E0204", "`warmup` a second time", exprs[1].span, hint)
            return None
        return Rates(ConstantRate(), terms[0] if isinstance(terms[0], WarmUp) else None, None, exprs[0].span)
    schedule, first = terms[-1], terms[0]
    assert isinstance(schedule, Schedule)
    warmup = first if isinstance(first, WarmUp) else None
    return Rates(schedule, warmup, exprs[-1].span, exprs[0].span)


def _check_epochs(reader: RecipeReader, rates: Rates, epochs: int, what: str) -> None:
    """Report what would come behind the last epoch."""
    last, warmup = rates.schedule.last_epoch, rates.warmup
    if last >= epochs and rates.schedule_at is not None:
        message = f"the rate changes at epoch {last}, and the last of {what} is {epochs - 1}"
        reader.error("E0701", message, rates.schedule_at, "give earlier epochs, or more `epochs`")
    if warmup is None or rates.warmup_at is None:
        return
    if warmup.epochs > epochs or (warmup.epochs == epochs and rates.schedule_at is not None):
        rest = "" if warmup.epochs > epochs else ": nothing is left for the schedule behind it"
        message = f"a warm-up of {warmup.epochs} epochs, and {what} has {epochs}{rest}"
        reader.error("E0701", message, rates.warmup_at, "make it shorter, or give more `epochs`")
