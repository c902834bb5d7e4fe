"""A pass: zeros around a map become padding of the layer that alone takes it."""

from __future__ import annotations

from resnet_dsl.ir.network import Body
from resnet_dsl.optimize.draft import Draft, Rewritten


def with_frames_in_padding(body: Body) -> Rewritten:
    """Return the body without those steps of zeros that a layer after them can have in its padding."""
    draft = Draft(body)
    for index, node, op in draft.ops():
        source = draft.source(node) if len(node.inputs) == 1 else -1
        before = draft.op_of(source)
        if before is None or before.frame is None or not draft.has_one_reader(source):
            continue
        padded = op.with_frame(before.frame)
        if padded is not None:
            draft.put(index, padded)
            draft.leave_out(source)
    return draft.rewritten()
