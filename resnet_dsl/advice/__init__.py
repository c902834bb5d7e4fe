"""Advice: what a valid spec says that is seldom meant, each cause once; few, and right."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_dsl.advice.frozen_parts import frozen_behind_trained
from resnet_dsl.advice.left_norms import norms_left_over
from resnet_dsl.advice.lost_pixels import images_of_another_size, rows_that_nothing_reads
from resnet_dsl.advice.residual_slips import projections_of_nothing, strides_of_every_block
from resnet_dsl.advice.unused_declarations import unread_names, unused_declarations
from resnet_dsl.analysis.lower import Lowered
from resnet_dsl.diagnostics.model import Diagnostic
from resnet_dsl.elaborate.model_state import ModelState
from resnet_dsl.elaborate.scope import Scope


def advise(scope: Scope, state: ModelState, lowered: Lowered) -> Iterator[Diagnostic]:
    """Yield the warnings of a model that compiles, in the order of its text's subjects."""
    graph = lowered.runs
    yield from unused_declarations(scope, state)
    yield from unread_names(scope, state)
    yield from strides_of_every_block(scope, state, lowered.network)
    yield from norms_left_over(state, lowered)
    yield from projections_of_nothing(scope, lowered)
    yield from rows_that_nothing_reads(graph)
    yield from images_of_another_size(state, graph)
    yield from frozen_behind_trained(state, graph)


__all__ = ["advise"]
