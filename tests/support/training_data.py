"""Recipes made by hand, the modules of their data files, and small data sets to try them on."""

from __future__ import annotations

import sys
import types
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import resnet_dsl
from resnet_dsl.program import Program
from resnet_dsl.recipe.files import data_file
from resnet_dsl.recipe.image_steps import CentreCropStep, CropStep, FlipStep, NormaliseStep, PadStep
from resnet_dsl.recipe.losses import CrossEntropy, WeightedLoss
from resnet_dsl.recipe.optimisers import SGD
from resnet_dsl.recipe.recipe import ImageData, Phase, Recipe
from resnet_dsl.recipe.schedules import StepRate

TRAIN = (PadStep(4), CropStep((32, 32)), FlipStep(), NormaliseStep())
TEST = (PadStep(4), CentreCropStep((32, 32)), NormaliseStep())
TEXT = """recipe cifar10 {
    model: resnet20
    data: images("data/cifar10")
    train: pad(4) -> crop(32) -> flip -> normalise
    batch: 128   epochs: 164
    optimiser: sgd(lr=0.1, momentum=0.9, weight_decay=1e-4)
    schedule: steps(at=[82, 123], factor=0.1)
    loss: cross_entropy
    evaluate: top1
}"""


@cache
def program(name: str = "resnet20", **settings: int) -> Program:
    """A shipped network."""
    return resnet_dsl.load(name, **settings).program


def recipe(**changes: Any) -> Recipe:
    """The recipe of He et al. for CIFAR-10, with changes."""
    usual = {
        "name": "cifar10",
        "program": program(),
        "text": TEXT,
        "data": ImageData("data/cifar10"),
        "train": TRAIN,
        "test": TEST,
        "batch": 128,
        "phases": (Phase("", 164, SGD(0.1, 0.9, weight_decay=1e-4), StepRate((82, 123))),),
        "losses": (WeightedLoss("output", CrossEntropy()),),
        "metrics": ("top1",),
    }
    return Recipe(**(usual | changes))


def module(of: Recipe) -> Any:
    """The module of a recipe's data file."""
    made = types.ModuleType(f"{of.name}_data")
    sys.modules[made.__name__] = made  # where dataclasses look up annotations
    exec(compile(data_file(of), f"{of.name}_data.py", "exec"), made.__dict__)
    return made


def coloured(count: int, height: int = 32, width: int = 32, channels: int = 3, seed: int = 0) -> Any:
    """Images of noise."""
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, channels), np.uint8)


def save_npz(path: Path, train: int = 60, test: int = 20, classes: int = 10) -> str:
    """Images of noise in an .npz file."""
    arrays = {
        "x_train": coloured(train),
        "y_train": np.arange(train) % classes,
        "x_test": coloured(test, seed=1),
        "y_test": np.arange(test) % classes,
    }
    np.savez(path, **arrays)
    return str(path)


def save_pictures(
    folder: Path, names: tuple[str, ...] = ("cat", "dog"), each: int = 4, size: int = 36
) -> str:
    """Pictures of noise, a folder for each class."""
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for place, image in enumerate(coloured(each, 36, 36, seed=number)):
            Image.fromarray(image).save(folder / name / f"{place}.png")
    return str(folder)
