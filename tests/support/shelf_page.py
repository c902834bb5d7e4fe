"""The page `docs/shelf.md`: every shipped model, the counts that its text expects, and its source."""

from __future__ import annotations

import re
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


def expected(model: ShelfModel, figure: str) -> str:
    """What a model's text says of a figure, or that of the model that it is another name of; or nothing."""
    said = re.search(rf"\b{figure} == ([\d_]+)", model.text)
    if said is not None:
        return f"{int(said[1]):,}"
    alias = re.fullmatch(r"model \w+ = (\w+)\s*(#.*)?", _code(model))
    return expected(models()[alias[1]], figure) if alias is not None and alias[1] in models() else ""


def _code(model: ShelfModel) -> str:
    lines = (line.partition("#")[0].rstrip() for line in model.text.splitlines())
    return "\n".join(line for line in lines if line)


def _row(model: ShelfModel) -> str:
    counts = " | ".join(expected(model, figure) for figure in ("params", "macs"))
    return f"| `{model.name}` | {counts} | {_cell(model.description)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
