"""Broken and hostile files of weights: one clear sentence each, no traceback, and no code is run."""

from __future__ import annotations

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnet_dsl.backend.contents import KEY
from resnet_dsl.cli.main import main
from resnet_dsl.weights.source import examine
from tests.support.weight_cases import SUFFIXES, TEXT, program, same, state, written

h5py = pytest.importorskip("h5py")
pytest.importorskip("safetensors")
torch = pytest.importorskip("torch")
pytest.importorskip("keras")
onnx = pytest.importorskip("onnx")

Refused = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Convert a file and return what is said, after it was refused with one error and nothing written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RESNET_DSL_TRACEBACK", raising=False)
    Path("net.resnet").write_text(TEXT)

    def convert(path: Path, status: int = 2) -> str:
        arguments = ["weights", "convert", str(path), "result.safetensors", "--spec", "net.resnet"]
        capsys.readouterr()
        assert main(arguments) == status
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"error: {path.name if status == 1 else path}")
        assert err.count("error: ") == 1
        assert "internal error" not in err
        assert not Path("result.safetensors").exists()
        return err

    return convert


def safetensors_file(path: Path, header: Any, data: bytes = b"") -> Path:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + data)
    return path


# --- every format ------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.97])
def test_a_truncated_file_is_one_error(suffix: str, part: float, tmp_path: Path, refused: Refused) -> None:
    whole = written(tmp_path / f"net{suffix}").read_bytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole[: int(len(whole) * part)])
    refused(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 64, b"hello\n" * 20, b"\xff" * 200, b"PK\x03\x04" + b"\x00" * 60]
)
def test_a_file_of_something_else_is_one_error(
    suffix: str, content: bytes, tmp_path: Path, refused: Refused
) -> None:
    path = tmp_path / f"odd{suffix}"
    path.write_bytes(content)
    refused(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_is_what_it_holds_whatever_it_is_called(suffix: str, tmp_path: Path) -> None:
    for name in ("net", f"net{'.pth' if suffix == '.h5' else '.h5'}", "net.pth.tar", "net.ckpt", "net.bin"):
        path = tmp_path / name
        path.write_bytes(written(tmp_path / f"whole{suffix}").read_bytes())
        found, report = examine(path, program())
        assert report.fits
        assert same(found, state())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_flipped_bytes_are_never_a_traceback(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Beyond its first block libhdf5 may take any path, and it is C.
    places = range(0, 96, 7) if suffix.endswith(".h5") else range(0, 2000, 97)
    whole = written(tmp_path / f"net{suffix}").read_bytes()
    path, spec = tmp_path / f"flipped{suffix}", tmp_path / "net.resnet"
    spec.write_text(TEXT)
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xA5]) + whole[place + 1 :])
        assert main(["weights", "inspect", str(path), "--spec", str(spec)]) in (0, 1, 2)
        assert "internal error" not in capsys.readouterr().err


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_values_that_are_no_numbers_are_status_1(suffix: str, tmp_path: Path, refused: Refused) -> None:
    weights = state()
    weights["fc.bias"] = np.array([0, np.nan, np.inf, 0, 0], np.float32)
    message = refused(written(tmp_path / f"nan{suffix}", weights), status=1)
    assert "not finite (1): fc.bias (1 NaN and 1 infinite of 5)" in message


def test_missing_files_folders_and_unknown_kinds_are_status_2(tmp_path: Path, refused: Refused) -> None:
    assert "No such file" in refused(tmp_path / "none.pth")
    (tmp_path / "folder.pth").mkdir()
    assert "is not a file" in refused(tmp_path / "folder.pth")
    (tmp_path / "net.keras").write_bytes(b"PK\x03\x04")
    assert "can hold code and is not opened" in refused(tmp_path / "net.keras")
    (tmp_path / "net.bin").write_bytes(b"")
    assert "weights are .safetensors" in refused(tmp_path / "net.bin")


