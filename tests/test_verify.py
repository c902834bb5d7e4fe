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
from resnet_dsl.backend.interface import Backend, Capability, Statistics
from resnet_dsl.cli.main import main
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.program import Program
from resnet_dsl.verify.case import calibrated_state, subject_of
from resnet_dsl.verify.forward import verify_forward
from resnet_dsl.verify.training import verify_training

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
) -> Backend:
    """A backend whose source, weights or promise in training is spoilt; otherwise the real one."""
    real = find_backend(name)
    runtime: Any = runtime_of(real)
    assert real.trainer is not None
    trainer = real.trainer.load()

    def build(program: Program, dtype: str = "float32") -> Any:
        return runtime.build_source(source(str(real.render(program, None))), program.name, dtype)

    def load_state(model: Any, given: Mapping[str, Any]) -> Any:
        return runtime.load_state(model, state(dict(given)))

    changed: Any = SimpleNamespace(**{**vars(runtime), "build": build, "load_state": load_state})
    promised: Any = SimpleNamespace(train=trainer.train, STATISTICS=statistics or trainer.STATISTICS)
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


TRAINING_FAULTS = {
    "momentum inverted": (spoilt("torch", replaced("momentum=0.1", "momentum=0.9")), "momentum is inverted"),
    # as if Keras had promised torch's
    "biased variance": (spoilt("keras", statistics=Statistics(True, float)), "variance is biased"),
}


@pytest.mark.parametrize("fault", TRAINING_FAULTS)
def test_a_fault_in_the_statistics_is_caught_and_named(fault: str) -> None:
    backend, cause = TRAINING_FAULTS[fault]
    subject = subject_of(load)
    (found,) = verify_training(subject, {backend.name: backend}, calibrated_state(subject, 0), 2, 0)
    assert not found.passed
    assert found.errors["weights"][0] < 1e-12
    assert cause in found.cause


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
        assert set(one.errors) == {"loss", "gradients", "weights", "statistics"}
        assert max(error for error, _ in one.errors.values()) <= 1e-10, one
