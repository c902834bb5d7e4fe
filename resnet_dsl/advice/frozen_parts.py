"""Frozen parts behind trained ones: what is kept was learned on features that then change."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_dsl.diagnostics.model import Diagnostic
from resnet_dsl.elaborate.model_state import ModelState
from resnet_dsl.ir.graph import Graph, GraphNode


def frozen_behind_trained(state: ModelState, graph: Graph) -> Iterator[Diagnostic]:
    """Yield a warning for the first frozen part that takes what trained layers make.

    Norms do not count: to freeze those alone, or all but those, is usual.
    """
    trained: dict[str, tuple[str, ...]] = {}  # the trained layers before a result, by their part
    for node in graph.nodes if graph.network.frozen else ():
        before = tuple(dict.fromkeys(part for name in node.inputs for part in trained.get(name, ())))
        frozen = graph.is_frozen(node)
        if node.op.weighted and frozen and before:
            yield _warning(state, graph, node, before)
            return
        own = (_shown(graph, node),) if node.op.weighted and not frozen else ()
        trained[node.name] = tuple(dict.fromkeys((*before, *own)))


def _warning(state: ModelState, graph: Graph, node: GraphNode, before: tuple[str, ...]) -> Diagnostic:
    frozen = graph.network.frozen
    index, path = next((i, p) for i, p in enumerate(frozen) if _has(p, node))
    message = f"`{path}` is frozen, and what comes before it is trained: {', '.join(before)}"
    first = {p: next(i for i, n in enumerate(graph.nodes) if _has(p, n)) for p in (*before, *frozen)}
    wanted = sorted(first, key=lambda p: (first[p], p))
    hint = f"`freeze: [{', '.join(wanted)}]` freezes from the start on"
    if all(any(_has(p, other) for p in wanted) for other in graph.nodes if other.op.weighted):
        hint = f"leave `{path}` out"
    return Diagnostic("W0616", message, state.value_at("freeze", index), hint=hint, severity="warning")


def _has(path: str, node: GraphNode) -> bool:
    return path == node.part or node.name == path or node.name.startswith(f"{path}.")


def _shown(graph: Graph, node: GraphNode) -> str:
    """The part of a layer; the block or step where some of that part is frozen, or the part is a stem."""
    first, second, *_ = (*node.name.split("."), "")
    if node.part not in ("stem", "head"):
        inside = any(path.startswith(f"{node.part}.") for path in graph.network.frozen)
        return f"{first}.{second}" if inside else node.part
    steps = {other.name.split(".")[0] for other in graph.nodes if other.part == node.part}
    return first if steps.intersection(graph.network.frozen) else node.part
