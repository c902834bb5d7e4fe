"""Files of torch that are made without it: torch itself reads from them what it would have written."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from resnet_dsl_torch.archives import read_archive
from resnet_dsl_torch.weight_files import encode_named, read
from resnet_dsl_torch.written_archive import written_archive

from tests.support.weight_cases import TEXT, state

torch = pytest.importorskip("torch")

SHAPES: list[tuple[int, ...]] = [(), (1,), (7,), (2, 3), (3, 1), (2, 0, 3), (8, 4, 3, 3), (300, 257)]


def tensors() -> dict[str, Any]:
    made = np.random.default_rng(0)
    found: dict[str, Any] = {f"a.{i}": made.random(s, np.float32) for i, s in enumerate(SHAPES)}
    return {**found, "ein.Name-ö/\n": np.float32([np.nan, np.inf, -0.0]), "count": np.array(-(2**40))}


def put(path: Path, given: dict[str, Any]) -> Path:
    path.write_bytes(b"".join(written_archive("resnet-dsl", given)))
    return path


@pytest.mark.parametrize("mapped", [False, True])
def test_torch_reads_every_tensor_as_it_would_have_saved_it(mapped: bool, tmp_path: Path) -> None:
    path = put(tmp_path / "ours.pth", tensors())
    torch.save(
        {name: torch.from_numpy(np.array(v)) for name, v in tensors().items()}, tmp_path / "theirs.pth"
    )
    ours = torch.load(path, weights_only=True, mmap=mapped)
    theirs = torch.load(tmp_path / "theirs.pth", weights_only=True)
    assert list(ours) == list(theirs)
    for name, tensor in ours.items():
        other = theirs[name]
        assert (tensor.dtype, tensor.shape) == (other.dtype, other.shape)
        assert tensor.stride() == torch.empty(other.shape).stride()
        assert tensor.numpy().tobytes() == other.numpy().tobytes()
        assert not tensor.requires_grad


def test_no_name_stands_in_its_pickle_that_is_not_in_one_of_torch(tmp_path: Path) -> None:
    archive = read_archive(put(tmp_path / "ours.pth", tensors()))
    assert archive.named == ()
    assert not archive.scripted


def test_an_archive_is_sound_and_its_storages_are_aligned(tmp_path: Path) -> None:
    path = put(tmp_path / "ours.pth", tensors())
    raw = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for entry in archive.infolist():
            head = raw[entry.header_offset : entry.header_offset + 30]
            begin = (
                entry.header_offset + 30 + sum(int.from_bytes(head[at : at + 2], "little") for at in (26, 28))
            )
            assert begin % 64 == 0
            assert raw[begin : begin + entry.file_size] == archive.read(entry)


def test_what_is_written_is_a_view_of_the_tensors_and_no_copy() -> None:
    value = np.ones((1000, 10), np.float32)
    views = [
        piece for piece in encode_named({"a.weight": value}, {}, ".pth") if isinstance(piece, memoryview)
    ]
    assert [np.shares_memory(np.frombuffer(view, np.float32), value) for view in views] == [True]


def test_transposed_tensors_and_other_dtypes_are_written_by_their_values(tmp_path: Path) -> None:
    given = {"a.weight": np.arange(6, dtype=">f8").reshape(2, 3).T, "a.running_var": np.ones(2, np.float16)}
    (tmp_path / "ours.pth").write_bytes(b"".join(encode_named(given, {}, ".pth")))
    found = torch.load(tmp_path / "ours.pth", weights_only=True)
    assert list(found) == ["a.weight", "a.running_var", "a.num_batches_tracked"]
    assert found["a.weight"].tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    assert {tensor.dtype for tensor in found.values()} == {torch.float32, torch.int64}
    assert found["a.num_batches_tracked"].item() == 0
    assert set(read(tmp_path / "ours.pth").tensors) == set(found)


def test_writing_does_not_import_torch(tmp_path: Path) -> None:
    (tmp_path / "net.resnet").write_text(TEXT, encoding="utf-8")
    source = "import sys\nfrom resnet_dsl.cli.main import main\n"
    source += "assert main(sys.argv[1:]) == 0\nprint('torch' in sys.modules)\n"
    command = ["weights", "init", "net.resnet", "--seed", "0", "-o", "net.pth"]
    done = subprocess.run(
        [sys.executable, "-c", source, *command], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "False"
    found = torch.load(tmp_path / "net.pth", weights_only=True)
    assert {name: tuple(found[name].shape) for name in state()} == {n: v.shape for n, v in state().items()}
