"""The Keras training scripts: as text, and as their users run them."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from resnet_dsl_keras.training_script import render_recipe

from resnet_dsl.backend.discovery import find_backend
from resnet_dsl.codegen.live import module_of
from resnet_dsl.initial.seeded import random_state
from resnet_dsl.recipe.files import data_file
from resnet_dsl.recipe.optimisers import SGD
from resnet_dsl.recipe.recipe import Recipe
from resnet_dsl.recipe.recipe_referee import graph_of, optimisation_of
from resnet_dsl.reference import RatedBatch, averaged, optimise
from resnet_dsl.version import __version__
from tests.conftest import Golden
from tests.support.keras_recipes import environment, full, recipe, run, stepped, write

pytest.importorskip("keras")
safetensors = pytest.importorskip("safetensors.numpy")
KILLED = Path(__file__).with_name("support") / "killed.py"
REFUSED = Path(__file__).with_name("support") / "refusals.py"
SCRIPTS = {**stepped(), "full": full(), "ema": recipe("ema", SGD(0.1, 0.9), ema=0.8, epochs=1)}


def rows(folder: Path) -> list[dict[str, str]]:
    """Return the log of a run without its times."""
    with (folder / "log.csv").open() as file:
        return [
            {name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)
        ]


# --- as text -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["momentum", "full"])
def test_scripts_read_as_they_did(name: str, golden: Golden) -> None:
    golden(f"keras/{name}_train.py", render_recipe(SCRIPTS[name]).replace(__version__, "VERSION"))


def test_the_backend_writes_scripts() -> None:
    script = find_backend("keras").recipe_script
    assert script is not None
    assert script.load()(SCRIPTS["sgd"]) == render_recipe(SCRIPTS["sgd"])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("scripts")
    write(place, SCRIPTS.values())
    (place / "mypy.ini").write_text(
        "[mypy]\nstrict = true\ndisallow_subclassing_any = false\n"
        "[mypy-keras.*,tensorflow.*,jax.*,safetensors.*]\nfollow_imports = skip\n"
        "ignore_missing_imports = true\n"
    )
    return place


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "format", "--isolated", "--line-length", "110", "--diff"],
        ["ruff", "check", "--isolated", "--line-length", "110", "--select", "E,F,W,B,UP,RET,PIE,C4"],
        ["mypy", "--config-file", "mypy.ini", "--cache-dir", ".cache"],
    ],
)
def test_scripts_are_as_linters_want_them(command: list[str], files: Path) -> None:
    scripts = [f"{name}_train_keras.py" for name in SCRIPTS]
    done = subprocess.run(
        [sys.executable, "-m", *command, *scripts], cwd=files, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_a_recipe_does_not_ask_for_is_not_in_its_script() -> None:
    text = render_recipe(SCRIPTS["sgd"])
    for word in (
        "velocity",
        "EMA",
        "ACCUMULATE",
        "BN_BATCH",
        "_clip_gradients",
        "FREEZABLE",
        "plateau",
        "RATES",
    ):
        assert word not in text, word


# --- as runs -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_killed_run_that_is_resumed_is_the_one_that_was_not(files: Path) -> None:
    options = ("--checkpoint-every", "2", "--seed", "3")
    whole = run(files, "full", *options, "--out", "whole")
    assert whole.returncode == 0, whole.stderr
    command = [sys.executable, str(KILLED), "full_train_keras", "8", "--data", "full.npz", *options]
    killed = subprocess.run([*command, "--out", "killed"], cwd=files, env=environment(), check=False)
    assert killed.returncode == -9
    with np.load(files / "killed" / "checkpoint.npz") as kept:
        assert json.loads(str(kept["state"]))["place"] == [
            1,
            2,
            4,
        ]  # in the middle of the second phase's first
    refused = run(files, "full", *options, "--out", "killed")
    assert "--resume goes on from it" in refused.stderr
    resumed = run(files, "full", *options, "--out", "killed", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert rows(files / "whole") == rows(files / "killed")
    weights = [(files / out / "weights.safetensors").read_bytes() for out in ("whole", "killed")]
    assert weights[0] == weights[1]
    for left in ("card.md", "curves.png"):
        assert (files / "killed" / left).is_file()


@pytest.mark.slow
def test_the_mean_of_weights_is_saved_with_the_spec(files: Path) -> None:
    asked = SCRIPTS["ema"]
    start = random_state(asked.program.graph, 1)
    safetensors.save_file(
        {name: np.float64(value) for name, value in start.items()}, files / "start.safetensors"
    )
    done = run(files, "ema", "--precision", "float64", "--weights", "start.safetensors", "--out", "ema")
    assert done.returncode == 0, done.stderr
    expected = mean_of_weights(asked, files)
    found = safetensors.load_file(files / "ema" / "weights.safetensors")
    assert found.keys() == expected.keys()
    assert max(np.abs(found[name] - expected[name]).max() for name in found) < 1e-12
    content = (files / "ema" / "weights.safetensors").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    said = json.loads(header["__metadata__"]["resnet-dsl"])
    assert (said["model"], said["origin"]["trained"]["recipe"]) == ("ema_net", "ema")


def mean_of_weights(asked: Recipe, files: Path) -> dict[str, np.ndarray]:
    """Return the mean of weights over an epoch by the referee."""
    module = module_of(data_file(asked), "ema_data")
    batches = module.TrainBatches(module.load(str(files / "ema.npz")), 0, dtype="float64")
    each = [batches[step] for step in range(len(batches))]
    rated = [RatedBatch(x.transpose(0, 3, 1, 2), y, 0.1) for x, y in each]
    graph = graph_of(asked, asked.phases[0])
    mean = {name: np.float64(value) for name, value in random_state(graph, 1).items()}
    for step in optimise(graph, mean, rated, optimisation_of(asked, asked.phases[0])):
        mean = averaged(mean, step.state, asked.ema)
    return mean


TWO_DEVICES = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
OTHERS = {"two_devices": ("jax", "--distribute"), "torch": ("torch",)}


@pytest.mark.slow
@pytest.mark.parametrize("other", OTHERS)
def test_other_engines_learn_the_same(other: str, files: Path) -> None:
    engine, *more = OTHERS[other]
    pytest.importorskip(engine)
    options = ("--precision", "float64", "--epochs", "1", "--weights", "start.safetensors")
    start = random_state(SCRIPTS["nesterov"].program.graph, 1)
    safetensors.save_file(
        {name: np.float64(value) for name, value in start.items()}, files / "start.safetensors"
    )
    if not (files / "nesterov").exists():
        assert run(files, "nesterov", *options, "--out", "nesterov").returncode == 0
    devices = TWO_DEVICES if more else {}
    done = run(files, "nesterov", *options, *more, "--out", other, engine=engine, **devices)
    assert done.returncode == 0, done.stderr
    expected, found = (
        safetensors.load_file(files / out / "weights.safetensors") for out in ("nesterov", other)
    )
    assert max(np.abs(found[name] - expected[name]).max() for name in expected) < 1e-12


WRONG = {
    "--epochs 9": "error: --epochs 9: the recipe has 4 epochs",
    "--batch 7": "error: --batch 7 cannot be shared out equally to 2 parts",
    "--batch 6": "error: 3 images at once are no whole groups of 2 (bn_batch)",
    "--weights none.safetensors": "error: none.safetensors: no file of weights",
    "--data nowhere": "error: nowhere",
    "--out full.npz/run": "error: full.npz/run: Not a directory",
    "--distribute": "error: --distribute is for JAX, and Keras is on tensorflow: set KERAS_BACKEND=jax",
}


def test_what_is_wrong_is_one_line(files: Path) -> None:
    asked = "".join(f"--data full.npz --out wrong {options}\n" for options in WRONG)
    command = [sys.executable, str(REFUSED), "full_train_keras"]
    done = subprocess.run(
        command, input=asked, cwd=files, env=environment(), capture_output=True, text=True, check=True
    )
    for said, expected in zip(done.stdout.splitlines(), WRONG.values(), strict=True):
        assert said.startswith(expected)
    assert not list(files.glob("wrong/*"))
