"""The ONNX backend: every op against torch, in single and in double precision, and the file itself."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from resnet_dsl_onnx import save

from resnet_dsl.backend.artefacts import Artefact, write_together
from resnet_dsl.backend.discovery import find_backend
from resnet_dsl.codegen.provenance import digest
from resnet_dsl.codegen.seal import sealed
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.initial.seeded import initial_state, random_state
from resnet_dsl.ir.ops import CATALOGUE
from resnet_dsl.program import Program
from tests.support.backends import in_full
from tests.support.golden_weights import golden_input, named_state

backend = in_full("onnx")

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
torch = pytest.importorskip("torch")
F = torch.nn.functional

SIZES = ["8x8", "7x9", "10x7", "13x12"]
State = dict[str, Any]


def program(text: str, **overrides: str) -> Program:
    return compile_source(Source("specs/t.resnet", text), overrides=overrides)


def stem(text: str, size: str = "HxW", channels: int = 4) -> Program:
    """Compile a model that is nothing but its stem."""
    return program(f"model t {{ input: {channels}x{size}  stem: {text}  stages: []  head: none }}")


def batch(size: str, channels: int = 4) -> Any:
    """Signed values: where padding is not what it should be, it shows."""
    height, width = map(int, size.split("x"))
    return np.random.default_rng(7).standard_normal((2, channels, height, width)) - 0.5


def same(x: Any, kernel: int, stride: int, fill: float, dilation: int = 1) -> Any:
    """Pad as TensorFlow's `same` does."""
    sides: list[int] = []
    for n in (x.shape[3], x.shape[2]):
        total = max((-(-n // stride) - 1) * stride + (kernel - 1) * dilation + 1 - n, 0)
        sides += [total // 2, total - total // 2]
    return F.pad(x, sides, value=fill)


def norm(x: Any, w: State, name: str, eps: float = 1e-5) -> Any:
    statistics = w[f"{name}.running_mean"], w[f"{name}.running_var"]
    return F.batch_norm(x, *statistics, w[f"{name}.weight"], w[f"{name}.bias"], eps=eps)


def affine(x: Any, w: State, name: str) -> Any:
    """Scale and shift each channel."""
    behind = (1,) * (x.dim() - 2)
    return x * w[f"{name}.weight"].view(-1, *behind) + w[f"{name}.bias"].view(-1, *behind)


def layer_norm(x: Any, w: State, eps: float = 1e-5) -> Any:
    last = F.layer_norm(x.movedim(1, -1), x.shape[1:2], eps=eps)
    return affine(last.movedim(-1, 1), w, "ln1")


def standardised(weight: Any, eps: float) -> Any:
    mean = weight.mean((1, 2, 3), keepdim=True)
    return (weight - mean) / (weight.var((1, 2, 3), keepdim=True, correction=0) + eps).sqrt()


def channel_conv(x: Any, w: State) -> Any:
    weight = w["channel_conv1.weight"]
    return F.conv1d(x.flatten(1)[:, None], weight, padding=weight.shape[2] // 2).reshape(x.shape)


def blur(x: Any, taps: list[float], stride: int, pad: int) -> Any:
    kernel = torch.outer(torch.tensor(taps), torch.tensor(taps)).double()
    weight = kernel.expand(x.shape[1], 1, -1, -1)
    return F.conv2d(F.pad(x, [pad] * 4, mode="reflect"), weight, None, stride, groups=x.shape[1])


def bilinear(x: Any, factor: tuple[float, float]) -> Any:
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


INF = float("inf")
Case = tuple[str, Callable[[Any, State], Any]]
OPS: list[Case] = [
    ("conv(6, 3x3)", lambda x, w: F.conv2d(x, w["conv1.weight"], padding=1)),
    ("conv(6, 3x3, stride=2)", lambda x, w: F.conv2d(x, w["conv1.weight"], stride=2, padding=1)),
    ("conv(6, 7x7, stride=2)", lambda x, w: F.conv2d(x, w["conv1.weight"], stride=2, padding=3)),
    ("conv(6, 5x3, stride=2x1, pad=1x2)", lambda x, w: F.conv2d(x, w["conv1.weight"], None, (2, 1), (1, 2))),
    ("conv(6, 3x3, pad=valid, bias=true)", lambda x, w: F.conv2d(x, w["conv1.weight"], w["conv1.bias"])),
    (
        "conv(6, 3x3, stride=2, pad=same, bias=true)",
        lambda x, w: F.conv2d(same(x, 3, 2, 0), w["conv1.weight"], w["conv1.bias"], stride=2),
    ),
    ("conv(6, 2x2, pad=same)", lambda x, w: F.conv2d(same(x, 2, 1, 0), w["conv1.weight"])),
    ("conv(6, 1x1, stride=5, pad=same)", lambda x, w: F.conv2d(x, w["conv1.weight"], stride=5)),
    ("conv(6, 1x1, stride=2, pad=same)", lambda x, w: F.conv2d(x, w["conv1.weight"], stride=2)),
    (
        "conv(6, 2x2, stride=3, pad=same)",
        lambda x, w: F.conv2d(same(x, 2, 3, 0), w["conv1.weight"], stride=3),
    ),
    (
        "conv(6, 3x3, pad=same, dilation=2)",
        lambda x, w: F.conv2d(same(x, 3, 1, 0, dilation=2), w["conv1.weight"], dilation=2),
    ),
    ("conv(6, 3x3, groups=2)", lambda x, w: F.conv2d(x, w["conv1.weight"], padding=1, groups=2)),
    ("conv(8, 3x3, groups=4)", lambda x, w: F.conv2d(x, w["conv1.weight"], padding=1, groups=4)),
    (
        "conv(6, 3x3, groups=2, stride=2, dilation=2, bias=true)",
        lambda x, w: F.conv2d(x, w["conv1.weight"], w["conv1.bias"], 2, 2, 2, 2),
    ),
    ("bn", lambda x, w: norm(x, w, "bn1")),
    ("bn(eps=0.001)", lambda x, w: norm(x, w, "bn1", 1e-3)),
    ("bn(eps=0.123456789123)", lambda x, w: norm(x, w, "bn1", 0.123456789123)),
    ("relu", lambda x, w: F.relu(x)),
    ("sigmoid", lambda x, w: torch.sigmoid(x)),
    ("tanh", lambda x, w: torch.tanh(x)),
    ("softmax", lambda x, w: F.softmax(x, 1)),
    ("dropout(0.3)", lambda x, w: x),
    ("maxpool(3x3, stride=2)", lambda x, w: F.max_pool2d(x, 3, 2, 1)),
    ("maxpool(2x2)", lambda x, w: F.max_pool2d(x, 2)),
    ("maxpool(2x2, stride=3, pad=1)", lambda x, w: F.max_pool2d(x, 2, 3, 1)),
    ("maxpool(3x2, stride=1x2, pad=0x1)", lambda x, w: F.max_pool2d(x, (3, 2), (1, 2), (0, 1))),
    ("maxpool(3x3, stride=2, pad=0, ceil=true)", lambda x, w: F.max_pool2d(x, 3, 2, 0, ceil_mode=True)),
    ("maxpool(2x2, stride=2, pad=1, ceil=true)", lambda x, w: F.max_pool2d(x, 2, 2, 1, ceil_mode=True)),
    ("maxpool(3x3, stride=2, pad=1, ceil=true)", lambda x, w: F.max_pool2d(x, 3, 2, 1, ceil_mode=True)),
    ("maxpool(4x5, stride=3, pad=0, ceil=true)", lambda x, w: F.max_pool2d(x, (4, 5), 3, 0, ceil_mode=True)),
    (
        "maxpool(2x3, stride=1x3, pad=1x0, ceil=true)",
        lambda x, w: F.max_pool2d(x, (2, 3), (1, 3), (1, 0), 1, True),
    ),
    ("maxpool(3x3, stride=2, pad=same)", lambda x, w: F.max_pool2d(same(x, 3, 2, -INF), 3, 2)),
    ("maxpool(2x2, stride=1, pad=same)", lambda x, w: F.max_pool2d(same(x, 2, 1, -INF), 2, 1)),
    ("maxpool(1x1, stride=2, pad=same)", lambda x, w: F.max_pool2d(x, 1, 2)),
    ("maxpool(2x2, stride=3, pad=same)", lambda x, w: F.max_pool2d(same(x, 2, 3, -INF), 2, 3)),
    ("maxpool(1x1, stride=2, ceil=true)", lambda x, w: F.max_pool2d(x, 1, 2, ceil_mode=True)),
    ("avgpool(3x3, stride=2)", lambda x, w: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)),
    ("avgpool(3x3, stride=2, count_pad=true)", lambda x, w: F.avg_pool2d(x, 3, 2, 1)),
    (
        "avgpool(2x2, pad=0, ceil=true)",
        lambda x, w: F.avg_pool2d(x, 2, 2, 0, ceil_mode=True, count_include_pad=False),
    ),
    ("avgpool(2x2, pad=1, ceil=true, count_pad=true)", lambda x, w: F.avg_pool2d(x, 2, 2, 1, ceil_mode=True)),
    (
        "avgpool(3x3, stride=2, pad=1, ceil=true, count_pad=true)",
        lambda x, w: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
    ),
    (
        "avgpool(3x3, stride=2, pad=1, ceil=true)",
        lambda x, w: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
    ),
    (
        "avgpool(3x3, stride=2, pad=same)",
        lambda x, w: F.avg_pool2d(same(x, 3, 2, 0), 3, 2) / F.avg_pool2d(same(0 * x + 1, 3, 2, 0), 3, 2),
    ),
    ("gap", lambda x, w: x.mean((2, 3), keepdim=True)),
    ("subsample(2)", lambda x, w: x[:, :, ::2, ::2]),
    ("subsample(3x2)", lambda x, w: x[:, :, ::3, ::2]),
    ("pad_channels(7)", lambda x, w: F.pad(x, (0, 0, 0, 0, 0, 3))),
    ("pad_channels(7, side=both)", lambda x, w: F.pad(x, (0, 0, 0, 0, 1, 2))),
    (
        "zeropad(1) -> maxpool(3x3, stride=2, pad=1)",
        lambda x, w: F.max_pool2d(F.pad(x, (1, 1, 1, 1)), 3, 2, 1),
    ),
    ("zeropad(1x2)", lambda x, w: F.pad(x, (2, 2, 1, 1))),
    ("gap -> fc(5)", lambda x, w: F.linear(x.mean((2, 3)), w["fc1.weight"], w["fc1.bias"])),
    ("gap -> fc(5, bias=false)", lambda x, w: F.linear(x.mean((2, 3)), w["fc1.weight"])),
    ("gap -> flatten -> bn", lambda x, w: norm(x.mean((2, 3)), w, "bn1")),
    (
        "gap -> flatten -> pad_channels(9) -> softmax",
        lambda x, w: F.softmax(F.pad(x.mean((2, 3)), (0, 5)), 1),
    ),
    ("x * (x -> gap -> sigmoid)", lambda x, w: x * torch.sigmoid(x.mean((2, 3), keepdim=True))),
    ("(x -> gap -> sigmoid) * x", lambda x, w: x * torch.sigmoid(x.mean((2, 3), keepdim=True))),
    ("x * (x -> tanh)", lambda x, w: x * torch.tanh(x)),
    ("x + (x -> relu)", lambda x, w: x + F.relu(x)),
    ("concat(x, x -> relu, x)", lambda x, w: torch.cat((x, F.relu(x), x), 1)),
    (
        "conv(6, 3x3, standardize=1e-6)",
        lambda x, w: F.conv2d(x, standardised(w["conv1.weight"], 1e-6), padding=1),
    ),
    (
        "conv(6, 3x3, stride=2, pad=same, groups=2, bias=true, standardize=0.1)",
        lambda x, w: F.conv2d(
            same(x, 3, 2, 0), standardised(w["conv1.weight"], 0.1), w["conv1.bias"], stride=2, groups=2
        ),
    ),
    ("gap -> channel_conv(3)", lambda x, w: channel_conv(x.mean((2, 3), keepdim=True), w)),
    ("gap -> flatten -> channel_conv(5)", lambda x, w: channel_conv(x.mean((2, 3)), w)),
    ("gn(2)", lambda x, w: F.group_norm(x, 2, w["gn1.weight"], w["gn1.bias"], 1e-5)),
    ("gn(4, eps=0.123456789123)", lambda x, w: affine(F.group_norm(x, 4, eps=0.123456789123), w, "gn1")),
    (
        "gap -> fc(6) -> gn(2)",
        lambda x, w: affine(
            F.group_norm(F.linear(x.mean((2, 3)), w["fc1.weight"], w["fc1.bias"]), 2), w, "gn1"
        ),
    ),
    ("ln", lambda x, w: layer_norm(x, w)),
    ("ln(eps=0.1)", lambda x, w: layer_norm(x, w, 0.1)),
    ("gap -> ln", lambda x, w: layer_norm(x.mean((2, 3), keepdim=True), w)),
    ("gap -> flatten -> ln", lambda x, w: layer_norm(x.mean((2, 3)), w)),
    ("lrn(3, alpha=0.3, beta=0.7, k=1.1)", lambda x, w: F.local_response_norm(x, 3, 0.3, 0.7, 1.1)),
    ("lrn(7, alpha=1e-4)", lambda x, w: F.local_response_norm(x, 7, 1e-4, 0.75, 1.0)),
    ("leaky_relu(0.1)", lambda x, w: F.leaky_relu(x, 0.1)),
    ("silu", lambda x, w: F.silu(x)),
    ("gelu", lambda x, w: F.gelu(x)),
    ("gelu(approximate=true)", lambda x, w: F.gelu(x, approximate="tanh")),
    ("affine(4) -> hard_swish", lambda x, w: F.hardswish(4 * x)),
    ("affine(0.3, 0.7)", lambda x, w: 0.3 * x + 0.7),
    ("affine(-1)", lambda x, w: -x),
    ("affine(-1, 0.7)", lambda x, w: 0.7 - x),
    ("affine(shift=0.1)", lambda x, w: x + 0.1),
    ("stochastic_depth(0.3)", lambda x, w: x),
    ("adaptive_avgpool(1)", lambda x, w: x.mean((2, 3), keepdim=True)),
    ("adaptive_avgpool(4x2)", lambda x, w: F.adaptive_avg_pool2d(x, (4, 2))),
    ("adaptive_avgpool(1x3)", lambda x, w: F.adaptive_avg_pool2d(x, (1, 3))),
    ("adaptive_avgpool(9x11)", lambda x, w: F.adaptive_avg_pool2d(x, (9, 11))),
    ("blurpool", lambda x, w: blur(x, [0.25, 0.5, 0.25], 2, 1)),
    ("blurpool(4, stride=1)", lambda x, w: blur(x, [0.125, 0.375, 0.375, 0.125], 1, 1)),
    ("blurpool(2, stride=1)", lambda x, w: blur(x, [0.5, 0.5], 1, 0)),
    ("upsample(2)", lambda x, w: F.interpolate(x, scale_factor=2.0)),
    ("upsample(1x3)", lambda x, w: F.interpolate(x, scale_factor=(1.0, 3.0))),
    ("upsample(2, mode=bilinear)", lambda x, w: bilinear(x, (2.0, 2.0))),
    ("upsample(5x3, mode=bilinear)", lambda x, w: bilinear(x, (5.0, 3.0))),
    ("gap -> upsample(3, mode=bilinear)", lambda x, w: x.mean((2, 3), keepdim=True).tile(1, 1, 3, 3)),
    ("part(1, 4)", lambda x, w: x[:, 1:2]),
    ("gap -> flatten -> part(1, 2)", lambda x, w: x.mean((2, 3))[:, 2:]),
    ("x * (x -> part(1, 4))", lambda x, w: x * x[:, 1:2]),
    ("(x -> part(1, 4)) * x", lambda x, w: x * x[:, 1:2]),
]


# onnxruntime has no SAME_UPPER for these, and the padding as numbers depends on the size.
SIZED_OPS: list[Case] = [
    (
        "conv(6, 3x3, stride=2, pad=same, dilation=2)",
        lambda x, w: F.conv2d(same(x, 3, 2, 0, dilation=2), w["conv1.weight"], stride=2, dilation=2),
    ),
    (
        "conv(6, 3x3, stride=7, pad=same)",
        lambda x, w: F.conv2d(same(x, 3, 7, 0), w["conv1.weight"], stride=7),
    ),
    ("maxpool(3x3, stride=5, pad=same)", lambda x, w: F.max_pool2d(same(x, 3, 5, -INF), 3, 5)),
    (
        "avgpool(3x3, stride=4, pad=same)",
        lambda x, w: F.avg_pool2d(same(x, 3, 4, 0), 3, 4) / F.avg_pool2d(same(0 * x + 1, 3, 4, 0), 3, 4),
    ),
]


@pytest.mark.parametrize(("text", "meaning"), OPS + SIZED_OPS, ids=[text for text, _ in OPS + SIZED_OPS])
def test_an_op_at_a_known_size_computes_what_torch_computes(
    text: str, meaning: Callable[[Any, State], Any]
) -> None:
    check(text, meaning, SIZES)


@pytest.mark.parametrize(("text", "meaning"), OPS + SIZED_OPS, ids=[text for text, _ in OPS + SIZED_OPS])
def test_an_op_at_any_size_computes_what_torch_computes(
    text: str, meaning: Callable[[Any, State], Any]
) -> None:
    check(text, meaning, ["HxW"])


def check(text: str, meaning: Callable[[Any, State], Any], inputs: list[str]) -> None:
    """Compare every size of a batch, declared by one of `inputs`, in both precisions."""
    for size in SIZES:
        compiled = stem(text, size if size in inputs else "HxW")
        model = backend.load_state(backend.build(compiled), random_state(compiled.graph, 1))
        assert_valid(model)
        weights = {name: torch.tensor(value).double() for name, value in backend.read_state(model).items()}
        x = batch(size).astype(np.float32)
        wanted = meaning(torch.tensor(x).double(), weights).numpy()
        assert_close(backend.run(model, x)["output"], wanted, 2e-6)
        assert_close(backend.run(model, x.astype(np.float64))["output"], wanted, 1e-14)


def assert_close(value: Any, wanted: Any, tolerance: float) -> None:
    assert value.shape == wanted.shape
    assert np.abs(value - wanted).max() <= tolerance * np.abs(wanted).max()


def assert_valid(model: Any) -> None:
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)


def op_types(compiled: Program) -> list[str]:
    return [node.op_type for node in backend.build(compiled).graph.node]


def test_flatten_runs_channels_outermost() -> None:
    compiled = stem("flatten -> fc(5)", "7x9")
    model = backend.build(compiled)
    weights = {name: torch.tensor(value) for name, value in backend.read_state(model).items()}
    x = batch("7x9").astype(np.float32)
    wanted = F.linear(torch.tensor(x).flatten(1), weights["fc1.weight"], weights["fc1.bias"]).numpy()
    assert_close(backend.run(model, x)["output"], wanted, 2e-6)


def test_flatten_with_channels_innermost_is_the_one_that_transposes() -> None:
    model = backend.build(stem("flatten(order=hwc)", "7x9"))
    assert_valid(model)
    x = batch("7x9").astype(np.float32)
    assert np.array_equal(backend.run(model, x)["output"], x.transpose(0, 2, 3, 1).reshape(2, -1))
    assert [node.op_type for node in model.graph.node] == ["Transpose", "Flatten"]
    for text in ("gap -> flatten(order=hwc)", "part(0, 4) -> flatten(order=hwc)"):
        assert "Transpose" not in op_types(stem(text, "7x9"))


def test_a_subsample_moves_values_that_are_not_numbers() -> None:
    x = np.full((1, 4, 5, 5), np.nan, np.float32)
    x[:, :, 1::2, 1::2] = 1.0
    assert np.isnan(backend.run(backend.build(stem("subsample(2)")), x)["output"]).all()


@pytest.mark.slow
def test_resnet18_gives_the_golden_logits() -> None:
    """torchvision's model with the same name-seeded weights, in double precision."""
    compiled = program("model resnet18 { stages: [2, 2, 2, 2]  block: basic }", input="3xHxW")
    state = named_state((name, parameter.shape) for name, parameter in compiled.graph.parameters())
    logits = backend.run(backend.load_state(backend.build(compiled), state), golden_input(64))["output"]
    golden = [19.527133429576843, 50.959487078968365, -71.43696177715407, -4.440274218818843]
    assert np.abs(logits[0, :4] - golden).max() < 1e-13 * 173.3
    assert logits.sum(1) == pytest.approx([-177.58945767150067, -540.7064586830958], rel=1e-12)


# --- the backend's own promises ----------------------------------------------------------------


def test_importing_the_backend_imports_no_framework() -> None:
    code = "import sys, resnet_dsl_onnx; assert not {'onnx', 'numpy', 'torch'} & set(sys.modules)"
    root = Path(__file__).parents[1]
    paths = {"PYTHONPATH": f"{root}:{root / 'backends'}"}
    subprocess.run([sys.executable, "-c", code], check=True, env=paths)


def test_every_op_of_the_catalogue_has_a_rule() -> None:
    assert set(CATALOGUE.values()) == find_backend("onnx").rules


SMALL = """model small(classes = 5) {
    input: 3xHxW
    stem: conv(4, 3x3) -> bn -> relu -> maxpool(3x3, stride=2)
    stages: [1, 2]  widths: [4, 8]  block: basic  shortcut: A
    head: gap -> fc(classes)
    outputs: [stem, layer1, layer1.0, head]
    freeze: [stem]
    preprocess: { color: rgb  range: [0, 1]  mean: [0.5, 0.5, 0.5] }
}
"""


def test_every_attribute_of_every_op_is_written_out() -> None:
    """Two are left out for cause: `pads` beside `auto_pad`, and the seed of a dropout switched off."""
    for text, _ in OPS:
        for node in backend.build(stem(text)).graph.node:
            schema = onnx.defs.get_schema(node.op_type, 17)
            written = {attribute.name for attribute in node.attribute}
            left_out = set(schema.attributes) - written - {"seed"}
            assert left_out <= ({"pads"} if "same" in text else set()), (text, node.op_type)


def test_the_model_is_made_for_released_runtimes() -> None:
    model = backend.build(program(SMALL))
    assert model.ir_version == 8
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]


def test_no_value_is_ever_transposed() -> None:
    for compiled in (program(SMALL), *(stem(text) for text, _ in OPS)):
        assert "Transpose" not in op_types(compiled)


@pytest.mark.parametrize("text", [text for text, _ in OPS])
def test_the_images_of_a_batch_are_independent(text: str) -> None:
    """The batch is free, and in double the evaluator's own LRN takes it for the channels."""
    model = backend.build(stem(text))
    for dtype, bar in ((np.float32, 1e-6), (np.float64, 1e-14)):
        x = np.concatenate([batch("7x9"), batch("7x9") + 1.0]).astype(dtype)[:3]
        together = backend.run(model, x)["output"]
        alone = [backend.run(model, one)["output"] for one in (x[:1], x[1:])]
        assert_close(together, np.concatenate(alone), bar)


def test_rendering_twice_gives_the_same_bytes() -> None:
    compiled = program(SMALL)
    assert backend.render(compiled) == backend.render(program(SMALL))
    assert backend.render(compiled) == backend.build(compiled).SerializeToString(deterministic=True)


def test_given_weights_are_rendered_bit_for_bit() -> None:
    compiled = program(SMALL)
    state = random_state(compiled.graph, 3)
    read = backend.read_state(onnx.load_from_string(backend.render(compiled, state)))
    assert list(read) == list(state)
    assert all(np.array_equal(read[name], state[name]) for name in state)


def test_a_model_without_given_weights_has_those_of_seed_0() -> None:
    compiled = program(SMALL)
    state = backend.read_state(backend.build(compiled))
    assert all(np.array_equal(state[name], value) for name, value in initial_state(compiled.graph, 0).items())


def test_names_are_the_canonical_ones() -> None:
    graph = backend.build(program(SMALL)).graph
    names = [tensor.name for tensor in graph.initializer]
    assert names[:5] == ["conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var"]
    assert "layer2.1.conv2.weight" in names
    assert [name for name in names if "/" in name] == names[-6:]
    assert {"conv1", "layer2.0.downsample.subsample1", "fc/Flatten", "fc"} <= {n.name for n in graph.node}
    assert len({node.name for node in graph.node}) == len(graph.node)


def test_batch_and_open_sizes_stay_symbolic() -> None:
    model = backend.build(program(SMALL))
    dims = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert dims["input"] == ["N", 3, "H", "W"]
    assert dims["stem"] == ["N", 4, "(H+1)//2", "(W+1)//2"]
    assert dims["head"] == ["N", 5]


def test_sizes_of_what_was_made_larger_are_formulas_too() -> None:
    model = backend.build(stem("maxpool(2x2) -> gn(2) -> upsample(2x3) -> blurpool"))
    assert_valid(model)
    inner = {value.name: value.type.tensor_type.shape.dim for value in model.graph.value_info}
    assert [dim.dim_param for dim in inner["upsample1"]] == ["N", "", "2*(H//2)", "3*(W//2)"]


def test_outputs_have_their_names_and_one_result_may_have_two() -> None:
    results = backend.run(backend.build(program(SMALL)), batch("9x8", 3).astype(np.float32))
    assert list(results) == ["stem", "layer1", "layer1.0", "head"]
    assert np.array_equal(results["layer1"], results["layer1.0"])
    assert results["layer1"].shape == (2, 4, 5, 4)


def test_an_output_may_be_the_input() -> None:
    model = backend.build(stem("dropout(0)"))
    assert_valid(model)
    x = batch("7x8").astype(np.float32)
    assert np.array_equal(backend.run(model, x)["output"], x)


def test_a_step_may_be_named_as_an_output_is() -> None:
    model = backend.build(stem("x -> output: relu -> sigmoid"))
    assert_valid(model)
    assert [node.name for node in model.graph.node] == ["output", "sigmoid1"]
    x = np.full((1, 4, 5, 5), -1, np.float32)
    assert np.array_equal(backend.run(model, x)["output"], np.full_like(x, 0.5))


def test_a_trace_has_every_result_by_its_op() -> None:
    compiled = program(SMALL)
    model = backend.load_state(backend.build(compiled), random_state(compiled.graph, 1))
    x = batch("9x8", 3)
    results = backend.trace(model, compiled, x)
    assert set(results) == {node.name for node in compiled.graph.nodes}
    assert np.array_equal(results["fc"], backend.run(model, x)["head"])
    assert backend.trace(model, compiled, x.astype(np.float32))["conv1"].dtype == np.float32


def test_a_model_of_vectors_is_built_too() -> None:
    model = backend.build(program("model t { input: 8  stem: none  stages: []  head: fc(3) -> bn -> tanh }"))
    assert_valid(model)
    assert backend.run(model, np.ones((2, 8), np.float32))["output"].shape == (2, 3)


def test_the_spec_travels_with_the_model() -> None:
    compiled = program(SMALL, classes="7")
    model = backend.build(compiled)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert model.producer_name == "resnet-dsl"
    assert model.doc_string == SMALL
    assert metadata["spec"] == "t.resnet"
    assert metadata["spec_sha256"] == digest(compiled.network)
    assert json.loads(metadata["settings"]) == {"classes": "7"}
    assert json.loads(metadata["frozen"]) == ["stem"]
    assert json.loads(metadata["preprocess"])["mean"] == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    "text",
    [
        "zeropad(1) -> affine(-0.0)",
        "affine(0.0, 1) -> affine(-0.0)",
        "affine(-0.0, 1) -> affine(0.0)",
        "conv(1, 1x1) -> instance_norm(affine=false) -> affine(1, 1)",
        "affine(1, 1) -> conv(1, 1x1) -> instance_norm(affine=false)",
    ],
)
def test_constants_that_look_alike_are_kept_apart(text: str) -> None:
    """Zero and minus zero, a number and a vector of that number."""
    model = backend.build(stem(text))
    assert_valid(model)
    assert len({tensor.name for tensor in model.graph.initializer}) == len(model.graph.initializer)
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    signs = {name: bool(np.signbit(value).all()) for name, value in constants.items() if not value.any()}
    assert signs.get("constant/-0.0", True)
    assert not signs.get("constant/0.0", False)
    assert np.isfinite(backend.run(model, batch("7x8").astype(np.float32))["output"]).all()


# --- weights and precision ---------------------------------------------------------------------


def test_a_standardised_weight_is_exchanged_as_it_is() -> None:
    """The file holds the plain weight: to scale it changes nothing but what it holds."""
    compiled = stem("conv(6, 3x3, standardize=1e-12)")
    model = backend.build(compiled)
    x = batch("7x9").astype(np.float32)
    first, weight = backend.run(model, x)["output"], backend.read_state(model)["conv1.weight"]
    backend.load_state(model, {"conv1.weight": 4.0 * weight + 3.0})
    assert np.array_equal(backend.read_state(model)["conv1.weight"], 4.0 * weight + 3.0)
    assert_close(backend.run(model, x)["output"], first, 2e-6)
    assert np.abs(first).max() > 1.0


def test_numbers_that_attributes_cannot_hold_are_in_the_metadata() -> None:
    model = backend.build(stem("lrn(alpha=1e-4, beta=0.75) -> leaky_relu(0.1) -> gn(2, eps=1e-6)"))
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(metadata["numbers"]) == [1e-6, 1e-4, 0.1]


def test_a_number_changed_in_the_file_is_the_one_that_counts() -> None:
    model = backend.build(stem("leaky_relu(0.1)"))
    x = -np.ones((1, 4, 2, 2))
    assert np.array_equal(backend.run(model, x)["output"], 0.1 * x)
    model.graph.node[0].attribute[0].f = 0.5
    assert np.array_equal(backend.run(model, x)["output"], 0.5 * x)


def test_weights_that_do_not_fit_are_all_named() -> None:
    compiled = program(SMALL)
    state = random_state(compiled.graph, 0)
    state["fc.bias"] = state["fc.bias"][:3]
    state["extra.weight"] = state.pop("conv1.weight")
    with pytest.raises(ValueError, match=r"missing: conv1\.weight; unexpected: extra\.weight; .*fc\.bias"):
        backend.load_state(backend.build(compiled), state)
    with pytest.raises(ValueError, match="missing: conv1"):
        backend.render(compiled, state)


def test_a_model_built_in_double_runs_in_either_precision() -> None:
    compiled = program(SMALL)
    single, double = backend.build(compiled), backend.build(compiled, "float64")
    assert_valid(double)
    x = batch("9x8", 3)
    assert np.array_equal(backend.run(single, x)["head"], backend.run(double, x)["head"])
    x32 = x.astype(np.float32)
    assert np.array_equal(backend.run(single, x32)["head"], backend.run(double, x32)["head"])
    assert backend.run(double, x)["head"].dtype == np.float64
    assert {value.dtype for value in backend.read_state(double).values()} == {np.dtype(np.float64)}


def test_running_leaves_the_model_as_it_was() -> None:
    model = backend.build(program(SMALL))
    before = model.SerializeToString(deterministic=True)
    backend.run(model, batch("9x8", 3))
    assert model.SerializeToString(deterministic=True) == before


def test_other_precisions_are_refused() -> None:
    with pytest.raises(ValueError, match="not float16"):
        backend.build(program(SMALL), "float16")
    with pytest.raises(TypeError, match="not int64"):
        backend.run(backend.build(program(SMALL)), np.zeros((1, 3, 8, 8), np.int64))


# --- what only who trains on reads -------------------------------------------------------------


@pytest.mark.parametrize("momentum", [0.0, 0.1, 0.3, 0.9])
def test_momentum_is_the_weight_of_the_old_statistics_in_onnx(momentum: float) -> None:
    """By ONNX's own evaluator in training mode, against torch, whose momentum is the spec's."""
    compiled = stem(f"bn(momentum={momentum})")
    model = backend.load_state(backend.build(compiled, "float64"), random_state(compiled.graph, 1))
    state = {name: torch.tensor(value).double() for name, value in backend.read_state(model).items()}
    (node,) = model.graph.node
    attributes = {attribute.name: attribute for attribute in node.attribute}
    assert attributes["training_mode"].i == 0
    assert attributes["momentum"].f == np.float32(1.0 - momentum)
    attributes["training_mode"].i = 1
    node.output.extend(["mean", "variance"])
    for name in node.output[1:]:
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, [4]))
    x = batch("13x12")
    _, mean, variance = onnx.reference.ReferenceEvaluator(model).run(None, {"input": x})
    theirs = state["bn1.running_mean"].clone(), state["bn1.running_var"].clone()
    F.batch_norm(torch.tensor(x), *theirs, training=True, momentum=momentum)
    assert np.allclose(mean, theirs[0].numpy(), rtol=1e-6, atol=1e-7)
    assert np.allclose(variance, theirs[1].numpy(), rtol=5e-3)  # torch's is unbiased


