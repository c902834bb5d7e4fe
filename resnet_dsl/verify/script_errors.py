"""How far the steps of a script are from the referee's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from resnet_dsl.ir.arrays import Array
from resnet_dsl.recipe.recipe import Recipe
from resnet_dsl.reference import OptimisedStep
from resnet_dsl.verify.recipe_truth import RecipeBatch
from resnet_dsl.verify.script_process import LeftByScript
from resnet_dsl.verify.step_errors import Errors, worst

BAR = 1e-9  # of every step of a run


def step_errors(
    left: Sequence[LeftByScript], truth: OptimisedStep, batch: RecipeBatch, recipe: Recipe
) -> Errors:
    """Return the largest error of each kind over all processes.

    The loss is the mean over them, and so are running statistics: those move in each on its own.
    """
    learned = {name for name, tensor in recipe.program.graph.parameters() if tensor.learned}
    others = sorted(set(truth.state) - learned)
    count = len(left)
    loss = sum(each.loss for each in left) / count
    statistics = {
        name: sum((each.state[name] for each in left[1:]), left[0].state[name]) / count
        for name in others
        if all(name in each.state for each in left)
    }
    digests = [each.digest == batch.digest(rank, count) for rank, each in enumerate(left)]
    return {
        "batch": (0.0 if all(digests) else float("inf"), ""),
        "loss": (abs(loss - truth.loss) / max(abs(truth.loss), 1e-300), ""),
        "gradients": max(worst(each.gradients, truth.gradients, truth.gradients) for each in left),
        "weights": max(worst(each.state, truth.state, sorted(learned)) for each in left),
        "statistics": worst(statistics, truth.state, others),
    }


def common_factor(got: Mapping[str, Array], truth: Mapping[str, Array]) -> float | None:
    """Return by how much all gradients are too large, if it is the same for all."""
    if not truth or got.keys() < truth.keys():
        return None
    products = sum(float((got[name] * value).sum()) for name, value in truth.items())
    factor = products / max(sum(float((value * value).sum()) for value in truth.values()), 1e-300)
    scaled = {name: factor * value for name, value in truth.items()}
    return factor if worst(got, scaled, scaled)[0] <= BAR else None
