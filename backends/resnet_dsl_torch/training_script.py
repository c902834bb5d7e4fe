"""The script that trains by a recipe: what the template says, for what the recipe asks for."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator

from resnet_dsl.backend.artefacts import __version__, digest, recipe_origin
from resnet_dsl.backend.ir import Program
from resnet_dsl.backend.python_source import quoted, template
from resnet_dsl.backend.recipes import LAMB, BinaryCrossEntropy, Phase, PlateauRate, Recipe, WeightedLoss
from resnet_dsl.backend.records import fields
from resnet_dsl.backend.training_parts import definitions_of, import_line, imports_of, needed
from resnet_dsl_torch.recipe_terms import loss_lines, optimiser_text, output_text, view_text
from resnet_dsl_torch.render import model_class
from resnet_dsl_torch.rules.scores import gives_probabilities

SHARED = (
    "RunError", "write_whole", "csv_text", "curves_png", "card_text", "ProgressBar", "whole_number",
    "keep_memory",
)  # fmt: skip
"""Definitions of `resnet_dsl.training` that every script has."""
STANDARD = (
    "import argparse", "import io", "import json", "import math", "import os", "import sys", "import time",
    "from collections.abc import Callable, Iterable, Iterator, Sequence",
    "from contextlib import contextmanager", "from functools import cache, partial",
    "from pathlib import Path", "from typing import Any, NamedTuple", "from zipfile import ZipFile",
)  # fmt: skip
PACKAGES = (
    "import torch", "import torch.distributed as dist", "import torch.nn.functional as F",
    "from safetensors import SafetensorError", "from safetensors.torch import load_file, save",
    "from torch import nn",
    "from torch.distributed.checkpoint.state_dict import StateDictOptions, get_optimizer_state_dict, "
    "set_model_state_dict, set_optimizer_state_dict",
    "from torch.distributed.fsdp import FSDPModule, fully_shard",
    "from torch.distributed.tensor import DTensor",
    "from torch.nn.parallel import DistributedDataParallel", "from torch.utils.data import DataLoader",
)  # fmt: skip
DATA = "Data, DataError, Images, Plateau, TestBatches, TrainBatches, load, plateau, rate"


def render_recipe(recipe: Recipe) -> str:
    """Return the source of NAME_train_torch.py, which imports the network's file and the data file."""
    chosen = needed(SHARED)
    facts = {**_facts(recipe), "definitions": definitions_of(chosen).rstrip()}
    page = template("resnet_dsl_torch", "training_script.py.jinja")
    names = set(_names(page.render({**facts, "imports": ""})))
    packages = imports_of(chosen, "\n".join(_used((*STANDARD, *PACKAGES), names)))
    own = "\n".join(_used(_own_imports(recipe), names))
    lines = [import_line(line) for line in f"{packages}\n\n{own}".split("\n")]
    return page.render({**facts, "imports": "\n".join(lines)})


def _own_imports(recipe: Recipe) -> Iterator[str]:
    """The files that lie beside the script."""
    program = recipe.program
    file = f"{program.name}_torch"
    constants = "FROZEN_NORMS, " if program.network.frozen_norms else ""
    yield f"import {file} as network_file"
    data = f"from {recipe.name}_data import {DATA}"
    yield from sorted([data, f"from {file} import {constants}{model_class(program)[0]}"])


