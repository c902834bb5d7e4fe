"""A verification from start to end: subject, weights, a share for each backend, report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from resnet_dsl.backend.discovery import find_runner, other_engines, sound_backends
from resnet_dsl.backend.interface import Backend
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.ir.arrays import Array
from resnet_dsl.limits import TRAINING
from resnet_dsl.program import Program
from resnet_dsl.verify.attempts import Failure, silent
from resnet_dsl.verify.case import Sizes, calibrated_state, subject_of
from resnet_dsl.verify.folding import check_steps, folded_subject
from resnet_dsl.verify.forward import truth_of
from resnet_dsl.verify.report import Report
from resnet_dsl.verify.share import BackendShare, Task, share_of, together
from resnet_dsl.verify.supervised import Announce, ProcessDied, can_be_copied, side_by_side
from resnet_dsl.verify.training import check_not_random
from resnet_dsl.weights.source import check_choice


def verify(
    load: Callable[[Mapping[str, Any]], Program],
    names: Sequence[str] = (),
    steps: int = 0,
    seed: int = 0,
    state: Mapping[str, Array] | None = None,
    sizes: Sizes = (),
    announce: Announce = silent,
    engines: bool = False,
    apart: bool = False,
    optimize: bool = False,
) -> Report:
    """Verify a program in the named backends, or in all that are installed, with or without other engines.

    `load` compiles the spec with more overrides; `state` are the weights to use in place of random
    ones. With `apart` each backend has a copy of this process, where such copies can be made. With `optimize`
    the form for inference is held against the program itself.
    """
    check_choice(seed, None, False)
    check_steps(steps if optimize else 0)
    if not 0 <= steps <= TRAINING.most:
        raise UsageError(f"training takes 0 to {TRAINING.most:,} steps, not {steps}")
    subject = subject_of(load, sizes)
    if steps:
        check_not_random(subject.program.graph)
    found, left_out = runners(names, engines)
    weights = "the given weights" if state is not None else f"random weights and statistics of seed {seed}"
    used = calibrated_state(subject, seed) if state is None else _double(state)
    folding = None
    if optimize:
        subject, used, folding = folded_subject(subject, used, seed)
    truth = truth_of(subject, used, seed, folding)
    task = Task(subject, used, truth, steps, seed, asked=bool(names), folding=folding)
    shares = list(_shares(task, list(found.values()), announce, apart))
    left_out |= {share.backend: share.absence for share in shares if share.absence}
    taking_part = [share for share in shares if not share.absence]
    if not taking_part:
        reasons = "".join(f"; {name}: left out, {reason}" for name, reason in left_out.items())
        raise UsageError(f"no backend is installed to verify{reasons}")
    return together(task, weights, taking_part, tuple(left_out.items()))


def _shares(
    task: Task, backends: Sequence[Backend], announce: Announce, apart: bool
) -> Iterator[BackendShare]:
    """Yield what is found of each backend; of one whose process dies, that it died."""
    if not (apart and can_be_copied()):
        yield from (share_of(task, backend, announce) for backend in backends)
        return

    def work(backend: Backend) -> Callable[[Announce], BackendShare]:
        def told(tell: Announce) -> BackendShare:
            def both(name: str, doing: str) -> None:
                tell(name, doing)
                announce(name, doing)

            return share_of(task, backend, both)

        return told

    for backend, copy in zip(backends, side_by_side(map(work, backends)), strict=True):
        try:
            yield copy.result()
        except ProcessDied as died:
            failure = Failure(backend.name, died.doing, str(died))
            yield BackendShare(backend.name, failures=(failure,), died=True)


def _double(state: Mapping[str, Array]) -> dict[str, Array]:
    return {name: np.asarray(value, np.float64) for name, value in state.items()}


def runners(names: Sequence[str], engines: bool = False) -> tuple[dict[str, Backend], dict[str, str]]:
    """Return the named backends; without names all that there are, and what is wrong with the unsound.

    With `engines` each other one that a backend has here is among them: a process of its own, and as much
    work again. Raises UsageError where one that was asked for is not sound.
    """
    if names:
        return {name: find_runner(name) for name in names}, {}
    backends, left_out = sound_backends()
    others = [each for backend in backends for each in other_engines(backend)] if engines else []
    return {runner.name: runner for runner in (*backends, *others)}, left_out
