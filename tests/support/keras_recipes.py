"""Recipes that tell the parts of a training script apart, and the folder that one is run in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from resnet_dsl_keras.render import render
from resnet_dsl_keras.training_script import render_recipe

from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.initial.seeded import random_state
from resnet_dsl.program import Program
from resnet_dsl.recipe.files import data_file
from resnet_dsl.recipe.image_steps import NormaliseStep
from resnet_dsl.recipe.losses import BinaryCrossEntropy, CrossEntropy, WeightedLoss
from resnet_dsl.recipe.mixing import MixUp
from resnet_dsl.recipe.optimisers import LAMB, SGD, Adam, AdamW, Optimiser, RMSprop
from resnet_dsl.recipe.recipe import DropPathRamp, ImageData, Phase, Recipe
from resnet_dsl.recipe.schedules import ConstantRate, PlateauRate, Schedule, StepRate, WarmUp

PLAIN = "stem: conv(4, 3x3) -> bn -> relu  stages: [1, 1]  widths: [4, 6]  strides: [1, 2]  block: basic"
HEAD = "head: gap -> fc(3)"
IMAGES, BATCH = 40, 8


def network(name: str, fields: str = PLAIN, head: str = HEAD) -> Program:
    """Return a network of images of 8 x 8, grey."""
    return compile_source(Source(f"{name}.resnet", f"model {name} {{ input: 1x8x8  {fields}  {head} }}\n"))


def recipe(
    name: str, optimiser: Optimiser, program: Program | None = None, *, epochs: int = 4,
    losses: tuple[WeightedLoss, ...] = (), frozen: tuple[str, ...] = (), schedule: Schedule | None = None,
    **fields: object,
) -> Recipe:  # fmt: skip
    """Return a recipe of one phase, whose rate changes with every epoch."""
    program = program or network(f"{name}_net")
    output = program.graph.inference.outputs[0][0]
    phase = Phase("", epochs, optimiser, schedule or StepRate((1, 2, 3), 0.5), frozen=frozen)
    given: dict[str, object] = {
        "text": f"recipe {name} {{ }}\n",
        "data": ImageData(f"{name}.npz"),
        "train": (NormaliseStep(0.5, 0.25),),
        "test": (NormaliseStep(0.5, 0.25),),
        "batch": BATCH,
        "phases": (phase,),
        "losses": losses or (WeightedLoss(output, CrossEntropy()),),
        "metrics": ("top1",),
    }
    return Recipe(name=name, program=program, **(given | fields))  # type: ignore[arg-type]


def stepped() -> dict[str, Recipe]:
    """Return recipes by name, of which every step is told by the referee too."""
    softmax = network("soft", head="head: gap -> fc(3) -> softmax")
    sigmoid = network("sig", head="head: gap -> fc(3) -> sigmoid")
    grouped = network("grouped", PLAIN.replace("conv(4, 3x3)", "conv(4, 3x3) -> conv(4, 3x3, groups=2)"))
    heads = network(
        "heads", f"{PLAIN}  auxiliary: aux", "head: { logits: gap -> fc(3)  aux: layer1 -> gap -> fc(3) }"
    )
    weighted = (WeightedLoss("logits", CrossEntropy()), WeightedLoss("aux", CrossEntropy(0.1), 0.4))
    found = [
        recipe("sgd", SGD(0.1), softmax),
        recipe("momentum", SGD(0.1, 0.9, False, 1e-2), bn_batch=4),
        recipe("nesterov", SGD(0.1, 0.9, True, 1e-2), clip=0.5, accumulate=2, bn_batch=2),
        recipe("adam", Adam(0.01, weight_decay=1e-2), losses=smooth(), frozen=("conv1", "bn1")),
        recipe("adamw", AdamW(0.01), grouped, mixes=(MixUp(0.4),), accumulate=2),
        recipe("rmsprop", RMSprop(0.01, 0.9, 1e-3, 0.8, 1e-2), losses=binary(0.2)),
        recipe("lamb", LAMB(0.01), clip=0.3),
        recipe("heads", SGD(0.1, 0.5), heads, losses=weighted),
        recipe("sigmoid", SGD(0.1, 0.9), sigmoid, losses=binary()),
    ]
    return {each.name: each for each in found}


def one_logit() -> Recipe:
    """Return a recipe of two classes that one number tells apart."""
    program = network("one_net", head="head: gap -> fc(1) -> sigmoid")
    return recipe("one", SGD(0.1, 0.9), program, losses=binary(0.1))


def full() -> Recipe:
    """Return a recipe that asks for most of what a script may hold: two phases, a mean, drops, parts."""
    fields = """stem: conv(4, 3x3) -> bn -> relu  stages: [1, 1]  widths: [4, 6]  strides: [1, 2]
        block: basic  drop_path: 0.4  auxiliary: aux"""
    program = network(
        "full_net", fields, "head: { logits: gap -> dropout(0.3) -> fc(3)  aux: layer1 -> gap -> fc(3) }"
    )
    losses = (WeightedLoss("logits", CrossEntropy(0.1)), WeightedLoss("aux", CrossEntropy(), 0.4))
    phases = (
        Phase("head", 2, SGD(0.1, 0.9), ConstantRate(), frozen=("conv1", "bn1", "layer1")),
        Phase("all", 2, Adam(0.01), PlateauRate(0.5, 0), WarmUp(1, 0.5)),
    )
    return recipe(
        "full", SGD(0.1), program, losses=losses, phases=phases, ema=0.9, clip=1.0, accumulate=2, bn_batch=2,
        drop_path=DropPathRamp(0.5, 2), mixes=(MixUp(0.3),), metrics=("top1", "top5"),
    )  # fmt: skip


def smooth() -> tuple[WeightedLoss, ...]:
    return (WeightedLoss("output", CrossEntropy(0.1)),)


def binary(smoothing: float = 0.0) -> tuple[WeightedLoss, ...]:
    return (WeightedLoss("output", BinaryCrossEntropy(smoothing)),)


def write(folder: Path, recipes: Iterable[Recipe], images: int = IMAGES) -> None:
    """Write the files of recipes, small images for each, and where its weights start."""
    for each in recipes:
        (folder / f"{each.name}_train_keras.py").write_text(render_recipe(each))
        (folder / f"{each.name}_data.py").write_text(data_file(each))
        (folder / f"{each.program.name}_keras.py").write_text(render(each.program))
        np.savez(folder / f"{each.name}_start.npz", **random_state(each.program.graph, 1))
        classes = 2 if each.name == "one" else 3
        np.savez(folder / f"{each.name}.npz", **small_images(images, classes))


def small_images(count: int, tell: int = 3) -> dict[str, np.ndarray]:
    """Return grey images of so many classes, at most three, each brighter in a part of its own."""
    numbers, classes = np.random.default_rng(0), np.arange(count) % tell
    images = numbers.integers(0, 200, (count, 8, 8))
    for image, own in zip(images, classes, strict=True):
        image[2 * own : 2 * own + 3] += 50
    bytes_of = images.astype(np.uint8)
    return {"x_train": bytes_of, "y_train": classes, "x_test": bytes_of[:11], "y_test": classes[:11]}


def environment(engine: str = "tensorflow", **more: str) -> dict[str, str]:
    """Return the environment of a process of Keras."""
    quiet = {"KERAS_BACKEND": engine, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    return {**os.environ, **quiet, **more}


def run(
    folder: Path, name: str, *options: str, engine: str = "tensorflow", **more: str
) -> subprocess.CompletedProcess[str]:
    """Run the script of a recipe as its user would."""
    command: Sequence[str] = [sys.executable, f"{name}_train_keras.py", "--data", f"{name}.npz", *options]
    return subprocess.run(
        command, cwd=folder, env=environment(engine, **more), capture_output=True, text=True, check=False
    )
