"""Mistakes planted in a backend, each of which has the right shapes: the agreement check finds them all.

Mistakes in training are planted in test_verify.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from resnet_dsl.backend.discovery import find_backend, runtime_of
from tests.support.agreement import Size, assert_agreement, compiled

for framework in ("torch", "keras", "onnx", "onnxruntime"):
    pytest.importorskip(framework)

# No relu before the pools, so that minus infinity and zero differ; a square layer at the end.
OPEN = """
block own(width, stride = 1) {
    main = x -> conv(width, 3x3, stride=stride) -> bn -> relu -> conv(width, 3x3, dilation=2) -> bn
    return relu(main + (x -> subsample(stride) -> pad_channels(width)))
}
model faulty {
    input: 3xHxW
    stem: conv(8, 3x3, stride=2) -> bn -> maxpool(3x3, stride=2)
          -> avgpool(3x3, stride=1) -> avgpool(2x2, stride=2, ceil=true)
    stages: [1, 1]
    widths: [8, 16]
    block: own
    head: gap -> fc(16)
}"""
FIXED = """model faulty {
    input: 3x12x15
    stem: conv(8, 3x3, stride=2, pad=same) -> bn -> maxpool(3x3, stride=2, pad=same)
    stages: []
    head: flatten -> fc(5)
}"""
SIZES: dict[str, tuple[Size, ...]] = {OPEN: ((32, 32), (33, 33), (28, 37)), FIXED: ((12, 15),)}


@dataclass(frozen=True)
class Fault:
    """Each text of a rendered source that matches `pattern` is replaced."""

    backend: str
    pattern: str
    replacement: str
    spec: str = OPEN


SOURCE_FAULTS = {
    "keras: `same` at stride 2": Fault(
        "keras", r'if stride > 1:((?:.|\n)*?)"same" if stride == 1 else "valid"', r'if False:\1"same"'
    ),
    "keras: the epsilon of Keras": Fault("keras", "epsilon=1e-05", "epsilon=0.001"),
    "keras: the epsilon of keras.applications": Fault("keras", "epsilon=1e-05", "epsilon=1.001e-05"),
    "keras: a max pool padded with zeros": Fault("keras", r'float\("-inf"\)', "0.0"),
    "keras: a pool that rounds down": Fault("keras", r'(avg_pool\(.*), padding="same"', r"\1"),
    "keras: padding counts in averages": Fault(
        "keras", r"(ones_like\(x\), padding, padding, )0\.0", r"\g<1>1.0"
    ),
    "keras: new channels before the old": Fault("keras", r"\[0, more\]", "[more, 0]"),
    "keras: no dilation": Fault("keras", ", dilation=2", ""),
    "keras: flattened in Keras' order": Fault("keras", r"Permute\(\(3, 1, 2\)", "Permute((1, 2, 3)", FIXED),
    "keras: no activation": Fault("keras", 'Activation\\("relu"', 'Activation("linear"'),
    "torch: the epsilon of Keras": Fault("torch", "eps=1e-05", "eps=0.001"),
    "torch: a pool that rounds down": Fault("torch", "ceil_mode=True", "ceil_mode=False"),
    "torch: a pool that rounds up": Fault("torch", "ceil_mode=False", "ceil_mode=True"),
    "torch: padding counts in averages": Fault("torch", "count_include_pad=False", "count_include_pad=True"),
    "torch: new channels before the old": Fault("torch", "0, before, after", "0, after, before"),
    "torch: a transposed square layer": Fault(
        "torch", r"self\.fc\(", "(lambda x: F.linear(x, self.fc.weight.T, self.fc.bias))("
    ),
    "torch: `same` with the odd row before": Fault(
        "torch", r"(\w+), (\w+) - \1, (\w+), (\w+) - \3", r"\2 - \1, \1, \4 - \3, \3", FIXED
    ),
    "torch: a max pool padded with zeros": Fault("torch", r'float\("-inf"\)', "0.0", FIXED),
}


def attribute(node: Any, name: str) -> Any:
    return next(found for found in node.attribute if found.name == name)


def nodes(model: Any, kind: str) -> list[Any]:
    found = [node for node in model.graph.node if node.op_type == kind]
    assert found, f"no {kind}"
    return found


def other_epsilon(model: Any) -> None:
    for node in nodes(model, "BatchNormalization"):
        attribute(node, "epsilon").f = 1e-3


def swapped_scale_and_shift(model: Any) -> None:
    for node in nodes(model, "BatchNormalization"):
        node.input[1], node.input[2] = node.input[2], node.input[1]


def transposed(model: Any) -> None:
    for node in nodes(model, "Gemm"):
        attribute(node, "transB").i = 0


def rounded_down(model: Any) -> None:
    for node in nodes(model, "AveragePool"):
        pads = attribute(node, "pads").ints
        pads[2:] = pads[:2]


def odd_row_before(model: Any) -> None:
    for node in nodes(model, "Conv"):
        attribute(node, "auto_pad").s = b"SAME_LOWER"


ONNX_FAULTS: dict[str, tuple[str, Callable[[Any], None]]] = {
    "the epsilon of Keras": (OPEN, other_epsilon),
    "scale and shift swapped": (OPEN, swapped_scale_and_shift),
    "a transposed square layer": (OPEN, transposed),
    "a pool that rounds down": (OPEN, rounded_down),
    "`same` with the odd row before": (FIXED, odd_row_before),
}


def check(spec: str, backend: str, sizes: tuple[Size, ...] | None = None) -> None:
    engines = [(backend, "float64"), (backend, "float32")]
    assert_agreement(compiled(spec), sizes or SIZES[spec], engines)


def plant(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime: Any = runtime_of(find_backend(fault.backend))
    sound = runtime.render

    def render(program: Any, *options: Any) -> str:
        source: str = sound(program, *options)
        changed, count = re.subn(fault.pattern, fault.replacement, source)
        assert count, "the fault was not planted"
        return changed

    monkeypatch.setattr(runtime, "render", render)


@pytest.mark.parametrize("spec", [OPEN, FIXED], ids=["open", "fixed"])
@pytest.mark.parametrize("backend", ["torch", "keras", "onnx"])
def test_sound_backends_pass(backend: str, spec: str) -> None:
    check(spec, backend)


@pytest.mark.parametrize("name", SOURCE_FAULTS)
def test_a_fault_in_a_rendered_source_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = SOURCE_FAULTS[name]
    plant(fault, monkeypatch)
    with pytest.raises(AssertionError, match="differs by"):
        check(fault.spec, fault.backend)


@pytest.mark.parametrize("name", ONNX_FAULTS)
def test_a_fault_in_an_onnx_model_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, spoil = ONNX_FAULTS[name]
    runtime = runtime_of(find_backend("onnx"))
    sound = runtime.build

    def build(program: Any, dtype: str = "float32") -> Any:
        model = sound(program, dtype)
        spoil(model)
        return model

    monkeypatch.setattr(runtime, "build", build)
    with pytest.raises(AssertionError, match="differs by"):
        check(spec, "onnx")


def test_a_swapped_scale_and_shift_in_keras_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from resnet_dsl_keras import runtime

    monkeypatch.setitem(runtime.NAMES, "gamma", "bias")
    monkeypatch.setitem(runtime.NAMES, "beta", "weight")
    with pytest.raises(AssertionError, match="differs by"):
        check(OPEN, "keras")


def test_a_transposed_square_layer_in_keras_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from resnet_dsl_keras import runtime

    sound = runtime.to_keras
    monkeypatch.setattr(runtime, "to_keras", lambda value: value if value.ndim == 2 else sound(value))
    with pytest.raises(AssertionError, match="differs by"):
        check(OPEN, "keras")


def test_same_padding_at_stride_2_shows_at_even_sizes_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why one size does not do: at 33x33 every strided map is odd, and the mistake computes the same."""
    plant(SOURCE_FAULTS["keras: `same` at stride 2"], monkeypatch)
    spec = OPEN.replace("avgpool(2x2, stride=2, ceil=true)", "relu")
    check(spec, "keras", ((33, 33), (65, 65)))
    with pytest.raises(AssertionError, match="differs by"):
        check(spec, "keras", ((32, 32),))
