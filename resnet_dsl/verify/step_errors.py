"""What steps of SGD leave, by the referee in a framework's conventions, and how far two of them differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from resnet_dsl.backend.interface import Sgd, Statistics, TrainingState
from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.graph import Graph
from resnet_dsl.ir.ops import RunningNorm
from resnet_dsl.records import dataclass, field, replace
from resnet_dsl.reference import Batch, TrainingStep, steps

Images = tuple[Array, Array]
"""A batch (N, C, H, W) and the class of each."""

Errors = dict[str, tuple[float, str]]
"""The largest error of each kind, and the tensor it is in."""


@dataclass(frozen=True, eq=False)
class Left:
    """What steps have left so far: of gradients and state only the last is kept."""

    losses: tuple[float, ...] = ()
    gradients: Mapping[str, Array] = field(default_factory=dict)
    after: TrainingState = field(default_factory=lambda: TrainingState({}, {}))

    def then(self, loss: float, gradients: Mapping[str, Array], after: TrainingState) -> Left:
        """Return what is left after one step more."""
        return Left((*self.losses, loss), gradients, after)


def referee_steps(
    graph: Graph,
    start: TrainingState,
    batches: Iterable[Images],
    sgd: Sgd,
    statistics: Statistics,
) -> Iterator[TrainingStep]:
    """Yield the referee's steps, its running statistics moved as a framework moves them."""
    nodes = tuple(
        replace(node, op=replace(node.op, momentum=statistics.momentum(node.op.momentum)))
        if isinstance(node.op, RunningNorm)
        else node
        for node in graph.nodes
    )
    rounded = replace(graph, nodes=nodes)
    given = (Batch(x, labels) for x, labels in batches)
    return steps(rounded, start.state, given, *sgd, unbiased=statistics.unbiased, velocity=start.velocity)


def state_after(step: TrainingStep) -> TrainingState:
    """Return what the step after this one starts from."""
    return TrainingState(step.state, step.velocity)


def errors_of(graph: Graph, got: Left, truth: Left) -> Errors:
    """Return the largest error of each kind."""
    learned = {name for name, parameter in graph.parameters() if parameter.learned}
    losses = zip(got.losses, truth.losses, strict=True)
    state, velocity = truth.after
    return {
        "loss": (max(_number(abs(a - b) / max(abs(b), 1e-300)) for a, b in losses), ""),
        "gradients": largest_of(gradient_errors(got.gradients, truth.gradients, truth.gradients)),
        "weights": worst(got.after.state, state, learned),
        "velocity": worst(got.after.velocity, velocity, truth.gradients),
        "statistics": worst(got.after.state, state, set(state) - learned),
    }


def largest(errors: Errors) -> float:
    """Return the largest error of any kind."""
    return max(error for error, _ in errors.values())


def worst(got: Mapping[str, Array], truth: Mapping[str, Array], names: Iterable[str]) -> tuple[float, str]:
    """Return the largest error of any tensor, and its name."""
    return largest_of(each(got, truth, names))


def largest_of(errors: Mapping[str, float]) -> tuple[float, str]:
    """Return the largest of errors by tensor, and its name."""
    return max(((error, name) for name, error in errors.items()), default=(0.0, ""))


def each(got: Mapping[str, Array], truth: Mapping[str, Array], names: Iterable[str]) -> dict[str, float]:
    """Return each tensor's largest difference relative to its largest value."""
    return _relative(got, truth, {name: float(np.abs(truth[name]).max()) for name in names})


def gradient_errors(
    got: Mapping[str, Array], truth: Mapping[str, Array], names: Iterable[str]
) -> dict[str, float]:
    """Return each gradient's largest difference relative to the largest value of its layer's gradients.

    They are sums of the same terms, each with weights of its own. Where a batch norm behind takes
    all shifts away, those of a bias cancel: what is left is the rounding of terms as large as the others'.
    """
    values = {name: float(np.abs(truth[name]).max()) for name in names}
    layers: dict[str, float] = {}
    for name, value in values.items():
        layer = name.rpartition(".")[0]
        layers[layer] = max(value, layers.get(layer, 0.0))
    return _relative(got, truth, {name: layers[name.rpartition(".")[0]] for name in values})


def _relative(
    got: Mapping[str, Array], truth: Mapping[str, Array], scales: Mapping[str, float]
) -> dict[str, float]:
    # What is zero but for rounding, with all of its layer, is held to the largest of all.
    least = max(1e-5 * max(scales.values(), default=0.0), 1e-300)
    return {
        name: _number(float(np.abs(got[name] - truth[name]).max()) / max(scale, least))
        if name in got and got[name].shape == truth[name].shape
        else float("inf")
        for name, scale in scales.items()
    }


def _number(error: float) -> float:
    """An error that is no number is larger than any."""
    return error if np.isfinite(error) else float("inf")
