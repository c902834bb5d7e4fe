"""Recipes as the check would give them, and the folders of files that they are compiled to."""

from __future__ import annotations

import functools
import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.program import Program
from resnet_dsl.recipe.files import data_file
from resnet_dsl.recipe.image_steps import CropStep, FlipStep, NormaliseStep, PadStep
from resnet_dsl.recipe.losses import CrossEntropy, WeightedLoss
from resnet_dsl.recipe.optimisers import SGD
from resnet_dsl.recipe.recipe import ImageData, Phase, Recipe
from resnet_dsl.recipe.schedules import CosineRate

NORMALISED = NormaliseStep(0.5, 0.25)
LITTLE = """\
model little {
    input: 1x8x8
    stem: conv(4, 3x3) -> bn -> relu
    stages: [1, 1]
    widths: [4, 8]
    block: basic
    head: gap -> fc(10)
}
"""
TWO_RESULTS = LITTLE.replace(
    "head: gap -> fc(10)",
    "head: { kind: gap -> fc(10)  early: layer1 -> gap -> fc(10) }\n    auxiliary: early",
)


@functools.cache
def program_of(text: str = LITTLE) -> Program:
    return compile_source(Source("little.resnet", text))


def recipe_of(name: str, text: str = LITTLE, **fields: Any) -> Recipe:
    """Return a recipe for ten classes of images of 8x8; `fields` are those that differ."""
    usual: dict[str, Any] = {
        "text": f"recipe {name} {{ }}",
        "program": program_of(text),
        "data": ImageData("digits.npz"),
        "train": (PadStep(1), CropStep((8, 8)), FlipStep(), NORMALISED),
        "test": (NORMALISED,),
        "batch": 16,
        "phases": (Phase("", 2, SGD(0.1, 0.9, False, 1e-4), CosineRate()),),
        "losses": (WeightedLoss("output", CrossEntropy()),),
        "metrics": ("top1",),
    }
    return Recipe(name, **(usual | fields))


def write_digits(path: Path, classes: int = 10) -> Path:
    """Write 96 images of 8x8 for training and 40 for tests: a pattern of each class under noise."""
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, 136)
    patterns = random.integers(0, 255, (10, 8, 8))
    images = np.clip(patterns[labels] + random.normal(0, 40, (136, 8, 8)), 0, 255).astype(np.uint8)
    np.savez(path, x_train=images[:96], y_train=labels[:96], x_test=images[96:], y_test=labels[96:])
    return path


def write_torch_files(recipe: Recipe, folder: Path) -> Path:
    """Write the network, the data file and the script of PyTorch; return the script's path."""
    from resnet_dsl_torch.render import render
    from resnet_dsl_torch.training_script import render_recipe

    script = folder / f"{recipe.name}_train_torch.py"
    (folder / f"{recipe.program.name}_torch.py").write_text(render(recipe.program))
    (folder / f"{recipe.name}_data.py").write_text(data_file(recipe))
    script.write_text(render_recipe(recipe))
    return script


def imported(script: Path) -> ModuleType:
    """Import a script with the files beside it, afresh."""
    sys.path.insert(0, str(script.parent))
    try:
        for path in script.parent.glob("*.py"):
            sys.modules.pop(path.stem, None)
        importlib.invalidate_caches()
        return importlib.import_module(script.stem)
    finally:
        sys.path.remove(str(script.parent))
