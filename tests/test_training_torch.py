"""The training script of PyTorch: its text, and its steps held against the referee."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from resnet_dsl.initial.seeded import random_state
from resnet_dsl.recipe.losses import BinaryCrossEntropy, CrossEntropy, WeightedLoss
from resnet_dsl.recipe.mixing import CutMix, MixUp
from resnet_dsl.recipe.optimisers import LAMB, SGD, Adam, AdamW, RMSprop
from resnet_dsl.recipe.recipe import DropPathRamp, Phase, Recipe
from resnet_dsl.recipe.recipe_referee import graph_of, optimisation_of
from resnet_dsl.recipe.schedules import ConstantRate, PlateauRate
from resnet_dsl.recipe.script_lines import fitted
from resnet_dsl.reference import RatedBatch, optimise
from tests.conftest import Golden
from tests.support.training_recipes import LITTLE, TWO_RESULTS, imported, recipe_of, write_torch_files

torch = pytest.importorskip("torch")

DROPPING = LITTLE.replace("block: basic", "block: basic  drop_path: 0.2")
SOFTMAX = LITTLE.replace("fc(10)", "fc(10) -> softmax")
ONE_LOGIT = LITTLE.replace("fc(10)", "fc(1)")
ONE_SIGMOID = LITTLE.replace("fc(10)", "fc(1) -> sigmoid")


def phase_of(optimiser: object, *frozen: str) -> tuple[Phase, ...]:
    return (Phase("", 2, optimiser, ConstantRate(), frozen=frozen),)  # type: ignore[arg-type]


SMOOTH = (WeightedLoss("output", CrossEntropy(0.1)),)
BINARY = (WeightedLoss("output", BinaryCrossEntropy(0.1)),)
TWO_LOSSES = (WeightedLoss("kind", CrossEntropy()), WeightedLoss("early", CrossEntropy(), 0.4))
WHOLE = recipe_of(
    "whole",
    DROPPING,
    phases=(
        Phase("head", 1, LAMB(), PlateauRate(), frozen=("conv1", "bn1", "layer1")),
        Phase("all", 1, SGD(0.1, 0.9, True, 1e-4), ConstantRate()),
    ),
    losses=BINARY,
    metrics=("top1", "top5"),
    mixes=(MixUp(), CutMix()),
    ema=0.99,
    drop_path=DropPathRamp(0.0, 2),
    precision="bfloat16",
    clip=1.0,
    accumulate=2,
    bn_batch=4,
    weights="start.safetensors",
)
RECIPES = {
    "plain": recipe_of("plain"),
    "whole": WHOLE,
    "two": recipe_of("two", TWO_RESULTS, losses=TWO_LOSSES, ema=0.9),
    "softmax": recipe_of("softmax", SOFTMAX),
    "single": recipe_of("single", ONE_SIGMOID, losses=BINARY),
    "frozen_norms": recipe_of("frozen_norms", LITTLE.replace("stem:", "freeze: norms\n    stem:")),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scripts")
    for name, recipe in RECIPES.items():
        (folder / name).mkdir()
        write_torch_files(recipe, folder / name)
    return folder


@pytest.mark.parametrize("name", ["plain", "whole"])
def test_scripts_are_as_reviewed(name: str, golden: Golden) -> None:
    from resnet_dsl_torch.training_script import render_recipe

    golden(f"training/{name}_train_torch.py", render_recipe(RECIPES[name]))


def test_what_a_recipe_does_not_use_is_left_out(folder: Path) -> None:
    plain, whole = ((folder / name / f"{name}_train_torch.py").read_text() for name in ("plain", "whole"))
    words = "EMA LAMB plateau CLIP ACCUMULATE BN_BATCH drop_path frozen= argmax(1).classes one_hot"
    for word in words.split():
        assert word not in plain
        assert word in whole or "classes" in word


def test_scripts_are_as_ruff_wants_them(folder: Path) -> None:
    for name in RECIPES:
        for command in (["check"], ["format", "--diff"]):
            options = ["--isolated", "--line-length", "110", f"{name}_train_torch.py"]
            done = subprocess.run(
                [sys.executable, "-m", "ruff", *command, *options],
                capture_output=True,
                text=True,
                cwd=folder / name,
            )
            assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain", "single", "two", "whole"])
def test_scripts_are_typed(name: str, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    cache = tmp_path_factory.getbasetemp() / "mypy"
    options = ["--strict", "--config-file", "", "--ignore-missing-imports", "--cache-dir", str(cache)]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, f"{name}_train_torch.py"],
        capture_output=True,
        text=True,
        cwd=folder / name,
    )
    assert done.returncode == 0, done.stdout


# --- steps against the referee -------------------------------------------------------------------

STEPS = {
    "sgd": {"phases": phase_of(SGD(0.1, 0.9, False, 1e-2))},
    "nesterov": {"phases": phase_of(SGD(0.1, 0.9, True, 1e-2)), "losses": SMOOTH},
    "adam": {"phases": phase_of(Adam(1e-2, weight_decay=1e-2))},
    "adamw": {"phases": phase_of(AdamW(1e-2))},
    "rmsprop": {"phases": phase_of(RMSprop(1e-2, momentum=0.9, weight_decay=1e-2))},
    "lamb": {"phases": phase_of(LAMB(1e-2))},
    "binary": {"losses": BINARY},
    "one logit": {"text": ONE_LOGIT, "losses": BINARY},
    "one sigmoid": {"text": ONE_SIGMOID, "losses": BINARY},
    "clipped": {"clip": 0.05, "accumulate": 2},
    "accumulated": {"accumulate": 4},
    "grouped": {"bn_batch": 4, "accumulate": 2},
    "frozen": {"phases": phase_of(SGD(0.1, 0.9), "conv1", "bn1", "layer1")},
    "softmax": {"text": SOFTMAX, "losses": SMOOTH},
    "two results": {"text": TWO_RESULTS, "losses": TWO_LOSSES},
    "frozen norms": {"text": LITTLE.replace("stem:", "freeze: norms\n    stem:")},
}


@pytest.mark.parametrize("name", STEPS)
def test_steps_are_those_of_the_referee(name: str, tmp_path: Path) -> None:
    recipe = recipe_of("steps", **STEPS[name])  # type: ignore[arg-type]
    random = np.random.default_rng(1)
    shape, rates = (16, 1, 8, 8), (0.1, 0.03, 0.01)
    classes = 2 if name.startswith("one ") else 10
    batches = [RatedBatch(random.normal(size=shape), random.integers(0, classes, 16), lr) for lr in rates]
    _agree(recipe, batches, tmp_path)


def test_mixed_labels_are_those_of_the_referee(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    shares = random.dirichlet(np.ones(10), 16)
    batches = [RatedBatch(random.normal(size=(16, 1, 8, 8)), shares, 0.1)]
    _agree(recipe_of("mixed", losses=SMOOTH, mixes=(MixUp(),)), batches, tmp_path)
    _agree(recipe_of("mixed", losses=BINARY, mixes=(MixUp(),)), batches, tmp_path)
    of_two = [RatedBatch(batches[0].x, random.dirichlet(np.ones(2), 16), 0.1)]
    _agree(recipe_of("mixed", ONE_SIGMOID, losses=BINARY, mixes=(MixUp(),)), of_two, tmp_path)


def _agree(recipe: Recipe, batches: list[RatedBatch], folder: Path) -> None:
    """Take steps in float64 from the same weights, and compare losses, weights and statistics."""
    script = imported(write_torch_files(recipe, folder))
    phase, graph = recipe.phases[0], graph_of(recipe, recipe.phases[0])
    state = random_state(graph, 0)
    model = script.network().double()
    start = {name: torch.from_numpy(np.array(value)) for name, value in state.items()}
    model.load_state_dict(start, strict=False)
    optimiser = script.begin(model, script.PHASES[0])
    referee = optimise(graph, state, batches, optimisation_of(recipe, phase))
    for batch, wanted in zip(batches, referee, strict=True):
        x, y = torch.from_numpy(batch.x), torch.from_numpy(batch.targets)
        loss, _ = script.step(model, optimiser, x, y, batch.lr)
        assert float(loss) == pytest.approx(wanted.loss, rel=1e-12)
        for name, value in model.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                np.testing.assert_allclose(value.numpy(), wanted.state[name], 1e-9, 1e-11, err_msg=name)


def test_frozen_parts_stay_bit_for_bit(tmp_path: Path) -> None:
    recipe = recipe_of("still", phases=phase_of(SGD(0.1, 0.9), "conv1", "bn1", "layer1"))
    script = imported(write_torch_files(recipe, tmp_path))
    model = script.network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimiser = script.begin(model, script.PHASES[0])
    script.step(model, optimiser, torch.randn(16, 1, 8, 8), torch.arange(16) % 10, 0.1)
    same = {name for name, value in model.state_dict().items() if torch.equal(value, before[name])}
    frozen = {name for name in before if name.startswith(("conv1.", "bn1.", "layer1."))}
    assert same == frozen


def test_a_call_that_is_long_is_broken_as_a_formatter_does() -> None:
    start, items = "loss = F.name(", ["outputs", "y" * 80]
    assert fitted(start, items, ")") == [f"loss = F.name(outputs, {'y' * 80})"]
    assert fitted(start, items, ")", 100) == ["loss = F.name(", f"    outputs, {'y' * 80}", ")"]
    assert fitted("NAMES = (", items, ")", 90) == ["NAMES = (", "    outputs,", f"    {'y' * 80},", ")"]
