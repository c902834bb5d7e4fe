"""The reference tables of tests/data: figures and weights of networks, as other projects have them."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "data"
Shape = tuple[int, ...]
Tensor = tuple[str, Shape]

# The tensors of a kind of layer.
TORCH = {
    "w": ("weight",),
    "wb": ("weight", "bias"),
    "bn": ("weight", "bias", "running_mean", "running_var"),
}
KERAS = {
    "w": ("kernel",),
    "wb": ("kernel", "bias"),
    "bn": ("gamma", "beta", "moving_mean", "moving_variance"),
}


@dataclass(frozen=True)
class Table:
    """A network as published: the four figures, and each tensor of its state in order."""

    figures: dict[str, int]
    weights: tuple[Tensor, ...]


def groups() -> list[str]:
    """Return the groups of tables."""
    return sorted(path.stem for path in DATA.glob("*.txt"))


@functools.cache
def tables(group: str) -> dict[str, Table]:
    """Return the tables of a group by network; data/README.md describes the format."""
    text = (DATA / f"{group}.txt").read_text(encoding="utf-8")
    return {
        name: _table(body)
        for name, body in re.findall(r"^network (\S+)\n(.*?)(?:\n\n|\Z)", text, re.S | re.M)
    }


def table(path: str) -> Table:
    """Return the table `group/network`."""
    group, _, name = path.partition("/")
    return tables(group)[name]


@functools.cache
def golden_outputs() -> dict[str, dict[str, Any]]:
    """Return the golden outputs by network."""
    found: dict[str, dict[str, Any]] = json.loads((DATA / "golden.json").read_text(encoding="utf-8"))
    return found


def _table(body: str) -> Table:
    figures, *lines = body.splitlines()
    words = figures.split()
    counts = {word: int(count) for word, count in zip(words[::2], words[1::2], strict=True)}
    return Table(counts, tuple(_weights(lines)))


def _weights(lines: list[str]) -> Iterator[Tensor]:
    """Every tensor of a table: a line without layers opens blocks, whose layers are indented."""
    while lines:
        line, *lines = lines
        if " " in line:
            yield from _layer("", line)
            continue
        count = next((i for i, other in enumerate(lines) if not other.startswith("  ")), len(lines))
        block, lines = lines[:count], lines[count:]
        for path in _paths(line):
            for layer in block:
                yield from _layer(path, layer.strip())


def _paths(blocks: str) -> Iterator[str]:
    """The beginnings of names in the blocks `layer1.0-1` or `conv2_block1-3_`."""
    stage, first, last, end = re.fullmatch(r"(.*?)(\d+)(?:-(\d+))?(_?)", blocks).groups()  # type: ignore[union-attr]
    for index in range(int(first), int(last or first) + 1):
        yield f"{stage}{index}{end or '.'}"


def _layer(path: str, line: str) -> Iterator[Tensor]:
    """The tensors of one layer, named by a kind or one by one."""
    name, *rest = line.split()
    in_keras = name.endswith("/")
    match rest:
        case ["w" | "wb" | "bn" as kind, shape]:
            names = (KERAS if in_keras else TORCH)[kind]
            tensors = dict.fromkeys(names, shape)
            if kind == "wb":
                tensors["bias"] = shape.split("x")[-1 if in_keras else 0]
        case _:
            tensors = dict(pair.split("=") for pair in rest)
    layer = "" if name == "-" else path + name if in_keras else f"{path}{name}."
    for tensor, shape in tensors.items():
        yield layer + tensor, () if shape == "scalar" else tuple(map(int, shape.split("x")))
