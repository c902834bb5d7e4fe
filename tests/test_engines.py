"""Keras on each of its engines: found where installed, run in processes of their own, a column each."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from resnet_dsl.backend.discovery import find_backend, find_runner, other_engines, runtime_of
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.initial.seeded import random_state
from resnet_dsl.reference import evaluate
from tests.support.agreement import compiled
from tests.support.plugins import run_cli

pytest.importorskip("keras")
INSTALLED = [name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name)]
SMALL = "model small { input: 3xHxW  stem: conv(4, 3x3) -> relu  stages: []  head: gap -> fc(3) }"


@pytest.mark.slow
def test_verify_has_a_column_for_each_engine_that_is_installed_if_asked_for_all(tmp_path: Path) -> None:
    (tmp_path / "small.resnet").write_text(SMALL)
    arguments = ("verify", "small.resnet", "--size", "9x8", "--format", "json")
    done = run_cli(*arguments, "--engines", "all", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    facts = json.loads(done.stdout)
    others = {f"keras:{name}" for name in INSTALLED if name != "tensorflow"}
    assert {key.partition("/")[0] for key in facts["bars"]} == {"torch", "keras", "onnx", *others}
    (output,) = facts["outputs"]
    for other in others:
        assert f"{other}/float64" not in facts["bars"]
        assert 0 < output["errors"][f"{other}/float32"] < 1e-5
        assert facts["starts"][other] == []
    (block, *_) = facts["blocks"]
    assert {f"{other}/float32" for other in others} < block["errors"].keys()
    facts = json.loads(run_cli(*arguments, cwd=tmp_path).stdout)
    assert {key.partition("/")[0] for key in facts["bars"]} == {"torch", "keras", "onnx"}


def test_what_no_engine_is_called_is_told_and_those_there_are() -> None:
    with pytest.raises(UsageError, match="no engine `keras:jaxx`; did you mean `keras:jax`"):
        find_runner("keras:jaxx")
    with pytest.raises(UsageError, match="no engine `torch:cuda`; torch has one only"):
        find_runner("torch:cuda")
    with pytest.raises(UsageError, match="no backend `keras:jax`"):
        find_backend("keras:jax")


def test_the_engine_of_this_process_has_no_second_column() -> None:
    keras = find_backend("keras")
    assert [each.name for each in other_engines(keras)] == [
        f"keras:{name}"
        for name in ("tensorflow", "jax", "torch")
        if name in INSTALLED and name != keras.engine()
    ]


@pytest.mark.parametrize(
    ("settings", "environment", "engine"),
    [
        ("", {}, "tensorflow"),
        ('{"backend": "torch"}', {}, "torch"),
        ('{"backend": "torch"}', {"KERAS_BACKEND": "jax"}, "jax"),
        ("[]", {}, "tensorflow"),
        ('{"backend": 1}', {}, "tensorflow"),
        ("{", {"KERAS_BACKEND": ""}, "tensorflow"),
    ],
)
def test_which_engine_keras_will_have_is_known_before_it_is_imported(
    tmp_path: Path, settings: str, environment: dict[str, str], engine: str
) -> None:
    (tmp_path / "keras.json").write_text(settings)
    code = "from resnet_dsl.backend.discovery import find_backend as f; import sys"
    code += "; print(f('keras').engine(), 'keras' in sys.modules)"
    environment = {"KERAS_HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path), **environment}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [engine, "False"]


@pytest.mark.slow
def test_an_engine_computes_what_the_referee_does_and_what_fails_there_is_a_sentence() -> None:
    program = compiled(SMALL)
    runtime = runtime_of(find_runner("keras:torch"))
    state, x = random_state(program.graph, 1), np.random.default_rng(0).standard_normal((2, 3, 7, 6))
    model = runtime.load_state(runtime.build(program, "float32"), state)
    truth = evaluate(program.graph, state, x)["output"]
    (found,) = runtime.run(model, x.astype("float32")).values()
    assert np.abs(found - truth).max() < 1e-5 * np.abs(truth).max()
    assert all(np.array_equal(value, state[name]) for name, value in runtime.read_state(model).items())
    assert {"conv1", "relu1", "gap", "fc"} <= runtime.trace(model, program, x.astype("float32")).keys()
    with pytest.raises(UsageError, match="ValueError: the weights do not fit the model: missing conv1"):
        runtime.load_state(model, {name: value for name, value in state.items() if name != "conv1.weight"})
    with pytest.raises(UsageError, match=r"ValueError: .*float7"):
        runtime.build(program, "float7")
    again = runtime.run(model, x.astype("float32"))["output"]
    assert np.array_equal(again, found)
