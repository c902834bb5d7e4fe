"""Two passes: a scale and a shift of each channel go into the layer before them, or into that after them."""

from __future__ import annotations

from typing import NamedTuple

from resnet_dsl.ir.folds import ChannelMapFold, TensorOwner, owner_of
from resnet_dsl.ir.network import BlockCall, Body, FurtherResult, Node
from resnet_dsl.ir.ops import Op
from resnet_dsl.optimize.draft import Draft, Rewritten


def folded_into_layer_before(body: Body) -> Rewritten:
    """Return the body without norms, scales and shifts of what one layer gives, and gives to nothing else."""
    draft = Draft(body)
    for index, node, op in draft.ops():
        source = draft.source(node) if op.channel_map is not None else -1
        before = draft.own(source)
        biased = _biased(before, body) if before is not None and draft.has_one_reader(source) else None
        if biased is not None:
            draft.folds.append(ChannelMapFold(biased.layer, owner_of(node, body)))
            # What the layer gives now is what the step gave: the author's name for that is its name.
            draft.put(source, biased.what, node.variable)
            draft.leave_out(index)
    return draft.rewritten()


class _Biased(NamedTuple):
    """What a step is with a bias in its last layer, and that layer as it was."""

    what: Op | BlockCall
    layer: TensorOwner


def _biased(node: Node, body: Body) -> _Biased | None:
    """A layer with a bias, or the call of a block that ends with one; None for any other step."""
    if isinstance(node.what, Op):
        layer = node.what.linear_layer
        return None if layer is None else _Biased(node.what.with_bias(), owner_of(node, body))
    if isinstance(node.what, FurtherResult) or node.what.body.more:
        return None
    inner = Draft(node.what.body)
    value = inner.body.result
    last = inner.own(value)
    found = _biased(last, inner.body) if last is not None and not inner.is_read(value) else None
    if found is None:
        return None
    inner.put(value, found.what)
    return _Biased(BlockCall(inner.rewritten().body), found.layer.below(node.name))


def folded_into_layer_after(body: Body) -> Rewritten:
    """Return the body without norms, scales and shifts that one layer alone takes, without a padding.

    Zeros of a padding are no shifted values: with a padding a scale alone can be folded.
    """
    draft = Draft(body)
    for index, node, op in draft.ops():
        source = draft.source(node) if op.linear_layer is not None else -1
        before = draft.op_of(source)
        if before is None or before.channel_map is None or not draft.has_one_reader(source):
            continue
        fold = ChannelMapFold(owner_of(node, body), owner_of(draft.nodes[source], body), of_input=True)
        if op.linear_layer is not None and (op.linear_layer.uniform or not fold.shifts):
            draft.folds.append(fold)
            draft.put(index, op.with_bias() if fold.shifts else op)
            draft.leave_out(source)
    return draft.rewritten()
