"""Training verification: steps of SGD against the referee, one by one and as a run.

Each step starts from the referee's state, its velocity too, and everything that the next one would
start from is compared: steps that agree so make runs that agree, up to rounding. How far rounding
goes in a run is the network's own doing, so a run is held to the network's sensitivity.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, tee

import numpy as np

from resnet_dsl.backend.discovery import lacking, runtime_of
from resnet_dsl.backend.interface import (
    Backend,
    Lesson,
    Sgd,
    Statistics,
    TrainedStep,
    TrainingState,
    built_with,
)
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.graph import Graph
from resnet_dsl.ir.shapes import Extent
from resnet_dsl.records import dataclass, replace
from resnet_dsl.reference import TrainingStep
from resnet_dsl.verify.attempts import Attempts
from resnet_dsl.verify.case import Subject, images
from resnet_dsl.verify.sensitivity import RUNS, allowed, moved
from resnet_dsl.verify.step_errors import Errors, Images, Left, errors_of, largest, referee_steps, state_after
from resnet_dsl.verify.training_causes import StepTaken, cause_in_training

BAR = 1e-10  # of a step
FLOOR = 1e-13  # of a run, however little the network makes of rounding
TELLING = 1e-8  # a run that may differ by more tells nothing: a wrong eps shows at 1e-7
BATCH = 8

# Powers of two and their like: Keras takes its rates through single precision, where these are exact.
RATES = Sgd(lr=1 / 64, momentum=0.875, weight_decay=1 / 4096)


@dataclass(frozen=True)
class WholeRun:
    """All steps from one start: the errors at its end, and how far the network's own results move."""

    errors: Errors
    sensitivity: float | None = None
    """None where it is not needed: the run is within the floor, or a step is off already."""

    @property
    def error(self) -> float:
        """The largest error of any kind."""
        return largest(self.errors)

    @property
    def bar(self) -> float:
        """The largest error that rounding explains."""
        return allowed(self.sensitivity, FLOOR)

    @property
    def passed(self) -> bool:
        """Whether rounding explains what differs."""
        return self.error <= self.bar

    @property
    def tells(self) -> bool:
        """Whether it means something that rounding explains what differs."""
        return self.bar <= TELLING


@dataclass(frozen=True)
class Trained:
    """One backend: the errors of each step from the referee's state, and of the steps as a run."""

    backend: str
    steps: tuple[Errors, ...]
    run: WholeRun | None
    """None after a single step, which is the run."""
    cause: str = ""

    @property
    def errors(self) -> Errors:
        """The largest error of each kind in any step."""
        return {kind: max(step[kind] for step in self.steps) for kind in self.steps[0]}

    @property
    def steps_agree(self) -> bool:
        """Whether each step is within the bar in all that it leaves."""
        return all(largest(step) <= BAR for step in self.steps)

    @property
    def passed(self) -> bool:
        """Whether the steps agree, and the run as far as rounding lets it."""
        return self.steps_agree and (self.run is None or self.run.passed)


def verify_training(
    subject: Subject, backends: Mapping[str, Backend], state: Mapping[str, Array], count: int, seed: int,
    attempts: Attempts | None = None,
) -> tuple[Trained, ...]:  # fmt: skip
    """Train every backend that trains for `count` steps, in float64; one that fails is left out."""
    graph = subject.program.graph
    check_not_random(graph)
    batches = _batches(subject, count, seed)
    start = TrainingState(state, _velocity(graph, state, seed))
    attempts = attempts or Attempts()
    found: list[Trained] = []
    sensitivity: float | None = None
    for backend in backends.values():
        if backend.trainer is None or lacking(backend, "trainer", backend.trainer):
            continue
        result = _trained(subject, backend, start, batches, attempts)
        if result is None:
            continue
        trained, truth, statistics = result
        if trained.run is not None and trained.steps_agree and trained.run.error > FLOOR:
            if sensitivity is None:  # it is the network's own: one does for all
                sensitivity = _sensitivity(graph, start, batches, statistics, truth)
            trained = replace(trained, run=replace(trained.run, sensitivity=sensitivity))
        found.append(trained)
    return tuple(found)


def random_op(graph: Graph) -> str | None:
    """Return the first op that makes training random, if one does."""
    names = (node.name for node in graph.nodes if node.op.random and not graph.is_frozen(node))
    return next(names, None)


def check_not_random(graph: Graph) -> None:
    """Raise UsageError where training is random."""
    if random := random_op(graph):
        raise UsageError(f"training is random at {random}; compare with the rate of it set to 0")


