"""Diagnostics as JSON: a list of objects.

Each has `code`, `severity`, `message`, `filename`, `location` and `end_location` (`row`, `column`,
from 1; null without a place), `labels` (objects of `message`, `filename`, `location`,
`end_location`), `notes`, and `hint` (null if there is none).
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from resnet_dsl.diagnostics.model import Diagnostic, Span


def render_json(diagnostics: Iterable[Diagnostic]) -> str:
    """Return diagnostics as a JSON list."""
    return json.dumps([_entry(diagnostic) for diagnostic in diagnostics], indent=2, ensure_ascii=False)


def _entry(diagnostic: Diagnostic) -> dict[str, object]:
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        **_place(diagnostic.span),
        "labels": [{"message": label.text, **_place(label.span)} for label in diagnostic.labels],
        "notes": list(diagnostic.notes),
        "hint": diagnostic.hint or None,
    }


def _place(span: Span | None) -> dict[str, object]:
    if span is None:
        return {"filename": None, "location": None, "end_location": None}
    start, end = (dict(zip(("row", "column"), place, strict=True)) for place in (span.place, span.end_place))
    return {"filename": span.source.name, "location": start, "end_location": end}
