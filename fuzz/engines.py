"""One random network in one backend: compared with the referee, and taken through every file and form it has.

A worker process keeps a framework loaded and takes one network after the other.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import ModuleType

import numpy as np

from resnet_dsl.backend.discovery import find_backend, runtime_of
from resnet_dsl.backend.interface import LiveModel, Runtime
from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.ir.arrays import Array
from resnet_dsl.program import Program
from resnet_dsl.verify.case import Subject as VerifySubject
from resnet_dsl.verify.forward import error_of, verify_forward
from resnet_dsl.verify.share import fresh_starts

State = Mapping[str, Array]
BARS = {"float64": 1e-12, "float32": 1e-4}
SLOWLY = {("onnx", "float64"): 8}  # one network in so many: ONNX's evaluator of doubles is in Python


@dataclass(frozen=True)
class Job:
    """A network with weights, inputs, and what the referee makes of them."""

    number: int
    text: str
    state: State
    inputs: tuple[Array, ...]
    truths: tuple[State, ...]


@dataclass(frozen=True)
class Check:
    """A comparison: how far off, and how far it may be; with a message it failed altogether."""

    name: str
    error: float = 0.0
    bar: float = 0.0
    message: str = ""
    where: str = ""  # the kind of the first op that is wrong

    @property
    def passed(self) -> bool:
        """Whether it is within its bar; NaN is not."""
        return not self.message and self.error <= self.bar


@dataclass(frozen=True)
class Subject:
    """What the forms of a model are tried on: its double-precision model, the first input, what it gives."""

    program: Program
    runtime: Runtime
    model: LiveModel
    job: Job
    x: Array
    results: State

    def same(self, name: str, results: State, bar: float = 0.0) -> Check:
        """Return the comparison of a form's results with those of the model itself."""
        if list(results) != list(self.results):
            return Check(name, message=f"outputs are {', '.join(results)}")
        pairs = [(results[key], self.results[key]) for key in results]
        if all(np.array_equal(*pair, equal_nan=True) for pair in pairs):  # single precision may overflow
            return Check(name, 0.0, bar)
        return Check(name, max(error_of(found, _double(wanted)) for found, wanted in pairs), bar)


def checks(backend: str, job: Job) -> Iterator[Check]:
    """Yield every check of a network in a backend."""
    program = compile_source(Source("net.resnet", job.text))
    runtime = runtime_of(find_backend(backend))
    wrong = fresh_starts(program, find_backend(backend))
    yield Check(f"{backend} start", message="; ".join(map(str, wrong)))
    for dtype, bar in BARS.items():
        if job.number % SLOWLY.get((backend, dtype), 1) == 0:
            yield from _compared(backend, runtime, program, job, dtype, bar)
    dtype = "float32" if (backend, "float64") in SLOWLY else "float64"
    model = runtime.load_state(runtime.build(program, dtype), _in(job.state, dtype))
    x = job.inputs[0].astype(dtype)
    subject = Subject(program, runtime, model, job, x, runtime.run(model, x))
    forms: ModuleType = importlib.import_module(f"fuzz.forms_{backend}")
    for name, form in forms.FORMS.items():
        if job.number % forms.RARELY.get(name, 1) == 0:
            yield _guarded(f"{backend} {name}", form, subject)


def _compared(
    backend: str, runtime: Runtime, program: Program, job: Job, dtype: str, bar: float
) -> Iterator[Check]:
    model = runtime.load_state(runtime.build(program, dtype), _in(job.state, dtype))
    name = f"{backend} {dtype}"
    for x, truth in zip(job.inputs, job.truths, strict=True):
        results = runtime.run(model, x.astype(dtype))
        if list(results) != list(truth):
            yield Check(name, message=f"outputs are {', '.join(results)}, not {', '.join(truth)}")
            continue
        for output, wanted in truth.items():
            if results[output].dtype != dtype:
                yield Check(name, message=f"`{output}` is {results[output].dtype}")
            error = error_of(results[output], wanted)
            yield Check(name, error, bar, where="" if error <= bar else _culprit(backend, program, job))


def _culprit(backend: str, program: Program, job: Job) -> str:
    """The kind of the first op whose result is wrong, as a verification finds it."""
    subject = VerifySubject(program, (job.inputs[0].shape[2:],), program.network.extent.height is not None)
    found = verify_forward(subject, {backend: find_backend(backend)}, job.state, job.number).divergences
    return next((divergence.kind for divergence in found), "")


def _double(value: Array) -> Array:
    return value.astype(np.float64)


def _in(state: State, dtype: str) -> dict[str, Array]:
    return {name: value.astype(dtype) for name, value in state.items()}


def _guarded(name: str, form: Callable[[str, Subject], Check], subject: Subject) -> Check:
    try:
        return form(name, subject)
    except Exception as error:
        return Check(name, message=_said(error))


def _said(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {str(error)[:1500]} (at {last.name})"


def work(backend: str, connection: Connection) -> None:
    """Take jobs until there are no more; each is answered by its checks."""
    _few_threads(backend)
    while (job := connection.recv()) is not None:
        found: Sequence[Check] = []
        try:
            found = list(checks(backend, job))
        except CompileError as error:
            codes = ", ".join(sorted({diagnostic.code for diagnostic in error.diagnostics}))
            found = [Check(f"{backend} refuses {codes}", message=str(error))]
        except Exception as error:
            found = [Check(f"{backend} crash", message=_said(error))]
        connection.send(found)


def _few_threads(backend: str) -> None:
    """A process for each framework is enough: more threads would wait for each other."""
    if backend == "torch":
        import torch

        torch.set_num_threads(1)


def finite(values: State) -> bool:
    """Whether every value is a number."""
    return all(bool(np.isfinite(value).all()) for value in values.values())
