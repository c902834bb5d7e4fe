"""A text to a checked recipe: its network, then each field, and what they say together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from resnet_dsl.advice.allowed_codes import without_allowed
from resnet_dsl.advice.hint_trials import Trial
from resnet_dsl.diagnostics.errors import CompileError, Findings, UsageError
from resnet_dsl.diagnostics.model import Diagnostic, Source
from resnet_dsl.diagnostics.suggest import did_you_mean
from resnet_dsl.driver import TRIAL_WORK, declared, override
from resnet_dsl.elaborate.declared_names import check_declarations
from resnet_dsl.elaborate.elaborator import Elaborator
from resnet_dsl.elaborate.expressions import evaluate
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.settings import Setting
from resnet_dsl.ir.arguments import COUNT, ArgumentRule, choice
from resnet_dsl.ir.shapes import Extent
from resnet_dsl.limits import EVALUATIONS, SEED
from resnet_dsl.program import Program
from resnet_dsl.recipe.image_pipelines import pipelines
from resnet_dsl.recipe.inheritance import BASE, is_none, lineage
from resnet_dsl.recipe.mixing import Mix
from resnet_dsl.recipe.output_losses import check_classes, metrics_of, output_losses
from resnet_dsl.recipe.phases import phases
from resnet_dsl.recipe.reader import RecipeReader, items_of, listed
from resnet_dsl.recipe.recipe import DropPathRamp, ImageData, Phase, Recipe
from resnet_dsl.recipe.terms import POSITIVE, TEXT, Term, number_rule
from resnet_dsl.recipe.trained_network import trained_network
from resnet_dsl.recipe.vocabulary import (
    DATA,
    FIELDS,
    MIXES,
    OPTIMISERS,
    PRECISIONS,
    RAMPS,
    REQUIRED,
    SPELLED,
    Family,
)
from resnet_dsl.records import replace
from resnet_dsl.sources import DISK, Texts, read
from resnet_dsl.syntax import ast

ATerm = TypeVar("ATerm", bound=Term)
Fields = dict[str, ast.Field]

DECAY = number_rule("a number above 0 and below 1, such as `0.9999`", lambda value: 0 < value < 1)
SEEDS = number_rule(
    f"a whole number from 0 to {SEED.most}", lambda value: value == int(value) and 0 <= value <= SEED.most
)
EXAMPLES = {
    "model": "name_of_a_model",
    "data": DATA.example,
    "batch": "128",
    "epochs": "90",
    "optimiser": OPTIMISERS.example,
}


def compile_recipe(
    spec: str | Path, name: str | None = None, overrides: Mapping[str, object] | None = None
) -> Recipe:
    """Take a recipe of a spec through every check.

    `overrides` set fields of the recipe, and what is none of those in its model. Raises CompileError with all
    that is wrong.
    """
    source, home = read(spec)
    return compile_recipe_source(source, home, name, overrides)


def compile_recipe_source(
    source: Source,
    home: Path | None = None,
    name: str | None = None,
    overrides: Mapping[str, object] | None = None,
    texts: Texts = DISK,
) -> Recipe:
    """Take a recipe of a text through every check; without a name that of the file's, or the last."""

    def network(text: str) -> Program:
        changed, found = declared(Source(source.name, text), home, texts)
        found.check()
        return _elaborated(changed, found, name, overrides or {}, TRIAL_WORK).program

    trial = Trial(source, network)
    try:
        scope, findings = declared(source, home, texts)
        findings.check()
        recipe = _elaborated(scope, findings, name, overrides or {}, EVALUATIONS.most)
    except CompileError as error:
        shown = tuple(without_allowed(error.diagnostics))
        raise CompileError(trial.with_hints_that_help(shown, None)) from None
    warnings = trial.with_hints_that_help(tuple(without_allowed(recipe.warnings)), None)
    return replace(recipe, warnings=warnings)


def check_recipes(source: Source, home: Path | None = None, texts: Texts = DISK) -> tuple[Recipe, ...]:
    """Check every recipe of a text; raises CompileError with what is wrong with any of them."""
    scope, findings = declared(source, home, texts)
    findings.check()
    made: list[Recipe] = []
    wrong: dict[Diagnostic, None] = {}
    for name in scope.recipes:
        try:
            made.append(compile_recipe_source(source, home, name, texts=texts))
        except CompileError as error:
            wrong.update(dict.fromkeys(error.diagnostics))
    if wrong:
        raise CompileError(wrong)
    return tuple(made)


def recipe_names(source: Source, home: Path | None = None) -> tuple[str, ...]:
    """Return the names of the recipes that a text declares itself; none of a text that cannot be read."""
    try:
        return tuple(declared(source, home)[0].recipes)
    except CompileError:
        return ()


