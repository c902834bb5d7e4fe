"""The outline of a text: its declarations, with the parameters, steps and fields of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from resnet_dsl.diagnostics.model import Span
from resnet_dsl.editor.descriptions import signature_of
from resnet_dsl.editor.entities import Kind
from resnet_dsl.syntax import ast


class Entry(NamedTuple):
    """One line of an outline, and those below it."""

    name: str
    kind: Kind
    detail: str
    span: Span
    name_at: Span
    entries: tuple[Entry, ...] = ()


def outline(file: ast.File) -> tuple[Entry, ...]:
    """Return the outline of a text."""
    return tuple(entry for declaration in file.declarations for entry in _of(declaration))


def _of(declaration: ast.Declaration) -> Iterator[Entry]:
    match declaration:
        case ast.Use():
            yield Entry(declaration.target, "file", "use", declaration.span, declaration.span)
        case ast.Const():
            value = _short(declaration.value)
            yield Entry(declaration.name, "constant", value, declaration.span, declaration.name_at)
        case ast.Block():
            parameters = [_entry(each, "parameter", each.default) for each in declaration.parameters]
            steps = [_entry(each, "variable", each.value) for each in declaration.statements]
            yield Entry(
                declaration.name, "block", signature_of(declaration), declaration.span, declaration.name_at,
                (*parameters, *steps),
            )  # fmt: skip
        case ast.Model():
            parameters = [_entry(each, "parameter", each.default) for each in declaration.parameters]
            fields = [_entry(each, "field", each.value) for each in declaration.fields]
            yield Entry(
                declaration.name, "model", signature_of(declaration), declaration.span, declaration.name_at,
                (*parameters, *([] if isinstance(declaration, ast.Row) else fields)),
            )  # fmt: skip
        case ast.Recipe():
            fields = [_entry(each, "field", each.value) for each in declaration.fields]
            yield Entry(
                declaration.name, "recipe", "", declaration.span, declaration.name_at, tuple(fields)
            )  # fmt: skip


def _entry(node: ast.Parameter | ast.Assign | ast.Field, kind: Kind, value: ast.Expr | None) -> Entry:
    return Entry(node.name, kind, "" if value is None else _short(value), node.span, node.name_at)


def _short(value: ast.Expr) -> str:
    text = " ".join(value.span.source.text[value.span.start : value.span.end].split())
    return text if len(text) <= 60 else f"{text[:60]}…"
