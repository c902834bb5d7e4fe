"""Whole runs of the training script of PyTorch: alone and in several processes, resumed, and refused."""

from __future__ import annotations

import csv
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnet_dsl.backend.artefacts import digest
from resnet_dsl.backend.contents import KEY
from resnet_dsl.recipe.losses import BinaryCrossEntropy, CrossEntropy, WeightedLoss
from resnet_dsl.recipe.mixing import CutMix, MixUp
from resnet_dsl.recipe.optimisers import LAMB, SGD, Adam
from resnet_dsl.recipe.recipe import DropPathRamp, Phase
from resnet_dsl.recipe.schedules import ConstantRate, CosineRate, PlateauRate
from resnet_dsl.weights.formats import canonical
from tests.support.forked_script import Launcher
from tests.support.training_recipes import (
    LITTLE,
    TWO_RESULTS,
    program_of,
    recipe_of,
    write_digits,
    write_torch_files,
)

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")

DROPPING = LITTLE.replace("fc(10)", "dropout(0.2) -> fc(10)").replace("basic", "basic  drop_path: 0.2")
ADAM = (Phase("", 2, Adam(1e-2), CosineRate()),)
BINARY = (WeightedLoss("output", BinaryCrossEntropy(0.1)),)
KIND = WeightedLoss("kind", CrossEntropy())
RECIPES = [
    recipe_of("plain"),
    recipe_of("bare", phases=(Phase("", 2, SGD(0.1), ConstantRate()),)),
    recipe_of("exploding", phases=(Phase("", 2, SGD(1e30), ConstantRate()),)),
    recipe_of("grouped", bn_batch=4, phases=ADAM, ema=0.9),
    recipe_of("parts", bn_batch=4, phases=ADAM, ema=0.9, accumulate=2),
    recipe_of("dropping", DROPPING, ema=0.9, drop_path=DropPathRamp(0.0, 2)),
    recipe_of(
        "phases",
        phases=(
            Phase("head", 1, LAMB(), PlateauRate(patience=0), frozen=("conv1", "bn1", "layer1", "layer2")),
            Phase("last", 1, SGD(0.01, 0.9), ConstantRate(), frozen=("conv1", "bn1", "layer1")),
        ),
        metrics=("top1", "top5"),
        clip=1.0,
    ),
    recipe_of("binary", losses=BINARY, mixes=(MixUp(), CutMix())),
    recipe_of("two", TWO_RESULTS, losses=(KIND, WeightedLoss("early", CrossEntropy(), 0.4))),
    recipe_of("sigmoid", LITTLE.replace("fc(10)", "fc(10) -> sigmoid"), losses=BINARY),
    recipe_of("one_of_two", TWO_RESULTS, losses=(KIND,)),
]
Weights = dict[str, "torch.Tensor"]


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with each recipe's script in a folder of its name, and the images."""
    folder = tmp_path_factory.mktemp("scripts")
    write_digits(folder / "digits.npz")
    for recipe in RECIPES:
        (folder / recipe.name).mkdir()
        write_torch_files(recipe, folder / recipe.name)
    return folder


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher() as started:
        yield started


@pytest.fixture
def runs(launcher: Launcher, scripts: Path, tmp_path: Path) -> Runs:
    return Runs(launcher, scripts, tmp_path)


@dataclass(frozen=True)
class Runs:
    """Runs of the scripts, each in a folder of its name."""

    launcher: Launcher
    scripts: Path
    folder: Path

    def command(self, name: str, out: str, *options: str) -> list[str]:
        script = str(self.scripts / name / f"{name}_train_torch.py")
        data = ["--data", str(self.scripts / "digits.npz"), "--out", str(self.folder / out)]
        return [script, *data, "--workers", "0", *options]

    def start(self, name: str, out: str, *options: str, world: int = 1, most: int = 0) -> list[int]:
        return self.launcher.start(self.command(name, out, *options), world, self.folder / "said", most)

    def __call__(self, name: str, out: str, *options: str, world: int = 1) -> Path:
        """Run a script to its end; return the folder of the run."""
        assert self.launcher.wait(self.start(name, out, *options, world=world)) == 0, self.said
        return self.folder / out

    @property
    def said(self) -> str:
        """What the last run said."""
        return (self.folder / "said").read_text()

    def refused(self, name: str, out: str, *options: str, most: int = 0) -> str:
        """Run a script that ends with an error; return the one line."""
        assert self.launcher.wait(self.start(name, out, *options, most=most)) != 0
        assert "Traceback" not in self.said
        return self.said.strip().rpartition("error: ")[2]


