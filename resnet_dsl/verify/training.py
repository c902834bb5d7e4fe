"""Training verification: gradients, statistics and weights after steps of SGD, against the referee."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from resnet_dsl.backend.discovery import lacking, runtime_of
from resnet_dsl.backend.interface import Backend, Sgd, Statistics, Training
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.graph import Graph
from resnet_dsl.ir.ops import RunningNorm
from resnet_dsl.reference import Batch, train
from resnet_dsl.reference.training import TrainingResult
from resnet_dsl.verify.case import Subject, images

BAR = 1e-10
BATCH = 8

# Powers of two and their like: Keras takes its rates through single precision, where these are exact.
RATES = Sgd(lr=1 / 64, momentum=0.875, weight_decay=1 / 4096)


@dataclass(frozen=True)
class Trained:
    """One backend after the steps: the largest error of each kind, and the tensor it is in."""

    backend: str
    errors: dict[str, tuple[float, str]]
    cause: str

    @property
    def passed(self) -> bool:
        """Whether losses, gradients, statistics and weights are all within the bar."""
        return all(error <= BAR for error, _ in self.errors.values())


def verify_training(
    subject: Subject, backends: Mapping[str, Backend], state: Mapping[str, Array], count: int, seed: int,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Trained, ...]:  # fmt: skip
    """Train every backend that trains for `count` steps, in float64."""
    graph = subject.program.graph
    random = [node.name for node in graph.nodes if node.op.random and not graph.is_frozen(node)]
    if random:
        raise UsageError(f"training is random at {random[0]}; compare with the rate of it set to 0")
    batches = _batches(subject, count, seed)
    found = []
    for name, backend in backends.items():
        if backend.trainer is None or lacking(backend, "trainer", backend.trainer):
            continue
        say(f"{name} training")
        runtime, trainer = runtime_of(backend), backend.trainer.load()
        model = runtime.load_state(runtime.build(subject.program, "float64"), state)
        result = trainer.train(model, batches, RATES)
        found.append(_compare(name, graph, state, batches, trainer.STATISTICS, result))
    return tuple(found)


def untrained(backends: Mapping[str, Backend]) -> tuple[tuple[str, str], ...]:
    """Return the backends that are left out of training, with the reason."""
    reasons = ((name, lacking(backend, "trainer", backend.trainer)) for name, backend in backends.items())
    return tuple((name, f"it {reason}") for name, reason in reasons if reason)


def _batches(subject: Subject, count: int, seed: int) -> list[tuple[Array, Array]]:
    """Images at the smallest size and labels below the number of classes."""
    classes = subject.program.graph.shape_of(subject.program.graph.outputs[0][1]).channels
    generator = np.random.Generator(np.random.Philox(seed))
    size = subject.sizes[0]
    return [
        (images(subject, size, BATCH, seed + 100 + i), generator.integers(0, classes, BATCH))
        for i in range(count)
    ]


def _compare(
    name: str, graph: Graph, state: Mapping[str, Array], batches: Sequence[tuple[Array, Array]],
    statistics: Statistics, result: Training,
) -> Trained:  # fmt: skip
    truth = _referee(graph, state, batches, statistics)
    learned = {n for n, parameter in graph.parameters() if parameter.learned}
    errors = {
        "loss": (
            max(abs(a - b) / max(abs(b), 1e-300) for a, b in zip(result.losses, truth.losses, strict=True)),
            "",
        ),
        "gradients": _worst(result.gradients, truth.gradients, set(truth.gradients)),
        "weights": _worst(result.state, truth.state, learned),
        "statistics": _worst(result.state, truth.state, set(truth.state) - learned),
    }
    cause = _cause(graph, state, batches, statistics, result, errors)
    return Trained(name, errors, cause)


def _referee(
    graph: Graph, state: Mapping[str, Array], batches: Sequence[tuple[Array, Array]], statistics: Statistics
) -> TrainingResult:
    """The same steps by the referee, with the statistics' convention of the framework."""
    rounded = tuple(
        replace(node, op=replace(node.op, momentum=statistics.momentum(node.op.momentum)))
        if isinstance(node.op, RunningNorm)
        else node
        for node in graph.nodes
    )
    given = [Batch(x, labels) for x, labels in batches]
    return train(replace(graph, nodes=rounded), state, given, *RATES, unbiased=statistics.unbiased)


def _worst(got: Mapping[str, Array], truth: Mapping[str, Array], names: set[str]) -> tuple[float, str]:
    """The largest difference in any tensor, relative to that tensor's largest value, and its name."""
    if not names:
        return 0.0, ""
    # A gradient that is zero but for rounding (a bias before a batch norm) is held to the largest.
    scale = max(float(np.abs(truth[name]).max()) for name in names)
    found = []
    for name in names:
        if name not in got or got[name].shape != truth[name].shape:
            found.append((float("inf"), name))
            continue
        difference = float(np.abs(got[name] - truth[name]).max())
        found.append((difference / max(float(np.abs(truth[name]).max()), 1e-5 * scale, 1e-300), name))
    return max(found)


def _cause(
    graph: Graph, state: Mapping[str, Array], batches: Sequence[tuple[Array, Array]],
    statistics: Statistics, result: Training, errors: dict[str, tuple[float, str]],
) -> str:  # fmt: skip
    """What was done wrong with the statistics, if only they are wrong."""
    if errors["statistics"][0] <= BAR or errors["weights"][0] > BAR:
        return ""
    mistakes = {
        "statistics: the variance is biased": replace(statistics, unbiased=False),
        "statistics: the variance is unbiased": replace(statistics, unbiased=True),
        "statistics: the momentum is inverted": replace(statistics, momentum=lambda m: 1 - m),
    }
    learned = {n for n, parameter in graph.parameters() if parameter.learned}
    for words, mistake in mistakes.items():
        truth = _referee(graph, state, batches, mistake)
        if _worst(result.state, truth.state, set(truth.state) - learned)[0] <= BAR:
            return words
    return ""
