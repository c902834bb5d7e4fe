"""What `freeze` lists, held against the network: parts that it has, in which something could change."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_dsl.elaborate.model_state import ModelState
from resnet_dsl.elaborate.outputs import item_at, part_hint
from resnet_dsl.ir.network import NORMS, PARTS, BlockCall, Body, Network, Node
from resnet_dsl.ir.ops import Op
from resnet_dsl.records import replace


def with_frozen_parts(state: ModelState, whole: Network, network: Network) -> Network:
    """Return the network with what freezes something of it; report what it does not have.

    `whole` is the network before the parts went that no output needs. So what backends are given is
    there, and keeps weights or works at random: none of them has to ask.
    """
    if not network.frozen:
        return network
    changing, known = dict(_paths(network)), dict(_paths(whole))
    for path in network.frozen:
        at = item_at(state, "freeze", path)
        if path in changing:
            if not changing[path]:
                owner = network.owners().get(path)
                lacks = "has no weights" if owner is None else f"uses the weights of `{owner}`"
                hint = "leave it out" if owner is None else f"freeze `{owner}`"
                state.elaborator.warn("W0602", f"`{path}` {lacks}: freezing it has no effect", at, hint)
        elif path == NORMS and path not in known:
            if not any(_has_norm(run.body) for _, _, run in network.runs()):
                message = "the network has no norms: freezing them has no effect"
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
    paths = tuple(path for path in network.frozen if changing.get(path))
    return replace(network, frozen=paths, frozen_norms=NORMS in network.frozen and NORMS not in known)


def _has_norm(body: Body) -> bool:
    """Whether a norm with tensors is in a body."""
    return any(
        _has_norm(node.what.body)
        if isinstance(node.what, BlockCall)
        else isinstance(node.what, Op) and node.what.normalises and _step_changes(node, body)
        for node in body.nodes
    )


def _paths(network: Network) -> Iterator[tuple[str, bool]]:
    """Yield what `freeze` may list, each with whether something in it could change."""
    changing: dict[int, bool] = {}
    for _, _, run in network.runs():
        if id(run.body) not in changing:
            changing[id(run.body)] = _changes(run.body)
    if network.stem is not None:
        yield "stem", changing[id(network.stem)]
    for stage in network.stages:
        blocks = [changing[id(run.body)] and run.owner is None for run in stage.each]
        yield stage.name, any(blocks)
        yield from ((f"{stage.name}.{index}", block) for index, block in enumerate(blocks))
    if network.head is not None:
        yield "head", changing[id(network.head)]
    for part in filter(None, (network.stem, network.head)):
        yield from ((node.name, _step_changes(node, part)) for node in part.steps() if node.name not in PARTS)


def _changes(body: Body) -> bool:
    return any(_step_changes(node, body) for node in body.steps())


def _step_changes(node: Node, body: Body) -> bool:
    """Whether a step has weights or statistics of its own, or works at random in training."""
    if node.owner is not None:
        return False
    if isinstance(node.what, BlockCall):
        return _changes(node.what.body)
    assert isinstance(node.what, Op)
    return node.what.random or bool(node.what.parameters(*map(body.shape_of, node.inputs)))
