"""Steps of training by any loss and any update rule, over parts and processes, a rate for each step.

A batch is divided as a script divides it: a contiguous slice for each process, and of that a contiguous
part for each time the network is run. Gradients are the mean over all parts; so is the loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from resnet_dsl.ir.graph import Graph
from resnet_dsl.records import dataclass, field
from resnet_dsl.reference.evaluation import State
from resnet_dsl.reference.meaning import Array
from resnet_dsl.reference.objectives import Objective
from resnet_dsl.reference.training import backpropagate_results, record
from resnet_dsl.reference.update_rules import Slots, UpdateRule, clipped


class RatedBatch(NamedTuple):
    """Images (N, C, H, W) of all processes, their targets (see `objectives`), and the rate of the step."""

    x: ArrayLike
    targets: ArrayLike
    lr: float


@dataclass(frozen=True)
class Division:
    """How a batch is divided: `processes` slices, each of `parts`; batch norm by groups of `bn_batch`.

    With groups, running statistics move once a step, by the mean over all groups of it. Without (0) a part is
    a group: they move with each part, in each process on its own, and are the mean over processes in the end.
    """

    processes: int = 1
    parts: int = 1
    bn_batch: int = 0

    def slices(self, count: int) -> list[list[slice]]:
        """Return the images of each part of each process."""
        size, left = divmod(count, self.processes * self.parts)
        if left or (self.bn_batch and size % self.bn_batch):
            raise ValueError(f"a batch of {count} does not divide into {self}")
        starts = [size * i for i in range(self.processes * self.parts)]
        parts = [slice(start, start + size) for start in starts]
        return [parts[i : i + self.parts] for i in range(0, len(parts), self.parts)]


@dataclass(frozen=True)
class Optimisation:
    """What is to become small, and how; `unbiased` is torch's convention of the running variance."""

    objectives: tuple[Objective, ...]
    rule: UpdateRule
    clip: float = 0.0
    division: Division = Division()
    unbiased: bool = True


@dataclass(frozen=True, eq=False)
class OptimiserState:
    """What an optimiser keeps: the slots of each learned tensor that it has moved, and its steps so far."""

    slots: Mapping[str, Slots] = field(default_factory=dict)
    count: int = 0


@dataclass(frozen=True, eq=False)
class OptimisedStep:
    """One step: the loss before it, its gradients as they were used, so clipped; what it leaves."""

    loss: float
    gradients: dict[str, Array]
    state: dict[str, Array]
    optimiser: OptimiserState


def optimise(
    graph: Graph, state: State, batches: Iterable[RatedBatch], how: Optimisation,
    optimiser: OptimiserState | None = None,
) -> Iterator[OptimisedStep]:  # fmt: skip
    """Yield each step, one a batch, from a state and what an optimiser kept of earlier steps."""
    current = {name: np.asarray(value, dtype=np.float64) for name, value in state.items()}
    kept = optimiser or OptimiserState()
    for batch in batches:
        found = _of_batch(graph, current, batch, how)
        gradients = clipped(found.gradients, how.clip)
        moved, kept = _moved(current, gradients, kept, how.rule, batch.lr)
        current = current | moved | found.statistics
        yield OptimisedStep(found.loss, gradients, current, kept)


def _moved(
    state: State, gradients: Mapping[str, Array], kept: OptimiserState, rule: UpdateRule, lr: float
) -> tuple[dict[str, Array], OptimiserState]:
    weights, slots, count = {}, dict(kept.slots), kept.count + 1
    for name, gradient in gradients.items():
        weights[name], slots[name] = rule.moved(state[name], gradient, slots.get(name, {}), lr, count)
    return weights, OptimiserState(slots, count)


class _Found(NamedTuple):
    """What a run of the network, or several, gives: loss, gradients, and statistics as they are after it."""

    loss: float
    gradients: dict[str, Array]
    statistics: dict[str, Array]


def _of_batch(graph: Graph, state: dict[str, Array], batch: RatedBatch, how: Optimisation) -> _Found:
    x, targets = np.asarray(batch.x), np.asarray(batch.targets)
    found: list[_Found] = []
    statistics: list[dict[str, Array]] = []
    for parts in how.division.slices(len(x)):
        own = state
        for part in parts:
            found.append(_of_part(graph, own, x[part], targets[part], how))
            if how.division.bn_batch:
                statistics.append(found[-1].statistics)
            else:
                own = own | found[-1].statistics
        if not how.division.bn_batch:
            statistics.append(found[-1].statistics)
    loss = sum(each.loss for each in found) / len(found)
    return _Found(loss, _mean([each.gradients for each in found]), _mean(statistics))


def _of_part(graph: Graph, state: State, x: Array, targets: Array, how: Optimisation) -> _Found:
    tape = record(graph, state, x, groups=len(x) // (how.division.bn_batch or len(x)))
    total, by_results = 0.0, dict[str, Array]()
    for objective in how.objectives:
        result = objective.result(graph)
        loss, gradient = objective.criterion.of(tape.results[result], targets)
        total += objective.weight * loss
        by_results[result] = by_results.get(result, 0.0) + objective.weight * gradient
    gradients = backpropagate_results(tape, by_results).parameters
    return _Found(total, gradients, tape.statistics(how.unbiased))


def _mean(found: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    return {name: sum((each[name] for each in found[1:]), found[0][name]) / len(found) for name in found[0]}
