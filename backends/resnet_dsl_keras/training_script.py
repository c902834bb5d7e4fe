"""The script that trains by a recipe: what its template is given, and the imports of what came of it."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any

from resnet_dsl.backend.artefacts import __version__, digest, recipe_origin
from resnet_dsl.backend.ir import AGAIN, GraphNode, Program
from resnet_dsl.backend.python_source import classes_of, quoted, template
from resnet_dsl.backend.recipes import (
    BinaryCrossEntropy,
    CrossEntropy,
    Optimiser,
    Phase,
    PlateauRate,
    Recipe,
    WeightedLoss,
)
from resnet_dsl.backend.records import dataclass, fields
from resnet_dsl.backend.refusals import UsageError
from resnet_dsl.backend.training_parts import (
    WIDTH,
    definitions_of,
    import_line,
    imports_of,
    needed,
    with_call,
)
from resnet_dsl_keras.functions import function_name
from resnet_dsl_keras.layer_names import LayerNames
from resnet_dsl_keras.render import render
from resnet_dsl_keras.reserved_names import RESERVED
from resnet_dsl_keras.rules import lowered
from resnet_dsl_keras.rules.scores import activation_of, drop_rate, drops_branches
from resnet_dsl_keras.tensor_names import NAMES, NORM_VARIABLES, POSITIONS

SHARED = (
    "RunError", "write_whole", "csv_text", "curves_png", "card_text", "Array", "mean_of_views", "right_among",
    "whole_number",
)  # fmt: skip
# The classes of the script by the recipe's words, and what their numbers are called there.
CLASSES = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop", "lamb": "LAMB"}
ARGUMENTS = {"weight_decay": "decay"}  # of Keras' own optimisers it is another one
METRICS = {"top1": 1, "top5": 5}
LOGITS = 'from_logits=True, reduction="sum_over_batch_size"'

# All that a script may import; one has what it uses.
IMPORTS = """
import argparse
import io
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import keras
import numpy as np
from keras import ops
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
"""
DATA = (
    "Data", "DataError", "Images", "Plateau", "TestBatches", "TrainBatches", "load", "plateau", "rate",
)  # fmt: skip


IMPORTS_HERE = "# imports here\n"  # in the template


def render_recipe(recipe: Recipe) -> str:
    """Return the source of the script, which imports the network's file and the data's beside it."""
    text = template("resnet_dsl_keras", "training/script.py.jinja").render(context(recipe))
    head, body = text.split(IMPORTS_HERE)
    own = [
        import_line(f"from {recipe.name}_data import {', '.join(names_used(DATA, body))}"),
        import_line(f"from {recipe.program.name}_keras import build"),
    ]
    outside = imports_of(needed(SHARED), "\n".join(imports_used(body)))
    return "\n".join([f"{head}{outside}\n", *own, body])


def context(recipe: Recipe) -> dict[str, Any]:
    """Return what the template asks for."""
    program = recipe.program
    source = render(program)
    names = ScriptNames.of(program)
    # What is scored is the output of the first loss that is not auxiliary.
    losses = sorted(recipe.losses, key=lambda loss: loss.output in program.network.auxiliary)
    return {
        "name": recipe.name,
        "network": program.name,
        "file": f"{recipe.name}_train_keras.py",
        "origin": recipe_origin(recipe.name),
        "recipe_text": in_quotes(recipe.text),
        "recipe_digest": recipe_digest(recipe),
        "spec": {key: json.dumps(value) for key, value in specification(recipe).items()},
        "seed": recipe.seed,
        "batch": f"{recipe.batch:_}",
        "accumulate": recipe.accumulate,
        "bn_batch": recipe.bn_batch,
        "ema": recipe.ema,
        "clip": recipe.clip,
        "precision": recipe.precision,
        "weights": quoted(recipe.weights) if recipe.weights else "",
        "metrics": {metric: METRICS[metric] for metric in recipe.metrics},
        "definitions": definitions_of(needed(SHARED)).rstrip(),
        "norms": "layers.BatchNormalization" in source,
        "depthwise": "layers.DepthwiseConv2D" in source,
        "again": AGAIN if any(node.owner for node in program.graph.nodes) else "",
        "auxiliary": any(loss.output in program.network.auxiliary for loss in losses),
        "named": bool(program.network.outputs),
        "main": losses[0].output,
        "grouped": any(getattr(node.op, "groups", 1) > 1 for node in program.graph.nodes),
        "canonical": canonical_names(program),
        "logits": [*names.logits(recipe.losses)],
        **loss_context(losses, recipe),
        **phase_context(recipe, names),
    }


def recipe_digest(recipe: Recipe) -> str:
    """Return a hash of all that a recipe says and of its network: what a run must be of to go on."""
    said = [
        repr(getattr(recipe, each.name)) for each in fields(recipe) if each.name not in ("program", "text")
    ]
    text = "\0".join([*said, digest(recipe.program.network), recipe.program.name])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def specification(recipe: Recipe) -> dict[str, Any]:
    """Return what the file of weights says of itself, as `resnet-dsl weights` writes it."""
    network = recipe.program.network
    return {
        "version": __version__,
        "model": network.name,
        "spec": PurePath(network.source.name).name,
        "spec_sha256": digest(network),
        "settings": {name: str(value) for name, value in dict(network.settings).items()},
    }


# --- names -------------------------------------------------------------------------------------


def canonical_names(program: Program) -> dict[str, str]:
    """Return what Keras calls the variables of this network, and what PyTorch does."""
    tensors: dict[str, set[str]] = {}
    vectors: set[str] = set()
    for node in program.graph.nodes:
        for full, spec in node.parameters():
            tensors.setdefault(node.home.name, set()).add(full.rpartition(".")[2])
            if len(spec.shape) > 1:
                vectors.add(node.home.name)
    found: dict[str, str] = {}
    for layer, own in tensors.items():
        alone = own == {"weight"} and layer not in vectors
        usual = {"weight": "kernel", "bias": "bias"} if layer in vectors else NORM_VARIABLES
        found |= {"alpha" if alone else usual.get(name, name): name for name in sorted(own)}
    order = [*NAMES, *POSITIONS]
    return {name: found[name] for name in sorted(found, key=lambda name: (name not in order, name))}


@dataclass(frozen=True)
class ScriptNames:
    """What the network's file calls its layers."""

    program: Program
    layers: LayerNames

    @classmethod
    def of(cls, program: Program) -> ScriptNames:
        """Return the names of a program's layers; raises UsageError where they are another library's."""
        if program.names:
            raise UsageError("a training script calls layers as PyTorch does: leave out --names")
        classes = classes_of(program.network, lowered, RESERVED, function_name)
        return cls(program, LayerNames(program, classes))

    def at(self, path: str) -> str:
        """Return the name of a layer, or the front of those in a part."""
        return self.layers.at(path)

    def logits(self, losses: Iterable[WeightedLoss]) -> Iterator[tuple[str, str]]:
        """Yield the outputs that are the activation of their loss, and the layer of that."""
        for loss in losses:
            binary = isinstance(loss.loss, BinaryCrossEntropy)
            if node := activation_of(self.program.graph, loss.output, binary):
                yield loss.output, self.at(node.name)


