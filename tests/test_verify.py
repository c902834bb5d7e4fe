"""Verification passes sound backends, and names the op and the cause where one is spoilt."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from resnet_dsl.backend.discovery import find_backend, runtime_of
from resnet_dsl.backend.interface import Backend, Capability, Sgd, Statistics
from resnet_dsl.cli.main import main
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source, compile_spec
from resnet_dsl.program import Program
from resnet_dsl.reference.evaluation import evaluate_all
from resnet_dsl.verify.case import Subject, calibrated_state, images, subject_of
from resnet_dsl.verify.forward import verify_forward
from resnet_dsl.verify.sensitivity import moved
from resnet_dsl.verify.step_errors import gradient_errors
from resnet_dsl.verify.training import WholeRun, verify_training
from resnet_dsl.verify.training_report import lines_of, verdict

NET = """
model m {
    input: 3x16x16
    stem: conv(8, 3x3, stride=2) -> maxpool(3x3, stride=2) -> bn -> relu
    stages: [1, 1]
    widths: [8, 12]
    block: basic
    head: flatten -> fc1: fc(24) -> relu -> fc2: fc(24)
}
"""
State = Mapping[str, np.ndarray]


def load(more: Mapping[str, Any]) -> Program:
    return compile_source(Source("m.resnet", NET), overrides=more)


def spoilt(
    name: str,
    source: Callable[[str], str] = lambda text: text,
    state: Callable[[dict[str, Any]], dict[str, Any]] = lambda given: given,
    statistics: Statistics | None = None,
    sgd: Callable[[Sgd], Sgd] = lambda given: given,
    steps: Callable[..., Any] | None = None,
) -> Backend:
    """A backend whose source, weights, steps or promise in training is spoilt; otherwise the real one."""
    real = find_backend(name)
    runtime: Any = runtime_of(real)
    assert real.trainer is not None
    trainer = real.trainer.load()

    def build(program: Program, dtype: str = "float32") -> Any:
        return runtime.build_source(source(str(real.render(program, None))), program.name, dtype)

    def load_state(model: Any, given: Mapping[str, Any]) -> Any:
        return runtime.load_state(model, state(dict(given)))

    def taken(model: Any, lessons: Any, given: Sgd) -> Any:
        return (steps or trainer.steps)(model, lessons, sgd(given))

    theirs = {name: part for name, part in vars(runtime).items() if name != "build_with"}
    changed: Any = SimpleNamespace(**{**theirs, "build": build, "load_state": load_state})
    promised: Any = SimpleNamespace(steps=taken, STATISTICS=statistics or trainer.STATISTICS)
    return replace(real, runtime=Capability((), lambda: changed), trainer=Capability((), lambda: promised))


def replaced(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return change


def swapped(given: dict[str, Any]) -> dict[str, Any]:
    return given | {"bn1.weight": given["bn1.bias"], "bn1.bias": given["bn1.weight"]}


def transposed(given: dict[str, Any]) -> dict[str, Any]:
    return given | {"fc2.weight": given["fc2.weight"].T}


def same_at_strides(text: str) -> str:
    """Keras' own `same` in place of the rows and columns that are put around a map before a stride."""
    without = replaced("if stride > 1 and kernel > 1:", "if False:")(text)
    return replaced('padding="same" if stride == 1 else "valid"', 'padding="same"')(without)


