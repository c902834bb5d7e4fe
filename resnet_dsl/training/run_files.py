"""The files of a run: each written whole or not at all; the log, its curves and a card with the results."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

Row = Mapping[str, float | str]
"""What is logged of an epoch, by column."""


class RunError(Exception):
    """What ends a run, in one line."""


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write a file beside its place and put it there: whoever reads it sees the old one or the new one."""
    beside = path.with_name(f"{path.name}.tmp")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        kept = "; the one before is kept" if path.exists() else ""
        raise RunError(f"{path}: {error.strerror or error}{kept}") from None


def csv_text(rows: Sequence[Row]) -> str:
    """Return the log as a table with a line for each epoch."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def curves_png(rows: Sequence[Row], title: str) -> bytes:
    """Return a picture of losses and of scores by epoch, or nothing where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return b""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [float(row["epoch"]) for row in rows]
    for name in rows[0]:
        if name.endswith(("loss", "top1", "top5")):
            axes = left if name.endswith("loss") else right
            axes.plot(epochs, [float(row[name]) for row in rows], ".-", label=name.replace("_", " "))
    for axes, what in ((left, "loss"), (right, "accuracy")):
        axes.set(xlabel="epoch", ylabel=what)
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
    figure.suptitle(title)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    return picture.getvalue()


def card_text(title: str, facts: Row, rows: Sequence[Row], recipe: str, score: str) -> str:
    """Return a page in Markdown: what was run, what came out in the last and the best epoch, the recipe.

    The best epoch is that of the highest `score`, a column of the log if it has it.
    """
    best = max(rows, key=lambda row: float(row[score])) if score in rows[-1] else rows[-1]
    lines = [f"# {title}", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in facts.items()]
    lines += ["", "| | last epoch | best epoch |", "|---|---|---|"]
    lines += [f"| {name.replace('_', ' ')} | {value} | {best[name]} |" for name, value in rows[-1].items()]
    return "\n".join([*lines, "", "```", recipe.rstrip(), "```", ""])
