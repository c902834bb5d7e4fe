"""A recipe verified: the scripts of all backends take the referee's steps, on the recipe's own batches."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from resnet_dsl.backend.discovery import find_backend, missing_packages, needed, sound_backends
from resnet_dsl.backend.interface import Backend
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.initial.seeded import initial_state
from resnet_dsl.ir.arrays import Array
from resnet_dsl.limits import TRAINING
from resnet_dsl.progress import LongTask
from resnet_dsl.recipe.data_module import data_module
from resnet_dsl.recipe.recipe import Recipe
from resnet_dsl.records import dataclass
from resnet_dsl.verify.followed_script import Followed
from resnet_dsl.verify.recipe_truth import RecipeBatch, RecipeTruth, data_of, random_images, recipe_batches
from resnet_dsl.verify.script_errors import BAR, step_errors
from resnet_dsl.verify.script_process import LeftByScript, ScriptRun, started
from resnet_dsl.verify.sensitivity import RUNS, allowed, moved
from resnet_dsl.verify.step_errors import Errors, largest
from resnet_dsl.verify.training import check_not_random

STEPS = 20  # of each phase, if nobody says how many
SEVERAL = 2  # processes that a batch is shared by, beside one


@dataclass(frozen=True)
class ScriptVerified:
    """A script in so many processes: the errors of each step, what bounds them, and what went wrong."""

    name: str
    steps: tuple[Errors, ...] = ()
    bars: tuple[float, ...] = ()
    failure: str = ""
    cause: str = ""

    @property
    def first_off(self) -> int | None:
        """The first step with an error above its bar, None if there is none."""
        pairs = zip(self.steps, self.bars, strict=True)
        return next((number for number, (step, bar) in enumerate(pairs) if largest(step) > bar), None)

    @property
    def passed(self) -> bool:
        """Whether all steps are the referee's."""
        return not self.failure and bool(self.steps) and self.first_off is None


@dataclass(frozen=True)
class RecipeReport:
    """What was found of a recipe; `data` says what it was tried on."""

    recipe: str
    network: str
    data: str
    phases: tuple[str, ...]
    """Of each step the name of its phase."""
    scripts: tuple[ScriptVerified, ...]
    left_out: tuple[tuple[str, str], ...]
    sensitivity: tuple[float, ...] = ()
    """Of each step, where it was needed."""

    @property
    def passed(self) -> bool:
        """Whether every script takes the referee's steps."""
        return all(script.passed for script in self.scripts)


@dataclass(frozen=True)
class RecipeTrial:
    """What is tried: a recipe, how many steps of each phase, from which weights and on which images."""

    recipe: Recipe
    state: Mapping[str, Array]
    counts: tuple[int, ...]
    data: str | None

    def batches(self) -> Iterator[RecipeBatch]:
        """Yield the batches of all steps."""
        module = data_module(self.recipe)
        return recipe_batches(module, data_of(module, self.data), self.counts)


def verify_recipe(
    recipe: Recipe, steps: int, names: Sequence[str] = (), data: str | None = None,
    random: bool = False, scripts: Mapping[str, str] | None = None, several: bool = True,
) -> RecipeReport:  # fmt: skip
    """Verify so many steps of each phase by the scripts of the named backends, or of all that have one.

    `data` is where the images are, if not where the recipe says; with `random` they are random. `scripts` are
    texts in place of those that backends write; without `several` each is one process. Raises UsageError
    where nothing can be verified.
    """
    if not 1 <= steps <= TRAINING.most:
        raise UsageError(f"a recipe is verified for 1 to {TRAINING.most:,} steps, not {steps}")
    check_not_random(recipe.program.graph)
    backends, left_out = script_backends(names)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="resnet-dsl-")))
        path = str(Path(data or recipe.data.path).resolve())
        if random:
            path = str(home / "random.npz")
            random_images(recipe, data_module(recipe), Path(path), steps)
        state = initial_state(recipe.program.graph, recipe.seed)
        trial = RecipeTrial(recipe, state, (steps,) * len(recipe.phases), path)
        next(trial.batches())  # what is wrong with the data is said before anything is started
        runs: list[ScriptRun] = []
        for backend in backends:
            text = (scripts or {}).get(backend.name) or _script(backend, recipe)
            for count in _processes(backend, recipe) if several else [1]:
                folder = home / f"{backend.name}{count}"
                runs.append(started(recipe, backend, text, state, folder, path, trial.counts, count))
                stack.callback(runs[-1].end)
        verified, phases, sensitivity = _followed(trial, runs)
    said = "random images" if random else path
    left = (*left_out.items(), *_not_shared(recipe, backends))
    return RecipeReport(recipe.name, recipe.program.name, said, phases, verified, left, sensitivity)