FAULTS = {
    "stride-2 same": (
        spoilt("keras", same_at_strides), "conv1", "padding: TensorFlow's `same` instead of symmetric",
    ),
    "zeros in a max pool": (spoilt("keras", replaced('float("-inf")', "0.0")), "maxpool1", "zeros instead"),
    "eps 1e-3": (
        spoilt("torch", replaced("BatchNorm2d(8, eps=1e-05", "BatchNorm2d(8, eps=1e-3")), "bn1", "eps: 0.001",
    ),
    "swapped gamma and beta": (spoilt("torch", state=swapped), "bn1", "gamma and beta are swapped"),
    "transposed dense kernel": (spoilt("keras", state=transposed), "fc2", "dense kernel is transposed"),
    "NHWC flatten": (spoilt("keras", replaced("Permute((3, 1, 2)", "Permute((1, 2, 3)")), "flatten", "NHWC"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught_and_its_op_and_cause_are_named(fault: str) -> None:
    backend, op, cause = FAULTS[fault]
    subject = subject_of(load)
    found = verify_forward(subject, {backend.name: backend}, calibrated_state(subject, 0), 0)
    assert not found.passed
    first = {d.column.dtype: d for d in found.divergences}["float64"]
    assert (first.op, cause in first.cause) == (op, True), first


FROZEN = NET.replace("block: basic", "block: basic  freeze: [stem, layer1]")


def changed_after(change: Callable[[str, np.ndarray], np.ndarray]) -> Callable[..., Any]:
    """Steps of torch, with tensors changed after each."""

    def steps(model: Any, lessons: Any, sgd: Sgd) -> Any:
        trainer: Any = find_backend("torch").trainer
        for step in trainer.load().steps(model, lessons, sgd):
            state = {name: change(name, value) for name, value in step.after.state.items()}
            yield step._replace(after=step.after._replace(state=state))

    return steps


def decoupled(model: Any, lessons: Any, sgd: Sgd) -> Any:
    """Steps of torch with a weight decay that does not go through the velocity, as Keras' own."""
    trainer: Any = find_backend("torch").trainer
    for lesson in lessons:
        (step,) = trainer.load().steps(model, [lesson], sgd._replace(weight_decay=0.0))
        decayed = {n: sgd.lr * sgd.weight_decay * lesson.start.state[n] for n in step.gradients}
        state = {name: value - decayed.get(name, 0.0) for name, value in step.after.state.items()}
        yield step._replace(after=step.after._replace(state=state))


def by(**changes: float) -> Callable[[Sgd], Sgd]:
    return lambda sgd: sgd._replace(**changes)


TRAINING_FAULTS = {
    "eps": (
        spoilt("keras", replaced("epsilon=1e-05", "epsilon=0.001")), NET,
        "eps: 0.001 instead of 1e-05 in bn1 and 5 more",
    ),
    "eps of keras.applications": (
        spoilt("keras", replaced("epsilon=1e-05", "epsilon=1.001e-05")), NET,
        "eps: 1.001e-05 instead of 1e-05 in bn1 and 5 more",
    ),
    "eps of one": (
        spoilt("torch", replaced("bn1 = nn.BatchNorm2d(8, eps=1e-05", "bn1 = nn.BatchNorm2d(8, eps=1e-3")),
        NET, "eps: 0.001 instead of 1e-05 in bn1",
    ),
    "momentum inverted": (
        spoilt("torch", replaced("momentum=0.1", "momentum=0.9")), NET,
        "statistics: the momentum is inverted, 0.9 instead of 0.1, in bn1.running_mean and 11 more",
    ),
    "momentum of a batch norm": (
        spoilt("keras", replaced("momentum=0.9", "momentum=0.99")), NET,
        "statistics: the momentum is 0.01 instead of 0.1, in bn1.running_mean and 11 more",
    ),
    "statistics that stay": (
        spoilt("torch", replaced("momentum=0.1", "momentum=0.0")), NET,
        "statistics: they do not move in bn1.running_mean and 11 more",
    ),
    "biased variance": (  # as if Keras had promised torch's
        spoilt("keras", statistics=Statistics(True, float)), NET,
        "statistics: the variance is biased in bn1.running_var and 5 more",
    ),
    "unbiased variance": (
        spoilt("torch", statistics=Statistics(False, float)), NET,
        "statistics: the variance is unbiased in bn1.running_var and 5 more",
    ),
    "frozen statistics move": (
        spoilt("torch", replaced("self.get_submodule(name).eval()", "pass")), FROZEN,
        "statistics: frozen ones move, and the batch's are used",
    ),
    "a frozen statistic moves": (
        spoilt("torch", steps=changed_after(lambda n, v: v * 1.01 if n == "bn1.running_mean" else v)), FROZEN,
        "statistics: bn1.running_mean is frozen, and moves",
    ),
    "a frozen weight moves": (
        spoilt("torch", steps=changed_after(lambda n, v: v * 1.01 if n == "conv1.weight" else v)), FROZEN,
        "SGD: conv1.weight should stay, and moves",
    ),
    "momentum of SGD in torch": (
        spoilt("torch", sgd=by(momentum=0.9)), NET, "SGD: the momentum is 0.9 instead of 0.875",
    ),
    "momentum of SGD in Keras": (
        spoilt("keras", sgd=by(momentum=0.9)), NET, "SGD: the momentum is 0.9 instead of 0.875",
    ),
    "no momentum": (
        spoilt("torch", sgd=by(momentum=0.0)), NET, "SGD: the momentum is 0 instead of 0.875",
    ),
    "no weight decay": (
        spoilt("torch", sgd=by(weight_decay=0.0)), NET, "SGD: the weight decay is 0 instead of 0.000244141",
    ),
    "another weight decay": (
        spoilt("keras", sgd=by(weight_decay=1e-4)), NET,
        "SGD: the weight decay is 0.0001 instead of 0.000244141",
    ),
    "decoupled weight decay": (
        spoilt("torch", steps=decoupled), NET, "SGD: the weight decay is decoupled from the gradient",
    ),
    "another rate": (spoilt("torch", sgd=by(lr=0.01)), NET, "SGD: the rate is 0.01 instead of 0.015625"),
}  # fmt: skip


@pytest.mark.parametrize("fault", TRAINING_FAULTS)
def test_a_fault_in_training_is_caught_and_named_in_one_step(fault: str) -> None:
    backend, text, cause = TRAINING_FAULTS[fault]
    subject = subject_of(lambda more: compile_source(Source("m.resnet", text), overrides=more))
    (found,) = verify_training(subject, {backend.name: backend}, calibrated_state(subject, 0), 1, 0)
    assert not found.passed
    assert (len(found.steps), found.run) == (1, None)
    assert found.cause == cause


def test_a_frozen_network_trains_the_same() -> None:
    subject = subject_of(lambda more: compile_source(Source("m.resnet", FROZEN), overrides=more))
    backends = {name: find_backend(name) for name in ("torch", "keras")}
    found = verify_training(subject, backends, calibrated_state(subject, 0), 2, 0)
    assert all(trained.passed for trained in found), found


ENDS = {
    "softmax": "gap -> fc(5) -> softmax",
    "softmax in layers of groups": "conv(8, 1x1, groups=2) -> gap -> fc(5) -> softmax",
    "softmax of each pixel": "conv(5, 1x1) -> softmax",
    "sigmoid": "gap -> fc(5) -> sigmoid",
    "a record": "{ kind: gap -> fc(5) -> softmax  box: gap -> fc(4) }",
}


@pytest.mark.parametrize("end", ENDS)
def test_the_loss_is_of_the_output_as_it_is_whatever_ends_the_network(end: str) -> None:
    """Keras' own cross-entropy takes a softmax away that ends the network, and warns at most."""
    text = f"""model m {{
        input: 3x12x12  stem: conv(8, 3x3) -> bn -> relu  stages: [1]  widths: [8]  block: basic
        head: {ENDS[end]}
    }}"""
    subject = subject_of(lambda more: compile_source(Source("m.resnet", text), overrides=more))
    backends = {name: find_backend(name) for name in ("torch", "keras")}
    found = verify_training(subject, backends, calibrated_state(subject, 0), 2, 0)
    assert [trained.backend for trained in found] == ["torch", "keras"]
    assert all(trained.passed for trained in found), found


def test_blocks_with_gates_keep_the_values_of_every_image_in_range() -> None:
    """By statistics of images as strong as these, values of thousands came out, and errors of 1e-3."""
    blocks = {"stages": (2, 3, 3, 3, 3, 3, 2), "drop_path": 0}
    subject = subject_of(lambda more: compile_spec("efficientnet_b2", None, {**blocks, **more}))
    state, graph = calibrated_state(subject, 0), subject.program.graph
    for size in subject.sizes:
        found = evaluate_all(graph, state, images(subject, size, 2, 3))
        assert max(np.abs(value).max() for value in found.values()) < 300, size


SHIFTLESS = """block normed(width, stride = 1) {
    return x + (x -> bn -> conv(width, 3x3) -> bn -> relu -> conv(width, 3x3) -> bn)
}
model m {
    input: 3x12x12  stem: conv(8, 3x3) -> bn  stages: [2]  widths: [8]  block: normed
    head: bn -> relu -> gap -> fc(4)
}"""


@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_what_rounding_leaves_of_a_gradient_of_zero_is_held_to_its_layer(backend: str) -> None:
    """A batch norm takes away the shift of one before: that bias has no gradient, and its scale has one."""
    subject = subject_of(lambda more: compile_source(Source("m.resnet", SHIFTLESS), overrides=more))
    (found,) = verify_training(subject, {backend: find_backend(backend)}, calibrated_state(subject, 0), 1, 0)
    assert found.errors["gradients"][0] < 1e-12


def test_a_gradient_is_held_to_the_largest_of_its_own_layer() -> None:
    truth = {"bn.weight": np.array([2.0, 1.0]), "bn.bias": np.array([1e-17, 0.0]), "fc.bias": np.array([8.0])}
    off = {
        "bn.weight": truth["bn.weight"] + 2e-9,
        "bn.bias": truth["bn.bias"] + 4e-16,
        "fc.bias": np.array([8.0]),
    }
    found = gradient_errors(off, truth, truth)
    assert found == pytest.approx({"bn.weight": 1e-9, "bn.bias": 2e-16, "fc.bias": 0.0}, rel=1e-3)


def test_what_is_kept_from_step_to_step_shows_in_the_run_alone() -> None:
    """A step that starts from the referee's state is right; on its own way the backend drifts."""

    def drifting(model: Any, lessons: Any, sgd: Sgd) -> Any:
        trainer: Any = find_backend("torch").trainer
        for i, step in enumerate(trainer.load().steps(model, (kept(lesson) for lesson in lessons), sgd)):
            yield step if guided else step._replace(loss=step.loss * (1 + i * 1e-11))

    guided = True

    def kept(lesson: Any) -> Any:
        nonlocal guided
        guided = lesson.start is not None
        return lesson

    backend, subject = spoilt("torch", steps=drifting), subject_of(load)
    (found,) = verify_training(subject, {"torch": backend}, calibrated_state(subject, 0), 2, 0)
    assert found.steps_agree
    assert found.run is not None
    assert found.run.sensitivity is not None
    assert found.run.error == pytest.approx(1e-11, rel=1e-3)
    assert found.run.bar < 3e-12
    assert not found.passed
    assert "something is kept from step to step" in "\n".join(lines_of([found], (16, 16)))


@pytest.mark.parametrize(
    ("error", "sensitivity", "passed", "words"),
    [
        (9e-14, None, True, "same"),
        (2e-13, 1e-16, False, "different"),
        (2e-13, 7e-15, True, "same"),
        (1e-4, 1e-5, True, "too ill-conditioned to tell"),
        (1e-3, 1e-5, False, "different"),
    ],
)
def test_a_run_is_held_to_the_sensitivity_of_the_network(
    error: float, sensitivity: float | None, passed: bool, words: str
) -> None:
    run = WholeRun({"weights": (error, "fc.weight")}, sensitivity)
    assert (run.passed, verdict(run)) == (passed, words)


def test_weights_are_moved_by_one_unit_in_the_last_place_and_statistics_are_not() -> None:
    subject = subject_of(load)
    graph, state = subject.program.graph, calibrated_state(subject, 0)
    for dtype in ("float64", "float32"):
        near = moved(graph, state, 0, dtype)
        for name, parameter in graph.parameters():
            unit = np.spacing(np.abs(state[name]).astype(dtype)).astype(np.float64)
            apart = np.abs(near[name] - state[name])
            assert (apart <= unit).all()
            assert (apart >= unit / 2).all() if parameter.learned else not apart.any()
    assert (moved(graph, state, 0)["conv1.weight"] != moved(graph, state, 1)["conv1.weight"]).any()


def cancelling(apart: float) -> tuple[Subject, dict[str, np.ndarray]]:
    """A network whose output is the difference of two nearly equal channels, made large again."""
    text = "model m { input: 3x8x8  stem: conv(4, 3x3) -> bn -> relu  stages: []  head: gap -> fc(5) }"
    subject = subject_of(lambda more: compile_source(Source("m.resnet", text), overrides=more), ((8, 8),))
    state = calibrated_state(subject, 0)
    for name in ("conv1.weight", "bn1.weight", "bn1.running_mean", "bn1.running_var"):
        state[name][1] = state[name][0]
    state["bn1.bias"][:2] = 2.0
    state["conv1.weight"][1] *= 1 + apart
    state["fc.weight"][:, 0], state["fc.weight"][:, 1] = 1 / apart, -1 / apart
    return subject, state


@pytest.mark.parametrize(("apart", "tells"), [(1e-4, True), (1e-7, False)])
def test_a_result_past_its_bar_is_held_to_the_sensitivity_of_the_network(apart: float, tells: bool) -> None:
    subject, state = cancelling(apart)
    found = verify_forward(subject, {"torch": find_backend("torch")}, state, 0)
    (row,) = found.outputs
    exact, single = found.columns
    assert row.errors[exact] > 1e-12
    assert row.errors[exact] < row.allowed("float64")
    assert row.passed(exact) is tells
    assert not row.passed(single)  # this network single precision cannot hold
    assert (found.passed, found.differs) == (False, False)


def test_a_mistake_in_an_ill_conditioned_network_is_found_all_the_same() -> None:
    subject, state = cancelling(1e-4)
    backend = spoilt("torch", state=lambda given: given | {"fc.bias": 0 * given["fc.bias"]})
    found = verify_forward(subject, {"torch": backend}, state, 0)
    assert found.differs
    assert found.divergences[0].cause == "bias: false instead of true"


def test_sound_backends_pass_forward_and_in_training() -> None:
    subject = subject_of(load)
    backends = {name: find_backend(name) for name in ("torch", "keras", "onnx")}
    state = calibrated_state(subject, 3)
    assert verify_forward(subject, backends, state, 3).passed
    trained = verify_training(subject, backends, state, 3, 3)
    assert [t.backend for t in trained] == ["torch", "keras"]
    assert all(t.passed for t in trained), trained


def test_a_network_that_flattens_is_verified_at_its_own_size_and_says_so() -> None:
    subject = subject_of(load)
    assert (subject.fixed, subject.sizes) == (True, ((16, 16),))


def test_others_are_verified_at_an_even_an_odd_and_a_non_square_size() -> None:
    def free(more: Mapping[str, Any]) -> Program:
        text = NET.replace("flatten", "gap")
        return compile_source(Source("m.resnet", text), overrides=more)

    (a, b), (c, d), (e, f) = subject_of(free).sizes
    assert a == b
    assert a % 2 == 0
    assert c == d
    assert c % 2 == 1
    assert e != f


def test_the_command_prints_a_verdict_and_its_status_follows(
    capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    spec = tmp_path / "m.resnet"
    spec.write_text(NET)
    assert main(["verify", str(spec), "--backends", "torch,onnx", "--train-steps", "2"]) == 0
    text = capsys.readouterr().out
    assert "layer2.0" in text
    assert "output at 16x16" in text
    assert "verdict: identical" in text
    assert main(["verify", str(spec), "--backends", "torch", "--format", "json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["passed"] is True
    assert set(facts["bars"]) == {"torch/float64", "torch/float32"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--backends", "torhc"], "did you mean `torch`?"),
        (["--size", "64"], "--size takes HxW"),
        (["--train-steps", "-1"], "--train-steps: a whole number, 0 or more"),
    ],
)
def test_wrong_options_are_usage_errors(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "resnet20", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_wrong_spec_is_status_1(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "m.resnet"
    spec.write_text("model m { stages: [2, 2]  block: basic  shortcut: identity }")
    assert main(["verify", str(spec)]) == 1
    assert "E0301" in capsys.readouterr().err


TRAINED = {
    "resnet20": "use resnet20\nmodel m { base: resnet20 }",
    "pre-activation": "use cifar_preresnet\nmodel m { base: cifar_preresnet(n=2)  input: 3x20x20 }",
    "resnext": """model m {
        input: 3x20x20  stem: cifar_stem  stages: [1, 2]  widths: [16, 32]  block: bottleneck
        groups: 4  base_width: 16  classes: 10
    }""",
    "squeeze and excitation": """block gated(width, stride = 1) {
        main = x -> conv(width, 3x3, stride=stride) -> bn -> relu -> conv(width, 3x3) -> bn -> se: se(4)
        return relu(main + (x -> downsample: B(width, stride)))
    }
    model m {
        input: 3x20x20  stem: cifar_stem  stages: [1, 2]  widths: [16, 32]  block: gated
        classes: 10
    }""",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_five_steps_of_training_agree_to_1e_10(name: str) -> None:
    def chosen(more: Mapping[str, Any]) -> Program:
        return compile_source(Source("m.resnet", TRAINED[name]), overrides=more)

    subject = subject_of(chosen)
    backends = {backend: find_backend(backend) for backend in ("torch", "keras")}
    found = verify_training(subject, backends, calibrated_state(subject, 1), 5, 1)
    assert [one.backend for one in found] == ["torch", "keras"]
    for one in found:
        assert set(one.errors) == {"loss", "gradients", "weights", "velocity", "statistics"}
        assert max(error for error, _ in one.errors.values()) <= 1e-10, one


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet50", "skresnet50"])
def test_a_network_that_amplifies_rounding_trains_the_same_step_by_step(name: str) -> None:
    """As a run it ends past any bar; the referee with its weights moved in the last bit does so too."""
    text = f"use {name}\nmodel m {{ base: {name}  widths: [4, 8, 16, 32]  classes: 10 }}"

    def narrow(more: Mapping[str, Any]) -> Program:
        return compile_source(Source("m.resnet", text), overrides=more)

    subject = subject_of(narrow, ((32, 32),))
    backends = {backend: find_backend(backend) for backend in ("torch", "keras")}
    for found in verify_training(subject, backends, calibrated_state(subject, 0), 3, 0):
        assert found.passed, found
        assert found.run is not None
        assert found.run.error > 1e-10
        assert found.run.sensitivity is not None
        assert not found.run.tells
        assert "too ill-conditioned to tell at 32x32" in "\n".join(lines_of([found], (32, 32)))
