"""Errors that follow from another: a field misspelt leaves one missing, an arrow left over eats a field."""

from __future__ import annotations

import re
from collections.abc import Iterator

from resnet_dsl.diagnostics.model import Diagnostic, Span
from resnet_dsl.diagnostics.suggest import close_names
from resnet_dsl.elaborate.model_state import ModelState
from resnet_dsl.elaborate.settings import FIELDS
from resnet_dsl.syntax import ast

# Values that are no block and no op, so that none is a step.
LITERALS = (ast.Number, ast.String, ast.Constant, ast.Dims, ast.List, ast.Record)


def is_misspelt(state: ModelState, field: str) -> bool:
    """Whether a field that is missing stands in the model under another name, which is reported by itself."""
    return any(
        setting.by == "field" and name not in FIELDS and close_names(name, FIELDS)[:1] == [field]
        for layer in state.settings.layers
        for name, setting in layer.items()
    )


def arrow_left_over(state: ModelState) -> Diagnostic | None:
    """Return the error for an arrow left over, whose step would be the next field of the model."""
    given = {field.name for field in state.model.fields}
    for field in state.model.fields:
        for before, step in _steps(field.value):
            between = Span(before.source, before.end, step.name_at.start)
            text = between.source.text[between.start : between.end]
            is_field = isinstance(step.value, LITERALS) or step.label in FIELDS
            if is_field and step.label not in given and "->" in text:
                at = between.start + text.index("->")
                message = f"no step follows this `->`; `{step.label}` begins something else"
                line = between.source.line(between.source.place(at)[0]).strip()
                hint = (
                    f"write `{re.sub(r' *-> *$', '', line)}`"
                    if line.endswith("->")
                    else f"begin `{step.label}:` on a line of its own"
                )
                return Diagnostic("E0101", message, Span(between.source, at, at + 2), hint=hint)
    return None


def _steps(value: ast.Expr) -> Iterator[tuple[Span, ast.Labelled]]:
    """Yield the labelled steps of a pipeline, each with the span of what is before it."""
    if isinstance(value, ast.Pipe):
        for before, step in zip((value.first, *value.steps), value.steps, strict=False):
            if isinstance(step, ast.Labelled):
                yield before.span, step