def untrained(backends: Mapping[str, Backend]) -> tuple[tuple[str, str], ...]:
    """Return the backends that are left out of training, with the reason."""
    reasons = ((name, lacking(backend, "trainer", backend.trainer)) for name, backend in backends.items())
    return tuple((name, f"it {reason}") for name, reason in reasons if reason)


def _batches(subject: Subject, count: int, seed: int) -> list[Images]:
    """Images at the smallest size and labels below the number of classes: one an image, or one a pixel."""
    size, graph = subject.sizes[0], subject.program.graph
    classes, *pixels = graph.shape_of(graph.inference.outputs[0][1]).at(Extent(*size))
    generator = np.random.Generator(np.random.Philox(seed))
    shape = (BATCH, *(pixel for pixel in pixels if pixel is not None))
    return [
        (images(subject, size, BATCH, seed + 100 + i), generator.integers(0, classes or 1, shape))
        for i in range(count)
    ]


def _velocity(graph: Graph, state: Mapping[str, Array], seed: int) -> dict[str, Array]:
    """A velocity to start with: without one a wrong momentum would not show in the first step."""
    generator = np.random.Generator(np.random.Philox(seed + 1))
    found: dict[str, Array] = {}
    for node in graph.nodes:
        for name, parameter in node.parameters():
            if parameter.learned and node.owner is None and not graph.is_frozen(node):
                # So small that the weights hardly move by it, and so large that its loss shows.
                size = np.sqrt(np.square(state[name]).mean()) / 16
                found[name] = size * np.asarray(generator.standard_normal(state[name].shape))
    return found


def _trained(
    subject: Subject, backend: Backend, start: TrainingState, batches: Sequence[Images], attempts: Attempts
) -> tuple[Trained, Left, Statistics] | None:
    """The backend's steps, what the referee's leave, and by which convention; None if the backend fails."""
    assert backend.trainer is not None
    graph, part, several = subject.program.graph, (backend.name, "training"), len(batches) > 1
    with attempts.of(*part):
        runtime, trainer = runtime_of(backend), backend.trainer.load()
        truths, ours = tee(referee_steps(graph, start, batches, RATES, trainer.STATISTICS))
        # A lesson is taken when its step is asked for: what the referee left before it is there then.
        starts = chain([start], map(state_after, ours))
        more = graph.network.auxiliary
        guided = (Lesson(*batch, given, more) for batch, given in zip(batches, starts, strict=False))
        alone = (Lesson(*batch, None if i else start, more) for i, batch in enumerate(batches))
        ways = [guided, alone] if several else [guided]
        models = [built_with(runtime, subject.program, start.state, "float64") for _ in ways]
        taken = [trainer.steps(model, way, RATES) for model, way in zip(models, ways, strict=True)]
    found, cause, truth, run, before = [], "", Left(), Left(), start
    for batch in batches:
        if attempts.failed(*part):
            return None
        wanted = next(truths)
        truth = truth.then(*_as_trained(wanted))
        with attempts.of(*part):
            step = _next(taken[0])
            found.append(errors_of(graph, Left().then(*step), Left().then(*_as_trained(wanted))))
            run = run.then(*_next(taken[1])) if several else run
        if not attempts.failed(*part) and largest(found[-1]) > BAR and not cause:
            case = StepTaken(graph, before, batch, RATES, trainer.STATISTICS, BAR)
            cause = cause_in_training(case, wanted, step)
        before = state_after(wanted)
    whole = None
    with attempts.of(*part):
        whole = WholeRun(errors_of(graph, run, truth)) if several else None
    if attempts.failed(*part):
        return None
    return Trained(backend.name, tuple(found), whole, cause), truth, trainer.STATISTICS


def _next(taken: Iterator[TrainedStep]) -> TrainedStep:
    step = next(taken, None)
    if step is None:
        raise ValueError("there are fewer steps than lessons")
    return step


def _as_trained(step: TrainingStep) -> TrainedStep:
    return TrainedStep(step.loss, step.gradients, state_after(step))


def _sensitivity(
    graph: Graph, start: TrainingState, batches: Sequence[Images], statistics: Statistics, truth: Left
) -> float:
    """The largest error of the referee against itself, its weights moved in the last bit."""
    found = []
    for run in range(RUNS):
        left = Left()
        near = start._replace(state=moved(graph, start.state, run))
        for step in referee_steps(graph, near, batches, RATES, statistics):
            left = left.then(*_as_trained(step))
        found.append(largest(errors_of(graph, left, truth)))
    return max(found)
