"""A verification from start to end: subject, weights, backends, report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from resnet_dsl.backend.discovery import find_runner, other_engines, runtime_of, sound_backends
from resnet_dsl.backend.interface import Backend, LiveModel
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.ir.arrays import Array
from resnet_dsl.limits import TRAINING
from resnet_dsl.program import Program
from resnet_dsl.verify.attempts import Attempts
from resnet_dsl.verify.case import Sizes, calibrated_state, subject_of
from resnet_dsl.verify.forward import FRESH, verify_forward
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
    engines: bool = False,
) -> Report:
    """Verify a program in the named backends, or in all that are installed, with or without other engines.

    `load` compiles the spec with more overrides; `state` are the weights to use in place of random
    ones; backends that `attempts` has failures of already are not asked again.
    """
    check_choice(seed, None, False)
    if not 0 <= steps <= TRAINING.most:
        raise UsageError(f"training takes 0 to {TRAINING.most:,} steps, not {steps}")
    subject, attempts = subject_of(load, sizes), attempts or Attempts()
    broken = {failure.backend for failure in attempts.failures}
    backends, left_out = participants(names, attempts, broken, engines)
    weights = "the given weights" if state is not None else f"random weights and statistics of seed {seed}"
    used = calibrated_state(subject, seed) if state is None else _double(state)
    starts, fresh = {}, {}
    for name, backend in backends.items():
        with attempts.of(name, "start"):
            fresh[name] = runtime_of(backend).build(subject.program, FRESH)
            starts[name] = _wrong_starts(subject.program, backend, fresh[name])
    forward = verify_forward(subject, backends, used, seed, attempts, fresh)
    training = verify_training(subject, backends, used, steps, seed, attempts) if steps else ()
    idle = untrained(backends) if steps else ()
    failures = tuple(attempts.failures)
    return Report(subject, seed, weights, starts, forward, steps, training, left_out, idle, failures)


def _double(state: Mapping[str, Array]) -> dict[str, Array]:
    return {name: np.asarray(value, np.float64) for name, value in state.items()}


def fresh_starts(program: Program, backend: Backend) -> tuple[WrongStart, ...]:
    """Return the tensors that do not start as the catalogue says in a model built without a seed."""
    return _wrong_starts(program, backend, runtime_of(backend).build(program, FRESH))


def _wrong_starts(program: Program, backend: Backend, model: LiveModel) -> tuple[WrongStart, ...]:
    state, graph = runtime_of(backend).read_state(model), program.graph
    used = {name for name, _ in graph.inference.parameters()}
    leaves_out = not any(name in state for name, _ in graph.parameters() if name not in used)
    return wrong_starts(graph.inference if leaves_out else graph, state)


def participants(
    names: Sequence[str],
    attempts: Attempts | None = None,
    broken: Collection[str] = (),
    engines: bool = False,
) -> tuple[dict[str, Backend], tuple[tuple[str, str], ...]]:
    """Return the backends that can run here and why others are left out; all there are without names.

    With `engines` each other one that a backend has here is among them: a process of its own, and as much
    work again. Those that are broken are in neither. Raises UsageError where one that was asked for is
    not sound or not installed, or if none is left.
    """
    found = {name: find_runner(name) for name in names}
    left_out: dict[str, str] = {}
    if not names:
        backends, left_out = sound_backends()
        others = [each for backend in backends for each in other_engines(backend)] if engines else []
        found = {runner.name: runner for runner in (*backends, *others)}
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