def weights_of(out: Path) -> Weights:
    found: Weights = safetensors.load_file(out / "weights.safetensors")
    return found


def log_of(out: Path) -> list[dict[str, str]]:
    """The log but for what time says."""
    with (out / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{name: value for name, value in row.items() if name not in ("seconds", "waited")} for row in rows]


def largest_difference(one: Path, other: Path) -> float:
    """How far the weights of two runs are from each other."""
    first, second = weights_of(one), weights_of(other)
    assert first.keys() == second.keys()
    return max(float((first[name].double() - second[name].double()).abs().max()) for name in first)


def test_a_run_leaves_its_files(runs: Runs) -> None:
    out = runs("plain", "run")
    names = {path.name for path in out.iterdir()}
    assert names >= {"checkpoint.pt", "log.csv", "weights.safetensors", "card.md", "curves.png"}
    assert any(name.startswith("events.out.tfevents") for name in names) or not find_spec("tensorboard")
    assert runs.said.startswith("epoch 1/2: loss ")
    rows = log_of(out)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[1]["train_loss"]) < float(rows[0]["train_loss"])
    assert {"lr", "train_top1", "test_loss", "test_top1"} <= set(rows[0])


def test_weights_of_a_run_are_read_as_the_compiler_reads_its_own(runs: Runs) -> None:
    path = runs("plain", "run") / "weights.safetensors"
    contents = canonical.read(path)
    assert contents.metadata[KEY]["model"] == "little"
    assert contents.metadata[KEY]["spec_sha256"] == digest(program_of().network)
    assert set(contents.tensors) == {name for name, _ in program_of().graph.parameters()}


