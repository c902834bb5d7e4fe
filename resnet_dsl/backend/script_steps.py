"""Steps of a training script for somebody who looks on: what is asked and what each leaves, through files.

A folder holds the files of a compiled recipe, `asked.json` and `state.npz`, the weights to start from. A
process leaves `step-RANK-NUMBER.npz` for each step: the loss of its images, the gradients as the optimiser
takes them and the state after the step, by canonical names and in torch's layouts, and the SHA-256 of its
part of the batch. It waits until what it left before is taken away.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from resnet_dsl.ir.arrays import Array
from resnet_dsl.records import dataclass

ASKED, STATE = "asked.json", "state.npz"
AHEAD = 2  # steps that may wait to be taken away
PAUSE = 0.01  # seconds between looks at the folder


@dataclass(frozen=True)
class StepAsked:
    """A step of a phase, counted from the phase's start: of which epoch it is, and which batch of that."""

    number: int
    phase: int
    step: int
    epoch: int
    batch: int


@dataclass(frozen=True)
class ScriptAsked:
    """A script to import in a folder, and what is asked of it: so many steps of each phase from its start.

    `watcher` is the process that takes away what is left; without it nothing more is done.
    """

    folder: Path
    recipe: str
    script: str
    data: str | None
    counts: tuple[int, ...]
    epochs: tuple[int, ...]
    watcher: int

    def write(self) -> None:
        """Write what is asked into the folder."""
        said = {"recipe": self.recipe, "script": self.script, "data": self.data, "watcher": self.watcher}
        (self.folder / ASKED).write_text(json.dumps(said | {"counts": self.counts, "epochs": self.epochs}))

    def modules(self) -> tuple[Any, Any]:
        """Return the script and the data file as modules."""
        sys.path.insert(0, str(self.folder))
        return import_module(self.script), import_module(f"{self.recipe}_data")

    def state(self) -> dict[str, Array]:
        """Return the weights to start from."""
        with np.load(self.folder / STATE) as file:
            return dict(file)

    def steps(self, per_epoch: int) -> Iterator[StepAsked]:
        """Yield the steps, those of a phase after those of the one before it."""
        yield from steps_of(self.counts, self.epochs, per_epoch)


def steps_of(counts: tuple[int, ...], epochs: tuple[int, ...], per_epoch: int) -> Iterator[StepAsked]:
    """Yield so many steps of each phase, or all that it has; a phase starts after all epochs before it."""
    number = first = 0
    for phase, (count, length) in enumerate(zip(counts, epochs, strict=True)):
        for step in range(min(count, length * per_epoch)):
            yield StepAsked(number, phase, step, first + step // per_epoch, step % per_epoch)
            number += 1
        first += length


def asked_in(folder: Path) -> ScriptAsked:
    """Return what is asked in a folder."""
    said = json.loads((folder / ASKED).read_text())
    counts, epochs = tuple(said["counts"]), tuple(said["epochs"])
    return ScriptAsked(folder, said["recipe"], said["script"], said["data"], counts, epochs, said["watcher"])


def rate_of(file: Any, step: StepAsked, per_epoch: int) -> float:
    """Return the rate of a step by the data file; nothing is evaluated, so that no plateau is ever seen."""
    following = {"plateau": file.plateau(step.phase)} if hasattr(file, "plateau") else {}
    rate: float = file.rate(step.phase, step.step, per_epoch, **following)
    return rate


def batch_digest(x: Array, y: Array) -> str:
    """Return the SHA-256 of images and labels as they lie in memory."""
    found = hashlib.sha256(x.tobytes())
    found.update(y.tobytes())
    return found.hexdigest()


def leave(
    asked: ScriptAsked, rank: int, number: int, digest: str, loss: float,
    gradients: Mapping[str, Array], state: Mapping[str, Array],
) -> None:  # fmt: skip
    """Leave what a step made, whole; wait first until there is room."""
    while number >= AHEAD and step_file(asked.folder, rank, number - AHEAD).exists():
        os.kill(asked.watcher, 0)  # raises where nobody looks on any more
        time.sleep(PAUSE)
    path = step_file(asked.folder, rank, number)
    arrays: dict[str, Any] = {f"gradients/{name}": value for name, value in gradients.items()}
    arrays |= {f"state/{name}": value for name, value in state.items()}
    unfinished = path.with_suffix(".part.npz")
    np.savez(unfinished, loss=loss, digest=digest, **arrays)
    os.replace(unfinished, path)


def step_file(folder: Path, rank: int, number: int) -> Path:
    """Return where a process leaves a step."""
    return folder / f"step-{rank}-{number}.npz"