# --- losses ------------------------------------------------------------------------------------


SECOND_CLASS = 'keras.metrics.MeanMetricWrapper(lambda y, x: ops.equal(y > 0.5, x > 0), "top1")'
"""The accuracy of one logit, which speaks for the second of two classes."""


def loss_context(losses: list[WeightedLoss], recipe: Recipe) -> dict[str, Any]:
    """Return what the template asks about losses: shares of classes where whole classes do not do."""
    plain = all(loss.loss == CrossEntropy(0.0) for loss in losses)
    shares = bool(recipe.mixes) or not plain
    accuracy = "CategoricalAccuracy" if shares else "SparseCategoricalAccuracy"
    binary = [loss.loss for loss in losses if isinstance(loss.loss, BinaryCrossEntropy)]
    program = recipe.program
    result = dict(program.graph.outputs)[losses[0].output]
    classes = program.graph.shape_of(result).channels
    return {
        "losses": {loss.output: loss_lines(loss, shares, bool(program.network.outputs)) for loss in losses},
        "weighted": any(loss.weight != 1 for loss in losses),
        "weights_of_losses": {loss.output: float(loss.weight) for loss in losses},
        "shares": shares,
        "classes": classes,
        "single": classes == 1,
        "binary": bool(binary),
        "main_binary": isinstance(losses[0].loss, BinaryCrossEntropy),
        "main_is_map": not program.graph.shape_of(result).is_vector,
        "smoothings": sorted({loss.smoothing for loss in binary}),
        "accuracy": SECOND_CLASS if classes == 1 else f'keras.metrics.{accuracy}("top1")',
    }


def loss_lines(loss: WeightedLoss, shares: bool, named: bool) -> list[str]:
    """Return the lines of a loss: an argument of `compile`, or what it has for an output of this name."""
    start, indent = (f'"{loss.output}": ', 12) if named else ("loss=", 8)
    return with_call(start, loss_text(loss, shares), ",", WIDTH - indent)


