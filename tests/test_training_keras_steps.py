"""Steps of the Keras training scripts against the NumPy referee, in double precision."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from resnet_dsl.codegen.live import module_of
from resnet_dsl.initial.seeded import random_state
from resnet_dsl.recipe.files import data_file
from resnet_dsl.recipe.recipe import Recipe
from resnet_dsl.recipe.recipe_referee import graph_of, optimisation_of
from resnet_dsl.reference import OptimisedStep, RatedBatch, optimise
from tests.support.keras_recipes import environment, one_logit, stepped, write

pytest.importorskip("keras")
pytestmark = pytest.mark.slow
STEPS = 20
RECIPES = {**stepped(), "one": one_logit()}
WORKER = Path(__file__).with_name("support") / "keras_training_worker.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the steps of all recipes give, in one process of Keras."""
    place = tmp_path_factory.mktemp("recipes")
    write(place, RECIPES.values())
    command = [sys.executable, str(WORKER), str(place), str(STEPS), *RECIPES]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return place


def referee(recipe: Recipe, folder: Path) -> list[OptimisedStep]:
    """Return the steps of a recipe by the referee."""
    module = module_of(data_file(recipe), f"{recipe.name}_data")
    images, phase = module.load(str(folder / f"{recipe.name}.npz")), recipe.phases[0]
    batches = []
    for step in range(STEPS):
        of_epoch = module.TrainBatches(images, step // 5, dtype="float64")
        x, y = of_epoch[step % 5]
        batches.append(RatedBatch(x.transpose(0, 3, 1, 2), y, module.rate(0, step, 5)))
    graph = graph_of(recipe, phase)
    return list(optimise(graph, random_state(graph, 1), batches, optimisation_of(recipe, phase)))


@pytest.mark.parametrize("name", RECIPES)
def test_twenty_steps_are_those_of_the_referee(name: str, folder: Path) -> None:
    expected = referee(RECIPES[name], folder)
    with np.load(folder / f"{name}_end.npz") as file:
        found = dict(file)
    losses = found.pop("losses")
    assert np.abs(losses - [step.loss for step in expected]).max() < 1e-9
    last = expected[-1].state
    assert found.keys() == last.keys()
    apart = {tensor: np.abs(found[tensor] - last[tensor]).max() for tensor in last}
    assert max(apart.values()) < 1e-9, apart


def test_what_a_phase_freezes_stays_bit_for_bit(folder: Path) -> None:
    frozen = ("conv1.", "bn1.")
    start = random_state(RECIPES["adam"].program.graph, 1)
    with np.load(folder / "adam_end.npz") as found:
        for name in start:
            assert np.array_equal(found[name], start[name]) == name.startswith(frozen), name
