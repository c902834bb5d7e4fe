"""Predictions as lines to read, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.predict.prediction import Prediction
from resnet_dsl.printing.table import aligned


def as_text(found: Sequence[Prediction]) -> str:
    """Return each picture with its classes below it."""
    blocks = []
    for each in found:
        rows = [(f"  {probability:.4f}", printable(name)) for name, probability in each.best]
        blocks.append("\n".join([printable(each.image), *aligned(rows)]))
    return "\n".join(blocks) + "\n" * bool(blocks)


def as_csv(found: Sequence[Prediction], top: int) -> str:
    """Return a row a picture: its name, then a class and its probability, the best first."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    numbers = ["", *map(str, range(2, top + 1))]
    rows.writerow(["image", *(f"{what}{number}" for number in numbers for what in ("class", "probability"))])
    for each in found:
        best = [cell for name, probability in each.best for cell in (name, f"{probability:.6f}")]
        rows.writerow([each.image, *best])
    return text.getvalue()


def as_json(found: Sequence[Prediction], engine: str) -> str:
    """Return everything, probabilities in full."""
    pictures = [
        {"image": each.image, "classes": [{"class": name, "probability": p} for name, p in each.best]}
        for each in found
    ]
    return json.dumps({"engine": engine, "predictions": pictures}, indent=2, ensure_ascii=False) + "\n"
