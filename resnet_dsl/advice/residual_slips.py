"""Slips with residual stages: every block strides, or a shortcut projects where nothing changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations

from resnet_dsl.analysis.lower import Lowered
from resnet_dsl.diagnostics.model import Diagnostic, Span
from resnet_dsl.elaborate.model_state import ModelState
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.settings import FIELDS
from resnet_dsl.ir.graph import Graph, GraphNode
from resnet_dsl.ir.network import Body, Network, Stage
from resnet_dsl.ir.ops import Join
from resnet_dsl.syntax import ast

LAYERS_OF_A_BRANCH = 2
LONGEST_BRANCH = 64


def strides_of_every_block(scope: Scope, state: ModelState, network: Network) -> Iterator[Diagnostic]:
    """Yield a warning where all blocks of a stage stride, by a field for all or by the block's default.

    The plural of such a field serves the first block of each stage.
    """
    for field in (name for name, reach in FIELDS.items() if reach == "first block"):
        single = field.removesuffix("s")
        stage = next((stage for stage in network.stages if _moves(stage, single)), None)
        setting = state.settings.find(single)
        if stage is None:
            continue
        each = f"those after the first of {stage.name} stride too"
        if setting is not None and not setting.span.source.ours:
            message = f"`{single}` serves every block of a stage: {each}"
            hint = f"`{field}: {_text(setting.value_at)}` serves the first block of each stage"
            yield Diagnostic("W0612", message, setting.value_at, hint=hint, severity="warning")
        elif (default := _default(scope, _second(stage), single)) is not None:
            message = f"`{field}` serves the first block of a stage, this default all others: {each}"
            hint = f"`{single} = 1`"
            yield Diagnostic("W0612", message, default.span, hint=hint, severity="warning")


def _moves(stage: Stage, name: str) -> bool:
    """Whether a stage has a second block, and that an argument of this name that is not 1."""
    value = dict(_second(stage).arguments).get(name, 1) if stage.count > 1 else 1
    return any(part != 1 for part in (value if isinstance(value, tuple) else (value,)))


def _second(stage: Stage) -> Body:
    first, *others = stage.runs
    return first.body if first.count > 1 else others[0].body


def _default(scope: Scope, body: Body, name: str) -> ast.Parameter | None:
    """The parameter of the file's own block whose default the body has."""
    if body.definition not in scope.blocks:
        return None
    parameters = scope.blocks[body.definition].block.parameters
    value = dict(body.arguments).get(name)
    found = (p for p in parameters if p.name == name and isinstance(p.default, ast.Number))
    return next((p for p in found if isinstance(p.default, ast.Number) and p.default.value == value), None)


def _text(span: Span) -> str:
    return " ".join(span.source.text[span.start : span.end].split())


# --- projections ---------------------------------------------------------------------------------


def projections_of_nothing(scope: Scope, lowered: Lowered) -> Iterator[Diagnostic]:
    """Yield a warning for a shortcut of the author's that decides, and projects what it could pass on.

    Without an `if` the author wants the projection everywhere, as `C` does, and nothing is said.
    """
    choices = [choice for definition in scope.blocks.values() for choice in _ifs(definition.block)]
    # With blocks that are alike once, branches are shorter at most: what is not found there is nowhere.
    if choices and any(_of_nothing(choices, lowered.runs)):
        yield from _of_nothing(choices, lowered.flat)


def _of_nothing(choices: Sequence[ast.If], graph: Graph) -> Iterator[Diagnostic]:
    nodes = {node.name: node for node in graph.nodes}
    seen: set[Span] = set()
    for node in graph.nodes:
        for projection in _projections(node, nodes):
            choice = next((c for c in choices if _decides(c, projection.span)), None)
            if choice is not None and projection.span not in seen:
                seen.add(projection.span)
                shape = projection.shape.text(graph.network.extent)
                message = f"a projection of {shape} to {shape}: the shortcut could pass its input on"
                hint = "write `if stride == 1 and x.channels == channels then x else …`"
                yield Diagnostic("W0615", message, projection.span, hint=hint, severity="warning")


def _projections(node: GraphNode, nodes: dict[str, GraphNode]) -> Iterator[GraphNode]:
    """Yield the 1x1 layer on the short side of an addition, where both its ends have one shape."""
    if not (isinstance(node.op, Join) and node.op.agreement == "shape"):
        return
    for short, main in permutations(node.inputs, 2):
        layer = nodes.get(short)
        if layer is not None and layer.op.normalises:
            layer = nodes.get(layer.inputs[0])
        if layer is None or not layer.op.weighted or layer.shape != layer.input_shapes[0]:
            continue
        window = layer.op.window
        plain = (window.kernel, window.stride) == ((1, 1), (1, 1))
        if plain and _layers_between(layer.inputs[0], main, nodes) >= LAYERS_OF_A_BRANCH:
            yield layer


def _layers_between(start: str, end: str, nodes: dict[str, GraphNode]) -> int:
    """How many weight layers lead from one result to another along first inputs; 0 if none do."""
    count = 0
    for _ in range(LONGEST_BRANCH):
        if end == start:
            return count
        if end not in nodes:
            break
        count += nodes[end].op.weighted * nodes[end].times
        end = nodes[end].inputs[0]
    return 0


def _ifs(node: ast.Node) -> Iterator[ast.If]:
    if isinstance(node, ast.If):
        yield node
    for child in ast.children(node):
        yield from _ifs(child)


def _decides(choice: ast.If, step: Span) -> bool:
    """Whether a step stands in a branch that is taken by what changes: a stride, or channels."""
    inside = any(
        branch.span.source is step.source and branch.span.start <= step.start and step.end <= branch.span.end
        for branch in (choice.yes, choice.no)
    )
    by_channels = any(isinstance(node, ast.Attribute) for node in _below(choice.condition))
    return inside and (by_channels or ast.mentions(choice.condition, "stride"))


def _below(node: ast.Node) -> Iterator[ast.Node]:
    yield node
    for child in ast.children(node):
        yield from _below(child)
