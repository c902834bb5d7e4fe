"""Steps that apply one thing more than once: what a backend has to know of their applications together."""

from __future__ import annotations

from collections.abc import Iterable

from resnet_dsl.ir.network import BlockCall, Body, Network, Node
from resnet_dsl.ir.ops import Op
from resnet_dsl.records import dataclass


@dataclass(frozen=True)
class SharedUse:
    """What is true of what a step applies, in any of the bodies it is in.

    `resized` says that maps of several sizes are given to it, `statistics` that it keeps some of its own,
    which move with each application in training, in the order of these.
    """

    resized: bool = False
    statistics: bool = False


def shared_uses(bodies: Iterable[Body]) -> dict[str, SharedUse]:
    """Return what there is to know of each step that is applied more than once, by its name."""
    found: dict[str, SharedUse] = {}
    for body in bodies:
        again = [node for node in body.nodes if node.owner is not None]
        owners = {node.owner for node in again}
        firsts = {node.name: node for node in body.nodes if node.name in owners}
        for node in again:
            assert node.owner is not None
            first, before = firsts[node.owner], found.get(node.owner, SharedUse())
            found[node.owner] = SharedUse(
                before.resized or _inputs(node, body) != _inputs(first, body),
                before.statistics or _keeps_statistics(first, body),
            )
    return found


def shared_blocks(network: Network) -> dict[str, SharedUse]:
    """Return the same of each block of the stages that is applied more than once, by its path."""
    found: dict[str, SharedUse] = {}
    bodies = {path: body for _, path, body in network.parts() if path}
    for path, owner in network.owners().items():
        first, again, before = bodies[owner], bodies[path], found.get(owner, SharedUse())
        resized = before.resized or first.inputs != again.inputs
        found[owner] = SharedUse(resized, any(_keeps_statistics(node, first) for node in first.nodes))
    return found


def _inputs(node: Node, body: Body) -> list[object]:
    return [body.shape_of(value) for value in node.inputs]


def _keeps_statistics(node: Node, body: Body) -> bool:
    if isinstance(node.what, BlockCall):
        return any(_keeps_statistics(inner, node.what.body) for inner in node.what.body.nodes)
    if not isinstance(node.what, Op):
        return False
    return not all(tensor.learned for tensor in node.what.parameters(*map(body.shape_of, node.inputs)))
