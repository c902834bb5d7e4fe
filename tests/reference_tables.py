"""The reference tables of tests/data: figures and weights of networks, as other projects have them."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
Shape = tuple[int, ...]
Tensor = tuple[str, Shape]


@dataclass(frozen=True)
class Table:
    """A network as published: the four figures, and each tensor of its state in order."""

    figures: dict[str, int]
    weights: tuple[Tensor, ...]


@functools.cache
def tables(group: str) -> dict[str, Table]:
    """Return the tables of a group by network; data/README.md describes the format."""
    text = (DATA / f"{group}.txt").read_text(encoding="utf-8")
    return {
        name: _table(body)
        for name, body in re.findall(r"^network (\S+)\n(.*?)(?:\n\n|\Z)", text, re.S | re.M)
    }


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
            yield from _layer(line)
            continue
        count = next((i for i, other in enumerate(lines) if not other.startswith("  ")), len(lines))
        block, lines = lines[:count], lines[count:]
        stage, first, last = re.fullmatch(r"(\w+)\.(\d+)(?:-(\d+))?", line).groups()  # type: ignore[union-attr]
        for index in range(int(first), int(last or first) + 1):
            for layer in block:
                yield from _layer(f"{stage}.{index}.{layer.strip()}")


def _layer(line: str) -> Iterator[Tensor]:
    """The tensors of one layer, named by a kind or one by one."""
    name, *rest = line.split()
    match rest:
        case ["w", shape]:
            tensors = {"weight": shape}
        case ["wb", shape]:
            tensors = {"weight": shape, "bias": shape.partition("x")[0]}
        case ["bn", shape]:
            tensors = dict.fromkeys(("weight", "bias", "running_mean", "running_var"), shape)
        case _:
            tensors = dict(pair.split("=") for pair in rest)
    for tensor, shape in tensors.items():
        yield f"{name}.{tensor}", () if shape == "scalar" else tuple(map(int, shape.split("x")))
