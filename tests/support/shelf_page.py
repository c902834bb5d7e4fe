"""The page `docs/shelf.md`: every shipped model, the counts that its text expects, and its source."""

from __future__ import annotations

from itertools import groupby

from resnet_dsl.shipped import ShelfModel, folder_of, models

HEADER = ("| model | parameters | MACs | |", "|---|---|---|---|")


def page() -> str:
    """Return a table for each folder of the shelf, of the models that need no arguments."""
    found = sorted((model for model in models().values() if model.is_whole), key=_folder)
    lines: list[str] = []
    for folder, group in groupby(found, _folder):
        lines += ["", f"## {folder}", "", *HEADER, *(_row(model) for model in group)]
    return "\n".join(lines[1:])


def _folder(model: ShelfModel) -> str:
    return folder_of(model.path)


def _row(model: ShelfModel) -> str:
    figures = map(model.expected, ("params", "macs"))
    counts = " | ".join("" if figure is None else f"{figure:,}" for figure in figures)
    return f"| `{model.name}` | {counts} | {_cell(model.description)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