def _choose(scope: Scope, name: str | None) -> ast.Recipe:
    """The recipe that is meant: the one named, or that of the file's name, or the last."""
    if name is not None and name not in scope.recipes:
        known = ", ".join(scope.recipes) or "none"
        hint = did_you_mean(name, scope.recipes) or f"there is {known}"
        raise UsageError(f"{scope.source.name}: no recipe `{name}`; {hint}")
    if not scope.recipes:
        raise UsageError(f"{scope.source.name}: the file declares no recipe")
    last = next(reversed(list(scope.recipes.values())))
    return scope.recipes.get(name or Path(scope.source.name).stem, last)


def _elaborated(
    scope: Scope, findings: Findings, name: str | None, overrides: Mapping[str, object], max_work: int
) -> Recipe:
    """The recipe of a scope; raises CompileError."""
    declaration = _choose(scope, name)
    elaborator = Elaborator(findings, Extent(), evaluate, declaration.name_at, max_work=max_work)
    reader = RecipeReader(lineage(declaration, scope, findings), findings, elaborator)
    settings = {each: override(each, value, scope) for each, value in overrides.items()}
    fields = dict(_fields(reader, settings))
    own = {each: setting for each, setting in settings.items() if SPELLED.get(each, each) not in FIELDS}
    program = trained_network(reader, fields["model"], own, max_work) if "model" in fields else None
    check_declarations(scope, findings)
    recipe = _recipe(reader, fields, program)
    findings.check()
    assert recipe is not None
    given = "".join(f"\n# with {each} = {value}" for each, value in overrides.items())
    warnings = findings.shown if program is None else (*program.warnings, *findings.shown)
    return replace(recipe, text=recipe.text + given, warnings=tuple(dict.fromkeys(warnings)))


def _fields(reader: RecipeReader, settings: Mapping[str, Setting]) -> Iterator[tuple[str, ast.Field]]:
    """The fields of a recipe by name, those that are set from outside before its own."""
    for recipe, _ in reader.lineage.layers:
        _check_names(reader, recipe)
    given: Fields = {}
    for written, setting in settings.items():
        name = SPELLED.get(written, written)
        if name == BASE:
            reader.error("E0205", "`base` is what the text says", setting.span, "set single fields")
        elif name in FIELDS and setting.value is not None:
            given[name] = ast.Field(setting.span, name, setting.value, name_span=setting.span)
    found = reader.lineage.fields(given)
    missing = [name for name in REQUIRED if name not in found]
    if "phases" in found:  # which may have the rest
        missing = [name for name in missing if not FIELDS[name].in_phases]
    if missing:
        message = f"recipe `{reader.recipe.name}` has no {listed(missing)}"
        hint = f"write `{'  '.join(f'{name}: {EXAMPLES[name]}' for name in missing)}`"
        reader.error("E0203", message, reader.recipe.name_at, hint)
    yield from ((name, item) for name, item in found.items() if name in FIELDS)


def _check_names(reader: RecipeReader, recipe: ast.Recipe) -> None:
    """Report what is no field of a recipe, and a field that is given in two spellings."""
    seen: set[str] = set()
    for item in recipe.fields:
        name = SPELLED.get(item.name, item.name)
        if name not in FIELDS:
            message = f"a recipe has no field `{item.name}`"
            reader.error("E0205", message, item.name_at, reader.suggest(item.name, FIELDS))
        elif name in seen and name != item.name:
            reader.error("E0208", f"`{name}` is given twice", item.name_at, "keep one")
        seen.add(name)


def _recipe(reader: RecipeReader, fields: Fields, program: Program | None) -> Recipe | None:
    """The recipe, or None where something is wrong, which is reported."""
    data = _term(reader, fields, "data", DATA, ImageData)
    train, test = pipelines(reader, fields, program)
    losses = output_losses(reader, fields, program)
    classes = 0 if program is None else check_classes(reader, fields, program, losses, data)
    made = phases(reader, fields, program)
    batch = reader.checked(fields["batch"].value, COUNT, "`batch`") if "batch" in fields else None
    parts = _count(reader, fields, "accumulate", 1)
    group = _count(reader, fields, "bn_batch", 0)
    mixes = tuple(_mixes(reader, fields))
    if batch is not None:
        _check_batch(reader, fields, batch, parts, group, bool(mixes))
    ramp = _term(reader, fields, "drop_path", RAMPS, DropPathRamp)
    _check_ramp(reader, fields, ramp, made)
    metrics = metrics_of(reader, fields, classes)
    precision = _word(reader, fields, "precision", PRECISIONS)
    ema, clip = _number(reader, fields, "ema", DECAY), _number(reader, fields, "clip", POSITIVE)
    seed = _number(reader, fields, "seed", SEEDS)
    weights = _text(reader, fields, "weights")
    if program is None or data is None or batch is None or reader.findings.failed:
        return None
    _advise(reader, fields, program, made, weights)
    return Recipe(
        name=reader.recipe.name,
        program=program,
        text=reader.lineage.text,
        data=data,
        train=train,
        test=test,
        batch=batch,
        phases=made,
        losses=losses,
        metrics=metrics,
        mixes=mixes,
        ema=ema,
        drop_path=ramp,
        precision=precision,
        clip=clip,
        accumulate=parts,
        bn_batch=group,
        seed=int(seed),
        weights=weights,
    )


