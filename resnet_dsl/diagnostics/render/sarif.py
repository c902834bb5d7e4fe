"""Diagnostics as a SARIF 2.1.0 log, which code hosts and editors read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from urllib.parse import quote

from resnet_dsl.diagnostics.codes import PAGES
from resnet_dsl.diagnostics.model import Diagnostic, Span
from resnet_dsl.version import __version__

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render_sarif(diagnostics: Iterable[Diagnostic]) -> str:
    """Return diagnostics as a SARIF log."""

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


def _result(diagnostic: Diagnostic, rule: int) -> dict[str, object]:
    result: dict[str, object] = {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": diagnostic.severity,
        "message": {"text": diagnostic.full_text},
    }
    if diagnostic.span is not None:
        result["locations"] = [_location(diagnostic.span)]
    if diagnostic.labels:
        result["relatedLocations"] = [
            {"id": index, **_location(label.span), "message": {"text": label.text}}
            for index, label in enumerate(diagnostic.labels)
        ]
    return result


def _location(span: Span) -> dict[str, object]:
    (line, column), (end_line, end_column) = span.place, span.end_place
    region = {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column}
    artifact = {"uri": quote(span.source.name.replace("\\", "/"))}
    return {"physicalLocation": {"artifactLocation": artifact, "region": region}}