@pytest.mark.parametrize("world", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_several_processes_are_one_with_groups_of_batch_norm(runs: Runs, world: int) -> None:
    one = runs("grouped", "one", "--precision", "float64")
    more = runs("grouped", "more", "--precision", "float64", world=world)
    assert largest_difference(one, more) < 1e-10
    for row, other in zip(log_of(one), log_of(more), strict=True):
        assert float(row["train_loss"]) == pytest.approx(float(other["train_loss"]), rel=1e-10)
        assert row["test_top1"] == other["test_top1"]


def test_accumulated_parts_are_one_batch_with_groups_of_batch_norm(runs: Runs) -> None:
    one = runs("grouped", "one", "--precision", "float64")
    assert largest_difference(one, runs("parts", "parts", "--precision", "float64", world=2)) < 1e-10


@pytest.mark.parametrize(
    "name", ["parts", *(pytest.param(each, marks=pytest.mark.slow) for each in ("phases", "two"))]
)
def test_sharded_weights_learn_the_same(runs: Runs, name: str) -> None:
    ddp = runs(name, "ddp", "--precision", "float64", world=2)
    fsdp = runs(name, "fsdp", "--precision", "float64", "--fsdp", world=2)
    assert largest_difference(ddp, fsdp) < 1e-10


@pytest.mark.slow
@pytest.mark.parametrize("world", [2, 4])
def test_torchrun_starts_the_script(runs: Runs, world: int) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(world)]
    options = runs.command("grouped", "several", "--precision", "float64")
    done = subprocess.run([*launcher, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    one = runs("grouped", "one", "--precision", "float64")
    assert largest_difference(one, runs.folder / "several") < 1e-10


# --- killed and resumed --------------------------------------------------------------------------

KILLED = [
    ("dropping", 1, ()),
    ("dropping", 1, ("--workers", "2")),
    pytest.param("dropping", 2, (), marks=pytest.mark.slow),
    ("parts", 2, ("--fsdp",)),
]


@pytest.mark.parametrize(("name", "world", "options"), KILLED)
def test_killed_and_resumed_is_as_if_nothing_had_been(
    runs: Runs, name: str, world: int, options: tuple[str, ...]
) -> None:
    options = (*options, "--checkpoint-every", "3")
    whole = runs(name, "whole", *options, world=world)
    killed = runs.folder / "killed"
    processes = runs.start(name, "killed", *options, world=world)
    while not (killed / "checkpoint.pt").exists():
        time.sleep(0.0005)
    for process in processes:
        os.kill(process, signal.SIGKILL)
    assert runs.launcher.wait(processes) == signal.SIGKILL
    assert not (killed / "card.md").exists()
    place = torch.load(killed / "checkpoint.pt", weights_only=True)["place"]
    assert place[-1]  # in the middle of an epoch
    runs(name, "killed", *options, "--resume", world=world)
    assert log_of(killed) == log_of(whole)
    assert largest_difference(killed, whole) == 0


@pytest.mark.parametrize("name", ["phases", "bare"])
def test_a_run_may_be_stopped_early_and_go_on(runs: Runs, name: str) -> None:
    whole = runs(name, "whole")
    runs(name, "parts", "--epochs", "1")
    parts = runs(name, "parts", "--resume")
    assert log_of(parts) == log_of(whole)
    assert largest_difference(parts, whole) == 0


def test_pictures_that_are_skipped_are_skipped_again_after_a_resume(runs: Runs) -> None:
    """A broken picture is named, the next takes its place, and the run stays the same bit for bit."""
    folder = write_pictures(runs.folder / "pictures")
    for path in ("train/3/1.png", "train/7/0.png", "test/2/0.png"):
        (folder / path).write_bytes(b"no picture")
    options = ("--data", str(folder), "--batch", "12")
    whole = runs("plain", "whole", *options)
    assert runs.said.count("skipped a broken picture, the next takes its place") == 3
    assert "train/3/1.png" in runs.said
    runs("plain", "parts", *options, "--epochs", "1")
    parts = runs("plain", "parts", *options, "--resume")
    assert log_of(parts) == log_of(whole)
    assert largest_difference(parts, whole) == 0


def write_pictures(folder: Path) -> Path:
    """Write the digits as pictures in a folder for each class: up to four for training, and one for tests."""
    Image = pytest.importorskip("PIL.Image")
    with np.load(write_digits(folder.with_suffix(".npz"))) as arrays:
        for part, most in (("train", 4), ("test", 1)):
            for label in range(10):
                below = folder / part / str(label)
                below.mkdir(parents=True)
                images = arrays[f"x_{part}"][arrays[f"y_{part}"] == label][:most]
                for place, image in enumerate(images):
                    Image.fromarray(image).save(below / f"{place}.png")
    return folder


def test_a_run_goes_on_with_another_number_of_processes(runs: Runs) -> None:
    whole = runs("grouped", "whole", "--precision", "float64")
    runs("grouped", "parts", "--precision", "float64", "--epochs", "1")
    parts = runs("grouped", "parts", "--precision", "float64", "--resume", world=2)
    assert "goes on with 2 processes from 1" in runs.said
    assert largest_difference(parts, whole) < 1e-10


def test_what_a_phase_freezes_is_saved_as_it_was(runs: Runs) -> None:
    first = weights_of(runs("phases", "run", "--epochs", "1"))
    last = weights_of(runs("phases", "run", "--resume"))
    same = {name for name in first if torch.equal(first[name], last[name])}
    assert same == {name for name in first if name.startswith(("conv1.", "bn1.", "layer1."))}


# --- options -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["binary", "sigmoid", "two", "phases"])
def test_every_recipe_runs_in_half_precision(runs: Runs, name: str) -> None:
    out = runs(name, "run", "--precision", "bfloat16", "--channels-last", "--workers", "2")
    assert math.isfinite(float(log_of(out)[1]["test_loss"]))
    assert {value.dtype for value in weights_of(out).values()} == {torch.float32}


def test_a_result_without_a_loss_is_no_obstacle_to_several_processes(runs: Runs) -> None:
    runs("one_of_two", "run", world=2)


@pytest.mark.slow
def test_a_compiled_network_learns_what_an_uncompiled_one_does(runs: Runs) -> None:
    eager = runs("plain", "eager", "--precision", "float64", "--epochs", "1")
    compiled = runs("plain", "compiled", "--precision", "float64", "--epochs", "1", "--compile")
    assert largest_difference(eager, compiled) < 1e-10


def test_channels_last_and_workers_change_nothing(runs: Runs) -> None:
    plain = runs("plain", "plain", "--precision", "float64")
    other = runs("plain", "other", "--precision", "float64", "--channels-last", "--workers", "2")
    assert largest_difference(plain, other) < 1e-10


def test_weights_of_another_run_are_a_start(runs: Runs) -> None:
    weights = weights_of(runs("plain", "first", "--epochs", "1"))
    weights["fc.weight"], weights["fc.bias"] = torch.zeros(3, 8), torch.zeros(3)
    del weights["bn1.weight"]
    safetensors.save_file(weights, runs.folder / "other.safetensors")
    runs("plain", "second", "--weights", str(runs.folder / "other.safetensors"))
    assert "of another number of classes, starts by the seed: fc.weight, fc.bias" in runs.said
    assert "lacks 1 tensors, which start by the seed: bn1.weight" in runs.said


# --- refusals ------------------------------------------------------------------------------------


def test_options_that_cannot_be_are_refused_in_a_line(runs: Runs) -> None:
    assert runs.refused("plain", "run", "--epochs", "3") == "--epochs 3: the recipe has 2 epochs"
    alone = "--fsdp shares weights out over processes: start them by torchrun"
    assert runs.refused("plain", "run", "--fsdp") == alone
    for option in (("--workers", "-1"), ("--batch", "0"), ("--seed", str(2**63))):
        assert f"{option[1]} is not a number from" in runs.refused("plain", "run", *option)
    if not torch.cuda.is_available():
        assert "finds no GPU here" in runs.refused("plain", "run", "--device", "cuda")
    assert "there are 96 images for training" in runs.refused("plain", "run", "--batch", "320")
    assert "none" in runs.refused("plain", "run", "--data", str(runs.folder / "none"))
    wanted = "10 images are no whole groups of 4 (bn_batch)"
    assert runs.refused("grouped", "run", "--batch", "10") == wanted
    (runs.folder / "text").write_text("no weights")
    assert "no file of weights" in runs.refused("plain", "run", "--weights", str(runs.folder / "text"))
    np.savez(runs.folder / "no_test.npz", **without_test(runs.scripts / "digits.npz"))
    said = runs.refused("phases", "run", "--data", str(runs.folder / "no_test.npz"))
    assert said.startswith("the rate follows evaluations, for which there are no images")
    assert "the loss became nan in epoch 1" in runs.refused("exploding", "run", "--checkpoint-every", "2")
    assert not (runs.folder / "run" / "checkpoint.pt").exists()


def without_test(path: Path) -> dict[str, Any]:
    """The arrays of a file but for those of the test set."""
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files if "test" not in name}


@pytest.mark.parametrize("workers", ["0", "2"])
def test_images_that_do_not_fit_are_refused_in_a_line_before_training(runs: Runs, workers: str) -> None:
    with np.load(runs.scripts / "digits.npz") as arrays:
        digits = dict(arrays)
    data = runs.folder / "other.npz"
    options = ("--data", str(data), "--workers", workers)
    np.savez(data, **(digits | {"x_test": np.zeros((40, 9, 7), np.uint8)}))
    wanted = "images of 9x7, and the network takes 8x8: add resize or a crop to the recipe"
    assert runs.refused("plain", "run", *options) == wanted
    np.savez(data, **(digits | {"x_train": np.zeros((96, 8, 8, 3), np.uint8)}))
    wanted = "images have 3 channels, and the network takes 1: add colour(grey)"
    assert runs.refused("plain", "run", *options) == wanted
    assert not list((runs.folder / "run").iterdir())


def test_a_checkpoint_is_neither_overwritten_nor_mistaken(runs: Runs) -> None:
    there = runs("plain", "run", "--epochs", "1") / "checkpoint.pt"
    before = there.read_bytes()
    assert "--resume goes on from it" in runs.refused("plain", "run")
    assert "is of another recipe than grouped" in runs.refused("grouped", "run", "--resume")
    seeded = runs.refused("plain", "run", "--resume", "--seed", "1")
    assert "was made with --seed 0; this run has 1" in seeded
    assert there.read_bytes() == before
    middle = len(before) // 2
    there.write_bytes(before[:middle])
    assert "no whole checkpoint" in runs.refused("plain", "run", "--resume")
    there.write_bytes(before[:middle] + bytes([before[middle] ^ 1]) + before[middle + 1 :])
    assert "was damaged" in runs.refused("plain", "run", "--resume")


def test_a_full_disk_ends_a_run_in_a_line_and_keeps_the_last_checkpoint(runs: Runs) -> None:
    there = runs("plain", "run", "--epochs", "1") / "checkpoint.pt"
    before = there.read_bytes()
    said = runs.refused("plain", "run", "--resume", most=len(before) // 2)
    assert said.endswith("checkpoint.pt: File too large; the one before is kept")
    assert there.read_bytes() == before
    runs("plain", "run", "--resume")
