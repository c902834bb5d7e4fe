"""Weight files: every format gives back what went in, by name, and holds it against the spec."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resnet_dsl
from resnet_dsl.backend.contents import KEY
from resnet_dsl.cli.main import main
from resnet_dsl.initial.seeded import initial_state
from resnet_dsl.weights.formats.registry import encode, read_contents
from resnet_dsl.weights.match_report import WeightsError
from resnet_dsl.weights.source import examine, read_weights, weights_for
from resnet_dsl.zoo.asked import Asked
from tests.support.backends import in_full
from tests.support.oracles import torchvision_models
from tests.support.weight_cases import SUFFIXES, TEXT, program, same, state, written

ROOT = Path(__file__).parents[1]
NEEDS = {".weights.h5": ["keras"], ".h5": ["keras"], ".onnx": ["onnx"]}


@pytest.fixture(params=SUFFIXES)
def suffix(request: pytest.FixtureRequest) -> str:
    for package in NEEDS.get(request.param, []):
        pytest.importorskip(package)
    return str(request.param)


# --- every format ------------------------------------------------------------------------------


def test_a_file_gives_back_every_bit(suffix: str, tmp_path: Path) -> None:
    assert same(read_weights(written(tmp_path / f"net{suffix}"), program()), state())


def test_a_file_has_the_same_bytes_each_time(suffix: str, tmp_path: Path) -> None:
    one, other = written(tmp_path / f"one{suffix}"), written(tmp_path / f"other{suffix}")
    assert one.read_bytes() == other.read_bytes()


def test_a_file_is_known_as_ours(suffix: str, tmp_path: Path) -> None:
    assert b"resnet-dsl" in written(tmp_path / f"net{suffix}").read_bytes()[:4096]


def test_what_does_not_fit_is_accounted_for_name_by_name(suffix: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"net{suffix}")
    with pytest.raises(WeightsError) as caught:
        read_weights(path, program(classes="7"))
    assert str(caught.value) == (
        f"net{suffix} does not fit net, which has 33 tensors:\n"
        "  misshapen (2): fc.weight (5x8, not 7x8), fc.bias (5, not 7)"
    )


def test_a_full_chain_of_formats_ends_where_it_began(tmp_path: Path) -> None:
    for package in ("torch", "keras", "onnx"):
        pytest.importorskip(package)
    weights: Any = state()
    for index, suffix in enumerate((*SUFFIXES, ".safetensors")):
        weights = read_weights(written(tmp_path / f"{index}{suffix}", weights), program())
    assert same(weights, state())


@pytest.mark.parametrize("backend", ["torch", "keras", "onnx"])
def test_a_live_model_stays_as_it_is_when_its_file_is_written_anew(backend: str, tmp_path: Path) -> None:
    pytest.importorskip(backend)
    path = written(tmp_path / "net.safetensors")
    model = resnet_dsl.loads(TEXT).build(backend, weights=path)
    with path.open("r+b") as file:  # in place, as its own library does
        file.write(bytes(path.stat().st_size))
    assert same(in_full(backend).read_state(model), state())


@pytest.mark.parametrize("backend", ["torch", "keras", "onnx"])
def test_a_live_model_keeps_none_of_the_arrays_it_was_given(backend: str) -> None:
    pytest.importorskip(backend)
    given = {name: value.copy() for name, value in state().items()}
    model = resnet_dsl.loads(TEXT).build(backend, weights=given)
    for value in given.values():
        value.fill(7)
    assert same(in_full(backend).read_state(model), state())


# --- the report -------------------------------------------------------------------------------


def test_an_account_has_every_kind_of_fault() -> None:
    given = state()
    del given["bn1.bias"]
    given["fc.weight"] = given["fc.weight"].T
    given["linear.weight"] = np.zeros((2, 3), np.float32)
    given["bn1.weight"] = np.ones(4, np.int64)
    given["fc.bias"] = np.array([1, np.nan, np.inf, -np.inf, np.nan], np.float32)
    given["conv1.bias"] = given["conv1.bias"].astype(np.float16)
    given["bn1.num_batches_tracked"] = np.array(7)
    found, report = examine(given, program())
    assert report.text() == (
        "  missing (1): bn1.bias (4)\n"
        "  unexpected (1): linear.weight (2x3)\n"
        "  misshapen (1): fc.weight (8x5, not 5x8)\n"
        "  wrong dtype (1): bn1.weight (int64, not float32)\n"
        "  not finite (1): fc.bias (2 NaN and 2 infinite of 5)"
    )
    assert report.remarks() == ["1 tensor of float16 widened to float32"]
    assert report.ignored == ("bn1.num_batches_tracked",)
    assert (report.lacking, len(found)) == (4, 29)
    assert report.facts()["not_finite"] == [{"name": "fc.bias", "detail": "2 NaN and 2 infinite of 5"}]


def test_a_double_that_overflows_is_found_after_rounding() -> None:
    given = {name: value.astype(np.float64) for name, value in state().items()}
    assert examine(given, program())[1].remarks() == ["33 tensors of float64 rounded to float32"]
    given["fc.bias"][1] = 1e300
    assert "not finite (1): fc.bias (1 infinite of 5)" in examine(given, program())[1].text()


def test_a_long_list_is_cut_and_counted() -> None:
    with pytest.raises(WeightsError, match=r"conv1\.weight .* and 25 more"):
        read_weights({}, program())


def test_partial_loads_what_fits_and_starts_the_rest_from_the_seed() -> None:
    given = state()
    del given["fc.bias"]
    with pytest.raises(WeightsError, match="--partial"):
        weights_for(program(), weights=given)
    found = weights_for(program(), seed=5, weights=given, asked=Asked(partial=True))
    assert found is not None
    assert same(found.state, {**state(), "fc.bias": initial_state(program().graph, 5)["fc.bias"]})
    assert found.origin == {"from": "the state given", "seed": 5, "loaded": 32}
    assert found.remarks() == [
        "the state given: gives 32 of 33 tensors of net, 1 start from seed 5:\n  missing (1): fc.bias (5)"
    ]


def test_partial_still_wants_something_to_fit() -> None:
    with pytest.raises(WeightsError):
        weights_for(program(), weights={"a": np.zeros(1)}, asked=Asked(partial=True))


# --- the canonical file ------------------------------------------------------------------------

SCRIPT = """\
import hashlib
from pathlib import Path
from tests.support.backends import in_full
from tests.support.oracles import torchvision_models
from tests.support.weight_cases import program
from resnet_dsl.initial.seeded import initial_state
from resnet_dsl.weights.formats.registry import encode
state = initial_state(program().graph, 1)
print(hashlib.sha256(b"".join(encode(program(), state, {"seed": 1}, Path("a.safetensors")))).hexdigest())
"""


def test_the_canonical_file_does_not_depend_on_the_process() -> None:
    digests = set()
    for seed in ("0", "1", "77"):
        path = os.pathsep.join([str(ROOT), str(ROOT / "backends")])
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
        )  # fmt: skip
        digests.add(done.stdout.strip())
    here = b"".join(encode(program(), initial_state(program().graph, 1), {"seed": 1}, Path("a.safetensors")))
    assert digests == {hashlib.sha256(here).hexdigest()}


def test_the_canonical_file_has_sorted_names_and_one_value_of_metadata(tmp_path: Path) -> None:
    raw = written(tmp_path / "net.safetensors").read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    metadata = header.pop("__metadata__")
    assert list(metadata) == [KEY]
    assert json.loads(metadata[KEY])["origin"] == {"seed": 3}
    assert list(header) == sorted(header, key=lambda name: header[name]["data_offsets"]) == sorted(state())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_precisions_are_converted_and_it_is_said(dtype: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    tensors = {
        name: torch.from_numpy(value).to(getattr(torch, dtype)).contiguous()
        for name, value in state().items()
    }
    save_file(tensors, tmp_path / "net.safetensors")
    torch.save(tensors, tmp_path / "net.pth")
    for name in ("net.safetensors", "net.pth"):
        found, report = examine(tmp_path / name, program())
        assert same(found, {key: value.float().numpy() for key, value in tensors.items()})
        verb = "rounded" if dtype == "float64" else "widened"
        assert report.remarks() == [f"33 tensors of {dtype} {verb} to float32"]


def test_weights_of_another_model_are_remarked_on(tmp_path: Path) -> None:
    path = written(tmp_path / "net.safetensors")
    other = resnet_dsl.loads(TEXT.replace("model net", "model other")).program
    _, report = examine(path, other)
    assert report.fits
    assert report.remarks() == ["made for the model net, used for other: only names are compared"]


# --- torch -------------------------------------------------------------------------------------


def test_torch_loads_both_of_its_files_strictly(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    backend = in_full("torch")
    for path in (written(tmp_path / "net.pth"), written(tmp_path / "net.safetensors")):
        model = backend.build(program())
        load = torch.load if path.suffix == ".pth" else load_file
        model.load_state_dict(load(path), strict=True)
        assert same(backend.read_state(model), state())
    counters = [name for name in torch.load(tmp_path / "net.pth") if name.endswith("num_batches_tracked")]
    assert set(torch.load(tmp_path / "net.pth")) == set(model.state_dict())
    assert len(counters) == 6


@pytest.mark.parametrize("wrapped", ["state_dict", "model", "both", "prefix"])
def test_a_checkpoint_is_unwrapped_and_it_is_said(wrapped: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    tensors: Any = {name: torch.from_numpy(value) for name, value in state().items()}
    whole = {
        "state_dict": {"state_dict": tensors, "epoch": 3},
        "model": {"model": tensors, "optimizer": {"lr": 0.1}},
        "both": {"state_dict": {f"module.{name}": value for name, value in tensors.items()}},
        "prefix": {f"module.{name}": value for name, value in tensors.items()},
    }
    notes = {
        "state_dict": ["taken from its `state_dict`; left aside: 'epoch'"],
        "model": ["taken from its `model`; left aside: 'optimizer'"],
        "both": ["taken from its `state_dict`", "without `module.` in its names, of DistributedDataParallel"],
        "prefix": ["without `module.` in its names, of DistributedDataParallel"],
    }
    torch.save(whole[wrapped], tmp_path / "net.pth")
    found, report = examine(tmp_path / "net.pth", program())
    assert same(found, state())
    assert report.remarks() == notes[wrapped]


def test_the_old_kind_of_torch_file_is_read_too(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    tensors = {name: torch.from_numpy(value) for name, value in state().items()}
    torch.save(tensors, tmp_path / "net.pth", _use_new_zipfile_serialization=False)
    assert same(read_weights(tmp_path / "net.pth", program()), state())


# --- Keras -------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5"])
def test_keras_loads_its_files_itself(suffix: str, tmp_path: Path) -> None:
    pytest.importorskip("keras")
    backend = in_full("keras")
    path = written(tmp_path / f"net{suffix}")
    for options in [{}, {"by_name": True}][: 1 if suffix == ".weights.h5" else 2]:
        model = backend.build(program())
        model.load_weights(path, **options)
        assert same(backend.read_state(model), state())


def test_what_keras_saves_is_read(tmp_path: Path) -> None:
    pytest.importorskip("keras")
    backend = in_full("keras")
    model = backend.load_state(backend.build(program()), state())
    model.save_weights(tmp_path / "net.weights.h5")
    model.save(tmp_path / "net.h5")
    assert same(read_weights(tmp_path / "net.weights.h5", program()), state())
    assert same(read_weights(tmp_path / "net.h5", program()), state())


@pytest.mark.parametrize("legacy", [False, True])
def test_layers_saved_in_another_order_are_found_by_name(legacy: bool, tmp_path: Path) -> None:
    """The same layers, the two 1x1 convolutions built the other way round: Keras itself would swap them."""
    keras = pytest.importorskip("keras")
    layers = keras.layers

    def model(swapped: bool) -> Any:
        x = inputs = keras.Input((8, 8, 3))
        a = layers.Conv2D(3, 1, use_bias=False, name="a")(x)
        b = layers.Conv2D(3, 1, use_bias=False, name="b")(x)
        return keras.Model(inputs, layers.Add()([b, a] if swapped else [a, b]))

    saved, path = model(swapped=True), tmp_path / ("ab.h5" if legacy else "ab.weights.h5")
    expected = {layer.name: layer.kernel.numpy() for layer in saved.layers if layer.weights}
    saved.save(path) if legacy else saved.save_weights(path)
    misled = model(swapped=False)
    misled.load_weights(path)
    assert not np.array_equal(misled.get_layer("a").kernel.numpy(), expected["a"])
    tensors = read_contents(path).tensors
    assert list(tensors) in (["a.weight", "b.weight"], ["b.weight", "a.weight"])
    for name, kernel in expected.items():
        assert np.array_equal(tensors[f"{name}.weight"].load(), kernel.transpose(3, 2, 0, 1))


def test_a_legacy_file_of_keras_2_is_read(tmp_path: Path) -> None:
    """Names of TensorFlow: `:0` at the end, bytes in the attributes, layers in chunks."""
    h5py = pytest.importorskip("h5py")
    weights = state()
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in weights))
    kinds = {"running_mean": "moving_mean", "running_var": "moving_variance"}
    with h5py.File(tmp_path / "net.h5", "w") as file:
        root = file.create_group("model_weights")
        root.attrs["layer_names0"] = [layer.encode() for layer in reversed(layers[3:])]
        root.attrs["layer_names1"] = [layer.encode() for layer in layers[:3]]
        for layer in layers:
            group, names = root.create_group(layer), []
            for name, value in weights.items():
                owner, _, last = name.rpartition(".")
                if owner != layer:
                    continue
                norm = f"{layer}.running_mean" in weights
                learned = {"weight": "gamma", "bias": "beta"} if norm else {"weight": "kernel"}
                names.append(f"{layer}/{ {**kinds, **learned}.get(last, last) }:0".replace(" ", ""))
                axes = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}[value.ndim]
                group.create_dataset(names[-1], data=value.transpose(axes))
            group.attrs["weight_names"] = [name.encode() for name in names]
    assert same(read_weights(tmp_path / "net.h5", program()), weights)


# --- ONNX --------------------------------------------------------------------------------------


def test_weights_beside_a_large_onnx_model_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    from resnet_dsl_onnx import files, save

    onnx_backend = in_full("onnx")

    monkeypatch.setattr(files, "LARGEST", 3000)
    monkeypatch.setattr(files, "SMALL", 64)
    model = onnx_backend.load_state(onnx_backend.build(program()), state())
    assert len(save(model, tmp_path / "net.onnx")) == 2
    assert same(read_weights(tmp_path / "net.onnx", program()), state())


# --- live models -------------------------------------------------------------------------------


@pytest.fixture(params=["torch", "keras", "onnx"])
def backend(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param)
    return str(request.param)


def test_the_initial_weights_are_the_same_bytes_everywhere(backend: str, tmp_path: Path) -> None:
    model, found = resnet_dsl.loads(TEXT), in_full(backend)
    for seed in range(10):
        expected = model.state(seed=seed)
        assert same(found.read_state(model.build(backend, seed=seed)), expected)
        path = tmp_path / f"{seed}.safetensors"
        path.write_bytes(b"".join(encode(model.program, expected, {"seed": seed}, path)))
        assert same(read_weights(path, model.program), expected)


def test_a_live_model_has_the_weights_of_a_file(backend: str, tmp_path: Path) -> None:
    model, path = resnet_dsl.loads(TEXT), written(tmp_path / "net.safetensors")
    for weights in (path, str(path), state()):
        live = model.build(backend, weights=weights)
        found = in_full(backend).read_state(live)
        assert same(found, state())


def test_partial_weights_of_a_live_model_warn() -> None:
    pytest.importorskip("torch")
    model, given = resnet_dsl.loads(TEXT), state()
    del given["fc.bias"]
    with pytest.raises(resnet_dsl.WeightsError):
        model.build("torch", weights=given)
    with pytest.warns(UserWarning, match="1 start from seed 0"):
        model.build("torch", weights=given, partial=True)


def test_contradictions_are_usage_errors() -> None:
    model = resnet_dsl.loads(TEXT)
    for options, message in (
        ({"seed": 1, "weights": {}}, "not both"),
        ({"partial": True}, "none are given"),
        ({"seed": -1}, "0 or more"),
    ):
        with pytest.raises(resnet_dsl.UsageError, match=message):
            model.state(**options)
    with pytest.raises(resnet_dsl.UsageError, match="holds no weights"):
        model.render("torch", seed=1)


def test_a_rendered_onnx_model_has_the_weights(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    model = resnet_dsl.loads(TEXT)
    path = tmp_path / "net.onnx"
    path.write_bytes(bytes(model.render("onnx", seed=4)))
    assert same(read_weights(path, program()), model.state(seed=4))


# --- torchvision -------------------------------------------------------------------------------


@pytest.mark.torchvision
@pytest.mark.slow
def test_torchvision_s_resnet50_goes_round_bit_for_bit(tmp_path: Path) -> None:
    torch, models = pytest.importorskip("torch"), torchvision_models()
    for package in ("keras", "onnx", "onnxruntime"):
        pytest.importorskip(package)
    torch.manual_seed(0)
    theirs = models.resnet50(weights=None).eval()
    original = tmp_path / "r50.pth"
    torch.save(theirs.state_dict(), original)
    model = resnet_dsl.load("resnet50", input=(3, 64, 64))
    x = np.random.default_rng(1).standard_normal((1, 3, 64, 64)).astype(np.float32)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x)).numpy()
    path = original
    for suffix, name in ((".weights.h5", "keras"), (".onnx", "onnx"), (".pth", "torch")):
        weights = model.state(path)
        path = tmp_path / f"stop{suffix}"
        path.write_bytes(b"".join(encode(model.program, weights, {"from": "r50"}, path)))
        live = model.build(name, weights=path)
        (got,) = in_full(name).run(live, x).values()
        assert np.abs(got - expected).max() <= 1e-4 * np.abs(expected).max(), name
    before, after = torch.load(original), torch.load(path)
    assert set(before) == set(after)
    assert all(torch.equal(before[name], after[name]) for name in before)
    theirs.load_state_dict(after, strict=True)


def test_converting_takes_no_memory_for_the_tensors_and_the_file_may_be_the_same(tmp_path: Path) -> None:
    spec, path = tmp_path / "wide.resnet", tmp_path / "wide.safetensors"
    head = "gap -> fc(1024) -> fc(1024) -> fc(1024)"
    spec.write_text(f"model wide {{ input: 3x8x8  stem: conv(512, 3x3)  stages: []  head: {head} }}")
    assert main(["weights", "init", str(spec), "-o", str(path)]) == 0
    convert = ["weights", "convert", "--spec", str(spec), "--force", str(path)]
    assert main([*convert, str(tmp_path / "first.safetensors")]) == 0  # imports
    tracemalloc.start()
    assert main([*convert, str(path)]) == 0
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * 4 * 1024 * 1024  # two of the tensors
    assert main([*convert, str(tmp_path / "second.safetensors")]) == 0
    assert (tmp_path / "second.safetensors").read_bytes() == path.read_bytes()


def test_arrays_that_a_program_keeps_are_its_own(tmp_path: Path) -> None:
    path = tmp_path / "small.safetensors"
    model = resnet_dsl.load("lenet5")
    path.write_bytes(b"".join(encode(model.program, model.state(seed=1), {}, path)))
    state, wanted = model.state(path), model.state(seed=1)
    path.write_bytes(b"")
    assert all(np.array_equal(value, wanted[name]) and value.flags.writeable for name, value in state.items())
