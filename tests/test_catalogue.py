"""Every op of the catalogue in every backend, by cases made from its declaration: a new op is tried, too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from resnet_dsl.backend.discovery import find_backend
from resnet_dsl.diagnostics.model import Source, Span
from resnet_dsl.initial.seeded import random_state
from resnet_dsl.ir.graph import GraphNode
from resnet_dsl.ir.ops import CATALOGUE
from resnet_dsl.ir.shapes import Extent
from resnet_dsl.reference import Array, OpCall, backward, evaluate, forward
from resnet_dsl.verify.case import Subject
from resnet_dsl.verify.diagnosis import likely_cause
from resnet_dsl.verify.share import fresh_starts
from resnet_dsl.verify.training import verify_training
from tests.support.agreement import ALL_ENGINES, Engine, Size, compiled, images, results_of
from tests.support.op_cases import SIZES, Case, StartArgument, cases_of, model_of, start_arguments, width_of

for framework in ("torch", "keras", "onnx", "onnxruntime"):
    pytest.importorskip(framework)

BARS = {"float64": 1e-13, "float32": 1e-5}
LEARNING = 12  # cases of an op that are trained: XLA compiles each grouped convolution for a second
NOWHERE = Span(Source("", ""), 0, 0)
each_op = pytest.mark.parametrize("kind", CATALOGUE)


def apart(
    cases: tuple[Case, ...], size: str, sizes: tuple[Size, ...], engine: Engine, chained: bool = False
) -> list[str]:
    """A line for each case and size that an engine computes otherwise than the referee."""
    program = compiled(model_of(cases, size, chained))
    state = random_state(program.graph, 0)
    inputs = [images(program, one) for one in sizes]
    ends = np.cumsum([width_of(case) for case in cases])[:-1]
    found = []
    for x, result in zip(inputs, results_of(program, state, inputs, *engine), strict=True):
        truth = evaluate(program.graph, state, x)["output"]
        assert result["output"].shape == truth.shape
        parts = (np.split(values, ends, axis=1) for values in (result["output"], truth))
        for case, got, wanted in zip(cases, *parts, strict=True):
            error, size_of_truth = np.abs(got - wanted).max(), np.abs(wanted).max()
            if not error <= BARS[engine[1]] * size_of_truth:  # 0 where only padding is read
                relative = f"{error:.1e} of {size_of_truth:.1e}"
                found.append(f"{' '.join(engine)}: `{case}` at {x.shape[2:]} differs by {relative}")
    return found


@each_op
def test_an_op_takes_what_its_page_says(kind: str) -> None:
    taken = {operand for case in cases_of(kind) for operand in case.operands}
    vectors = not taken.isdisjoint(("vector", "weights"))
    maps = not taken.isdisjoint(("map", "other", "fixed"))
    takes = CATALOGUE[kind].takes
    assert vectors == ("vector" in takes or "two of one shape" in takes)
    assert maps == (takes != "vector, or map of one pixel")


@pytest.mark.slow
@each_op
def test_an_op_computes_the_same_in_every_backend_at_any_size(kind: str) -> None:
    cases = tuple(case for case in cases_of(kind) if not case.needs_size)
    found = []
    for engine in ALL_ENGINES:
        found += apart(cases, "HxW", SIZES, engine) if cases else []
    assert not found, "\n".join(found)


@pytest.mark.slow
@each_op
def test_an_op_computes_the_same_in_every_backend_at_its_own_size(kind: str) -> None:
    """Where the size is known ONNX is written otherwise, and here each op is alone in its block."""
    found = []
    for engine in ALL_ENGINES:
        for size in SIZES if engine[0] == "onnx" else SIZES[2:]:
            found += apart(cases_of(kind), "x".join(map(str, size)), (size,), engine, chained=True)
    assert not found, "\n".join(found)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind, op in CATALOGUE.items() if not op.random])
def test_an_op_learns_the_same_in_every_backend_that_trains(kind: str) -> None:
    """Gradients of what is before the op are those through it; its own tensors have theirs."""
    cases = tuple(case for case in cases_of(kind) if depends(case))
    program = compiled(model_of(cases[:LEARNING], "10x15"))
    backends = {name: find_backend(name) for name in ("torch", "keras")}
    subject = Subject(program, (SIZES[2],), True)
    found = verify_training(subject, backends, random_state(program.graph, 0), 1, 0)
    assert [trained.backend for trained in found] == list(backends)
    assert not [trained for trained in found if not trained.passed], found


def depends(case: Case) -> bool:
    """Whether the result depends on the input; that of a group of one value does not."""
    call = call_of(case, np.random.default_rng(0))
    other = call_of(case, np.random.default_rng(1))
    return bool((forward(case.op, call) != forward(case.op, replace(call, inputs=other.inputs))).any())


# --- the referee -------------------------------------------------------------------------------


@each_op
def test_the_gradients_of_the_referee_are_those_of_its_results(kind: str) -> None:
    """By differences of results: along a direction in everything that an op depends on."""
    for case in cases_of(kind):
        rng = np.random.default_rng(0)
        call = call_of(case, rng)
        result = forward(case.op, call)
        gradient = rng.standard_normal(result.shape)
        found = backward(case.op, call, result, gradient)
        ways = [rng.standard_normal(x.shape) for x in call.inputs]
        turns = {name: rng.standard_normal(value.shape) for name, value in found.tensors.items()}
        slope = sum(float((a * b).sum()) for a, b in zip(found.inputs, ways, strict=True))
        slope += sum(float((found.tensors[name] * way).sum()) for name, way in turns.items())
        step = 1e-6
        ahead, behind = (
            forward(
                case.op,
                OpCall(
                    tuple(x + sign * way for x, way in zip(call.inputs, ways, strict=True)),
                    {**call.tensors, **{n: call.tensors[n] + sign * way for n, way in turns.items()}},
                ),
            )
            for sign in (step, -step)
        )
        difference = float(((ahead - behind) * gradient).sum()) / (2 * step)
        assert slope == pytest.approx(difference, rel=1e-6, abs=1e-6), case
        learned = {tensor.name for tensor in case.op.parameters(*case.shapes) if tensor.learned}
        assert found.tensors.keys() == learned


def call_of(case: Case, rng: np.random.Generator) -> OpCall:
    """The case applied to random values; no two of a map are near each other, nor any near 0."""
    extent = Extent(*SIZES[2])
    inputs: list[Array] = []
    for place, shape in enumerate(case.shapes):
        sizes = [size for size in shape.at(extent) if size is not None]
        count = 2 * int(np.prod(sizes))
        values = ((rng.permutation(count) - count / 2 + 0.25) * 4.0 / count).reshape(2, *sizes)
        inputs.append(np.exp(values) if place in case.op.positive else values)
    tensors = {
        tensor.name: rng.uniform(0.5, 1.5, tensor.shape) for tensor in case.op.parameters(*case.shapes)
    }
    return OpCall(tuple(inputs), tensors)


# --- mistakes ----------------------------------------------------------------------------------


@each_op
def test_a_mistake_that_an_op_declares_is_told_by_its_words(kind: str) -> None:
    for case in cases_of(kind):
        call = call_of(case, np.random.default_rng(0))
        right = forward(case.op, call)
        node = GraphNode(kind, case.op, case.operands, case.shapes, case.shapes[0], "", NOWHERE, NOWHERE)
        for mistake in case.op.mistakes():
            around = [(0, 0), (0, 0), *mistake.zeros]
            inputs = tuple(np.pad(x, around) for x in call.inputs) if mistake.is_framed else call.inputs
            try:
                wrong = forward(mistake.op, replace(call, inputs=inputs))
            except (ValueError, LookupError):
                continue
            if not wrong.size:
                continue
            told = likely_cause(node, call.inputs, call.tensors, wrong)
            differs = wrong.shape != right.shape or np.abs(wrong - right).max() > 1e-6
            assert told or not differs, (str(case), mistake.words)
        assert not likely_cause(node, call.inputs, call.tensors, right * (1 + 1e-9))


# --- start values ------------------------------------------------------------------------------

STARTS = tuple(start_arguments())
NORMS = [
    kind
    for kind, op in CATALOGUE.items()
    if op.normalises and "gamma" in {name for name, _, _ in op.arguments()}
]


def owns_tensors(kind: str) -> bool:
    return any(case.op.parameters(*case.shapes) for case in cases_of(kind))


def assert_starts(text: str, backend: str) -> None:
    """Check that each tensor of a fresh build, without a seed, starts as its op says."""
    program = compiled(text)
    wrong = fresh_starts(program, find_backend(backend))
    assert not wrong, "\n".join(map(str, wrong))


each_backend = pytest.mark.parametrize("backend", ["torch", "keras", "onnx"])


@each_backend
@pytest.mark.parametrize("chained", [False, True], ids=["steps", "chained"])
@pytest.mark.parametrize("kind", [kind for kind in CATALOGUE if owns_tensors(kind)])
def test_an_op_starts_as_it_says(kind: str, chained: bool, backend: str) -> None:
    assert_starts(model_of(cases_of(kind), "12x12", chained), backend)


@each_backend
@pytest.mark.parametrize("turned", [False, True], ids=["", "turned"])
@pytest.mark.parametrize("argument", STARTS, ids=str)
def test_a_start_that_differs_by_stage_is_that_of_each(
    argument: StartArgument, turned: bool, backend: str
) -> None:
    """The block is written once, so what starts it is a parameter, or there are two classes."""
    assert_starts(argument.model(turned), backend)


@each_backend
@pytest.mark.parametrize("norm", NORMS)
def test_a_zero_gamma_starts_at_zero_with_every_norm(norm: str, backend: str) -> None:
    text = f"model m {{ input: 3x32x32  stages: [1, 2]  block: basic  norm: {norm}  init: zero_gamma }}"
    graph = compiled(text).graph
    zeros = [name for name, tensor in graph.parameters() if tensor.init.value == 0 and tensor.role == "scale"]
    assert len(zeros) == 3
    assert_starts(text, backend)
