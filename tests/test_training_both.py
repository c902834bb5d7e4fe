"""Whole runs of the scripts of both frameworks from the same weights: the same log and the same end."""

from __future__ import annotations

import csv
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from resnet_dsl.initial.seeded import random_state
from resnet_dsl.recipe.image_steps import CropStep, NormaliseStep, PadStep, TenCropStep
from resnet_dsl.recipe.optimisers import SGD
from resnet_dsl.recipe.recipe import Recipe
from resnet_dsl.recipe.schedules import ConstantRate, PlateauRate, WarmUp
from tests.support.keras_recipes import environment, recipe, stepped, write
from tests.support.training_recipes import write_torch_files

pytest.importorskip("tensorflow")
pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.numpy")
pytestmark = pytest.mark.slow
NORMALISE = NormaliseStep(0.5, 0.25)


def both() -> Recipe:
    """Return a recipe of a weighted second head, mean weights, two phases and ten views of a test image."""
    heads = stepped()["heads"]
    asked = recipe(
        "both", SGD(0.1), heads.program, losses=heads.losses, ema=0.9, bn_batch=4, clip=1.0,
        metrics=("top1", "top5"),
        train=(PadStep(1), CropStep((8, 8)), NORMALISE), test=(PadStep(1), TenCropStep((8, 8)), NORMALISE),
    )  # fmt: skip
    first = replace(asked.phases[0], name="head", epochs=1, frozen=("conv1", "bn1"), schedule=ConstantRate())
    last = replace(
        first, name="all", epochs=2, frozen=(), schedule=PlateauRate(0.5, 0), warmup=WarmUp(1, 0.5)
    )
    return replace(asked, phases=(first, last))


def test_whole_runs_of_both_frameworks_log_the_same(tmp_path: Path) -> None:
    asked = both()
    write(tmp_path, [asked])
    write_torch_files(asked, tmp_path)
    start = {name: np.float64(v) for name, v in random_state(asked.program.graph, 1).items()}
    safetensors.save_file(start, tmp_path / "start.safetensors")
    torch, keras = (rows_of(tmp_path, name) for name in ("torch", "keras"))
    assert len(keras) == 3
    for row, other in zip(torch, keras, strict=True):
        assert row.keys() - {"waited"} == other.keys()
        for name in row.keys() - {"waited", "seconds"}:
            if name == "phase":
                assert row[name] == other[name]
            else:
                assert float(row[name]) == pytest.approx(float(other[name]), rel=1e-12), name
    ends = [safetensors.load_file(tmp_path / name / "weights.safetensors") for name in ("torch", "keras")]
    assert ends[0].keys() == ends[1].keys()
    assert max(np.abs(ends[0][name] - ends[1][name]).max() for name in ends[0]) < 1e-12


def rows_of(folder: Path, framework: str) -> list[dict[str, str]]:
    """Run the script of a framework to its end; return its log."""
    command = [sys.executable, f"both_train_{framework}.py", "--data", "both.npz", "--precision", "float64"]
    options = ["--weights", "start.safetensors", "--out", framework]
    done = subprocess.run(
        [*command, *options], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with (folder / framework / "log.csv").open() as file:
        return list(csv.DictReader(file))
