"""A network for inference held against the one it was made of: what folding costs, by the referee alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.graph import Graph
from resnet_dsl.optimize import for_inference
from resnet_dsl.optimize.fold_numbers import folded
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass, replace
from resnet_dsl.reference.evaluation import evaluate
from resnet_dsl.verify.case import Subject, images


@dataclass(frozen=True, eq=False)
class Folding:
    """The network before folding, with its weights; `costs` is what folding alone changes, by precision.

    It is the largest difference over the largest value: of the referee's outputs, with the folded weights
    in that precision.
    """

    graph: Graph
    state: Mapping[str, Array]
    costs: Mapping[str, float]

    def wanted(self, x: Array) -> dict[str, Array]:
        """Return the outputs of the network before folding."""
        return evaluate(self.graph, self.state, x)


def check_steps(steps: int) -> None:
    """Raise UsageError for training of what is for inference."""
    if steps:
        raise UsageError(
            "a network that is optimised for inference is not trained: "
            "verify training without --optimize, or optimise without --train-steps"
        )


def folded_subject(
    subject: Subject, state: Mapping[str, Array], seed: int
) -> tuple[Subject, dict[str, Array], Folding]:
    """Return the subject for inference, its weights, and what it is held against."""
    program = for_inference(subject.program)
    assert program.original is not None
    weights = folded(state, program.original.folds, program.graph)
    x = images(subject, subject.sizes[0], 2, seed + 1)
    return (
        replace(subject, program=program),
        weights,
        Folding(subject.program.graph, state, _costs(subject.program, state, program, weights, x)),
    )


def _costs(
    before: Program, state: Mapping[str, Array], after: Program, weights: Mapping[str, Array], x: Array
) -> dict[str, float]:
    wanted = evaluate(before.graph, state, x)
    costs = {}
    for dtype in ("float64", "float32"):
        rounded = {name: value.astype(dtype).astype(np.float64) for name, value in weights.items()}
        found = evaluate(after.graph, rounded, x)
        costs[dtype] = max(
            float(np.abs(found[name] - wanted[name]).max() / max(np.abs(wanted[name]).max(), 1e-300))
            for name in wanted
        )
    return costs
