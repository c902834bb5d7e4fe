"""Shared blocks of the stages: blocks in a row that are one, applied again and again."""

from __future__ import annotations

from resnet_dsl.diagnostics.model import Span
from resnet_dsl.elaborate.elaborator import ShareHome
from resnet_dsl.elaborate.model_state import ModelState, SharedBlock
from resnet_dsl.elaborate.sharing import Steps, applied_elsewhere, bodies_differ, report_difference
from resnet_dsl.elaborate.values import Bad, Share
from resnet_dsl.ir.network import Body


def block_owner(state: ModelState, function: Share, path: str, body: Body, span: Span) -> str | Bad | None:
    """Return the path of the block whose tensors a shared block of a stage uses, None for its own."""
    ctx = state.elaborator
    first = state.shared.get(function)
    if first is None:
        if function in ctx.homes:
            return applied_elsewhere(ctx, ctx.homes[function], span)
        ctx.homes[function] = ShareHome(state, span)
        state.shared[function] = SharedBlock(path, body, span)
        if not any(Steps(body.nodes, body.shape_of).tensors()):
            ctx.useless.setdefault(function, "has no tensors")
        return None
    difference = bodies_differ(first.body, body)
    return first.path if difference is None else report_difference(ctx, difference, span, first.span)
