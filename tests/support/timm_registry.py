"""What timm registers, walked without weights, and how each of its models is written here.

`tests/data/timm_models.toml` has a line for each name: a shipped name, or a call of one. Old names are
those that timm keeps for what is called otherwise today, with the weights that they stand for.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.program import Program
from resnet_dsl.shipped import models
from resnet_dsl.zoo.layouts import laid_out, layout_of
from resnet_dsl.zoo.model_names import model_names
from tests.support.oracles import torchvision_models

TABLE = Path(__file__).parent.parent / "data" / "timm_models.toml"
COUNTER = "num_batches_tracked"


class Line(NamedTuple):
    """A name of timm and the text that is the same network here."""

    name: str
    module: str
    text: str


class Table(NamedTuple):
    """How timm's models are written, and why those that are not are not."""

    lines: Mapping[str, Line]
    misses: Mapping[str, str]


def table() -> Table:
    """Return the table, in its order."""
    with TABLE.open("rb") as file:
        data = tomllib.load(file)
    misses = data.pop("misses")
    lines = {name: Line(name, module, text) for module, of in data.items() for name, text in of.items()}
    return Table(lines, misses)


def modules() -> list[str]:
    """Return the modules of timm whose models are compared."""
    return list(dict.fromkeys(line.module for line in table().lines.values()))


def compiled(text: str, **settings: Any) -> Program:
    """Compile a line of the table: a shipped name, or a call of one."""
    used = text.partition("(")[0]
    return compile_source(
        Source("walk.resnet", f"use {used}\nmodel walked = {text}\n"), None, "walked", settings
    )


def timm() -> Any:
    """Return timm, or skip where it is not installed."""
    torchvision_models()
    return pytest.importorskip("timm")


def registered() -> dict[str, str]:
    """Return every name that timm registers in these modules, old ones too, with its module."""
    timm()
    from timm.models import _registry as registry

    return {name: module for module in modules() for name in sorted(registry._module_to_models[module])}


def shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Return the tensors of one of timm's models and their shapes; an old name means weights of a model."""
    timm()
    from timm.models import _registry as registry

    target = registry._deprecated_models.get(name, name)
    return _shapes(target.partition(".")[0], timm().models.get_pretrained_cfg(target).num_classes)


@functools.cache
def _shapes(model: str, classes: int) -> dict[str, tuple[int, ...]]:
    """The shapes of a model that is made without weights."""
    import torch

    with torch.device("meta"):
        made = timm().create_model(model, pretrained=False, num_classes=classes)
    state = made.state_dict()
    return {key: tuple(value.shape) for key, value in state.items() if not key.endswith(COUNTER)}


def preprocessing(name: str) -> dict[str, Any]:
    """Return what timm's default weights of a model want of images, in the words of `preprocess`."""
    given = timm().models.get_pretrained_cfg(name)
    return {
        "color": "rgb",
        "range": (0, 1),
        "mean": given.mean,
        "std": given.std,
        "size": given.input_size[1],
        "crop": given.crop_pct,
        "interpolation": given.interpolation,
    }


# --- the page of docs ----------------------------------------------------------------------------

FIGURES = re.compile(r"params == ([\d_]+), macs == ([\d_]+)")


def page() -> str:
    """Return the tables of `docs/timm.md`: what there is, what timm called otherwise, what is missing."""
    found = table()
    parts: list[str] = []
    for module in modules():
        rows = [line for line in found.lines.values() if line.module == module and not _is_old(line)]
        parts += [f"## {module}", "", "| timm | here | parameters | GMACs |", "|---|---|---|---|"]
        parts += [f"| `{line.name}` | `{line.text}` | {_figures(line.text)} |" for line in rows]
        parts.append("")
    parts += ["## Old names", "", "| timm | here |", "|---|---|"]
    parts += [f"| `{line.name}` | `{line.text}` |" for line in found.lines.values() if _is_old(line)]
    parts += ["", "## Missing", "", "| timm | |", "|---|---|"]
    parts += [f"| `{name}` | {why} |" for name, why in found.misses.items()]
    return "\n".join(parts)


def _is_old(line: Line) -> bool:
    return line.text not in (line.name, f"timm_{line.name}")


def _figures(name: str) -> str:
    """The parameters and multiply-adds that the text of a shipped model expects."""
    found = FIGURES.search(models()[name].text)
    assert found is not None, name
    return f"{int(found[1]):,} | {int(found[2]) / 1e9:.2f}"


def tensors_there(program: Program, library: str) -> dict[str, tuple[int, ...]]:
    """Return the tensors of a model and their shapes, as the map of names says that a library has them."""
    called = model_names(program, library)
    found = {}
    for path, layer in called.layers.items():
        for name, parameter in layer.node.parameters():
            shape = parameter.shape
            if layer.layout is not None and name == laid_out(layer.node):
                shape = layout_of(layer.layout, layer.node, program.graph).theirs
            found[called.tensor(path, parameter)] = shape
    return found
