"""Pickles of others: tensors come out, nothing that they name is imported, called or changed."""

from __future__ import annotations

import argparse
import io
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_dsl.backend import unpickling
from resnet_dsl.backend.containers import contents_of
from resnet_dsl.backend.contents import Stored
from resnet_dsl.backend.unpickling import AllowedCall, PickledTensor, StandIn, Table, unpickled


def read(data: bytes, named: set[str] | None = None) -> Any:
    return unpickled(io.BytesIO(data), named=named)


# --- what is harmless comes out as what it is, or as nothing -----------------------------------


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "value", [{"a": [1, 2.5, None, True]}, ("x", b"y", -7), {"k": {"deep": ["er"]}}, {1, 2}, 10**40]
)
def test_plain_values_are_themselves(value: Any, protocol: int) -> None:
    found = read(pickle.dumps(value, protocol))
    if isinstance(value, set) and protocol < 4:  # pickled by a call of its class, which is not made
        assert isinstance(found, StandIn)
    else:
        assert found == value
    assert read(pickle.dumps({"v": 1, "w": value}, protocol))["v"] == 1


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2", "<i8", "|u1", "|b1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_numpy_are_read_whatever_wrote_them(protocol: int, dtype: str, order: str) -> None:
    value = np.array(np.arange(24).reshape(2, 3, 4) % 2, dtype=dtype, order=order)  # type: ignore[call-overload]
    found = read(pickle.dumps({"w": value}, protocol))["w"].stored
    assert found.shape == (2, 3, 4)
    assert np.array_equal(found.load(), value)
    assert found.dtype == value.dtype.name


@pytest.mark.parametrize("protocol", range(2, 6))
def test_objects_are_stood_in_for(protocol: int) -> None:
    named: set[str] = set()
    value = {
        "args": argparse.Namespace(lr=0.1),
        "path": Path("a/b"),
        "error": ValueError("x"),
        "complex": 1j,
        "slice": slice(1, 2),
    }
    found = read(pickle.dumps(value, protocol), named)
    assert all(isinstance(each, StandIn) for each in found.values())
    assert "argparse.Namespace" in named
    assert found["args"].state == {"lr": 0.1}


# --- what is hostile does nothing --------------------------------------------------------------

COMMAND = b"cposix\nsystem\n(S'touch %s'\ntR."


def test_nothing_is_called_or_imported(tmp_path: Path) -> None:
    flag = tmp_path / "ran"
    hostile = [
        COMMAND % str(flag).encode(),
        b'c__builtin__\neval\n(S\'open("%s", "w")\'\ntR.' % str(flag).encode(),
        b"(S'touch %s'\niposix\nsystem\n." % str(flag).encode(),
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x07touch x\x85R.",
        b"\x80\x02cantigravity\nfly\n.",
        b"\x80\x02cnumpy\nload\n(S'x'\nI01\ntR.",
        b"\x80\x02ctorch\nload\n(S'x'\ntR.",
    ]
    before = set(sys.modules)
    for data in hostile:
        assert isinstance(read(data), StandIn | type)
    assert not flag.exists()
    assert set(sys.modules) == before


def test_a_pickle_changes_nothing_of_ours() -> None:
    """An attribute set on what a pickle may name stays where it is: in what this pickle made."""
    state = b"}(S'load'\nS'boom'\nS'stored'\nS'boom'\nS'_call'\nS'boom'\nS'title'\nS'boom'\nu"
    slots = b"(N" + state + b"t"
    names = [b"collections\nOrderedDict", b"numpy\ndtype", b"numpy.core.multiarray\n_reconstruct", b"x\nY"]
    for name in names:
        for given_state in (state, slots):
            for made in (b"c" + name + b"\n", b"c" + name + b"\n(tR"):
                try:
                    read(made + given_state + b"b.")
                except (pickle.UnpicklingError, TypeError, AttributeError, ValueError):
                    continue
    assert "boom" not in str([vars(kind) for kind in (StandIn, Table, PickledTensor, AllowedCall)])
    assert isinstance(read(pickle.dumps({"a": argparse.Namespace()}))["a"], StandIn)
    assert callable(unpickling.FUNCTIONS["numpy.dtype"])