def script_backends(names: Sequence[str]) -> tuple[list[Backend], dict[str, str]]:
    """Return the backends that write training scripts, and why others are left out."""
    found, left_out = ([find_backend(name) for name in names], {}) if names else sound_backends()
    able = []
    for backend in found:
        if backend.recipe_script is None or backend.script_steps is None:
            left_out[backend.name] = "it writes no training scripts"
        elif missing := missing_packages(backend.script_steps.requires):
            left_out[backend.name] = f"it {needed(missing, backend.install)}"
        else:
            able.append(backend)
    if not able:
        reasons = "".join(f"; {name}: {reason}" for name, reason in left_out.items())
        raise UsageError(f"no backend is here whose script could be verified{reasons}")
    return able, left_out


def _script(backend: Backend, recipe: Recipe) -> str:
    assert backend.recipe_script is not None
    return backend.recipe_script.load()(recipe)


def _processes(backend: Backend, recipe: Recipe) -> list[int]:
    """How many processes a batch is shared by, each in turn."""
    assert backend.script_steps is not None
    several = backend.script_steps.launcher and not _why_not_shared(recipe)
    return [1, SEVERAL] if several else [1]


def _why_not_shared(recipe: Recipe) -> str:
    """Why two processes cannot share a batch; nothing if they can."""
    size, left = divmod(recipe.batch, SEVERAL * recipe.accumulate)
    if left:
        return f"a batch of {recipe.batch} does not divide"
    if recipe.bn_batch and size % recipe.bn_batch:
        return f"a process would have {size} images at once, which are no groups of {recipe.bn_batch}"
    return ""


def _not_shared(recipe: Recipe, backends: Sequence[Backend]) -> list[tuple[str, str]]:
    why = _why_not_shared(recipe)
    able = (b for b in backends if b.script_steps is not None and b.script_steps.launcher)
    return [(f"{backend.name}, {SEVERAL} processes", why) for backend in able if why]


# --- step by step ------------------------------------------------------------------------------


def _followed(
    trial: RecipeTrial, runs: Sequence[ScriptRun]
) -> tuple[tuple[ScriptVerified, ...], tuple[str, ...], tuple[float, ...]]:
    """All scripts and the referee side by side, a step at a time."""
    recipe = trial.recipe
    shared = {run.processes if not recipe.bn_batch else 1 for run in runs}
    truths = {count: RecipeTruth(recipe, trial.state, count) for count in sorted(shared)}
    every = [Followed(run, truths[1 if recipe.bn_batch else run.processes]) for run in runs]
    task = LongTask(f"verifying {recipe.name}", sum(trial.counts), "steps")
    phases: list[str] = []
    phase = -1
    for batch in trial.batches():
        if batch.asked.phase != phase:
            phase = batch.asked.phase
            for each in every:
                each.begin_phase(each.truth.state, recipe, phase)
        found = {count: truth.step(batch) for count, truth in truths.items()}
        for each in every:
            if not each.failure:
                each.take(batch, found[each.truth.processes])
        phases.append(recipe.phases[phase].name)
        task.advance(1)
        if all(each.failure for each in every):
            break
    unexplained = [each for each in every if not each.cause and any(largest(s) > BAR for s in each.steps)]
    sensitivity = _sensitivity(trial) if any(_may_be_rounding(each) for each in unexplained) else ()
    return tuple(_verified(each, sensitivity) for each in every), tuple(phases), sensitivity


def _may_be_rounding(each: Followed) -> bool:
    """A first step that is right, and others that are off: rounding may have grown in between."""
    return each.steps[0]["batch"][0] == 0 and largest(each.steps[0]) <= 1e-6


def _verified(each: Followed, sensitivity: Sequence[float]) -> ScriptVerified:
    moves = sensitivity if not each.cause else ()
    bars = tuple(allowed(moves[i] if i < len(moves) else None, BAR) for i in range(len(each.steps)))
    return ScriptVerified(each.run.name, tuple(each.steps), bars, each.failure, each.cause)


def _sensitivity(trial: RecipeTrial) -> tuple[float, ...]:
    """The largest error up to each step of the referee with its weights moved in the last bit."""
    recipe = trial.recipe
    truth = RecipeTruth(recipe, trial.state)
    near = [RecipeTruth(recipe, moved(recipe.program.graph, trial.state, run)) for run in range(RUNS)]
    found: list[float] = []
    for batch in trial.batches():
        wanted = truth.step(batch)
        errors = []
        for other in near:
            step = other.step(batch)
            left = LeftByScript(batch.digest(0, 1), step.loss, step.gradients, step.state)
            errors.append(largest(step_errors([left], wanted, batch, recipe)))
        found.append(max([*errors, *found[-1:]]))
    return tuple(found)
