"""Uses of ops that backends have got wrong, and combinations of them: each computes what the referee does.

What an op's declaration allows is tried in tests/test_catalogue.py; a new op needs nothing here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from resnet_dsl.backend.discovery import backend_names, find_backend
from resnet_dsl.backend.interface import Backend
from resnet_dsl.ir.ops import CATALOGUE
from resnet_dsl.program import Program
from resnet_dsl.reference import missing_rules
from tests.support.agreement import ALL_ENGINES, Size, assert_agreement, compiled
from tests.support.plugins import FULL

TESTS = Path(__file__).parent
SIZES: tuple[Size, ...] = ((12, 12), (13, 13), (10, 15))
BARS = {"float64": 1e-13, "float32": 1e-5}

# Uses of ops on a map of 4 channels; the blocks are below.
OPEN: dict[str, tuple[str, ...]] = {
    "conv": (
        "conv(6, 1x1)",
        "conv(6, 3x3)",
        "conv(6, 3x3, bias=true)",
        "conv(6, 3x3, stride=2)",
        "conv(6, 3x3, stride=2, pad=valid)",
        "conv(6, 3x3, stride=3, pad=0)",
        "conv(6, 1x1, stride=2)",
        "conv(6, 2x2)",
        "conv(6, 4x4, stride=2)",
        "conv(6, 3x5)",
        "conv(6, 5x1, stride=2x1)",
        "conv(6, 3x3, pad=2)",
        "conv(6, 3x3, stride=2, pad=1x2)",
        "conv(6, 3x3, pad=same)",
        "conv(6, 4x2, pad=same)",
        "conv(6, 2x2, stride=2, pad=same)",
        "conv(6, 1x1, stride=2, pad=same)",
        "conv(6, 3x3, stride=2, pad=same)",
        "conv(6, 3x3, stride=1x2, pad=same)",
        "conv(6, 7x7, stride=2, pad=same)",
        "conv(6, 3x1, stride=2, pad=same)",
        "conv(8, 3x3, groups=2)",
        "conv(8, 3x3, stride=2, groups=4)",
        "conv(4, 3x3, groups=4)",
        "conv(6, 3x3, dilation=2)",
        "conv(6, 3x3, dilation=2x1)",
        "conv(6, 3x2, dilation=1x3)",
        "conv(6, 3x3, dilation=2, pad=same)",
        "conv(6, 2x3, dilation=2, pad=valid)",
        "conv(8, 3x3, dilation=2, groups=2)",
        "conv(6, 3x3, stride=2, dilation=2)",
        "conv(6, 3x3, stride=2, dilation=2, pad=same)",
        "conv(6, 3x3, stride=2x1, dilation=1x2)",
        "conv(8, 3x3, stride=2, dilation=2, groups=2, pad=valid, bias=true)",
        "conv(6, 3x3, standardize=1e-8)",
        "conv(8, 3x3, stride=2, groups=2, bias=true, standardize=1e-6)",
        "conv(6, 3x3, stride=2, pad=same, standardize=1e-6)",
        "conv(6, 3x3, stride=2, pad=[[0, 1], [0, 1]], standardize=1e-6)",
        "conv(8, 3x3, stride=2, dilation=2, groups=4, pad=[[1, 0], [2, 3]], bias=true)",
        "conv(4, 3x3, stride=2x1, groups=4, pad=[[2, 2], [0, 1]])",
    ),
    "channel_conv": ("gap -> channel_conv(3)", "gap -> channel_conv(5)", "gap -> flatten -> channel_conv(3)"),
    "fc": ("gap -> fc(5)", "gap -> fc(4, bias=false)", "gap -> flatten -> fc(4)"),
    "bn": (
        "bn",
        "bn(eps=1e-3)",
        "gap -> flatten -> bn",
        "bn(scale=false)",
        "bn(center=false, eps=0)",
        "gap -> flatten -> bn(scale=false, center=false, eps=0)",
    ),
    "gn": ("gn(2)", "gn(1, eps=1e-3)", "gn(4)", "gap -> flatten -> gn(2)"),
    "ln": ("ln", "ln(eps=1e-6)", "gap -> ln", "gap -> flatten -> ln"),
    "lrn": ("lrn(3)", "lrn(5, alpha=0.5, beta=0.75, k=2)", "lrn(7, alpha=1.0, beta=0.5)"),
    "relu": ("relu", "gap -> flatten -> relu"),
    "leaky_relu": ("leaky_relu", "leaky_relu(0.3)", "gap -> flatten -> leaky_relu(0.2)"),
    "silu": ("silu", "gap -> flatten -> silu"),
    "gelu": ("gelu", "gelu(approximate=true)", "gap -> flatten -> gelu"),
    "hard_swish": ("affine(4) -> hard_swish", "gap -> flatten -> hard_swish"),
    "affine": (
        "affine(0.5, 2)",
        "affine(-1)",
        "affine(shift=3)",
        "complement",
        "gap -> flatten -> complement",
    ),
    "sigmoid": ("sigmoid", "gap -> flatten -> sigmoid"),
    "tanh": ("tanh", "gap -> flatten -> tanh"),
    "softmax": ("softmax", "gap -> softmax", "gap -> flatten -> softmax"),
    "dropout": ("dropout(0.5)", "gap -> flatten -> dropout(0.2)"),
    "stochastic_depth": ("stochastic_depth(0.5)", "gap -> flatten -> stochastic_depth(0.2)"),
    "adaptive_avgpool": (
        "adaptive_avgpool(1)",
        "adaptive_avgpool(3)",
        "adaptive_avgpool(2x5)",
        "adaptive_avgpool(12)",
        "adaptive_avgpool(17x4)",
    ),
    "blurpool": (
        "blurpool",
        "blurpool(3, stride=1)",
        "blurpool(4)",
        "blurpool(5)",
        "blurpool(3, stride=3)",
        "blurpool(2)",
    ),
    "maxpool": tuple(
        f"maxpool({arguments})"
        for arguments in (
            "2x2",
            "3x3",
            "3x3, stride=2",
            "3x3, stride=1",
            "3x3, stride=2, pad=0",
            "3x3, stride=2, ceil=true",
            "3x3, stride=2, pad=0, ceil=true",
            "2x2, stride=2, pad=1, ceil=true",
            "2x2, stride=3, pad=0, ceil=true",
            "5x5, stride=4, pad=2, ceil=true",
            "3x3, stride=1, pad=same",
            "3x3, stride=2, pad=same",
            "2x2, stride=2, pad=same",
            "3x2, stride=2x1",
            "1x3, stride=1x2, pad=same",
            "3x2, stride=1x2, pad=1x0, ceil=true",
            "3x3, stride=2, pad=[[0, 1], [0, 1]]",
            "2x3, stride=1, pad=[[1, 0], [0, 2]]",
        )
    ),
    "avgpool": tuple(
        f"avgpool({arguments})"
        for arguments in (
            "2x2",
            "3x3, stride=2",
            "3x3, stride=1",
            "3x3, stride=2, pad=0",
            "3x3, stride=2, count_pad=true",
            "3x3, stride=2, ceil=true",
            "3x3, stride=2, ceil=true, count_pad=true",
            "2x2, ceil=true",
            "2x2, stride=2, pad=1, ceil=true, count_pad=true",
            "2x2, stride=3, pad=0, ceil=true",
            "5x5, stride=4, pad=2, ceil=true, count_pad=true",
            "5x5, stride=4, pad=1, ceil=true",
            "3x3, stride=1, pad=same",
            "3x3, stride=2, pad=same",
            "2x2, stride=2, pad=same",
            "3x2, stride=2x1, count_pad=true",
            "1x3, stride=1x2, pad=same",
            "3x3, stride=2, pad=[[0, 1], [0, 1]]",
            "2x3, stride=1, pad=[[1, 0], [0, 2]], count_pad=true",
        )
    ),
    "gap": ("gap",),
    "flatten": (
        "gap -> flatten",
        "flatten",
        "maxpool(2x2) -> flatten",
        "conv(6, 3x3) -> flatten -> fc(4)",
        "flatten(order=hwc)",
        "conv(6, 3x3) -> flatten(order=hwc) -> fc(4)",
    ),
    "subsample": ("subsample(2)", "subsample(2x1)", "subsample(3)"),
    "pad_channels": (
        "pad_channels(7)",
        "pad_channels(7, side=both)",
        "pad_channels(8, side=both)",
        "gap -> flatten -> pad_channels(7)",
        "gap -> flatten -> pad_channels(7, side=both)",
    ),
    "zeropad": (
        "zeropad(1)",
        "zeropad(1x2)",
        "zeropad(0x1)",
        "zeropad([[0, 1], [0, 1]]) -> conv(6, 3x3, stride=2, pad=0)",
        "zeropad([[2, 0], [1, 3]]) -> maxpool(3x3, stride=2, pad=[[0, 1], [1, 0]])",
        "zeropad(1) -> maxpool(3x3, stride=2, pad=0)",
        "zeropad(1) -> maxpool(3x3, stride=2, pad=1, ceil=true)",
        "zeropad(1) -> avgpool(3x3, stride=2, pad=1)",
        "zeropad(1) -> conv(6, 3x3, stride=2)",
    ),
    "part": ("part(0, 2)", "part(1, 2)", "part(2, 4)", "gap -> flatten -> part(1, 2)"),
    "upsample": (
        "upsample(2)",
        "upsample(2x3)",
        "upsample(2, mode=bilinear)",
        "upsample(3x2, mode=bilinear)",
        "maxpool(2) -> upsample(2) -> conv(4, 3x3, stride=2)",
    ),
    "add": ("sum", "gap -> flatten -> sum"),
    "mul": (
        "product",
        "gated",
        "gated_after",
        "pixel_gated",
        "pixel_gated_after",
        "gap -> flatten -> product",
    ),
    "concat": ("two", "three", "twice", "gap -> flatten -> two"),
}
BLOCKS = """
block sum() { return x + tanh(x) }
block product() { return x * tanh(x) }
block gated() { return sigmoid(gap(x)) * x }
block gated_after() { return x * sigmoid(gap(x)) }
block pixel_gated() { return x * (x -> conv(1, 3x3) -> sigmoid) }
block pixel_gated_after() { return (x -> conv(1, 1x1) -> sigmoid) * x }
block complement() { return 1 - x / 3 }
block two() { return concat(x, tanh(x)) }
block three() { return concat(tanh(x), x, sigmoid(x)) }
block twice() { return concat(x, x) }
"""
# Its length is part of the model, so it needs the input's size.
NEEDS_SIZE = {pipeline for pipeline in OPEN["flatten"] if not pipeline.startswith("gap")}
CASES = [(kind, pipeline) for kind, pipelines in OPEN.items() for pipeline in pipelines]


def program(pipeline: str, size: str) -> Program:
    return compiled(f"{BLOCKS}model one {{ input: 4x{size}  stem: {pipeline}  stages: []  head: none }}")


def missing_pairs(backends: Iterable[Backend]) -> list[str]:
    """A line for each op that a backend has no rule for."""
    return [
        f"{backend.name} has no rule for `{op.kind}`"
        for backend in backends
        for op in CATALOGUE.values()
        if op not in backend.rules
    ]


def test_every_backend_has_a_rule_for_every_op() -> None:
    names = backend_names()
    assert {"torch", "keras", "onnx"} <= set(names)
    missing = missing_pairs(find_backend(name) for name in names)
    assert not missing, "\n".join(missing)


def test_the_referee_has_a_meaning_for_every_op() -> None:
    assert not missing_rules(), "\n".join(missing_rules())


def test_a_use_of_an_op_is_one() -> None:
    for kind, pipeline in CASES:
        assert kind in {node.op.kind for node in program(pipeline, "12x12").graph.nodes}, pipeline


@pytest.mark.slow
@pytest.mark.parametrize("pipeline", [p for _, p in CASES if p not in NEEDS_SIZE])
def test_an_op_computes_the_same_in_every_backend_at_any_size(pipeline: str) -> None:
    assert_agreement(program(pipeline, "HxW"), SIZES, ALL_ENGINES, BARS)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("pipeline", [p for _, p in CASES])
def test_an_op_computes_the_same_in_every_backend_at_its_own_size(pipeline: str, size: Size) -> None:
    """Where the size is known ONNX is written otherwise, and so is what flattens in every backend."""
    engines = ALL_ENGINES if pipeline in NEEDS_SIZE else [("onnx", "float32"), ("onnx", "float64")]
    assert_agreement(program(pipeline, f"{size[0]}x{size[1]}"), (size,), engines, BARS)


# --- a backend from outside --------------------------------------------------------------------


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> Backend:
    monkeypatch.syspath_prepend(FULL)
    monkeypatch.delitem(sys.modules, "resnet_dsl_echo", raising=False)
    return find_backend("echo")


def test_a_backend_on_the_path_is_found_by_its_name(echo: Backend) -> None:
    assert "echo" in backend_names()
    assert not missing_pairs([echo])


def test_a_backend_from_outside_is_compared_as_ours_are(echo: Backend) -> None:
    assert_agreement(program("conv(6, 3x3) -> bn", "HxW"), SIZES, [("echo", "float64"), ("torch", "float64")])


def test_a_missing_pair_is_named(echo: Backend) -> None:
    without = replace(echo, rules=frozenset(op for op in echo.rules if op.kind != "softmax"))
    assert missing_pairs([find_backend("torch"), without]) == ["echo has no rule for `softmax`"]
