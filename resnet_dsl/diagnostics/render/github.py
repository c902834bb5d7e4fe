"""Diagnostics as annotations of a GitHub workflow: a command a line."""

from __future__ import annotations

from collections.abc import Iterable

from resnet_dsl.diagnostics.model import Diagnostic


def render_github(diagnostics: Iterable[Diagnostic]) -> str:
    """Return diagnostics as annotations of a GitHub workflow, one a line."""
    return "\n".join(_command(diagnostic) for diagnostic in diagnostics)


def _command(diagnostic: Diagnostic) -> str:
    properties: dict[str, object] = {}
    if (span := diagnostic.span) is not None:
        (line, column), (end_line, end_column) = span.place, span.end_place
        properties = {"file": span.source.name, "line": line, "col": column, "endLine": end_line}
        properties["endColumn"] = max(end_column - 1, 1)  # GitHub's end is the last column itself
    properties["title"] = f"resnet-dsl {diagnostic.code}"
    listed = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    return f"::{diagnostic.severity} {listed}::{_escaped(diagnostic.full_text)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
