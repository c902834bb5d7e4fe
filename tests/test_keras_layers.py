"""Keras' own fast layers in the file: used where they mean the same, with the same weights and starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnet_dsl.backend.discovery import find_backend
from resnet_dsl.codegen.live import module_of
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.initial.seeded import random_state
from resnet_dsl.program import Program
from resnet_dsl.verify.case import calibrated_state, subject_of
from resnet_dsl.verify.start import wrong_starts
from resnet_dsl.verify.training import verify_training
from resnet_dsl.weights.source import read_weights
from tests.support.agreement import assert_agreement, compiled
from tests.support.backends import in_full

keras = pytest.importorskip("keras")
pytest.importorskip("torch")
backend = in_full("keras")

ENGINES = [(name, dtype) for name in ("torch", "keras") for dtype in ("float64", "float32")]
SIZES = ((24, 24), (25, 31))

ONE_FILE = [
    "conv(4, 1x1) -> conv(4, 3x3, pad=2)",
    "conv(4, 1x1, stride=2) -> conv(4, 5x5, pad=1)",
    "conv(4, 1x1) -> conv(4, 3x3, pad=0) -> conv(4, 3x1, pad=1x2)",
    "conv(4, 2x1, stride=2x1, dilation=2)",
    "conv(8, 2x2, stride=2, dilation=2, groups=2, standardize=0.5)",
    "conv(4, 4x4, stride=3, dilation=3) -> conv(4, 2x2, stride=2, dilation=4)",
]


def test_convolutions_that_share_a_helper_pad_each_in_its_own_way() -> None:
    for steps in ONE_FILE:
        program = compiled(f"model m {{ input: 4xHxW  stem: {steps}  stages: []  head: none }}")
        assert_agreement(program, [(12, 13), (15, 16)], (("keras", "float64"),))


# Multipliers, strides, dilations and paddings of convolutions by channels; the last two are others.
DEPTHWISE = """
    block own(width, stride = 1, dilation = 1) {
        return x -> conv(width, 3x3, stride=stride, groups=x.channels, dilation=dilation) -> tanh
    }
    model depthwise { input: 3xHxW  stages: [[own(16), own(16, 2), own(32), own(32, 2, 2), own(32, 2, 3)]]
        stem: conv(4, 3x3) -> many: conv(8, 5x3, groups=4, stride=2, bias=true)
              -> same: conv(8, 3x3, groups=8, pad=same, stride=2) -> bn
              -> valid: conv(16, 2x2, groups=8, pad=0, dilation=2, init=uniform, bias=true)
        head: uneven: conv(32, 3x3, stride=2x1, groups=32) -> pairs: conv(32, 3x3, groups=16)
              -> bn -> gap -> fc(3) }
