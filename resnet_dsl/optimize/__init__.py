"""A program for inference alone: what training needs is gone, and what can be computed before is.

training_only     steps that evaluation passes over are left out
plain_weights     a layer that standardises its weight has the standardised one
frames            zeros around a map become padding
channel_maps      norms, scales and shifts go into the layer before or after them

Each is a pass over a body (`draft.py`); `network_passes.py` runs them over a network until nothing changes.
The result is a network as any other, so that every backend, printer and the referee take it. What a step is
to a pass its op declares (`Op.channel_map`, `Op.linear_layer`, …). A tensor that is left keeps its name.
"""

from __future__ import annotations

from resnet_dsl.analysis.cost import cost_of
from resnet_dsl.analysis.lower import Lowered
from resnet_dsl.optimize.network_passes import PASSES as PASSES
from resnet_dsl.optimize.network_passes import network_for_inference
from resnet_dsl.program import Original, Program

TARGETS = ("inference",)


def for_inference(program: Program) -> Program:
    """Return the form of a program for inference; one that is so already is returned as it is."""
    if program.original is not None:
        return program
    network, folds = network_for_inference(program.network)
    lowered = Lowered(network)
    cost = cost_of(lowered.runs)
    return Program(network, lowered, cost, program.warnings, program.names, Original(program, folds))