def test_a_dropout_is_off_and_keeps_its_rate() -> None:
    for rate in (0.2, 0.5, 0.7):
        model = backend.build(stem(f"dropout({rate})"))
        constants = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
        (node,) = model.graph.node
        assert constants[node.input[1]] == np.float32(rate)
        assert not constants[node.input[2]]


# --- files -------------------------------------------------------------------------------------


def test_a_model_is_saved_as_the_file_that_render_gives(tmp_path: Path) -> None:
    compiled = program(SMALL)
    path = tmp_path / "small.onnx"
    assert save(backend.build(compiled), path) == (path,)
    assert path.read_bytes() == sealed(backend.render(compiled))
    assert list(tmp_path.iterdir()) == [path]


def test_weights_too_large_for_one_file_go_to_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from resnet_dsl_onnx import files

    compiled = program(SMALL)
    model = backend.build(compiled)
    x = batch("9x8", 3).astype(np.float32)
    wanted = backend.run(model, x)["head"]
    monkeypatch.setattr(files, "LARGEST", 6_000)
    path, data = save(model, tmp_path / "small.onnx")
    assert data.name == "small.onnx.data"
    loaded = onnx.load(path)
    state = backend.read_state(model)
    assert all(np.array_equal(value, state[name]) for name, value in backend.read_state(loaded).items())
    onnx.checker.check_model(path, full_check=True)
    assert np.array_equal(backend.run(model, x)["head"], wanted)
    with pytest.raises(UsageError, match="save"):
        backend.render(compiled)


