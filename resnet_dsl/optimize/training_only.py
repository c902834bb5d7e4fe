"""A pass: steps that do something in training alone, such as a dropout, are left out."""

from __future__ import annotations

from resnet_dsl.ir.network import Body
from resnet_dsl.optimize.draft import Draft, Rewritten


def without_training_only(body: Body) -> Rewritten:
    """Return the body without steps that evaluation passes over.

    One stays where the body returns its result and what it takes is an input, or is returned as well:
    what bears a name of its own is a value of its own.
    """
    draft = Draft(body)
    for index, node, op in draft.ops():
        source = draft.source(node)
        named = draft.is_result(index) and (source < 0 or draft.is_result(source))
        if op.random and not named:
            draft.leave_out(index)
    return draft.rewritten()
