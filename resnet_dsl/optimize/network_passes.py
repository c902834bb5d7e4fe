"""Passes over a network: each body is rewritten once, calls inside it first, until nothing changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from resnet_dsl.ir.folds import Fold
from resnet_dsl.ir.narrowing import needed_only
from resnet_dsl.ir.network import BlockCall, Body, Network, Node, Run, Stage
from resnet_dsl.optimize.channel_maps import folded_into_layer_after, folded_into_layer_before
from resnet_dsl.optimize.draft import Pass, Rewritten
from resnet_dsl.optimize.frames import with_frames_in_padding
from resnet_dsl.optimize.plain_weights import with_plain_weights
from resnet_dsl.optimize.training_only import without_training_only
from resnet_dsl.records import replace

# In this order: what evaluation passes over stands between a layer and its norm; a weight has to be as it is
# used before anything is folded into it; zeros that are padding keep a shift out of the layer after them.
PASSES: tuple[Pass, ...] = (
    without_training_only,
    with_plain_weights,
    with_frames_in_padding,
    folded_into_layer_before,
    folded_into_layer_after,
)


def network_for_inference(network: Network) -> tuple[Network, tuple[Fold, ...]]:
    """Return the network that computes the same in evaluation alone, and what becomes of its tensors."""
    if network.auxiliary:
        outputs = tuple(name for name in network.outputs if name not in network.auxiliary)
        network = needed_only(replace(network, outputs=outputs, auxiliary=()))
    bodies = _rewritten_parts(network)
    stages = tuple(replace(stage, runs=tuple(_rewritten_runs(stage, bodies))) for stage in network.stages)
    stem, head = (bodies[part].body if part in bodies else None for part in ("stem", "head"))
    found = replace(
        network, stem=stem, stages=stages, head=head, frozen=(), frozen_norms=False, inference=True
    )
    folds = (
        fold.below(path)
        for part, path, run in network.placed()
        if run.owner is None
        for fold in bodies[path or part].folds
    )
    return found, tuple(folds)


def _rewritten_runs(stage: Stage, bodies: Mapping[str, Rewritten]) -> Iterator[Run]:
    """The runs of a stage; blocks of one have one body, before and after."""
    for _, path, run in stage.divided(set()):
        yield replace(run, body=bodies[path].body)


def _rewritten_parts(network: Network) -> dict[str, Rewritten]:
    """Every part and block rewritten, by name and path; a block that is applied again as it was first."""
    known: dict[int, Rewritten] = {}
    placed = [(path or part, run) for part, path, run in network.placed()]
    found = {own: _rewritten(run.body, known) for own, run in placed}
    bodies = {own: run.body for own, run in placed}
    owners = {own: run.owner for own, run in placed if run.owner is not None}
    for path, owner in owners.items():
        if found[path].folds != found[owner].folds:
            alike = (owner, *(other for other, its in owners.items() if its == owner))
            found |= {other: Rewritten(bodies[other]) for other in alike}
    return found


def _rewritten(body: Body, known: dict[int, Rewritten]) -> Rewritten:
    """Return a body after all passes; equal uses share a body, and share what becomes of it."""
    if id(body) not in known:
        known[id(body)] = _after_passes(_with_calls_rewritten(body, known))
    return known[id(body)]


def _after_passes(start: Rewritten) -> Rewritten:
    body, folds, before = start.body, [start.folds], None
    while body is not before:
        before = body
        for each in PASSES:
            step = each(body)
            body = step.body
            folds.append(step.folds)
    return Rewritten(body, tuple(fold for several in folds for fold in several))


def _with_calls_rewritten(body: Body, known: dict[int, Rewritten]) -> Rewritten:
    """The body with the blocks that it calls rewritten; a call that is made again as it was made first."""
    calls = {node.name: node for node in body.nodes if isinstance(node.what, BlockCall)}
    done = {name: _rewritten(_called(node), known) for name, node in calls.items()}
    for name, node in calls.items():
        if node.owner is not None and done[name].folds != done[node.owner].folds:
            alike = (n for n, other in calls.items() if node.owner in (n, other.owner))
            done |= {other: Rewritten(_called(calls[other])) for other in alike}
    if all(done[name].body is _called(node) for name, node in calls.items()):
        return Rewritten(body)
    nodes = tuple(_calling(node, done) for node in body.nodes)
    own = (name for name, node in calls.items() if node.owner is None)
    folds = tuple(fold.below(name) for name in own for fold in done[name].folds)
    return Rewritten(replace(body, nodes=nodes), folds)


def _calling(node: Node, done: Mapping[str, Rewritten]) -> Node:
    return replace(node, what=BlockCall(done[node.name].body)) if node.name in done else node


def _called(node: Node) -> Body:
    assert isinstance(node.what, BlockCall)
    return node.what.body
