"""A pass: a layer that standardises its weight, or changes it otherwise, has the result."""

from __future__ import annotations

from resnet_dsl.ir.folds import PlainWeight, owner_of
from resnet_dsl.ir.network import Body
from resnet_dsl.optimize.draft import Draft, Rewritten


def with_plain_weights(body: Body) -> Rewritten:
    """Return the body with layers that take their weights as they are."""
    draft = Draft(body)
    for index, node, op in draft.ops():
        plain = op.with_plain_weight()
        if plain is not None:
            draft.folds.append(PlainWeight(owner_of(node, body)))
            draft.put(index, plain)
    return draft.rewritten()
