"""A graph in training: forward with batch statistics, backward, and steps of SGD as torch's.

A frozen part runs as in evaluation and keeps its parameters and its statistics; gradients pass
through it. Dropout drops by masks that are given, and not at all where none are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from resnet_dsl.ir.graph import INPUT, Graph, GraphNode
from resnet_dsl.ir.shapes import Extent
from resnet_dsl.records import dataclass, replace
from resnet_dsl.reference.evaluation import State, apply, as_batch, called, tensors_of
from resnet_dsl.reference.meaning import Array, OpCall, backward, statistics

Masks = Mapping[str, Array]


class Batch(NamedTuple):
    """Images (N, C, H, W), their classes (N,) and a mask of 0 and 1 for each random step, by its name."""

    x: ArrayLike
    labels: ArrayLike
    masks: Masks | None = None


@dataclass(frozen=True, eq=False)
class Tape:
    """A forward pass kept for the way back: every op's call and result, by the op's name."""

    graph: Graph
    calls: Mapping[str, OpCall]
    results: Mapping[str, Array]

    def outputs(self) -> dict[str, Array]:
        """Return the outputs by name."""
        return {name: self.results[result] for name, result in self.graph.outputs}

    def statistics(self, unbiased: bool = True) -> dict[str, Array]:
        """Return the new running statistics by canonical name; see `meaning.statistics`.

        Those of an op that is applied more than once move with each application, in order.
        """
        moved: dict[str, dict[str, Array]] = {}
        for node in self.graph.nodes:
            call, before = self.calls[node.name], moved.get(node.home.name, {})
            if before:
                call = replace(call, tensors={**call.tensors, **before})
            if found := statistics(node.op, call, unbiased):
                moved[node.home.name] = {**before, **found}
        return {f"{path}.{name}": value for path, own in moved.items() for name, value in own.items()}


@dataclass(frozen=True, eq=False)
class Derivatives:
    """The loss by the input (N, C, H, W), and by each learned parameter that it depends on."""

    input: Array
    parameters: dict[str, Array]


@dataclass(frozen=True, eq=False)
class TrainingStep:
    """One step of training: the loss before it, its gradients without decay; state and velocity after."""

    loss: float
    gradients: dict[str, Array]
    state: dict[str, Array]
    velocity: dict[str, Array]


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """What a training leaves: the state, the loss before each step, the gradients of the last."""

    state: dict[str, Array]
    losses: tuple[float, ...]
    gradients: dict[str, Array]


def record(
    graph: Graph,
    state: State,
    x: ArrayLike,
    masks: Masks | None = None,
    training: bool = True,
    groups: int = 1,
) -> Tape:
    """Run a batch (N, C, H, W) forward, in training mode unless told otherwise, and keep everything.

    Batch norms take their statistics over each of `groups` equal groups of neighbours in the batch.
    """
    tensors, results = tensors_of(graph, state), {INPUT: as_batch(graph, x)}
    extent = Extent(*results[INPUT].shape[2:])
    calls: dict[str, OpCall] = {}
    for node in graph.nodes:
        alive = training and not graph.is_frozen(node)
        if node.op.random and alive:
            alive = masks is not None
            tensors[node.name] = {} if masks is None else {"mask": _mask(node, masks)}
        calls[node.name] = called(node, tensors, results, alive, groups)
        results[node.name] = apply(node, calls[node.name], extent)
    return Tape(graph, calls, results)


def _mask(node: GraphNode, masks: Masks) -> Array:
    if node.name not in masks:
        raise ValueError(f"no mask for the random step {node.name}")
    return np.asarray(masks[node.name], dtype=np.float64)


def backpropagate(tape: Tape, by_outputs: Mapping[str, Array]) -> Derivatives:
    """Return the derivatives of a loss whose gradient by each output, by name, is given."""
    by_results: dict[str, Array] = {}
    results = dict(tape.graph.outputs)
    for output, gradient in by_outputs.items():
        _gather(by_results, results[output], gradient)
    return backpropagate_results(tape, by_results)


def backpropagate_results(tape: Tape, by_results: Mapping[str, Array]) -> Derivatives:
    """Return the derivatives of a loss whose gradient by each of some ops' results is given."""
    pending = dict(by_results)
    learned: dict[str, Array] = {}
    for node in reversed(tape.graph.nodes):
        if node.name not in pending:
            continue
        # Popped: a gradient is whole when its op's turn comes, and not needed after.
        found = backward(node.op, tape.calls[node.name], tape.results[node.name], pending.pop(node.name))
        if not tape.graph.is_frozen(node):
            for name, value in found.tensors.items():
                _gather(learned, f"{node.home.name}.{name}", value)
        for name, gradient in zip(node.inputs, found.inputs, strict=True):
            _gather(pending, name, gradient)
    by_input = pending.get(INPUT, np.zeros(tape.results[INPUT].shape))
    order = (name for name, _ in tape.graph.parameters() if name in learned)
    return Derivatives(by_input, {name: learned[name] for name in order})


