"""Keras on another of its engines: one process has one, so each other has a process of its own."""

from __future__ import annotations

import functools
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resnet_dsl.backend.ir import Array, Program
from resnet_dsl.backend.records import dataclass, field
from resnet_dsl.backend.refusals import UsageError
from resnet_dsl_keras.layer_names import result_layers
from resnet_dsl_keras.render import render

USUAL = "tensorflow"
WORKER = "resnet_dsl_keras.engine_worker"


def own_engine() -> str:
    """Return the engine that Keras has in this process, or would have."""
    if "keras" in sys.modules:
        return str(sys.modules["keras"].backend.backend())
    return os.environ.get("KERAS_BACKEND") or _configured()


def _configured() -> str:
    """The engine in Keras' own file of settings."""
    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    try:
        settings = json.loads(Path(home, "keras.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return USUAL
    found = settings.get("backend", USUAL) if isinstance(settings, dict) else USUAL
    return found if isinstance(found, str) else USUAL


@dataclass(frozen=True)
class DistantModel:
    """A live model in the process of an engine, and its number there."""

    number: int


@dataclass
class EngineRuntime:
    """The live models of an engine: what is asked of them is done in its process, which starts then."""

    engine: str
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def build(self, program: Program, dtype: str | None = None) -> DistantModel:
        """Return the live model."""
        source = render(program, exact=dtype == "float64")
        return DistantModel(self._ask("build", source, program.name, dtype, program.network.auxiliary))

    def load_state(self, model: DistantModel, state: Mapping[str, Array]) -> DistantModel:
        """Return the model with these weights."""
        self._ask("load_state", model.number, dict(state))
        return model

    def read_state(self, model: DistantModel) -> dict[str, Array]:
        """Return the weights of a model."""
        return dict(self._ask("read_state", model.number))

    def run(self, model: DistantModel, x: Array) -> dict[str, Array]:
        """Return the outputs by name for one NCHW batch."""
        return dict(self._ask("run", model.number, x))

    def trace(self, model: DistantModel, program: Program, x: Array) -> dict[str, Array]:
        """Return results by op, of every op that ends in a layer."""
        return dict(self._ask("trace", model.number, result_layers(program.graph), x))

    def _ask(self, what: str, *arguments: object) -> Any:
        """What a function of the worker returns; what it raises is a UsageError in its words."""
        if self._process is None or self._process.poll() is not None:
            self._process = _started(self.engine)
        writing, reading = self._process.stdin, self._process.stdout
        assert writing is not None
        assert reading is not None
        try:
            pickle.dump((what, arguments), writing)
            writing.flush()
            done, answer = pickle.load(reading)
        except (EOFError, BrokenPipeError):
            code = self._process.wait()
            raise UsageError(f"the process of Keras on {self.engine} ended with status {code}") from None
        if not done:
            raise UsageError(answer)
        return answer


@functools.cache
def runtime_on(engine: str) -> EngineRuntime:
    """Return the one runtime of an engine."""
    return EngineRuntime(engine)


def _started(engine: str) -> subprocess.Popen[bytes]:
    """A process that imports what this one would, and nothing from the working directory besides."""
    environment = {
        **os.environ,
        "KERAS_BACKEND": engine,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    return subprocess.Popen(
        [sys.executable, "-P", "-m", WORKER],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
    )  # fmt: skip
