"""Forward verification: outputs at every size, blocks at one, and the first op that diverges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np

from resnet_dsl.backend.discovery import runtime_of
from resnet_dsl.backend.interface import Backend, LiveModel, Runtime, built_with, run_each
from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.graph import INPUT, Graph
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass, field
from resnet_dsl.reference.evaluation import evaluate, evaluate_all, tensors_of
from resnet_dsl.verify.attempts import Attempts
from resnet_dsl.verify.case import InputSize, Subject, images
from resnet_dsl.verify.diagnosis import likely_cause
from resnet_dsl.verify.folding import Folding
from resnet_dsl.verify.sensitivity import RUNS, allowed, moved

BATCH = 2
FRESH = "float32"  # in which fresh models are built to see how they start

# Largest difference over the largest value: a result within is right, whatever the network.
BARS = {"float64": 1e-12, "float32": 1e-4}
# A network whose own results move by more tells nothing: a wrong eps may show at no more.
TELLING = {"float64": 1e-8, "float32": 1e-3}


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
    sensitivity: dict[str, float] = field(default_factory=dict)
    """By precision, how far the network's own result moves; only where an error is past its bar."""

    def passed(self, column: Column) -> bool:
        """Whether a result is within its bar, or within what the network makes of rounding."""
        error, dtype = self.errors[column], column.dtype
        tells = self.allowed(dtype) <= TELLING[dtype]
        return error <= BARS[dtype] or (tells and self.explained(column))

    def explained(self, column: Column) -> bool:
        """Whether rounding explains a result, be it that this tells nothing."""
        return self.errors[column] <= self.allowed(column.dtype)

    def allowed(self, dtype: str) -> float:
        """The largest error that rounding explains."""
        return allowed(self.sensitivity.get(dtype), BARS[dtype])


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
    blocks: tuple[Row, ...]
    outputs: tuple[Row, ...]
    divergences: tuple[Divergence, ...]

    @property
    def passed(self) -> bool:
        """Whether every output is within its bar, and in double precision every op that shows."""
        return not self.divergences and all(
            row.passed(column) for row in self.outputs for column in row.errors
        )

    @property
    def differs(self) -> bool:
        """Whether there is more than rounding explains."""
        rows = ((row, column) for row in self.outputs for column in row.errors)
        return bool(self.divergences) or not all(row.explained(column) for row, column in rows)


def error_of(got: Array, truth: Array) -> float:
    """Return the largest difference over the largest true value; infinite where shapes differ."""
    if got.shape != truth.shape:
        return float("inf")
    difference = np.abs(got.astype(np.float64) - truth)
    return (
        float(difference.max() / max(np.abs(truth).max(), 1e-300)) if np.isfinite(got).all() else float("inf")
    )


@dataclass(frozen=True, eq=False)
class Truth:
    """What the referee makes of the images of each size."""

    graph: Graph
    state: Mapping[str, Array]
    inputs: tuple[Array, ...]
    outputs: tuple[dict[str, Array], ...]
    middle: int
    inner: dict[str, Array]
    """The result of every op, at the size in the middle."""
    own: Callable[[int, str], dict[str, float]]
    """How far each result moves, at which size and in which precision, by the last bit of the weights."""


def truth_of(
    subject: Subject, state: Mapping[str, Array], seed: int, folding: Folding | None = None
) -> Truth:
    """Return what the referee makes of images of every size; outputs of before a folding."""
    graph = subject.program.graph
    inputs = tuple(images(subject, size, BATCH, seed + 1 + i) for i, size in enumerate(subject.sizes))
    middle = len(inputs) // 2

    @cache
    def own(i: int, dtype: str) -> dict[str, float]:
        right = evaluate_all(graph, state, inputs[i])
        found = dict.fromkeys(right, 0.0)
        for run in range(RUNS):
            near = evaluate_all(graph, moved(graph, state, run, dtype), inputs[i])
            found = {name: max(found[name], error_of(near[name], right[name])) for name in right}
        return found

    inner = evaluate_all(graph, state, inputs[middle])
    outputs = tuple(
        folding.wanted(x)
        if folding is not None
        else {name: inner[result] for name, result in graph.inference.outputs}
        if i == middle
        else evaluate(graph, state, x)
        for i, x in enumerate(inputs)
    )
    return Truth(graph, state, inputs, outputs, middle, inner, own)


