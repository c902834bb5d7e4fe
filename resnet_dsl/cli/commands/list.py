"""The command `list`: the models of the shelf by folder, with what they come to."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_dsl.records import dataclass

if TYPE_CHECKING:
    from resnet_dsl.elaborate.values import Value

FIGURES = ("params", "macs")  # that the texts say


@dataclass(frozen=True)
class ShelfEntry:
    """A model of the shelf, or a file without any; figures that its text does not say are None."""

    name: str
    path: Path
    folder: str
    description: str
    figures: tuple[int | None, ...]
    is_model: bool = True

    def mentions(self, word: str) -> bool:
        """Whether a word stands in what is listed of it, in capitals or not."""
        return any(word.lower() in text.lower() for text in (self.name, self.folder, self.description))

    @property
    def known(self) -> dict[str, Value]:
        """The figures that are said, by name."""
        return {name: value for name, value in zip(FIGURES, self.figures, strict=True) if value is not None}


def list_(options: Namespace) -> int:
    """List the models of the shelf that have every word, and of which the condition holds."""
    found = [entry for entry in _entries() if all(map(entry.mentions, options.words))]
    if options.where is not None:
        found = list(_where(found, options.where))
    if options.format == "json":
        print(json.dumps([_facts(entry) for entry in found], indent=2, ensure_ascii=False))
    elif found:
        _print(found)
    else:
        print("nothing on the shelf is like that; `resnet-dsl list` lists all", file=sys.stderr)
    return 0 if found else 1


def _entries() -> list[ShelfEntry]:
    """Every model by folder, those of one file together; a file without any by its name."""
    from resnet_dsl.shipped import description, files, folder_of, models

    rows = [
        ShelfEntry(m.name, m.path, folder_of(m.path), m.description, tuple(map(m.expected, FIGURES)))
        for m in models().values()
    ]
    with_models = {row.path for row in rows}
    rows += [
        ShelfEntry(name, path, folder_of(path), description(path), (None,) * len(FIGURES), is_model=False)
        for name, path in files().items()
        if path not in with_models
    ]
    return sorted(rows, key=lambda row: (row.folder, row.path.stem))


def _where(entries: Iterable[ShelfEntry], text: str) -> Iterator[ShelfEntry]:
    """Yield the models of which a condition holds; one that needs more than the texts say is compiled."""
    from resnet_dsl.diagnostics.model import Source
    from resnet_dsl.driver import compile_spec, figures_of, holds
    from resnet_dsl.shipped import shipped
    from resnet_dsl.syntax import ast
    from resnet_dsl.syntax.parser import parse_value

    source = Source("--where", text)
    condition = parse_value(source)
    needed = set(ast.names(condition))
    for entry in entries:
        if entry.name not in shipped() or not entry.is_model:
            continue  # a pattern comes to nothing yet
        figures = entry.known
        if not needed <= figures.keys():
            figures = figures_of(compile_spec(entry.name).cost)
        if all(figures.get(name, 0) is not None for name in needed) and holds(condition, source, figures):
            yield entry


def _facts(entry: ShelfEntry) -> dict[str, object]:
    from resnet_dsl.shipped import specs_folder

    file = entry.path.relative_to(specs_folder()).as_posix()
    facts = {"name": entry.name, "folder": entry.folder, "file": file, "description": entry.description}
    return {**facts, **dict(zip(FIGURES, entry.figures, strict=True))}


def _print(entries: list[ShelfEntry]) -> None:
    """Print the models of each folder under its name and their number."""
    from resnet_dsl.printing.table import aligned

    rows = [(entry.name, *map(_number, entry.figures), entry.description) for entry in entries]
    shown = [i for i in range(len(rows[0])) if i == 0 or any(row[i] for row in rows)]
    lines = aligned([[row[i] for i in shown] for row in rows], [shown.index(i) for i in (1, 2) if i in shown])
    folders = groupby(zip(entries, lines, strict=True), lambda row: row[0].folder)
    listed = (
        "\n".join([f"{folder or 'specs'} ({len(group)})", *(f"  {line}" for _, line in group)])
        for folder, members in folders
        for group in [list(members)]
    )
    print("\n\n".join(listed))


def _number(figure: int | None) -> str:
    return "" if figure is None else f"{figure:,}"