# --- single fields -------------------------------------------------------------------------------


def _term(reader: RecipeReader, fields: Fields, name: str, family: Family, cls: type[ATerm]) -> ATerm | None:
    if name not in fields:
        return None
    found = reader.term(fields[name].value, family)
    return found if isinstance(found, cls) else None


def _mixes(reader: RecipeReader, fields: Fields) -> Iterator[Mix]:
    for item in items_of(fields["mix"].value) if "mix" in fields else ():
        found = reader.term(item, MIXES)
        if isinstance(found, Mix):
            yield found


def _count(reader: RecipeReader, fields: Fields, name: str, usual: int) -> int:
    if name not in fields:
        return usual
    return reader.checked(fields[name].value, COUNT, f"`{name}`") or usual


def _number(reader: RecipeReader, fields: Fields, name: str, rule: ArgumentRule) -> float:
    if name not in fields:
        return 0.0
    return reader.checked(fields[name].value, rule, f"`{name}`") or 0.0


def _word(reader: RecipeReader, fields: Fields, name: str, words: tuple[str, ...]) -> str:
    if name not in fields:
        return words[0]
    return reader.checked(fields[name].value, choice(*words), f"`{name}`") or words[0]


def _text(reader: RecipeReader, fields: Fields, name: str) -> str:
    if name not in fields or is_none(fields[name].value):
        return ""
    return reader.checked(fields[name].value, TEXT, f"`{name}`") or ""


# --- what fields say together --------------------------------------------------------------------


def _check_batch(
    reader: RecipeReader, fields: Fields, batch: int, parts: int, group: int, mixed: bool
) -> None:
    """Report a batch that cannot be divided as other fields have it."""
    if batch % parts:
        message = f"a batch of {batch} images is not {parts} equal parts"
        reader.error("E0707", message, fields["accumulate"].value.span, _divisors(batch, parts))
        return
    part, what = batch // parts, "a batch" if parts == 1 else "a part of a batch"
    if group and part % group:
        message = f"{what} of {part} images is not whole groups of {group}"
        reader.error("E0707", message, fields["bn_batch"].value.span, _divisors(part, group))
    if mixed and part % 2:
        message = f"{what} of {part} images is not whole pairs, and those are mixed"
        reader.error("E0707", message, fields["mix"].value.span, "give an even `batch`")


def _divisors(whole: int, near: int) -> str:
    """A hint with the numbers next to one that divide another."""
    fits = [number for number in range(1, whole + 1) if whole % number == 0] if whole <= 100_000 else []
    below = [number for number in fits if number < near][-1:]
    found = [f"`{number}`" for number in (*below, *[number for number in fits if number > near][:1])]
    return f"{' or '.join(found)} would be" if found else "take a number that divides it"


def _check_ramp(
    reader: RecipeReader, fields: Fields, ramp: DropPathRamp | None, made: tuple[Phase, ...]
) -> None:
    epochs = sum(phase.epochs for phase in made)
    if ramp is not None and made and ramp.epochs > epochs:
        message = f"the ramp goes on for {ramp.epochs} epochs, and the recipe has {epochs}"
        at = fields["drop_path"].value.span
        reader.error("E0701", message, at, "make it shorter, or give more `epochs`")


def _advise(
    reader: RecipeReader, fields: Fields, program: Program, made: tuple[Phase, ...], weights: str
) -> None:
    """Remark on what is valid and has no effect, or seldom the one that is meant."""
    nodes = program.graph.nodes
    if fields.keys() & {"bn_batch"} and not any(t.is_statistic for n in nodes for _, t in n.parameters()):
        message = "the network has no norm with statistics: `bn_batch` has no effect"
        reader.warn("W0602", message, fields["bn_batch"].name_at, "leave it out")
    if "drop_path" in fields and not any(node.op.random for node in nodes):
        message = "nothing in the network works at random: `drop_path` has no effect"
        reader.warn("W0602", message, fields["drop_path"].name_at, "leave it out")
    first = made[0] if made else None
    if first is not None and first.frozen and not weights and "weights" not in fields:
        message = f"{len(first.frozen)} parts are frozen from the start, and no `weights` are given"
        at = reader.recipe.name_at if "freeze" not in fields else fields["freeze"].name_at
        at = fields["phases"].name_at if "phases" in fields else at
        reader.warn("W0623", message, at, '`weights: "file.safetensors"`, or `weights: none` for random ones')