"""


def layer_kinds(program: Program) -> dict[str, str]:
    return {layer.name: type(layer).__name__ for layer in backend.build(program).layers if layer.weights}


def test_a_convolution_by_channels_is_keras_own() -> None:
    kinds = layer_kinds(compiled(DEPTHWISE))
    by_channels = {name for name, kind in kinds.items() if kind == "DepthwiseConv2D"}
    assert by_channels == {"many", "same", "valid", *(f"layer1-{index}-conv1" for index in range(5))}
    assert {kinds["conv1"], kinds["uneven"], kinds["pairs"]} == {"Conv2D"}


@pytest.mark.parametrize("size", SIZES)
def test_a_convolution_by_channels_computes_the_same(size: tuple[int, int]) -> None:
    assert_agreement(compiled(DEPTHWISE), [size], ENGINES)


@pytest.mark.slow
def test_a_convolution_by_channels_trains_as_the_referee_does() -> None:
    source = Source("m.resnet", DEPTHWISE)
    subject = subject_of(lambda more: compile_source(source, overrides=more))
    (found,) = verify_training(subject, {"keras": find_backend("keras")}, calibrated_state(subject, 1), 2, 1)
    assert max(error for error, _ in found.errors.values()) <= 1e-10, found


def test_weights_by_channels_survive_every_file_of_keras(tmp_path: Path) -> None:
    import resnet_dsl_keras.weight_files as weight_files

    program = compiled(DEPTHWISE)
    state = random_state(program.graph, 1)
    model = backend.load_state(backend.build(program), state)

    def check(found: dict[str, Any]) -> None:
        assert found.keys() == state.keys()
        assert all(np.array_equal(found[name], value) for name, value in state.items())

    check(backend.read_state(model))
    for suffix in (".weights.h5", ".h5"):
        path = tmp_path / f"m{suffix}"
        path.write_bytes(weight_files.encode(program, state, {}, suffix))
        tensors = weight_files.read(path).tensors
        assert {name: tensor.shape for name, tensor in tensors.items()} == {
            name: value.shape for name, value in state.items()
        }
        check(read_weights(path, program))
        fresh = backend.build(program)
        fresh.load_weights(path)
        check(backend.read_state(fresh))
    model.save(tmp_path / "keras.h5")  # a legacy file of Keras 3 calls every kernel `kernel`
    check(read_weights(tmp_path / "keras.h5", program))


@pytest.mark.parametrize("before", ["", "relu -> ", "maxpool(2) -> bn -> "])
def test_a_stem_by_channels_is_made_for_so_many(before: str) -> None:
    text = "model m {{ input: 3x8x8  stem: {0}{1}conv(6, 3x3, groups=3)  stages: []  head: none }}"
    module = module_of(str(backend.render(compiled(text.format(before, "")))), "m")
    with pytest.raises(ValueError, match="3 channels"):
        module.build(input_shape=(8, 8, 6))
    later = module_of(str(backend.render(compiled(text.format(before, "conv(3, 1x1) -> ")))), "m")
    assert later.build(input_shape=(8, 8, 6)).input_shape[-1] == 6


# --- how weights start -------------------------------------------------------------------------

SCHEMES = ("he", "he_fan_in", "glorot", "uniform")
# Layers whose fans in and out are far apart, and enough values to tell their deviation.
LAYERS = {
    "wide": "conv(96, 3x3{})",
    "narrow": "conv(96, 1x1) -> l: conv(6, 3x3{})",
    "grouped": "conv(32, 1x1) -> l: conv(64, 3x3, groups=4{})",
    "by channels": "conv(256, 1x1) -> l: conv(256, 3x3, groups=256{})",
    "several a channel": "conv(96, 1x1) -> l: conv(384, 3x2, groups=96{})",
    "standardised": "conv(6, 1x1) -> l: conv(96, 3x3, standardize=1e-5{})",
    "full": "gap -> fc(200{})",
}


@pytest.mark.parametrize("kind", LAYERS)
def test_a_weight_of_every_kind_of_layer_starts_by_its_own_fans(kind: str) -> None:
    """All schemes in one file, which names them, and each alone, which writes it into the layer."""
    keras.utils.set_random_seed(0)
    layer = LAYERS[kind]
    starts = [layer.format(f", bias=true, init={scheme}") for scheme in SCHEMES]
    if kind == "full":
        starts = [layer.format(f", init={scheme}") for scheme in ("uniform", "glorot", "he_fan_in", "small")]
    end = "" if kind == "full" else " -> gap -> flatten"
    for number, start in enumerate(starts):
        alone = f"model m {{ input: 3xHxW  stem: {start.replace('l: ', '')}  stages: []  head: none }}"
        _assert_starts(alone, f"{kind}, {number}")
    outs = "".join(f"b{i} = x -> {start.replace('l: ', f'l{i}: ')}{end}\n" for i, start in enumerate(starts))
    together = ", ".join(f"b{i}" for i in range(len(starts)))
    text = f"block all() {{ {outs} return concat({together}) }}"
    _assert_starts(f"{text}\nmodel m {{ input: 3xHxW  stem: all  stages: []  head: none }}", f"{kind}, all")


def _assert_starts(text: str, which: str) -> None:
    program = compiled(text)
    wrong = wrong_starts(program.graph, backend.read_state(backend.build(program)))
    assert not wrong, f"{which}: {'; '.join(map(str, wrong))}"


# --- maps --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        # Even spans have their centre before the middle; the steps are not those of the dilation.
        "conv(4, 2x2, stride=2, dilation=3, pad=same)",
        "conv(4, 4x2, stride=2, dilation=3, pad=same)",
        "conv(4, 2x3, stride=2x3, dilation=3, pad=same)",
        "conv(4, 2x2, stride=3, dilation=2x5, pad=same)",
        "conv(6, 2x2, stride=2, dilation=3, pad=same, groups=3)",
    ],
)
def test_what_strides_and_dilates_as_same_is_centred_as_tensorflow_does(text: str) -> None:
    program = compiled(f"model net {{ input: 3x12x13  stem: {text}  stages: []  head: none }}")
    assert_agreement(program, [(12, 13)], ENGINES)


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (3, 5)])
def test_a_pool_that_rounds_up_by_a_pixel_is_one_layer(size: tuple[int, int]) -> None:
    stem = "avgpool(2, pad=0, ceil=true) -> zeropad(1) -> maxpool(2, pad=0, ceil=true)"
    stem += " -> zeropad(2) -> avgpool(2x1, stride=3x2, pad=0, ceil=true, count_pad=true)"
    program = compiled(f"model net {{ input: 3xHxW  stem: {stem}  stages: []  head: none }}")
    model = backend.build(program)
    assert [op.name for op in model.operations if not isinstance(op, keras.Layer)] == []
    assert_agreement(program, [size], ENGINES)


def test_bilinear_upsampling_is_keras_own_and_exact_where_double_precision_is_asked_for() -> None:
    text = "model m { input: 3xHxW  stem: a: upsample(2, mode=bilinear) -> b: upsample(3x2, mode=bilinear)"
    program = compiled(text + "  stages: []  head: none }")
    fast, exact = backend.build(program), backend.build(program, "float64")
    assert [layer.name for layer in fast.layers] == ["input", "a", "b"]
    assert [layer.interpolation for layer in fast.layers[1:]] == ["bilinear", "bilinear"]
    assert "bilinear" not in {getattr(layer, "interpolation", "") for layer in exact.layers}
    assert 'interpolation="bilinear"' in str(backend.render(program))
    assert_agreement(program, SIZES, ENGINES)  # 1e-12 in double, 1e-4 in single precision
    assert_agreement(program, SIZES, [("keras", "float32")], {"float32": 1e-5})