def test_a_path_of_attributes_leads_nowhere() -> None:
    """Protocol 4 names may have dots, which are attributes of attributes elsewhere."""
    data = b"\x80\x04\x8c\x0bcollections\x8c\x1aOrderedDict.__init__.x.y.z\x93."
    found = read(data)
    assert isinstance(found, type)
    assert issubclass(found, StandIn)


def test_references_to_references_are_walked_once() -> None:
    """Two entries that hold the next one twice, fifty deep, would be 2 ** 50 dictionaries."""
    value: Any = {"w": np.zeros((2, 2), np.float32)}
    for _ in range(50):
        value = {"a": value, "b": value}
    start = time.process_time()
    contents_of(read(pickle.dumps(value)), "x")
    assert time.process_time() - start < 2


def test_an_object_that_contains_itself_ends() -> None:
    value: Any = argparse.Namespace(training=True)
    value._modules = {"again": value}
    value._parameters, value._buffers = {"w": np.zeros((2, 2), np.float32)}, {}
    found = contents_of(read(pickle.dumps(value)), "x")
    entries = list(found.entries.values()) or [found]
    assert [name for entry in entries for name in entry.tensors] == ["w"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"\x80\x02.",
        b"\x80\x05\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",  # bytes of a length that is not there
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",  # a frame that is not there
        b"\x80\x02\x82\x01.",  # an extension that nobody registered
        b"\x80\x02\x97.",  # a buffer from outside
        b"\x80\x02r\xff\xff\xff\x7f.",
        b"(" * 1000,
    ],
)
def test_a_broken_pickle_is_an_exception_and_no_more(data: bytes) -> None:
    with pytest.raises(
        (pickle.UnpicklingError, EOFError, ValueError, MemoryError, OverflowError, IndexError)
    ):
        read(data)


def _sample() -> bytes:
    arrays = {f"layer{n}.weight": np.arange(6, dtype=np.float32).reshape(2, 3) for n in range(3)}
    return pickle.dumps({"net": arrays, "args": argparse.Namespace(a=1), "epoch": 3}, 2)


SAMPLE = _sample()


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_bytes_import_nothing_and_end(changes: list[tuple[int, int]]) -> None:
    data = bytearray(SAMPLE)
    for place, value in changes:
        data[place] = value
    before = set(sys.modules)
    try:
        found = contents_of(read(bytes(data)), "x")
    except Exception:  # whatever it is, the reader of files makes one sentence of it
        pass
    else:
        for entry in found.entries.values():
            assert all(isinstance(stored, Stored) for stored in entry.tensors.values())
    assert set(sys.modules) == before


def test_a_file_of_torch_is_read_without_torch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "net.pth"
    torch.save({"state_dict": {"fc.weight": torch.arange(6.0).reshape(2, 3)}}, path)
    script = (
        "import sys; from pathlib import Path\n"
        "from resnet_dsl.weights.formats.registry import read_contents\n"
        f"entry = read_contents(Path({str(path)!r})).entries['state_dict']\n"
        "assert entry.tensors['fc.weight'].load().tolist() == [[0, 1, 2], [3, 4, 5]]\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


# --- every tensor that torch can save ----------------------------------------------------------


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_are_as_torch_loads_them(zipped: bool, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from resnet_dsl.weights.formats.registry import read_contents

    base = torch.arange(24.0).reshape(2, 3, 4)
    dtypes = ("float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
    tensors = {
        "whole": base,
        "transposed": base.permute(2, 0, 1),
        "part": base[:, 1:, ::2],
        "expanded": torch.ones(1, 3).expand(4, 3),
        "parameter": torch.nn.Parameter(base),
        "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        **{dtype: base.to(getattr(torch, dtype)) for dtype in dtypes},
    }
    torch.save(tensors, tmp_path / "all.pth", _use_new_zipfile_serialization=zipped)
    found = read_contents(tmp_path / "all.pth").tensors
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        wanted = tensor.detach()
        wanted = wanted.float().numpy() if wanted.dtype == torch.bfloat16 else wanted.numpy()
        assert found[name].shape == tuple(tensor.shape), name
        assert found[name].dtype == str(tensor.dtype).removeprefix("torch."), name
        assert found[name].load().dtype == wanted.dtype, name
        assert np.array_equal(found[name].load(), wanted), name
