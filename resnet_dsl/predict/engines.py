"""What computes a prediction: an installed backend in single precision, or the referee in double."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from resnet_dsl.backend.discovery import find_runner, lacking, runtime_of, sound_backends
from resnet_dsl.backend.interface import Backend, built_with
from resnet_dsl.ir.arrays import Array
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass

REFEREE = "reference"
PREFERRED = ("torch", "keras", "onnx")


@dataclass(frozen=True, eq=False)
class Engine:
    """A network with weights, ready to run; `run` takes a batch (N, C, H, W) and returns outputs by name."""

    name: str
    run: Callable[[Array], Mapping[str, Array]]


def engine_of(name: str | None, program: Program, state: Mapping[str, Array]) -> Engine:
    """Return the engine of this name, or the first that is installed; raises UsageError if it is not."""
    backend = None if name == REFEREE else find_runner(name) if name else first_installed()
    return by_referee(program, state) if backend is None else by_backend(backend, program, state)


def first_installed() -> Backend | None:
    """Return the first of the preferred backends, or else of all, that can run here."""
    found = {backend.name: backend for backend in sound_backends()[0]}
    names = [*(name for name in PREFERRED if name in found), *sorted(found.keys() - set(PREFERRED))]
    installed = (found[name] for name in names if not lacking(found[name], "runtime", found[name].runtime))
    return next(installed, None)


def by_backend(backend: Backend, program: Program, state: Mapping[str, Array]) -> Engine:
    """Return a backend's model as an engine."""
    runtime = runtime_of(backend)
    single = {name: np.asarray(value, np.float32) for name, value in state.items()}
    model = built_with(runtime, program, single, "float32")
    return Engine(backend.name, lambda x: runtime.run(model, x.astype(np.float32)))


def by_referee(program: Program, state: Mapping[str, Array]) -> Engine:
    """Return the referee as an engine, which needs no framework."""
    from resnet_dsl.reference import evaluate

    return Engine(REFEREE, lambda x: evaluate(program.graph, state, x))
