"""A verification from start to end: subject, weights, backends, report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from resnet_dsl.backend.discovery import find_runner, other_engines, runtime_of, sound_backends
from resnet_dsl.backend.interface import Backend
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.ir.arrays import Array
from resnet_dsl.limits import TRAINING
from resnet_dsl.program import Program
from resnet_dsl.verify.attempts import Attempts
from resnet_dsl.verify.case import Sizes, calibrated_state, subject_of
from resnet_dsl.verify.folding import check_steps, folded_subject
from resnet_dsl.verify.forward import verify_forward
from resnet_dsl.verify.report import Report
from resnet_dsl.verify.start import WrongStart, wrong_starts
from resnet_dsl.verify.training import untrained, verify_training
from resnet_dsl.weights.source import check_choice


def verify(
    load: Callable[[Mapping[str, Any]], Program],
    names: Sequence[str] = (),
    steps: int = 0,
    seed: int = 0,
    state: Mapping[str, Array] | None = None,
    sizes: Sizes = (),
    attempts: Attempts | None = None,
    optimize: bool = False,
) -> Report:
    """Verify a program in the named backends, or in all that are installed.

    `load` compiles the spec with more overrides; `state` are the weights to use in place of random
    ones; backends that `attempts` has failures of already are not asked again. With `optimize` the form for
    inference is held against the program itself.
    """
    check_choice(seed, None, False)
    check_steps(steps if optimize else 0)
    if not 0 <= steps <= TRAINING.most:
        raise UsageError(f"training takes 0 to {TRAINING.most:,} steps, not {steps}")
    subject, attempts = subject_of(load, sizes), attempts or Attempts()
    broken = {failure.backend for failure in attempts.failures}
    backends, left_out = participants(names, attempts, broken)
    weights = "the given weights" if state is not None else f"random weights and statistics of seed {seed}"
    used = calibrated_state(subject, seed) if state is None else _double(state)
    folding = None
    if optimize:
        subject, used, folding = folded_subject(subject, used, seed)
    starts = {}
    for name, backend in ({} if optimize else backends).items():  # a folded network is started by folding
        with attempts.of(name, "start"):
            starts[name] = fresh_starts(subject.program, backend)
    forward = verify_forward(subject, backends, used, seed, attempts, folding)
    training = verify_training(subject, backends, used, steps, seed, attempts) if steps else ()
    idle = untrained(backends) if steps else ()
    failures = tuple(attempts.failures)
    costs = {} if folding is None else folding.costs
    return Report(subject, seed, weights, starts, forward, steps, training, left_out, idle, failures, costs)


def _double(state: Mapping[str, Array]) -> dict[str, Array]:
    return {name: np.asarray(value, np.float64) for name, value in state.items()}


def fresh_starts(program: Program, backend: Backend) -> tuple[WrongStart, ...]:
    """Return the tensors that do not start as the catalogue says in a model built without a seed."""
    runtime, graph = runtime_of(backend), program.graph
    state = runtime.read_state(runtime.build(program, "float32"))
    used = {name for name, _ in graph.inference.parameters()}
    leaves_out = not any(name in state for name, _ in graph.parameters() if name not in used)
    return wrong_starts(graph.inference if leaves_out else graph, state)


def participants(
    names: Sequence[str], attempts: Attempts | None = None, broken: Collection[str] = ()
) -> tuple[dict[str, Backend], tuple[tuple[str, str], ...]]:
    """Return the backends that can run here and why others are left out; all there are without names.

    Those that are broken are in neither. Raises UsageError where one that was asked for is not sound
    or not installed, or if none is left.
    """
    found = {name: find_runner(name) for name in names}
    left_out: dict[str, str] = {}
    if not names:
        backends, left_out = sound_backends()
        runners = [each for backend in backends for each in (backend, *other_engines(backend))]
        found = {runner.name: runner for runner in runners}
    attempts = attempts or Attempts()
    for name, backend in list(found.items()):
        if name in broken:
            del found[name]
            continue
        attempts.announce(name, "import")
        if reason := _absence(backend, asked=bool(names)):
            del found[name]
            left_out[name] = reason
    attempts.announce("", "referee")
    if not found and not broken:
        reasons = "".join(f"; {name}: left out, {reason}" for name, reason in left_out.items())
        raise UsageError(f"no backend is installed to verify{reasons}")
    return found, tuple(left_out.items())


def _absence(backend: Backend, asked: bool) -> str:
    """Why a backend takes no part; raises UsageError if it was asked for and is only not installed."""
    if backend.runtime is None:
        return "it has no runtime"
    try:
        runtime_of(backend)
    except UsageError as error:
        if asked:
            raise
        return str(error)
    return ""
