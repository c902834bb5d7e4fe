"""The precision that users set: dtype policies of Keras, torch's default, mixed precision in both."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import resnet_dsl
from resnet_dsl.codegen.live import module_of
from resnet_dsl.initial.seeded import random_state
from resnet_dsl.ir.ops import CATALOGUE
from resnet_dsl.program import Program
from resnet_dsl.reference import evaluate
from tests.support.agreement import compiled
from tests.support.backends import in_full
from tests.support.op_cases import cases_of, model_of

keras = pytest.importorskip("keras")
torch = pytest.importorskip("torch")

EPS = 2.0**-8  # of bfloat16: half the distance from 1 to the next number
STATISTICS = ("running_mean", "running_var")
NORMED = """
    block scaled(width, stride = 1) { return x -> conv(width, 3x3, stride=stride) -> bn -> relu }
    model normed(classes = 5) { input: 3x9x8  stem: 2 * x - 0.5  stages: [1, 1]  block: scaled  widths: [4, 6]
        head: gap -> fc(classes) }
"""


@pytest.fixture
def policies() -> Iterator[Any]:
    """Setting a policy, which is taken back behind the test."""
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


def file_of(program: Program) -> ModuleType:
    return module_of(str(in_full("keras").render(program)), program.name)


@pytest.mark.parametrize(
    ("policy", "variables", "computed"),
    [
        ("mixed_float16", "float32", "float16"),
        ("mixed_bfloat16", "float32", "bfloat16"),
        ("float64", "float64", "float64"),
        ("bfloat16", "bfloat16", "bfloat16"),
    ],
)
def test_a_keras_model_is_built_under_the_policy_that_is_set_or_given(
    policies: Any, policy: str, variables: str, computed: str
) -> None:
    model = resnet_dsl.loads(NORMED)
    given = [
        model.build("keras", dtype=policy),
        file_of(model.program).build(dtype=keras.DTypePolicy(policy)),
    ]
    assert keras.config.dtype_policy().name == "float32"
    policies(policy)
    for built in (*given, model.build("keras"), file_of(model.program).build(7)):
        assert {str(variable.dtype) for variable in built.weights} == {variables}
        assert built.inputs[0].dtype == variables  # images are not rounded before they are looked at
        assert {layer.compute_dtype for layer in built.layers if layer.weights} == {computed}
        assert built.outputs[0].dtype == computed
    assert built.output_shape == (None, 7)
    assert model.build("keras", dtype="float32").outputs[0].dtype == "float32"
    assert keras.config.dtype_policy().name == policy


def test_a_policy_is_set_back_where_building_fails() -> None:
    with pytest.raises(ValueError, match="3 channels"):
        file_of(compiled(NORMED)).build(input_shape=(9, 8, 4), dtype="mixed_bfloat16")
    assert keras.config.dtype_policy().name == "float32"


def test_double_precision_of_the_user_is_exact(policies: Any) -> None:
    stem = "conv(4, 3x3) -> bn -> upsample(2, mode=bilinear)"
    model = resnet_dsl.loads(f"model m {{ input: 3x7x6  stem: {stem}  stages: []  head: none }}")
    state, ours = random_state(model.program.graph, 1), in_full("keras")
    x = np.random.default_rng(0).standard_normal((2, 3, 7, 6))
    policies("float64")
    found = ours.run(model.build("keras", weights=state), x)["output"]
    wanted = evaluate(model.program.graph, state, x)["output"]
    assert np.abs(found - wanted).max() < 1e-12 * np.abs(wanted).max()


def test_files_of_weights_are_in_single_precision_whatever_is_set(policies: Any, tmp_path: Any) -> None:
    from resnet_dsl_keras.weight_files import encode, read

    program = compiled(NORMED)
    state = random_state(program.graph, 1)
    policies("float16")
    path = tmp_path / "m.weights.h5"
    path.write_bytes(encode(program, state, {}, ".weights.h5"))
    for name, stored in read(path).tensors.items():
        assert np.array_equal(stored.load(), state[name]), name


def test_a_torch_model_has_torchs_default_precision() -> None:
    model = resnet_dsl.loads(NORMED)
    torch.set_default_dtype(torch.float64)
    try:
        assert model.build("torch").fc.weight.dtype == torch.float64
        assert model.build("torch", dtype="float32").fc.weight.dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)
    assert model.build("torch").fc.weight.dtype == torch.float32


# --- mixed precision -----------------------------------------------------------------------------


def of_all_ops() -> tuple[Program, dict[str, Any], Any]:
    """A model of the first and the last case of every op, weights and images."""
    each = (cases_of(kind) for kind in CATALOGUE)
    cases = tuple(dict.fromkeys(case for cases in each for case in (cases[0], cases[-1])))
    program = compiled(model_of(cases, "12x12"))
    x = np.random.default_rng(0).standard_normal((4, program.network.input.channels, 12, 12))
    return program, random_state(program.graph, 1), x.astype("float32")


def off(found: Any, wanted: Any) -> float:
    """The largest difference over the largest value."""
    return float(np.abs(np.asarray(found, "float32") - wanted).max() / np.abs(wanted).max())


@pytest.mark.slow
def test_every_op_computes_and_trains_in_mixed_precision_of_keras() -> None:
    program, state, x = of_all_ops()
    ours = in_full("keras")
    plain, mixed = (ours.load_state(ours.build(program, p), state) for p in ("float32", "mixed_bfloat16"))
    wanted = ours.run(plain, x)["output"]
    found = ours.run(mixed, x)["output"]
    assert found.dtype.name == "bfloat16"
    assert EPS / 32 < off(found, wanted) < 4 * EPS
    images = x.transpose(0, 2, 3, 1)
    plain(images, training=True)
    mixed.compile(keras.optimizers.SGD(1e-3), "mse")
    losses = mixed.fit(images, np.zeros(wanted.shape, "float32"), verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    compare_statistics(ours.read_state(mixed), ours.read_state(plain), state)


@pytest.mark.slow
def test_every_op_computes_and_trains_under_autocast_of_torch() -> None:
    program, state, x = of_all_ops()
    ours = in_full("torch")
    plain, mixed = (ours.load_state(ours.build(program, "float32"), state) for _ in range(2))
    wanted = ours.run(plain, x)["output"]
    images = torch.from_numpy(x)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        found = mixed.eval()(images).float().numpy()
    assert EPS / 32 < off(found, wanted) < 4 * EPS
    plain.train()(images).square().mean().backward()
    with torch.autocast("cpu", torch.bfloat16):
        loss = mixed.train()(images).float().square().mean()
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in mixed.parameters())
    assert sum(p.grad is not None for p in mixed.parameters()) == sum(
        p.grad is not None for p in plain.parameters()
    )
    compare_statistics(ours.read_state(mixed), ours.read_state(plain), state)


def compare_statistics(mixed: dict[str, Any], plain: dict[str, Any], before: dict[str, Any]) -> None:
    """Running statistics have moved as in single precision, and are not rounded to half of it."""
    names = [name for name in plain if name.endswith(STATISTICS)]
    assert names
    for name in names:
        assert mixed[name].dtype == np.float32, name
        assert not np.array_equal(mixed[name], before[name]), name
        scale = np.abs(plain[name]).max()
        assert np.abs(mixed[name] - plain[name]).max() < 4 * EPS * scale, name
        halves = torch.from_numpy(mixed[name]).bfloat16().float().numpy()
        assert not np.array_equal(halves, mixed[name]), name
