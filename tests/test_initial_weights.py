"""Initial weights: the same bytes everywhere, from nothing but a seed and a name."""

from __future__ import annotations

import math
import os
import platform
import statistics
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.initial import normal, seeded
from resnet_dsl.initial.seeded import initial_state, random_state
from resnet_dsl.ir.graph import Graph

SPEC = """model t {
    input: 3x32x32
    stem: conv(64, 5x5, groups=1) -> bn -> relu -> dense: conv(64, 1x1, bias=true, init=uniform)
    stages: []
    head: gap -> fc(500)
}
"""


def graph(text: str = SPEC) -> Graph:
    return compile_source(Source("t.resnet", text)).graph


def digest(value: Any) -> str:
    return sha256(value.tobytes()).hexdigest()[:16]


def conv1() -> str:
    return digest(initial_state(graph(), 0)["conv1.weight"])


def test_the_bytes_are_pinned() -> None:
    """These may never change: they are what a seed means."""
    state = initial_state(graph(), 0)
    assert {name: digest(state[name]) for name in ("conv1.weight", "dense.bias", "fc.weight")} == {
        "conv1.weight": "08b1cca6e3422c84",
        "dense.bias": "d0e124241da8c7db",
        "fc.weight": "553175a65c0d6cdf",
    }
    assert digest(random_state(graph(), 7)["bn1.running_mean"]) == "664319b704c20798"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the features switched off are those of x86-64")
def test_a_processor_without_vector_units_gives_the_same_bytes() -> None:
    """NumPy's own `log` does not: it has one polynomial with AVX-512, the C library's without."""
    code = "import tests.test_initial_weights as t; print(t.conv1())"
    root = Path(__file__).parents[1]
    plain = {"NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512_SKX AVX2 FMA3 X86_V3 X86_V4"}
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(
        command, check=True, cwd=root, capture_output=True, text=True, env={**os.environ, **plain}
    )
    assert done.stdout.strip() == conv1()


def test_every_tensor_is_there_in_its_shape_and_single_precision() -> None:
    declared = {name: parameter.shape for name, parameter in graph().parameters()}
    for state in (initial_state(graph(), 0), random_state(graph(), 0)):
        assert {name: value.shape for name, value in state.items()} == declared
        assert {value.dtype for value in state.values()} == {np.dtype(np.float32)}


def test_initial_weights_have_the_declared_distributions() -> None:
    state = initial_state(graph(), 1)
    he = math.sqrt(2 / (64 * 25))
    assert state["conv1.weight"].std() == pytest.approx(he, rel=0.03)
    assert abs(state["conv1.weight"].mean()) < 0.05 * he
    bound = 1 / math.sqrt(64)
    for name in ("dense.weight", "dense.bias", "fc.weight", "fc.bias"):
        assert 0.8 * bound < abs(state[name]).max() <= bound
    assert state["fc.weight"].std() == pytest.approx(bound / math.sqrt(3), rel=0.02)


def test_initial_statistics_are_those_of_a_fresh_batch_norm() -> None:
    state = initial_state(graph(), 1)
    assert (state["bn1.weight"] == 1).all()
    assert (state["bn1.bias"] == 0).all()
    assert (state["bn1.running_mean"] == 0).all()
    assert (state["bn1.running_var"] == 1).all()


def test_a_zero_gamma_starts_at_zero() -> None:
    state = initial_state(graph("model t { stages: [1]  block: basic  init: zero_gamma }"), 0)
    assert (state["layer1.0.bn1.weight"] == 1).all()
    assert (state["layer1.0.bn2.weight"] == 0).all()


def test_no_tensor_of_a_random_state_is_constant() -> None:
    state = random_state(graph(), 1)
    assert all(value.std() > 0 for value in state.values())
    for name in ("bn1.weight", "bn1.running_var"):
        assert 0.5 <= state[name].min() < 0.6
        assert 1.4 < state[name].max() <= 1.5
    for name in ("bn1.bias", "bn1.running_mean", "fc.bias"):
        assert state[name].std() == pytest.approx(0.1, rel=0.3)
    assert state["conv1.weight"].std() == pytest.approx(math.sqrt(2 / 75), rel=0.03)


def test_another_seed_gives_other_weights() -> None:
    one, other = initial_state(graph(), 0), initial_state(graph(), 1)
    assert not np.array_equal(one["conv1.weight"], other["conv1.weight"])


def test_a_tensor_depends_on_its_name_and_not_on_the_rest_of_the_network() -> None:
    small = initial_state(graph("model t { input: 3x8x8  stem: conv(8, 3x3)  stages: []  head: none }"), 0)
    text = "model t { input: 3x8x8  stem: first: conv(3, 3x3) -> conv(8, 3x3)  stages: []  head: none }"
    large = initial_state(graph(text), 0)
    assert np.array_equal(small["conv1.weight"], large["conv1.weight"])
    equal_shapes = "model t { input: 3x8x8  stem: conv(3, 1x1) -> conv(3, 1x1)  stages: []  head: none }"
    state = initial_state(graph(equal_shapes), 0)
    assert not np.array_equal(state["conv1.weight"], state["conv2.weight"])


def test_a_tensor_does_not_depend_on_how_it_is_cut_into_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = initial_state(graph(), 0)
    monkeypatch.setattr(seeded, "CHUNK", 1000)
    assert all(np.array_equal(value, whole[name]) for name, value in initial_state(graph(), 0).items())


# --- normal deviates ---------------------------------------------------------------------------

EXTREMES = np.array([0, 2**12, 2**30, 2**63 - 1, 2**63, 2**64 - 1], np.uint64)


def test_uniforms_are_exact_and_never_0_or_1() -> None:
    values = normal.uniforms(EXTREMES)
    assert values.min() == 2.0**-53
    assert values.max() == 1 - 2.0**-53
    assert np.array_equal(normal.uniforms(~EXTREMES), 1 - values)


def test_normals_are_the_inverse_of_the_normal_distribution() -> None:
    """Python's own is the same approximation with the C library's logarithm."""
    bits = np.concatenate([np.random.Philox(key=1).random_raw(20_000), EXTREMES])
    wanted = [statistics.NormalDist().inv_cdf(u) for u in normal.uniforms(bits)]
    assert np.allclose(normal.normals(bits), wanted, rtol=1e-14, atol=0)


def test_the_logarithm_is_right_to_the_last_digits() -> None:
    x = np.concatenate([normal.uniforms(np.random.Philox(key=2).random_raw(20_000)), [0.5, 2.0**-53]])
    assert np.allclose(normal.log(x), [math.log(value) for value in x], rtol=1e-15, atol=1e-16)


def test_normals_have_the_moments_of_the_normal_distribution() -> None:
    values = normal.normals(np.random.Philox(key=3).random_raw(400_000))
    assert abs(values.mean()) < 0.005
    assert values.var() == pytest.approx(1, abs=0.01)
    assert (values**4).mean() == pytest.approx(3, abs=0.05)
    assert (abs(values) > 3).mean() == pytest.approx(0.0027, abs=0.0004)
