"""The mean of several sets of weights of one model, tensor by tensor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.ir.arrays import Array
from resnet_dsl.program import Program
from resnet_dsl.weights.source import Given, Weights, weights_for
from resnet_dsl.zoo.asked import NOTHING, Asked


def average(program: Program, given: Sequence[Given], asked: Asked = NOTHING) -> tuple[Weights, list[str]]:
    """Return the mean of weights, and what was done, a sentence each.

    They may lie in different formats, under different names. Raises WeightsError for those that do not fit
    whole, UsageError unless there are two or more.
    """
    if isinstance(given, (str, bytes)) or len(given) < 2:
        raise UsageError("an average is of two sets of weights or more")
    if asked.partial:
        raise UsageError("`partial` is not for an average: each has to give every tensor")
    notes: list[str] = []
    sources: list[str] = []

    def states() -> Iterable[dict[str, Array]]:
        for each in given:
            weights = weights_for(program, None, each, asked)
            assert weights is not None
            assert weights.report is not None
            notes.extend(weights.remarks())
            sources.append(weights.report.source)
            yield weights.state

    state = mean(states())
    notes.append(f"the mean of {len(given)} sets of weights, in double, rounded once")
    if any(node.tensor("mean") for node in program.graph.nodes):
        notes[-1] += "; running statistics too, which training data would give otherwise"
    origin: dict[str, object] = {"mean_of": sources} | asked.arithmetic
    if asked.names is not None:
        origin["names"] = asked.names
    return Weights(state, origin), notes


def mean(states: Iterable[dict[str, Array]]) -> dict[str, Array]:
    """Return the mean of each tensor: summed in double in the order given, divided, rounded once."""
    sums: dict[str, Array] = {}
    count = 0
    for state in states:
        count += 1
        for name, value in state.items():
            if name in sums:
                sums[name] += value
            else:
                sums[name] = value.astype(np.float64)
    return {name: (value / count).astype(np.float32) for name, value in sums.items()}
