"""What `freeze` lists, held against the network: parts that it has, in which something could change."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_dsl.elaborate.model_state import ModelState
from resnet_dsl.elaborate.outputs import item_at, part_hint
from resnet_dsl.ir.network import PARTS, BlockCall, Body, Network, Node
from resnet_dsl.ir.ops import Op


def frozen_parts(state: ModelState, whole: Network, network: Network) -> tuple[str, ...]:
    """Return the paths that freeze something of the network; report those that it does not have.

    `whole` is the network before the parts went that no output needs. So what backends are given is
    there, and keeps weights or works at random: none of them has to ask.
    """
    if not network.frozen:
        return ()
    changing, known = dict(_paths(network)), dict(_paths(whole))
    for path in network.frozen:
        at = item_at(state, "freeze", path)
        if path in changing:
            if not changing[path]:
                message = f"`{path}` has no weights: freezing it has no effect"
                state.elaborator.warn("W0602", message, at, "leave it out")
        elif path in known:
            message = f"`{path}` cannot be frozen: no output needs it, so that it is left out"
            state.error("E0214", message, at, "leave it out here, or list its part in `outputs` too")
        elif path in PARTS:
            message = f"`{path}` cannot be frozen: the network has none"
            state.error("E0214", message, at, "leave it out")
        else:
            message = f"the model has no part `{path}` to freeze"
            hint = part_hint(state, path, network.frozen, known)
            state.error("E0201", message, at, hint)
    return tuple(path for path in network.frozen if changing.get(path))


def _paths(network: Network) -> Iterator[tuple[str, bool]]:
    """Yield what `freeze` may list, each with whether something in it could change."""
    changing: dict[int, bool] = {}
    for _, _, body in network.parts():
        if id(body) not in changing:
            changing[id(body)] = _changes(body)
    if network.stem is not None:
        yield "stem", changing[id(network.stem)]
    for stage in network.stages:
        blocks = [changing[id(body)] for body in stage.blocks]
        yield stage.name, any(blocks)
        yield from ((f"{stage.name}.{index}", block) for index, block in enumerate(blocks))
    if network.head is not None:
        yield "head", changing[id(network.head)]
    for part in filter(None, (network.stem, network.head)):
        yield from ((node.name, _step_changes(node, part)) for node in part.steps() if node.name not in PARTS)


def _changes(body: Body) -> bool:
    return any(_step_changes(node, body) for node in body.steps())


def _step_changes(node: Node, body: Body) -> bool:
    """Whether a step has weights or statistics, or works at random in training."""
    if isinstance(node.what, BlockCall):
        return _changes(node.what.body)
    assert isinstance(node.what, Op)
    return node.what.random or bool(node.what.parameters(*map(body.shape_of, node.inputs)))