def _gather(pending: dict[str, Array], name: str, gradient: Array) -> None:
    """Add without writing into an array that another result may share."""
    pending[name] = pending[name] + gradient if name in pending else gradient


def cross_entropy(logits: Array, labels: NDArray[np.integer]) -> tuple[float, Array]:
    """Return the mean cross-entropy and its gradient; logits (N, K) or (N, K, H, W), labels without K."""
    shifted = logits - logits.max(1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    places = np.expand_dims(labels, 1)
    loss = -np.take_along_axis(logs, places, 1).mean()
    gradient = np.exp(logs)
    np.put_along_axis(gradient, places, np.take_along_axis(gradient, places, 1) - 1.0, 1)
    return float(loss), gradient / labels.size


def steps(
    graph: Graph,
    state: State,
    batches: Iterable[Batch],
    lr: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    unbiased: bool = True,
    velocity: State | None = None,
) -> Iterator[TrainingStep]:
    """Yield each step of SGD on the cross-entropy of the first output, one step a batch.

    Each auxiliary output adds half its mean square to the loss: it needs no labels of its own.

    As torch: v = momentum v + (gradient + weight_decay w), then w -= lr v, for every parameter
    that is not frozen; `velocity` is v at the start, of those that have one. `unbiased` is torch's
    convention of the running variance.
    """
    current = {name: np.asarray(value, dtype=np.float64) for name, value in state.items()}
    moving: dict[str, Array] = dict(velocity or {})
    output = graph.inference.outputs[0][0]
    for batch in batches:
        tape = record(graph, current, batch.x, batch.masks)
        found = tape.outputs()
        loss, by_logits = cross_entropy(found[output], np.asarray(batch.labels))
        by_outputs = {output: by_logits}
        for name in graph.network.auxiliary:
            loss += float(np.square(found[name]).mean() / 2)
            by_outputs[name] = found[name] / found[name].size
        gradients = backpropagate(tape, by_outputs).parameters
        moving = moving | {
            name: momentum * moving.get(name, 0.0) + gradient + weight_decay * current[name]
            for name, gradient in gradients.items()
        }
        moved = {name: current[name] - lr * moving[name] for name in gradients}
        current = current | moved | tape.statistics(unbiased)
        yield TrainingStep(loss, gradients, current, moving)


def train(
    graph: Graph,
    state: State,
    batches: Iterable[Batch],
    lr: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    unbiased: bool = True,
) -> TrainingResult:
    """Take one step of SGD for each batch; see `steps`."""
    losses: list[float] = []
    step = TrainingStep(0.0, {}, dict(state), {})
    # A step's state is the whole model: only the last is kept.
    for step in steps(graph, state, batches, lr, momentum, weight_decay, unbiased):
        losses.append(step.loss)
    return TrainingResult(step.state, tuple(losses), step.gradients)
