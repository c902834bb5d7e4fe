"""Ops that nothing the model returns depends on: their weights would never learn."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_dsl.diagnostics.model import Diagnostic, Span
from resnet_dsl.ir.graph import Graph


def unused(graph: Graph, home: Span) -> Iterator[Diagnostic]:
    """Yield an error for each part with an op that no output needs, at `home` if the op is ours."""
    needed = {result for _, result in graph.outputs}
    for node in reversed(graph.nodes):
        if node.name in needed:
            needed |= set(node.inputs)
    seen: set[str] = set()
    for node in graph.nodes:
        if node.name not in needed and node.part not in seen:
            seen.add(node.part)
            message = f"`{node.name}` in {node.part} is not used: no output of the model depends on it"
            hint = "use it, list it among `outputs`, or leave it out"
            yield Diagnostic("E0213", message, home if node.span.source.ours else node.span, hint=hint)
