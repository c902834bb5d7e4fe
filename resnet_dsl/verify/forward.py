"""Forward verification: outputs at every size, blocks at one, and the first op that diverges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from resnet_dsl.backend.discovery import runtime_of
from resnet_dsl.backend.interface import Backend
from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.graph import INPUT, Graph
from resnet_dsl.reference.evaluation import evaluate, evaluate_all, tensors_of
from resnet_dsl.verify.case import InputSize, Subject, images
from resnet_dsl.verify.diagnosis import likely_cause

DEEP = 152
BATCH = 2

# Largest difference over the largest value: design section 4. Deep networks amplify rounding.
BARS = {"float64": (1e-12, 1e-11), "float32": (1e-4, 2e-4)}


@dataclass(frozen=True)
class Column:
    """One backend in one precision."""

    backend: str
    dtype: str

    @property
    def title(self) -> str:
        """A short heading."""
        return f"{self.backend} {'f64' if self.dtype == 'float64' else 'f32'}"


@dataclass(frozen=True)
class Row:
    """A compared result: of a block, or an output at one size; the errors of each column."""

    name: str
    size: InputSize | None
    errors: dict[Column, float]


@dataclass(frozen=True)
class Divergence:
    """The first op whose result a backend gets wrong, and why if that can be told."""

    column: Column
    op: str
    kind: str
    error: float
    cause: str


@dataclass(frozen=True)
class Forward:
    """What the forward comparison found."""

    columns: tuple[Column, ...]
    bars: dict[Column, float]
    blocks: tuple[Row, ...]
    outputs: tuple[Row, ...]
    divergences: tuple[Divergence, ...]

    @property
    def passed(self) -> bool:
        """Whether every output is within its bar, and in double precision every op that shows."""
        rows = (row.errors.items() for row in self.outputs)
        return not self.divergences and all(e <= self.bars[column] for row in rows for column, e in row)


def bar(dtype: str, depth: int) -> float:
    """Return the largest difference allowed, relative to the largest value."""
    usual, deep = BARS[dtype]
    return deep if depth >= DEEP else usual


def error_of(got: Array, truth: Array) -> float:
    """Return the largest difference over the largest true value; infinite where shapes differ."""
    if got.shape != truth.shape:
        return float("inf")
    difference = np.abs(got.astype(np.float64) - truth)
    return (
        float(difference.max() / max(np.abs(truth).max(), 1e-300)) if np.isfinite(got).all() else float("inf")
    )


def verify_forward(
    subject: Subject, backends: Mapping[str, Backend], state: Mapping[str, Array], seed: int,
    say: Callable[[str], None] = lambda _: None,
) -> Forward:  # fmt: skip
    """Compare every backend with the referee, in float64 and float32."""
    graph = subject.program.graph
    inputs = [images(subject, size, BATCH, seed + 1 + i) for i, size in enumerate(subject.sizes)]
    truths = [evaluate(graph, state, x) for x in inputs]
    middle = len(inputs) // 2
    inner = evaluate_all(graph, state, inputs[middle])
    outputs = [{name: {} for name in truth} for truth in truths]  # type: list[dict[str, dict[Column, float]]]
    blocks: dict[str, dict[Column, float]] = {part: {} for part, _ in _parts(graph)}
    columns, divergences = [], []
    for name, backend in backends.items():
        runtime = runtime_of(backend)
        for dtype in BARS:
            column = Column(name, dtype)
            columns.append(column)
            say(column.title)
            model = runtime.load_state(runtime.build(subject.program, dtype), _as(state, dtype))
            for found, x, truth in zip(outputs, inputs, truths, strict=True):
                results = runtime.run(model, x.astype(dtype))
                for output, value in truth.items():
                    found[output][column] = error_of(results[output], value)
            results = runtime.trace(model, subject.program, inputs[middle].astype(dtype))
            for part, result in _parts(graph):
                if result in results:
                    blocks[part][column] = error_of(results[result], inner[result])
            limit = bar(dtype, subject.program.cost.depth)
            # An output can be right by luck: a wrong value may be cut off by the next activation.
            # In single precision rounding alone can pass the bar inside, so outputs decide there.
            failed = any(found[output][column] > limit for found in outputs for output in found)
            if failed or dtype == "float64":
                first = _first(column, graph, state, inputs[middle], inner, results, limit)
                if first is not None or failed:
                    divergences.append(first or Divergence(column, "output", "", float("nan"), ""))
    return Forward(
        columns=tuple(columns),
        bars={column: bar(column.dtype, subject.program.cost.depth) for column in columns},
        blocks=tuple(Row(part, None, errors) for part, errors in blocks.items()),
        outputs=tuple(
            Row(output, size, errors)
            for size, found in zip(subject.sizes, outputs, strict=True)
            for output, errors in found.items()
        ),
        divergences=tuple(divergences),
    )


def _as(state: Mapping[str, Array], dtype: str) -> dict[str, Array]:
    return {name: value.astype(dtype) for name, value in state.items()}


def _parts(graph: Graph) -> list[tuple[str, str]]:
    """Stem, blocks and head with the ops that give their results; a stage is its last block."""
    stages = {stage.name for stage in graph.network.stages}
    return [(part, result) for part, result in graph.parts if part not in stages]


def _first(
    column: Column, graph: Graph, state: Mapping[str, Array], x: Array,
    truth: Mapping[str, Array], results: Mapping[str, Array], limit: float,
) -> Divergence | None:  # fmt: skip
    """The first op in order whose result is off although those before it are not."""
    tensors = tensors_of(graph, state)
    known = {INPUT: x, **truth}
    for node in graph.nodes:
        if node.name not in results:
            continue
        got = _like(results[node.name], truth[node.name])
        error = error_of(got, truth[node.name])
        if error > limit:
            inputs = tuple(known[name] for name in node.inputs)
            cause = likely_cause(node, inputs, tensors[node.name], got.astype(np.float64))
            return Divergence(column, node.name, node.op.kind, error, cause)
    return None


def _like(got: Array, truth: Array) -> Array:
    """A pixel that a framework hands on flat, in its own shape."""
    return got.reshape(truth.shape) if got.size == truth.size and got.shape[0] == truth.shape[0] else got
