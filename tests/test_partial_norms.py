"""Batch norms without a learned scale or shift, and with eps 0: names, counts and weights everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")
pytest.importorskip("onnx")

from resnet_dsl.backend.discovery import find_backend, runtime_of  # noqa: E402
from resnet_dsl.decompile.input_file import read_input_file  # noqa: E402
from resnet_dsl.decompile.pipeline import restore  # noqa: E402
from resnet_dsl.decompile.tensors import NotExpressibleError  # noqa: E402
from resnet_dsl.initial.seeded import random_state  # noqa: E402
from resnet_dsl.ir.ops import BatchNorm  # noqa: E402
from resnet_dsl.program import Program  # noqa: E402
from resnet_dsl.reference import OpCall, evaluate, forward  # noqa: E402
from resnet_dsl.weights.formats.registry import encode  # noqa: E402
from resnet_dsl.weights.source import examine  # noqa: E402
from tests.support.agreement import compiled  # noqa: E402
from tests.support.weight_cases import SUFFIXES, same  # noqa: E402

LEARNED: dict[str, tuple[str, ...]] = {
    "": ("weight", "bias"),
    "scale=false": ("bias",),
    "center=false": ("weight",),
    "scale=false, center=false": (),
}
each = pytest.mark.parametrize("without", LEARNED)


def net(arguments: str, stem: str | None = None) -> Program:
    first = arguments if stem is None else stem
    norm, first = (f"bn({given})" if given else "bn" for given in (arguments, first))
    return compiled(f"""model net {{
        input: 3x8x8  classes: 4  stages: [1, 1]  widths: [4, 8]  block: basic  norm: {norm}
        shortcut: B(norm={norm})  stem: conv(4, 3x3) -> {first} -> relu
    }}""")


@each
def test_a_norm_owns_what_it_is_not_without(without: str) -> None:
    tensors = [name for name, _ in net(without).graph.parameters() if name.startswith("bn1.")]
    assert tensors == [f"bn1.{name}" for name in (*LEARNED[without], "running_mean", "running_var")]


def test_a_norm_of_64_channels_without_scale_has_64_parameters_fewer() -> None:
    def parameters(norm: str) -> int:
        text = f"model m {{ stages: [1]  block: basic  norm: {norm}  shortcut: B(norm={norm}) }}"
        return sum(tensor.size for _, tensor in compiled(text).graph.parameters() if tensor.learned)

    assert parameters("bn") - parameters("bn(scale=false)") == 2 * 64  # the stem has its own
    assert parameters("bn") - parameters("bn(scale=false, center=false)") == 4 * 64


@each
def test_the_layers_of_frameworks_have_these_tensors_and_no_more(without: str) -> None:
    program = net(without)
    wanted = {name for name, _ in program.graph.parameters()}
    model = runtime_of(find_backend("torch")).build(program, "float32")
    assert {name for name in model.state_dict() if not name.endswith("num_batches_tracked")} == wanted
    assert {name for name, _ in model.named_parameters() if name.startswith("bn1.")} == {
        f"bn1.{name}" for name in LEARNED[without]
    }
    layer = runtime_of(find_backend("keras")).build(program, "float32").get_layer("bn1")
    assert (layer.scale, layer.center) == ("weight" in LEARNED[without], "bias" in LEARNED[without])


@pytest.mark.parametrize("suffix", SUFFIXES)
@each
def test_weights_come_back_from_every_format(without: str, suffix: str, tmp_path: Path) -> None:
    program = net(without)
    assert_read(program, write(program, tmp_path / f"net{suffix}"))


def write(program: Program, path: Path) -> Path:
    path.write_bytes(b"".join(encode(program, random_state(program.graph, 0), {}, path)))
    return path


def assert_read(program: Program, path: Path) -> None:
    found, report = examine(path, program)
    assert report.fits, report.text()
    assert same(found, dict(random_state(program.graph, 0)))


def test_norms_without_scale_and_norms_without_shift_are_told_by_their_paths(tmp_path: Path) -> None:
    program = net("scale=false", "center=false")
    assert_read(program, write(program, tmp_path / "net.weights.h5"))


def test_one_learned_tensor_without_a_name_is_not_guessed_on_import(tmp_path: Path) -> None:
    path = write(net("center=false"), tmp_path / "net.weights.h5")
    with pytest.raises(NotExpressibleError, match="whether it is the scale or the shift"):
        restore(read_input_file(path))


@each
def test_a_state_dict_gives_the_norm_that_it_is_of(without: str, tmp_path: Path) -> None:
    program = net(without)
    found = restore(read_input_file(write(program, tmp_path / "net.pth"))).program
    assert [name for name, _ in found.graph.parameters()] == [name for name, _ in program.graph.parameters()]


def test_a_module_of_torch_without_both_loads_as_it_is() -> None:
    program = net("scale=false, center=false")
    theirs = torch.nn.BatchNorm2d(4, affine=False).state_dict()
    model = runtime_of(find_backend("torch")).build(program, "float32")
    model.bn1.load_state_dict(theirs, strict=True)
    assert type(model.bn1) is torch.nn.BatchNorm2d


# --- eps 0 -------------------------------------------------------------------------------------


def test_eps_0_divides_by_the_variance_alone() -> None:
    op = BatchNorm.make({"eps": 0, "scale": False, "center": False})
    rng = np.random.default_rng(0)
    x, mean, variance = rng.standard_normal((2, 3, 4, 4)), rng.standard_normal(3), rng.uniform(0.5, 2, 3)
    result = forward(op, OpCall((x,), {"running_mean": mean, "running_var": variance}))
    wanted = (x - mean[:, None, None]) / np.sqrt(variance)[:, None, None]
    assert np.abs(result - wanted).max() < 1e-14


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_file_for_torch_trains_with_eps_0_as_torch_itself_does_not(dtype: Any) -> None:
    model = runtime_of(find_backend("torch")).build(net("eps=0"), "float64").to(dtype).train()
    x = torch.randn(4, 3, 8, 8, dtype=dtype, generator=torch.Generator().manual_seed(0))
    model(x).sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())
    with torch.no_grad():
        normal = torch.nn.functional.batch_norm(x, None, None, training=True, eps=model.bn1.eps)
        centred = x - x.mean((0, 2, 3), keepdim=True)
        wanted = centred / centred.square().mean((0, 2, 3), keepdim=True).sqrt()
    assert (normal - wanted).abs().max() < (1e-5 if dtype is torch.float32 else 1e-13)


@pytest.mark.parametrize("backend", ["torch", "keras", "onnx"])
def test_every_backend_evaluates_with_eps_0(backend: str) -> None:
    program = net("eps=0")
    state = random_state(program.graph, 0)
    found = runtime_of(find_backend(backend))
    model = found.load_state(found.build(program, "float32"), state)
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
    truth = evaluate(program.graph, state, x.astype(np.float64))["output"]
    assert np.abs(found.run(model, x)["output"] - truth).max() <= 1e-5 * np.abs(truth).max()


@pytest.mark.parametrize("value", [0.0, -1e-3])
def test_a_variance_that_is_not_positive_is_refused_where_eps_is_0(value: float, tmp_path: Path) -> None:
    state = {name: torch.from_numpy(array) for name, array in random_state(net("").graph, 0).items()}
    state["bn1.running_var"] = torch.tensor([1.0, value, 1.0, value])
    torch.save(state, tmp_path / "net.pth")
    _, report = examine(tmp_path / "net.pth", net("eps=0"))
    (mismatch,) = report.mismatches["not convertible"]
    assert str(mismatch) == "bn1.running_var (2 of 4 not positive, and eps of bn is 0)"
    assert examine(tmp_path / "net.pth", net(""))[1].fits
