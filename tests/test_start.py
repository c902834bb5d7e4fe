"""Whether tensors start as they should: what is told apart, and what is never blamed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from resnet_dsl.initial.seeded import initial_state
from resnet_dsl.ir.ops import Init
from resnet_dsl.verify.start import faults, wrong_starts
from tests.support.agreement import compiled

NORMAL, UNIFORM = Init("normal", 0.05), Init("uniform", 0.05)
SPEC = """model t {
    input: 3x32x32
    stem: conv(32, 5x5) -> bn -> relu -> conv(32, 1x1, bias=true, init=uniform) -> conv(32, 1x1)
          -> conv(32, 1x1)
    stages: []
    head: gap -> fc(50)
}"""


def normals(count: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(count) * NORMAL.value


def uniforms(count: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, count) * UNIFORM.value


@pytest.mark.parametrize("count", [1, 2, 5, 30, 300, 3000, 100_000])
def test_a_tensor_that_starts_as_it_should_is_not_blamed(count: int) -> None:
    for seed in range(100):
        assert not list(faults(NORMAL, normals(count, seed)))
        assert not list(faults(UNIFORM, uniforms(count, seed)))
        assert not list(faults(UNIFORM, uniforms(count, seed).astype(np.float32)))


def cut_off(count: int) -> Any:
    """Keras' `truncated_normal` as its VarianceScaling uses it: stretched to the same deviation."""
    x = normals(2 * count)
    return x[np.abs(x) < 2 * NORMAL.value][:count] / 0.87962566103423978


@pytest.mark.parametrize(
    ("init", "values", "words"),
    [
        (NORMAL, normals(3000) * 1.1, "with deviation 0.05"),
        (NORMAL, normals(3000) * 0.9, "with deviation 0.04"),
        (NORMAL, normals(3000) * 0, "with deviation 0"),
        (NORMAL, normals(1000) + 0.02, "around 0.0"),
        (NORMAL, cut_off(1100), "cut off at 0.11"),
        (NORMAL, uniforms(1000) * 3**0.5, "cut off at 0.086"),
        (NORMAL, np.append(normals(50), 1.0), "with a value of 1"),
        (NORMAL, np.append(normals(50), np.nan), "at values that are not finite"),
        (NORMAL, np.sign(normals(3000)) * 0.05, "in another distribution"),
        (UNIFORM, uniforms(300) * 0.9, "up to 0.04"),
        (UNIFORM, uniforms(300) * 1.1, "up to 0.05"),
        (UNIFORM, np.abs(uniforms(300)), "around 0.02"),
        (UNIFORM, uniforms(300) ** 3 / UNIFORM.value**2, "in another distribution"),
        (Init("constant", 1.0), np.zeros(4), "at 0"),
        (Init("constant", 0.0), normals(100), "between -"),
        (Init("constant", 1.0), np.array([1, 1 + 1e-7], np.float32), "at 1"),
    ],
)
def test_another_start_is_told(init: Init, values: Any, words: str) -> None:
    assert any(fault.startswith(words) for fault in faults(init, values)), list(faults(init, values))


def test_a_constant_is_held_exactly_in_the_precision_of_the_tensor() -> None:
    third = Init("constant", 1 / 3)
    for dtype in (np.float32, np.float64):
        assert not list(faults(third, np.full(3, 1 / 3, dtype)))
    assert list(faults(third, np.full(3, np.float32(1 / 3), np.float64)))


def test_a_whole_model_is_named_tensor_by_tensor() -> None:
    graph = compiled(SPEC).graph
    state = initial_state(graph, 0)
    assert wrong_starts(graph, state) == ()
    state["bn1.weight"] = np.zeros(32, np.float32)
    state["conv1.weight"] = state["conv1.weight"] * np.float32(2)
    state["conv4.weight"] = state["conv3.weight"]
    state["conv2.bias"] = np.zeros((1, 32), np.float32)
    del state["fc.bias"]
    assert [str(wrong) for wrong in wrong_starts(graph, state)] == [
        "conv1.weight starts with deviation 0.09854, not normal with deviation 0.05",
        "bn1.weight starts at 0, not at 1",
        "conv2.bias starts in shape (1, 32), not in shape (32,)",
        "conv4.weight starts with the values of conv3.weight, not normal with deviation 0.25",
        "fc.bias starts nowhere, not in shape (50,)",
    ]