def test_a_tensor_that_protobuf_cannot_hold_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from resnet_dsl_onnx import render

    monkeypatch.setattr(render, "LARGEST_TENSOR", 400)
    with pytest.raises(UsageError, match=r"conv1\.weight has 0\.0 GB"):
        backend.build(program(SMALL))


def test_the_pieces_of_a_file_are_what_protobuf_writes_and_hold_no_copy_of_the_weights() -> None:
    with_constant = (
        "model t { input: 3xHxW  stem: conv(4, 3x3) -> dropout(0.3)  stages: []  head: gap -> fc(99) }"
    )
    for text in (SMALL, with_constant):
        compiled = program(text)
        state = random_state(compiled.graph, 3)
        pieces = find_backend("onnx").render(compiled, state)
        model = backend.load_state(backend.build(compiled), state)
        assert isinstance(pieces, tuple)
        assert b"".join(pieces) == model.SerializeToString(deterministic=True)
        views = [np.frombuffer(piece, np.float32) for piece in pieces if isinstance(piece, memoryview)]
        held = [state[tensor.name] for tensor in model.graph.initializer[: len(views)]]
        assert all(np.shares_memory(*pair) for pair in zip(views, held, strict=True))


def test_emission_takes_a_fifth_of_the_file_in_memory(tmp_path: Path) -> None:
    compiled = program(
        "model wide { input: 3xHxW  stem: conv(1024, 7x7)  stages: []  head: gap -> fc(1024) -> fc(4096) }"
    )
    state = random_state(compiled.graph, 3)
    emit(compiled, state, tmp_path / "first.onnx")  # imports
    tracemalloc.start()
    emit(compiled, state, path := tmp_path / "second.onnx")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < path.stat().st_size / 5


def emit(compiled: Program, state: State, path: Path) -> None:
    """Write a file as `compile -o` does."""
    write_together([Artefact(path, sealed(find_backend("onnx").render(compiled, state)))])