def test_a_pointer_of_git_lfs_is_recognised(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "net.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    assert "`git lfs pull` fetches it" in refused(path)


def test_names_out_of_a_file_do_no_harm_to_a_terminal(tmp_path: Path, refused: Refused) -> None:
    header = {"\x1b[2J\nboom": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    message = refused(safetensors_file(tmp_path / "net.safetensors", header, b"\0" * 4), status=1)
    assert "\x1b" not in message


# --- safetensors -------------------------------------------------------------------------------

ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "header",
    [
        {"a": {**ENTRY, "data_offsets": [0, 10**15]}},
        {"a": {**ENTRY, "shape": [10**12]}},
        {"a": {**ENTRY, "shape": [-1]}},
        {"a": {**ENTRY, "shape": [2**62, 2**62]}},
        {"a": {**ENTRY, "dtype": "F31"}},
        {"a": ENTRY, "b": ENTRY},
        {"a": 3},
        [],
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_header_that_lies_is_one_error(header: Any, tmp_path: Path, refused: Refused) -> None:
    refused(safetensors_file(tmp_path / "net.safetensors", header, b"\0" * 8))


def test_an_oversize_header_is_refused_before_it_is_read(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "net.safetensors"
    for size in (2**63, 10**12, 100_000_001):
        path.write_bytes(struct.pack("<Q", size) + b"{}")
        assert "header too large" in refused(path)
    with path.open("wb") as file:  # as large as it claims, though there is nothing in it
        file.write(struct.pack("<Q", 200_000_000))
        file.truncate(200_000_008)
    assert "header too large" in refused(path)


@pytest.mark.parametrize("dtype", ["I64", "U8", "BOOL", "F8_E4M3"])
def test_what_is_no_float_is_named(dtype: str, tmp_path: Path, refused: Refused) -> None:
    width = {"I64": 8}.get(dtype, 1)
    header = {"fc.bias": {"dtype": dtype, "shape": [5], "data_offsets": [0, 5 * width]}}
    message = refused(safetensors_file(tmp_path / "net.safetensors", header, b"\0" * 5 * width), status=1)
    assert "wrong dtype (1): fc.bias (" in message


def test_metadata_is_shown_and_never_trusted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = {"__metadata__": {KEY: "[" * 50_000, "a\nb": "\x1b[31m"}, "a": ENTRY}
    path = safetensors_file(tmp_path / "net.safetensors", header, b"\0" * 8)
    assert main(["weights", "inspect", str(path)]) == 0
    assert "\x1b" not in capsys.readouterr().out


# --- pickles -----------------------------------------------------------------------------------


class Evil:
    """What runs a command when it is unpickled."""

    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.flag}",)


@pytest.mark.parametrize("suffix", [".pth", ".pt"])
def test_code_in_a_pickle_is_not_run(suffix: str, tmp_path: Path, refused: Refused) -> None:
    flag, path = tmp_path / "ran", tmp_path / f"evil{suffix}"
    hostile = {"conv1.weight": Evil(flag)}
    torch.save(hostile, path)
    message = "holds a dict, and no state_dict; not imported: 'posix.system'"
    assert message in refused(path)
    torch.save(hostile, path, _use_new_zipfile_serialization=False)
    assert message in refused(path)
    for protocol in range(2, 6):
        path.write_bytes(pickle.dumps(hostile, protocol=protocol))
        assert message in refused(path)
    assert not flag.exists()


def test_a_whole_pickled_module_is_read_and_not_built(tmp_path: Path, refused: Refused) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pth")
    assert "unexpected (2): weight (2x2), bias (2)" in refused(tmp_path / "module.pth", status=1)


@pytest.mark.parametrize("content", [[1, 2], 3, {1: torch.ones(2)}, torch.ones(3)])
def test_a_pickle_without_a_state_dict_is_refused(content: Any, tmp_path: Path, refused: Refused) -> None:
    torch.save(content, tmp_path / "odd.pth")
    assert "state_dict" in refused(tmp_path / "odd.pth")


def test_entries_that_are_no_dense_tensors_are_named(tmp_path: Path, refused: Refused) -> None:
    tensors: dict[str, Any] = {name: torch.from_numpy(value) for name, value in state().items()}
    tensors["fc.bias"] = "text"
    tensors["fc.weight"] = tensors["fc.weight"].to_sparse()
    tensors["bn1.bias"] = tensors["bn1.bias"].to(torch.int64)
    tensors["bn1.weight"] = torch.empty(4, device="meta")
    torch.save(tensors, tmp_path / "odd.pth")
    message = refused(tmp_path / "odd.pth", status=1)
    assert "missing (1): fc.bias (5)" in message
    for part in ("fc.weight (sparse (not dense)", "bn1.bias (int64", "bn1.weight (meta (not dense)"):
        assert part in message


def test_a_tensor_that_claims_to_be_huge_is_not_made(tmp_path: Path, refused: Refused) -> None:
    torch.save({"fc.weight": torch.ones(1).expand(10**6, 10**6)}, tmp_path / "huge.pth")
    assert "fc.weight (1000000x1000000, not 5x8)" in refused(tmp_path / "huge.pth", status=1)


def test_a_compressed_archive_is_refused(tmp_path: Path, refused: Refused) -> None:
    packed = tmp_path / "packed.pth"
    whole = written(tmp_path / "net.pth")
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    assert "compressed archive" in refused(packed)


# --- HDF5 --------------------------------------------------------------------------------------


def spoiled(path: Path, change: Callable[[Any], None]) -> Path:
    """A good file of Keras with one thing changed."""
    with h5py.File(written(path), "r+") as file:
        change(file)
    return path


def test_what_lies_in_another_file_is_not_opened(tmp_path: Path, refused: Refused) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["data"] = np.ones((5,), np.float32)
        file.create_group("group").create_dataset("fc/bias", data=np.ones((5,), np.float32))

    def external(file: Any) -> None:
        del file["layers/dense/vars/1"]
        file["layers/dense/vars"].create_dataset("1", (5,), "f4", external=[(str(secret), 0, 20)])

    def link(file: Any) -> None:
        del file["layers/dense/vars/1"]
        file["layers/dense/vars/1"] = h5py.ExternalLink(str(secret), "data")

    def virtual(file: Any) -> None:
        del file["layers/dense/vars/1"]
        layout = h5py.VirtualLayout((5,), "f4")
        layout[:] = h5py.VirtualSource(str(secret), "data", (5,))
        file["layers/dense/vars"].create_virtual_dataset("1", layout)

    def legacy_link(file: Any) -> None:
        del file["fc"]
        file["fc"] = h5py.ExternalLink(str(secret), "group")

    assert "lies in another file" in refused(spoiled(tmp_path / "a.weights.h5", external))
    assert "lies in another file" in refused(spoiled(tmp_path / "b.weights.h5", virtual))
    assert "missing (1): fc.bias (5)" in refused(spoiled(tmp_path / "c.weights.h5", link), status=1)
    assert "no group for the layer fc" in refused(spoiled(tmp_path / "d.h5", legacy_link))


def test_groups_that_contain_themselves_end(tmp_path: Path, refused: Refused) -> None:
    def loop(file: Any) -> None:
        file["layers/dense/again"] = file["layers"]
        del file["layers/dense/vars/1"]

    assert "missing (1): fc.bias" in refused(spoiled(tmp_path / "loop.weights.h5", loop), status=1)


def test_layers_without_a_name_or_with_the_same_are_refused(tmp_path: Path, refused: Refused) -> None:
    def nameless(file: Any) -> None:
        del file["layers/dense/vars"].attrs["name"]

    def twice(file: Any) -> None:
        file["layers/conv2d_1/vars"].attrs["name"] = "conv1"

    assert "does not say which layer" in refused(spoiled(tmp_path / "a.weights.h5", nameless))
    assert "two layers are called conv1" in refused(spoiled(tmp_path / "b.weights.h5", twice))


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5"])
def test_datasets_of_another_kind_are_named(suffix: str, tmp_path: Path, refused: Refused) -> None:
    place = "layers/dense/vars/1" if suffix == ".weights.h5" else "fc/fc/bias"

    def huge(file: Any) -> None:
        group, _, name = place.rpartition("/")
        del file[place]
        file[group].create_dataset(name, (10**9, 10**6), "f4", chunks=(1000, 1000))

    def bomb(file: Any) -> None:
        group, _, name = place.rpartition("/")
        del file[place]
        file[group].create_dataset(name, (5,), "f4", maxshape=(None,), chunks=(10**8,), compression="gzip")

    def text(file: Any) -> None:
        del file[place]
        file[place] = [b"a"] * 5

    def whole(file: Any) -> None:
        del file[place]
        file[place] = np.arange(5)

    path = tmp_path / f"net{suffix}"
    assert "misshapen (1): fc.bias" in refused(spoiled(path, huge), status=1)
    assert "far more than it is" in refused(spoiled(path, bomb))
    assert "wrong dtype (1): fc.bias" in refused(spoiled(path, text), status=1)
    assert "wrong dtype (1): fc.bias (int64, not float32)" in refused(spoiled(path, whole), status=1)


def test_an_hdf5_file_of_something_else_is_refused(tmp_path: Path, refused: Refused) -> None:
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"] = np.zeros(3)
    assert "without weights of Keras" in refused(tmp_path / "data.h5")


# --- ONNX --------------------------------------------------------------------------------------


def model_with(path: Path, change: Callable[[Any, Any], None]) -> Path:
    """A good model with one thing changed; `change` gets the model and its initialiser `fc.bias`."""
    model = onnx.load(written(path))
    change(model, next(tensor for tensor in model.graph.initializer if tensor.name == "fc.bias"))
    path.write_bytes(model.SerializeToString())
    return path


def test_tensors_of_a_model_that_lie_are_refused(tmp_path: Path, refused: Refused) -> None:
    def short(model: Any, bias: Any) -> None:
        bias.raw_data = bias.raw_data[:-3]

    def huge(model: Any, bias: Any) -> None:
        bias.dims[0] = 10**15

    def negative(model: Any, bias: Any) -> None:
        bias.dims[0] = -5

    def whole(model: Any, bias: Any) -> None:
        bias.CopyFrom(onnx.numpy_helper.from_array(np.arange(5), "fc.bias"))

    def unknown(model: Any, bias: Any) -> None:
        bias.data_type = 99

    def text(model: Any, bias: Any) -> None:
        bias.CopyFrom(onnx.helper.make_tensor("fc.bias", onnx.TensorProto.STRING, [5], [b"a"] * 5))

    def twice(model: Any, bias: Any) -> None:
        model.graph.initializer.append(bias)

    path = tmp_path / "net.onnx"
    assert "(tensor fc.bias): cannot be read" in refused(model_with(path, short))
    assert "two initialisers are called fc.bias" in refused(model_with(path, twice))
    for change, part in (
        (huge, "fc.bias (1000000000000000, not 5)"),
        (negative, "fc.bias (-5, not 5)"),
        (whole, "fc.bias (int64, not float32)"),
        (unknown, "fc.bias (type 99, not float32)"),
        (text, "fc.bias (string, not float32)"),
    ):
        assert part in refused(model_with(path, change), status=1)


@pytest.mark.parametrize("location", ["/etc/passwd", "../secret", "net.onnx", "other.data"])
def test_a_model_cannot_point_at_other_files(location: str, tmp_path: Path, refused: Refused) -> None:
    def outside(model: Any, bias: Any) -> None:
        bias.ClearField("raw_data")
        bias.data_location = onnx.TensorProto.EXTERNAL
        bias.external_data.add(key="location", value=location)

    assert "lies in another file" in refused(model_with(tmp_path / "net.onnx", outside))


@pytest.mark.parametrize(
    "entries", [{"offset": "-4"}, {"length": "7"}, {"offset": "x"}, {"offset": "1000"}, {}]
)
def test_the_file_beside_a_model_is_read_within_bounds(
    entries: dict[str, str], tmp_path: Path, refused: Refused
) -> None:
    def outside(model: Any, bias: Any) -> None:
        bias.ClearField("raw_data")
        bias.data_location = onnx.TensorProto.EXTERNAL
        for key, value in {"location": "net.onnx.data", **entries}.items():
            bias.external_data.add(key=key, value=value)

    (tmp_path / "net.onnx.data").write_bytes(b"\0" * 16)  # one value too few
    assert "cannot be read" in refused(model_with(tmp_path / "net.onnx", outside))
