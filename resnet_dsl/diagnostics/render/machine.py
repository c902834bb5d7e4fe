"""Diagnostics for other programs: JSON, GitHub's workflow commands, and SARIF 2.1.0.

JSON is a list of objects: `code`, `severity`, `message`, `filename`, `location` and
`end_location` (`row`, `column`, from 1; null without a place), `labels` (objects of `message`,
`filename`, `location`, `end_location`), `notes`, and `hint` (null if there is none).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from resnet_dsl.diagnostics.model import Diagnostic, Span
from resnet_dsl.version import __version__

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render_json(diagnostics: Iterable[Diagnostic]) -> str:
    """Return diagnostics as a JSON list."""
    return json.dumps([_entry(diagnostic) for diagnostic in diagnostics], indent=2, ensure_ascii=False)


def render_github(diagnostics: Iterable[Diagnostic]) -> str:
    """Return diagnostics as annotations of a GitHub workflow, one a line."""
    return "\n".join(_command(diagnostic) for diagnostic in diagnostics)


def render_sarif(diagnostics: Iterable[Diagnostic]) -> str:
    """Return diagnostics as a SARIF log."""
    from resnet_dsl.diagnostics.codes import PAGES

    found = list(diagnostics)
    codes = sorted({diagnostic.code for diagnostic in found})
    titles = {code: PAGES[code].title if code in PAGES else code for code in codes}
    driver = {
        "name": "resnet-dsl",
        "version": __version__,
        "rules": [{"id": code, "shortDescription": {"text": titles[code]}} for code in codes],
    }
    results = [_result(diagnostic, codes.index(diagnostic.code)) for diagnostic in found]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    log = {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False)


# --- JSON --------------------------------------------------------------------------------------


def _entry(diagnostic: Diagnostic) -> dict[str, Any]:
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        **_place(diagnostic.span),
        "labels": [{"message": label.text, **_place(label.span)} for label in diagnostic.labels],
        "notes": list(diagnostic.notes),
        "hint": diagnostic.hint or None,
    }


def _place(span: Span | None) -> dict[str, Any]:
    if span is None:
        return {"filename": None, "location": None, "end_location": None}
    start, end = (dict(zip(("row", "column"), place, strict=True)) for place in (span.place, _end(span)))
    return {"filename": span.source.name, "location": start, "end_location": end}


def _end(span: Span) -> tuple[int, int]:
    """The line and column just after a span."""
    return span.source.place(min(max(span.end, span.start), len(span.source.text)))


# --- GitHub ------------------------------------------------------------------------------------


def _command(diagnostic: Diagnostic) -> str:
    properties: dict[str, object] = {}
    if (span := diagnostic.span) is not None:
        (line, column), (end_line, end_column) = span.place, _end(span)
        properties = {"file": span.source.name, "line": line, "col": column, "endLine": end_line}
        properties["endColumn"] = max(end_column - 1, 1)  # GitHub's end is the last column itself
    properties["title"] = f"resnet-dsl {diagnostic.code}"
    listed = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    return f"::{diagnostic.severity} {listed}::{_escaped(_full_text(diagnostic))}"


def _full_text(diagnostic: Diagnostic) -> str:
    """The message with its notes and hint, a line each."""
    hint = [f"help: {diagnostic.hint}"] if diagnostic.hint else []
    return "\n".join([diagnostic.message, *diagnostic.notes, *hint])


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


# --- SARIF -------------------------------------------------------------------------------------


def _result(diagnostic: Diagnostic, rule: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": diagnostic.severity,
        "message": {"text": _full_text(diagnostic)},
    }
    if diagnostic.span is not None:
        result["locations"] = [_location(diagnostic.span)]
    if diagnostic.labels:
        result["relatedLocations"] = [
            {"id": index, **_location(label.span), "message": {"text": label.text}}
            for index, label in enumerate(diagnostic.labels)
        ]
    return result


def _location(span: Span) -> dict[str, Any]:
    (line, column), (end_line, end_column) = span.place, _end(span)
    region = {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column}
    artifact = {"uri": quote(span.source.name.replace("\\", "/"))}
    return {"physicalLocation": {"artifactLocation": artifact, "region": region}}
