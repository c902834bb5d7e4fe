"""A verification from start to end: subject, weights, backends, report."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from resnet_dsl.backend.discovery import backend_names, find_backend
from resnet_dsl.backend.interface import Backend
from resnet_dsl.diagnostics.model import UsageError
from resnet_dsl.ir.arrays import Array
from resnet_dsl.program import Program
from resnet_dsl.verify.case import Sizes, calibrated_state, subject_of
from resnet_dsl.verify.forward import verify_forward
from resnet_dsl.verify.report import Report
from resnet_dsl.verify.training import verify_training


def verify(
    load: Callable[[Mapping[str, Any]], Program],
    names: Sequence[str] = (),
    steps: int = 0,
    seed: int = 0,
    state: Mapping[str, Array] | None = None,
    sizes: Sizes = (),
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Verify a program in the named backends, or in all that are installed.

    `load` compiles the spec with more overrides; `state` are the weights to use in place of random
    ones; `say` hears what is being run.
    """
    subject = subject_of(load, sizes)
    backends, skipped = installed(names)
    say("referee")
    weights = "the given weights" if state is not None else f"random weights and statistics of seed {seed}"
    used = calibrated_state(subject, seed) if state is None else _double(state)
    forward = verify_forward(subject, backends, used, seed, say)
    training = verify_training(subject, backends, used, steps, seed, say) if steps else ()
    return Report(subject, seed, weights, forward, steps, training, skipped)


def _double(state: Mapping[str, Array]) -> dict[str, Array]:
    return {name: np.asarray(value, np.float64) for name, value in state.items()}


def installed(names: Sequence[str]) -> tuple[dict[str, Backend], tuple[tuple[str, str], ...]]:
    """Return the backends that can run here and, of those not asked for by name, why others cannot."""
    found: dict[str, Backend] = {}
    skipped: list[tuple[str, str]] = []
    for name in names or backend_names():
        backend = find_backend(name)
        missing = [package for package in backend.REQUIRES if importlib.util.find_spec(package) is None]
        line = f'needs {", ".join(missing)}: pip install "resnet-dsl[{name}]"'
        if not missing:
            found[name] = backend
        elif names:
            raise UsageError(f"the {name} backend {line}")
        else:
            skipped.append((name, line))
    if not found:
        raise UsageError("no backend is installed to verify")
    return found, tuple(skipped)
