"""Norms that are left over: the author gave the layers another, and the library's stand beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from resnet_dsl.analysis.lower import Lowered
from resnet_dsl.diagnostics.model import Diagnostic, Span
from resnet_dsl.elaborate.calls import with_argument
from resnet_dsl.elaborate.model_state import ModelState
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.values import Definition, show
from resnet_dsl.ir.graph import Graph, GraphNode
from resnet_dsl.ir.ops import Op
from resnet_dsl.syntax import ast

SHOWN = 6
WHERE = "stem, head and shortcuts have a norm of their own"


def norms_left_over(state: ModelState, lowered: Lowered) -> Iterator[Diagnostic]:
    """Yield a warning where most layers have the norm that the author gave, and some do not."""
    if _given_and_left(lowered.runs) is None or (found := _given_and_left(lowered.flat)) is None:
        return
    first, given, left = found
    at = first.given
    assert at is not None
    names = ", ".join(node.name for node in left[:SHOWN]) + ", …" * (len(left) > SHOWN)
    still = f"{len(left)} {'is' if len(left) == 1 else 'are'} still {_shown(left, first.op)}"
    message = f"{len(given)} norms are `{_text(at)}`, and {still}: {names}"
    hint = _hint(state, at, left)
    yield Diagnostic("W0614", message, at, hint=hint, severity="warning")


def _given_and_left(graph: Graph) -> tuple[GraphNode, list[GraphNode], list[GraphNode]] | None:
    """The first norm of a stage that the author gave, all given, and those left; None where all is well.

    What is set from outside is meant for all; what the text gives is held against what the library
    chose itself, so that a text which mixes two norms by its own words is left alone.
    """
    norms = [node for node in graph.nodes if node.op.normalises]
    texts = {graph.network.source, *graph.network.used}
    outside = [node for node in norms if node.given is not None and node.given.source not in texts]
    given = outside or [node for node in norms if node.given is not None]
    kinds = {_kind(node.op) for node in given}
    left = [n for n in norms if _kind(n.op) not in kinds and (outside or n.given is None)]
    stages = {stage.name for stage in graph.network.stages}
    first = next((node for node in given if node.part in stages), None)
    # Where the norm itself is doubtful, that is said already.
    if not left or _count(left) >= _count(given) or first is None or any(first.op.doubts()):
        return None
    return first, given, left


def _count(nodes: Sequence[GraphNode]) -> int:
    return sum(node.times for node in nodes)


def _kind(op: Op) -> tuple[str, tuple[object, ...]]:
    """What makes two norms the same: their kind, rates and flags; what a scale starts at may differ."""
    return op.kind, tuple(getattr(op, name) for name in _telling(op))


def _telling(op: Op) -> list[str]:
    return [n for n, _, _ in op.arguments() if op.is_rate(n) or isinstance(getattr(op, n), bool)]


def _shown(left: Sequence[GraphNode], given: Op) -> str:
    """The norm that is left, with what tells it from one of the same kind."""
    op = left[0].op
    if op.kind != given.kind:
        return f"`{op.kind}`"
    values = ((name, getattr(op, name)) for name in _telling(op) if getattr(op, name) != getattr(given, name))
    other = [f"{name}={show(value) if isinstance(value, bool) else f'{value:g}'}" for name, value in values]
    return f"`{op.kind}({', '.join(other)})`"


def _hint(state: ModelState, at: Span, left: Sequence[GraphNode]) -> str:
    """Which other settings take a norm, and how each is to be written."""
    field = next((name for name, setting in state.settings.all() if setting.value_at == at), None)
    if field is None:
        return WHERE
    parts = {node.part if node.part in ("stem", "head") else "" for node in left}
    written = []
    for name, value, scope in _functions(state, parts):
        callee = value.callee if isinstance(value, ast.Call) else value
        found = scope.find(callee.id) if isinstance(callee, ast.Name) else None
        if found is None or not isinstance(found[1], Definition):
            continue
        order = [parameter.name for parameter in found[1].block.parameters]
        if field in order:
            written.append(f"`{name}: {with_argument(value.span, order, field, _text(at))}`")
    return f"{WHERE}: write {' and '.join(written)}" if written else WHERE


def _functions(state: ModelState, parts: set[str]) -> Iterator[tuple[str, ast.Expr, Scope]]:
    """Yield the settings that may hold what is left: stem, head, and the functions that blocks are given."""
    for part in sorted(parts - {""}, reverse=True):
        setting = state.settings.find(part)
        if setting is not None and setting.value is not None:
            yield part, setting.value, setting.scope
    for definition in state.blocks if "" in parts else ():
        for parameter in definition.block.parameters:
            setting = state.settings.find(parameter.name)
            if setting is not None and setting.value is not None:
                yield parameter.name, setting.value, setting.scope
            elif parameter.default is not None and isinstance(definition.scope, Scope):
                yield parameter.name, parameter.default, definition.scope


def _text(span: Span) -> str:
    return " ".join(span.source.text[span.start : span.end].split())
