"""The documents' runs as shipped recipes: checked, on data of their kind, as scripts, by their numbers."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from math import isclose
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resnet_dsl.backend.discovery import find_backend
from resnet_dsl.cli.main import main
from resnet_dsl.driver import compile_spec
from resnet_dsl.recipe.compilation import check_recipes, compile_recipe
from resnet_dsl.recipe.files import data_file
from resnet_dsl.recipe.recipe import Phase, Recipe
from resnet_dsl.shipped import recipe_files
from resnet_dsl.sources import read
from tests.support.training_data import coloured, module

ROOT = Path(__file__).parents[1]
TRAINING = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
IMAGENET = 1_281_167
RECIPES = [
    ("cats_and_dogs", "cats_and_dogs"),
    ("cifar10_article", "cifar10_article"),
    ("cifar10_he2015", "cifar10_he2015"),
    ("fashion_mnist", "fashion_mnist"),
    ("imagenet_he2015", "imagenet_he2015"),
    ("mnist_transfer", "mnist_transfer"),
    *(
        ("plain_and_residual", f"{data}_{kind}{depth}")
        for data, depths in (("imagenet", (18, 34)), ("cifar10", (20, 56)))
        for kind in ("plain", "resnet")
        for depth in depths
    ),
]
each_recipe = pytest.mark.parametrize(("file", "name"), RECIPES, ids=[name for _, name in RECIPES])


@cache
def shipped(file: str) -> dict[str, Recipe]:
    return {recipe.name: recipe for recipe in check_recipes(*read(file))}


def test_every_shipped_recipe_is_walked() -> None:
    assert {file for file, _ in RECIPES} == set(recipe_files())
    assert [(file, name) for file in recipe_files() for name in shipped(file)] == RECIPES


@each_recipe
def test_a_recipe_has_nothing_to_remark_on_and_a_row_in_the_docs(file: str, name: str) -> None:
    assert not shipped(file)[name].warnings
    assert f"| `{name}` |" in TRAINING


@pytest.mark.parametrize("file", recipe_files())
def test_a_file_is_in_its_canonical_form_and_compiled_by_its_name(file: str) -> None:
    assert main(["fmt", "--check", str(recipe_files()[file])]) == 0
    assert compile_recipe(file).name in shipped(file)


def test_recipes_are_listed_under_their_own_heading(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    heading = f"recipes ({len(recipe_files())})"
    part = capsys.readouterr().out.partition(f"{heading}\n")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in part.splitlines()] == sorted(recipe_files())


# --- their data files and scripts ----------------------------------------------------------------


def data_of(recipe: Recipe, folder: Path) -> str:
    """Little data of the kind that a recipe is for: digits, or images of 32x32, or pictures of all sizes."""
    channels, *size = recipe.program.network.input.at(recipe.program.network.extent)
    if size[0] == 224:
        return str(pictures(folder))
    grey = recipe.name in ("mnist_transfer", "fashion_mnist")
    images = coloured(2040, 28, 28, 1)[..., 0] if grey else coloured(40)
    labels = np.arange(len(images)) % 10
    test = {"x_test": images[:20], "y_test": labels[:20]}
    np.savez(folder / "data.npz", x_train=images, y_train=labels, **test)
    assert channels in (1, 3)
    return str(folder / "data.npz")


def pictures(folder: Path) -> Path:
    for part, count in (("train", 3), ("test", 2)):
        for number, name in enumerate(("cat", "dog")):
            (folder / part / name).mkdir(parents=True)
            for place in range(count):
                sides = 300 + 40 * place, 260 + 30 * number
                Image.fromarray(coloured(1, *sides)[0]).save(folder / part / name / f"{place}.jpg")
    return folder


@each_recipe
def test_its_images_become_what_the_network_takes(file: str, name: str, tmp_path: Path) -> None:
    recipe = shipped(file)[name]
    classes = {"classes": "2", "evaluate": "top1"} if recipe.program.cost.output["output"] == (1000,) else {}
    small = compile_recipe(file, name, {"batch": "4", **classes})
    made = module(small)
    data = made.load(data_of(small, tmp_path))
    network = small.program.network
    channels, *size = network.input.at(network.extent)
    batches = made.TrainBatches(data, 0)
    x, y = batches[len(batches) - 1]
    assert (x.shape, x.dtype, y.shape) == ((4, *size, channels), np.float32, (4,))
    assert np.isfinite(x).all()
    views, labels = made.TestBatches(data.evaluated, 2)[0]
    assert {view.shape for view in views} == {(2, *size, channels)}
    assert len(views) == (10 if small.program.network.input == network.input and "imagenet" in name else 1)
    assert len(labels) == 2
    assert isclose(made.rate(0, 0, len(batches)), 0.0 if small.phases[0].warmup else lr(small.phases[0]))


def lr(phase: Phase) -> float:
    value = phase.optimiser.lr
    assert isinstance(value, float)
    return value


@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_scripts_are_as_ruff_wants_them(backend: str, tmp_path: Path) -> None:
    render = find_backend(backend).recipe_script
    assert render is not None
    for file, name in RECIPES:
        (tmp_path / f"{name}.py").write_text(render.load()(shipped(file)[name]))
        (tmp_path / f"{name}_data.py").write_text(data_file(shipped(file)[name]))
    for command in (["format", "--check"], ["check", "--select", "E4,E7,E9,F"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--isolated", "--line-length", "110", str(tmp_path)]
        done = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


# --- the numbers of their texts ------------------------------------------------------------------


def test_imagenet_takes_the_steps_of_the_paper() -> None:
    recipe = shipped("imagenet_he2015")["imagenet_he2015"]
    assert isclose(recipe.epochs * IMAGENET / recipe.batch, 60e4, rel_tol=2e-3)
    assert [step.kind for step in recipe.train] == [
        "scale_jitter", "crop", "flip", "colour_noise", "normalise",
    ]  # fmt: skip


def test_cifar_changes_its_rate_at_the_steps_of_the_paper() -> None:
    recipe = shipped("cifar10_he2015")["cifar10_he2015"]
    made, steps = module(recipe), 50_000 // recipe.batch
    rates = [made.rate(0, k * 1000, steps) for k in (0, 31, 33, 47, 49, 63)]
    assert np.allclose(rates, [0.1, 0.1, 0.01, 0.01, 0.001, 0.001], rtol=1e-12)
    assert isclose(recipe.epochs * steps, 64e3, rel_tol=2e-3)


def test_plain_and_residual_networks_are_trained_alike() -> None:
    made = shipped("plain_and_residual")
    for data in ("imagenet", "cifar10"):
        same = {(r.train, r.test, r.batch, r.phases) for name, r in made.items() if name.startswith(data)}
        of_paper = shipped(f"{data}_he2015")[f"{data}_he2015"]
        assert same == {(of_paper.train, of_paper.test, of_paper.batch, of_paper.phases)}


def test_the_transfer_to_digits_holds_out_what_the_article_does() -> None:
    recipe = shipped("mnist_transfer")["mnist_transfer"]
    assert (recipe.data.validation, recipe.epochs, recipe.batch) == (2000, 40, 64)
    assert (60_000 - 2000) // recipe.batch == 906
    assert recipe.program.cost.trainable == 2_059_010


def test_the_transfer_to_cats_and_dogs_trains_the_head_and_then_the_last_stage() -> None:
    recipe = shipped("cats_and_dogs")["cats_and_dogs"]
    head, last = recipe.phases
    assert (head.epochs, last.epochs) == (5, 10)
    assert learned(recipe, head) == compile_spec("transfer_resnet50").cost.trainable
    assert learned(recipe, last) == compile_spec("transfer_resnet50_stage5").cost.trainable


def learned(recipe: Recipe, phase: Phase) -> int:
    """How many parameters learn in a phase."""
    frozen = tuple(f"{path}." for path in phase.frozen)
    nodes = (n for n in recipe.program.graph.nodes if not f"{n.name}.".startswith(frozen))
    return sum(t.size for n in nodes for _, t in n.parameters() if not t.is_statistic)