def verify_forward(
    subject: Subject, backends: Mapping[str, Backend], state: Mapping[str, Array], seed: int,
    attempts: Attempts | None = None, fresh: dict[str, LiveModel] | None = None, truth: Truth | None = None,
) -> Forward:  # fmt: skip
    """Compare every backend with the referee, in float64 and float32.

    `fresh` are models in single precision that are there already: each is taken out, loaded and run.
    """
    truth, attempts, fresh = truth or truth_of(subject, state, seed), attempts or Attempts(), fresh or {}
    outputs, blocks = rows_of(subject, truth)
    columns, divergences = [], []
    for name, backend in backends.items():
        for dtype in backend.precisions:
            column = Column(name, dtype)
            columns.append(column)
            with attempts.of(name, dtype):
                built = fresh.pop(name, None) if dtype == FRESH else None
                model = _loaded(runtime_of(backend), subject.program, _as(state, dtype), dtype, built)
                divergences += _compare(column, runtime_of(backend), model, subject, truth, outputs, blocks)
    return Forward(tuple(columns), blocks, outputs, tuple(divergences))


def rows_of(subject: Subject, truth: Truth) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """Return the rows of outputs and those of blocks, still empty."""
    outputs = tuple(
        Row(name, size, {})
        for size, found in zip(subject.sizes, truth.outputs, strict=True)
        for name in found
    )
    return outputs, tuple(Row(part, None, {}) for part, _ in _parts(truth.graph))


def _loaded(
    runtime: Runtime, program: Program, state: Mapping[str, Array], dtype: str, built: LiveModel | None
) -> LiveModel:
    """A model with weights: one that is there, or a new one that need not be started first."""
    if built is not None:
        return runtime.load_state(built, state)
    return built_with(runtime, program, state, dtype)


def _compare(
    column: Column, runtime: Runtime, model: LiveModel, subject: Subject, truth: Truth,
    outputs: tuple[Row, ...], blocks: tuple[Row, ...],
) -> list[Divergence]:  # fmt: skip
    """Fill in a column, and return where it diverges first."""
    dtype, results = column.dtype, dict(truth.graph.outputs)
    runs = run_each(runtime, model, [x.astype(dtype) for x in truth.inputs])
    for i, (size, found, wanted) in enumerate(zip(subject.sizes, runs, truth.outputs, strict=True)):
        for row in outputs:
            if row.size == size:
                _fill(row, column, error_of(found[row.name], wanted[row.name]), truth, i, results[row.name])
    shown = runtime.trace(model, subject.program, truth.inputs[truth.middle].astype(dtype))
    for row, (_, result) in zip(blocks, _parts(truth.graph), strict=True):
        if result in shown:
            error = error_of(shown[result], truth.inner[result])
            _fill(row, column, error, truth, truth.middle, result)
    # An output can be right by luck: a wrong value may be cut off by the next activation.
    # In single precision rounding alone can pass the bar inside, so outputs decide there.
    failed = not all(row.explained(column) for row in outputs)
    first = _first(column, truth, shown) if failed or dtype == "float64" else None
    if first is None and failed:
        first = Divergence(column, "output", "", float("nan"), "")
    return [] if first is None else [first]


def _fill(row: Row, column: Column, error: float, truth: Truth, i: int, result: str) -> None:
    """Fill in a cell; the network's own sensitivity is costly, and looked at past the bar only."""
    row.errors[column] = error
    if BARS[column.dtype] < error < float("inf"):
        row.sensitivity[column.dtype] = truth.own(i, column.dtype)[result]


def _as(state: Mapping[str, Array], dtype: str) -> dict[str, Array]:
    return {name: value.astype(dtype) for name, value in state.items()}


def _parts(graph: Graph) -> list[tuple[str, str]]:
    """Stem, blocks and head with the ops that give their results; a stage is its last block."""
    stages = {stage.name for stage in graph.network.stages}
    return [(part, result) for part, result in graph.inference.parts if part not in stages]


def _first(column: Column, truth: Truth, results: Mapping[str, Array]) -> Divergence | None:
    """The first op in order whose result is off although those before it are not."""
    graph, dtype = truth.graph, column.dtype
    tensors = tensors_of(graph, truth.state)
    known = {INPUT: truth.inputs[truth.middle], **truth.inner}
    for node in graph.inference.nodes:
        if node.name not in results:
            continue
        got = _like(results[node.name], known[node.name])
        error = error_of(got, known[node.name])
        if error <= BARS[dtype]:
            continue
        inputs = tuple(known[name] for name in node.inputs)
        cause = likely_cause(node, inputs, tensors[node.name], got.astype(np.float64))
        # What a network makes of rounding is looked at where no mistake explains the numbers.
        if cause or error > allowed(truth.own(truth.middle, dtype)[node.name], BARS[dtype]):
            return Divergence(column, node.name, node.op.kind, error, cause)
    return None


def _like(got: Array, truth: Array) -> Array:
    """A pixel that a framework hands on flat, in its own shape."""
    return got.reshape(truth.shape) if got.size == truth.size and got.shape[0] == truth.shape[0] else got