def loss_text(loss: WeightedLoss, shares: bool) -> str:
    """Return the expression of a loss."""
    match loss.loss:
        case BinaryCrossEntropy(smoothing=0):
            return "binary_cross_entropy"
        case BinaryCrossEntropy(smoothing=amount):
            return f"partial(binary_cross_entropy, smoothing={amount})"
        case CrossEntropy(smoothing=amount) if amount:
            return f"keras.losses.CategoricalCrossentropy({LOGITS}, label_smoothing={amount})"
    kind = "CategoricalCrossentropy" if shares else "SparseCategoricalCrossentropy"
    return f"keras.losses.{kind}({LOGITS})"


# --- phases ------------------------------------------------------------------------------------


def phase_context(recipe: Recipe, names: ScriptNames) -> dict[str, Any]:
    """Return what the template asks about phases, optimisers and what is frozen."""
    nodes = recipe.program.graph.nodes
    freezable = sorted({path for phase in recipe.phases for path in phase.frozen})
    inside = [node for node in nodes if is_below(node.home.name, freezable)]
    random = {node for node in inside if node.op.random}
    ramped = {node for node in nodes if recipe.drop_path and drops_branches(node)}
    kinds = used_arguments(recipe.phases)
    return {
        "optimisers": kinds,
        "phases": [
            {
                "name": phase.name,
                "epochs": phase.epochs,
                "optimiser": optimiser_text(phase.optimiser, kinds[phase.optimiser.kind]),
                "watched": watched(phase, recipe.metrics[0]),
                "frozen": text_of(map(names.at, phase.frozen)),
            }
            for phase in recipe.phases
        ],
        "freezable": text_of(map(names.at, freezable)),
        "stays": frozen_layers(recipe.program, inside, names),
        "drops": bool(random),
        "ramp": recipe.drop_path if ramped else None,
        "rates": {names.at(node.name): drop_rate(node) for node in nodes if node in random | ramped},
        "plateau": any(isinstance(phase.schedule, PlateauRate) for phase in recipe.phases),
    }


def watched(phase: Phase, metric: str) -> str:
    """Return what a phase's schedule waits for, nothing where it is no plateau."""
    if not isinstance(phase.schedule, PlateauRate):
        return ""
    return "loss" if phase.schedule.watch == "loss" else metric


def is_below(path: str, parts: Iterable[str]) -> bool:
    """Whether a canonical path is one of the parts or within."""
    return any(path == part or path.startswith(f"{part}.") for part in parts)


def frozen_layers(program: Program, nodes: Iterable[GraphNode], names: ScriptNames) -> str:
    """Return the layers, of some, that the network itself freezes, as a tuple in text."""
    found = {
        node.home.name: None for node in nodes if program.graph.is_frozen(node) and any(node.parameters())
    }
    return text_of(map(names.at, found))


def text_of(names: Iterable[str]) -> str:
    """Return a tuple of names as it is written, nothing for none."""
    items = [quoted(name) for name in names]
    return f"({', '.join(items)}{',' * (len(items) == 1)})" if items else ""


def used_arguments(phases: Iterable[Phase]) -> dict[str, list[str]]:
    """Return the arguments of each kind of optimiser, without those that are off in all phases."""
    kinds: dict[str, list[str]] = {}
    for phase in phases:
        found = kinds.setdefault(phase.optimiser.kind, [])
        for name in phase.optimiser.__dataclass_fields__:
            if name != "lr" and getattr(phase.optimiser, name) and name not in found:
                found.append(name)
    return kinds


def optimiser_text(optimiser: Optimiser, arguments: Iterable[str]) -> str:
    """Return the call that makes an optimiser of the script."""
    named = [f"{ARGUMENTS.get(name, name)}={getattr(optimiser, name)!r}" for name in arguments]
    return f"{CLASSES[optimiser.kind]}({', '.join([repr(float(optimiser.lr)), *named])})"


# --- imports -----------------------------------------------------------------------------------


def words_of(source: str) -> set[str]:
    """Return the names that a source reads."""
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


def names_used(names: Iterable[str], source: str) -> list[str]:
    """Return those of the names that a source uses, classes first."""
    found = words_of(source)
    return sorted((name for name in names if name in found), key=lambda name: (not name[0].isupper(), name))


def imports_used(source: str) -> list[str]:
    """Return the lines of `IMPORTS` that a source needs, each with what it needs of it."""
    found, lines = words_of(source), []
    for node in ast.parse(IMPORTS).body:
        assert isinstance(node, ast.Import | ast.ImportFrom)
        kept = [each for each in node.names if (each.asname or each.name).partition(".")[0] in found]
        if kept:
            node.names = kept
            lines.append(ast.unparse(node))
    return lines


def in_quotes(text: str) -> str:
    """Return text as it stands in a literal of three quotes."""
    safe = text.rstrip().replace("\\", "\\\\").replace('"""', r"\"\"\"")
    return "".join(c if c.isprintable() or c == "\n" else f"\\u{ord(c):04x}" for c in safe)
