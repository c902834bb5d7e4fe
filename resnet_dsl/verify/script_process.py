"""A training script at work in processes of its own, step by step: the files of a recipe and what is left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from resnet_dsl.backend.discovery import CHECKOUT
from resnet_dsl.backend.interface import Backend
from resnet_dsl.backend.script_steps import PAUSE, STATE, ScriptAsked, step_file
from resnet_dsl.codegen.seal import sealed
from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.ir.arrays import Array
from resnet_dsl.recipe.files import data_file
from resnet_dsl.recipe.recipe import Recipe
from resnet_dsl.records import dataclass

PACKAGE = Path(__file__).parents[1]


class ScriptFailed(Exception):
    """The processes of a script ended before its steps did; the last line that they said."""


@dataclass(frozen=True, eq=False)
class LeftByScript:
    """What a process left of a step: see `resnet_dsl.backend.script_steps`."""

    digest: str
    loss: float
    gradients: dict[str, Array]
    state: dict[str, Array]


@dataclass(frozen=True, eq=False)
class ScriptRun:
    """The processes of one script, which are as many as share each batch."""

    name: str
    backend: str
    processes: int
    folder: Path
    work: subprocess.Popen[bytes]

    def step(self, number: int) -> list[LeftByScript]:
        """Wait for a step and return what each process left of it; raises ScriptFailed if they end."""
        return [self._of_process(rank, number) for rank in range(self.processes)]

    def _of_process(self, rank: int, number: int) -> LeftByScript:
        path = step_file(self.folder, rank, number)
        while not path.exists():
            if self.work.poll() is not None and not path.exists():
                raise ScriptFailed(self._last_words())
            time.sleep(PAUSE)
        try:
            with np.load(path) as file:
                arrays = dict(file)
        except (OSError, ValueError, BadZipFile) as error:
            raise ScriptFailed(f"its step {number + 1} cannot be read: {error}") from None
        path.unlink()
        return LeftByScript(
            str(arrays["digest"]), float(arrays["loss"]), _below("gradients", arrays), _below("state", arrays)
        )

    def _last_words(self) -> str:
        lines = (self.folder / "errors.txt").read_text(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        # torchrun says much after the script's own end, which is the last line of a traceback.
        own = [line for line in said if "Error: " in line and "ChildFailed" not in line]
        words = (own or said or ["nothing was said"])[-1]
        return f"its process ended with status {self.work.returncode}: {printable(words)}"

    def end(self) -> None:
        """Stop the processes, if they are not at their end."""
        if self.work.poll() is None:
            self.work.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.work.wait(10)
        if self.work.poll() is None:
            self.work.kill()
            self.work.wait()


def _below(group: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name.partition("/")[2]: value for name, value in arrays.items() if name.startswith(f"{group}/")}


def written_files(recipe: Recipe, backend: Backend, script: str) -> dict[str, str]:
    """Return the files of a compiled recipe by name, with this text of the script."""
    artefact = sealed(backend.render(recipe.program, None))
    assert isinstance(artefact, str)
    return {
        f"{recipe.name}_train_{backend.name}.py": script,
        f"{recipe.name}_data.py": data_file(recipe),
        f"{recipe.program.name}{backend.suffix}": artefact,
    }


def started(
    recipe: Recipe, backend: Backend, script: str, state: Mapping[str, Array], folder: Path,
    data: str | None, counts: tuple[int, ...], processes: int = 1,
) -> ScriptRun:  # fmt: skip
    """Write the files into an empty folder and start the steps."""
    assert backend.script_steps is not None
    folder.mkdir()
    for name, text in written_files(recipe, backend, script).items():
        (folder / name).write_text(text, encoding="utf-8")
    doubles: dict[str, Any] = {name: np.asarray(value, np.float64) for name, value in state.items()}
    np.savez(folder / STATE, **doubles)
    epochs = tuple(phase.epochs for phase in recipe.phases)
    name = f"{recipe.name}_train_{backend.name}"
    ScriptAsked(folder, recipe.name, name, data, counts, epochs, os.getpid()).write()
    launcher = [*backend.script_steps.launcher, str(processes)] if processes > 1 else []
    command = [sys.executable, *launcher, "-m", backend.script_steps.module, str(folder)]
    with (folder / "errors.txt").open("wb") as errors:
        work = subprocess.Popen(
            command, cwd=folder, env=_environment(), stdin=subprocess.DEVNULL, stdout=errors, stderr=errors
        )
    words = f"{backend.name}, {processes} processes" if processes > 1 else backend.name
    return ScriptRun(words, backend.name, processes, folder, work)


def _environment() -> dict[str, str]:
    """Ours, with the compiler and the backends of a checkout on the path, and one thread a process."""
    places = [str(PACKAGE.parent), str(CHECKOUT)]
    given = os.environ.get("PYTHONPATH", "")
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    path = os.pathsep.join([*places, *([given] if given else [])])
    return {**os.environ, **threads, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
