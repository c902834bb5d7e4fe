"""What the steps of a recipe are by the referee, on the recipe's own batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from resnet_dsl.backend.script_steps import StepAsked, batch_digest, rate_of, steps_of
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.ir.arrays import Array
from resnet_dsl.recipe.recipe import Recipe
from resnet_dsl.recipe.recipe_referee import graph_of, optimisation_of
from resnet_dsl.records import dataclass
from resnet_dsl.reference import OptimisedStep, OptimiserState, RatedBatch, optimise

EXTENT = 64  # of random images for a network that takes any size


@dataclass(frozen=True, eq=False)
class RecipeBatch:
    """The batch of a step as all processes together have it, (N, H, W, C), and the rate."""

    asked: StepAsked
    x: Array
    y: Array
    lr: float

    def digest(self, rank: int, processes: int) -> str:
        """Return the digest of the part of a process."""
        size = len(self.x) // processes
        part = slice(rank * size, (rank + 1) * size)
        return batch_digest(self.x[part], self.y[part])

    def for_the_referee(self) -> RatedBatch:
        """Return the batch with channels first."""
        return RatedBatch(self.x.transpose(0, 3, 1, 2), self.y, self.lr)


def recipe_batches(module: ModuleType, data: Any, counts: tuple[int, ...]) -> Iterator[RecipeBatch]:
    """Yield the batches of the first steps of each phase, by the recipe's data file."""
    per_epoch = len(module.TrainBatches(data, 0))
    for step in steps_of(counts, module.EPOCHS, per_epoch):
        x, y = module.TrainBatches(data, step.epoch, dtype="float64")[step.batch]
        lr = rate_of(module, step, per_epoch)
        yield RecipeBatch(step, x, y, lr)


class RecipeTruth:
    """The referee's own run, a step at a time; each phase begins with an optimiser that knows nothing."""

    def __init__(self, recipe: Recipe, state: Mapping[str, Array], processes: int = 1) -> None:
        self.recipe, self.processes = recipe, processes
        self.state: Mapping[str, Array] = state
        self.kept = OptimiserState()
        self.phase = 0

    def step(self, batch: RecipeBatch) -> OptimisedStep:
        """Take a step."""
        if batch.asked.phase != self.phase:
            self.phase, self.kept = batch.asked.phase, OptimiserState()
        phase = self.recipe.phases[self.phase]
        how = optimisation_of(self.recipe, phase, self.processes)
        found = next(
            optimise(graph_of(self.recipe, phase), self.state, [batch.for_the_referee()], how, self.kept)
        )
        self.state, self.kept = found.state, found.optimiser
        return found


def data_of(module: ModuleType, path: str | None) -> Any:
    """Return the data of a recipe; raises UsageError for what cannot be used."""
    try:
        return module.load(path)
    except module.DataError as why:
        raise UsageError(f"{why}; --random takes random images of the recipe's sizes") from None


def random_images(recipe: Recipe, module: ModuleType, path: Path, steps: int) -> None:
    """Write random images of every class that a recipe can take some steps of a phase on."""
    data, classes = recipe.data, module.CLASSES
    per_epoch = max(2, -(-steps // min(phase.epochs for phase in recipe.phases)))
    count = max(per_epoch * recipe.batch, classes, data.subset)
    held_out = data.validation if data.validation >= 1 else count * data.validation / (1 - data.validation)
    total = count + int(np.ceil(held_out)) + 1
    network = recipe.program.network
    _, *own = network.input.at(network.extent)
    generator = np.random.Generator(np.random.Philox(recipe.seed))
    shape = (total, *(size or EXTENT for size in own), module.CHANNELS)
    labels = np.arange(total) % classes
    names = data.classes or tuple(map(str, range(classes)))
    images = generator.integers(0, 256, shape, np.uint8)
    np.savez(path, x_train=images, y_train=labels, x_test=images[:classes], y_test=labels[:classes],
             classes=np.array(names))  # fmt: skip