def _names(source: str) -> Iterator[str]:
    """Every name that stands in a script; those of its annotations too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            yield node.id


def _used(lines: Iterable[str], names: set[str]) -> Iterator[str]:
    """The imports with what is used of them."""
    for line in lines:
        start, _, taken = line.partition("import ")
        kept = [each for each in taken.split(", ") if each.rpartition(" as ")[2].split(".")[0] in names]
        if kept:
            yield f"{start}import {', '.join(kept)}"


def _facts(recipe: Recipe) -> dict[str, object]:
    """What the template asks for."""
    program, network = recipe.program, recipe.program.network
    class_name, by_name = model_class(program)
    scored = next(each for each in recipe.losses if each.output not in network.auxiliary)
    binary = isinstance(scored.loss, BinaryCrossEntropy)
    output = output_text(program, scored.output, by_name)
    probabilities = gives_probabilities(program.graph, scored.output, binary)
    losses = loss_lines(program, recipe.losses, by_name)
    view = view_text(scored.loss, output, probabilities)
    classes = _classes(program, scored)
    phases = [_phase(program, phase) for phase in recipe.phases]
    return {
        **{each.name: getattr(recipe, each.name) for each in fields(recipe)},
        "model": program.name,
        "file": f"{recipe.name}_train_torch.py",
        "origin": recipe_origin(recipe.name),
        "recipe_text": _within_quotes(recipe.text.rstrip()),
        "recipe_digest": recipe_digest(recipe),
        "spec": spec_facts(program),
        "weights": quoted(recipe.weights) if recipe.weights else "",
        "model_class": class_name,
        "by_name": by_name,
        "phases": phases,
        "lamb": any(isinstance(phase.optimiser, LAMB) for phase in recipe.phases),
        "freezes": any(phase["frozen"] for phase in phases) or network.frozen_norms,
        "frozen_norms": network.frozen_norms,
        "plateau": any(isinstance(phase.schedule, PlateauRate) for phase in recipe.phases),
        "watched": json.dumps(_watched(recipe)),
        "losses": losses,
        "of_probabilities": "F.binary_cross_entropy(" in "".join(losses),
        "logarithm": "logarithm(" in "".join([*losses, view]),
        "binary": any(isinstance(each.loss, BinaryCrossEntropy) for each in recipe.losses),
        "scored_binary": binary,
        "scored": output,
        "view": view,
        "classes": classes,
        "single": classes == 1,
        "threshold": 0.5 if probabilities else 0,
        "unused": len(recipe.losses) < len(program.graph.outputs),
        "vector": network.input.is_vector,
    }


def _phase(program: Program, phase: Phase) -> dict[str, object]:
    """A phase as the template writes it; what the network itself freezes is frozen in each."""
    owners = [name for name, _ in program.graph.parameters()]
    paths = dict.fromkeys((*_frozen(program), *phase.frozen))
    frozen = [path for path in paths if any(name.startswith(f"{path}.") for name in owners)]
    items = "".join(f"            {quoted(path)},\n" for path in frozen)
    return {
        "name": phase.name,
        "epochs": phase.epochs,
        "optimiser": optimiser_text(phase.optimiser),
        "frozen": f"(\n{items}        )" if frozen else "",
    }


def _watched(recipe: Recipe) -> list[str]:
    """The figure of the evaluation that the rate of each phase follows, where one does."""
    schedules = [phase.schedule for phase in recipe.phases]
    figures = {"loss": "loss", "metric": recipe.metrics[0]}
    return [figures[each.watch] if isinstance(each, PlateauRate) else "" for each in schedules]


def _frozen(program: Program) -> Iterator[str]:
    """The layers that the network itself freezes."""
    graph = program.graph
    for node in graph.nodes:
        if graph.network.freezes(node.home.part, node.home.name):
            yield node.home.name


def _classes(program: Program, scored: WeightedLoss) -> int | None:
    graph = program.graph
    return graph.shape_of(dict(graph.outputs)[scored.output]).channels


def recipe_digest(recipe: Recipe) -> str:
    """Return a hash of all that a recipe says and of its network: what a run must be of to go on."""
    said = [
        repr(getattr(recipe, each.name)) for each in fields(recipe) if each.name not in ("program", "text")
    ]
    text = "\0".join([*said, digest(recipe.program.network), recipe.program.name])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def spec_facts(program: Program) -> dict[str, str]:
    """Return what a file of weights says of the spec, each value as Python."""
    network = program.network
    source = network.source.name.replace("\\", "/").rpartition("/")[2]
    facts = {
        "version": __version__,
        "model": network.name,
        "spec": source,
        "spec_sha256": digest(network),
        "settings": {name: str(value) for name, value in network.settings},
    }
    return {name: json.dumps(value) for name, value in facts.items()}


def _within_quotes(text: str) -> str:
    """Text as it stands between three quotes."""
    return text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
