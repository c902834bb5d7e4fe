"""Files as trainers write them: the network in a container, behind a wrapper, under whatever file name."""

from __future__ import annotations

import argparse
import collections
import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import resnet_dsl
from resnet_dsl.backend.contents import COUNTER
from resnet_dsl.cli.main import main
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.ir.arrays import Array
from resnet_dsl.weights.formats.registry import encode_named
from resnet_dsl.weights.source import examine
from resnet_dsl.zoo.asked import Asked
from resnet_dsl.zoo.prefixes import leading
from tests.support.weight_cases import TEXT, program, same, state

torch = pytest.importorskip("torch")
h5py = pytest.importorskip("h5py")

State = Mapping[str, Array]
PARTS = ("module", "_orig_mod", "backbone", "model", "encoder", "net", "student", "_forward_module")


# --- what trainers make of a state_dict --------------------------------------------------------


class Meter:
    """A thing of a trainer's own, which is pickled by its class."""

    def __init__(self) -> None:
        self.values = [1.0, 2.0]


BESIDE: dict[str, Any] = {
    "epoch": 3,
    "args": argparse.Namespace(lr=0.1, arch="tiny"),
    "best_acc": np.float64(91.5),
    "classes": {"cat", "dog"},
    "path": Path("runs/1"),
    "history": collections.defaultdict(list, loss=[1.0]),
    "meter": Meter(),
    "optimizer": {"state": {0: {"momentum_buffer": torch.ones(4, 3, 3, 3)}}, "param_groups": [{"lr": 0.1}]},
}
CONTAINERS: dict[str, Callable[[Any], Any]] = {
    "none": lambda tensors: tensors,
    "state_dict": lambda tensors: {"state_dict": tensors, "epoch": 3},
    "own key": lambda tensors: {"net_weights": tensors, **BESIDE},
    "deep": lambda tensors: {"epoch": 1, "trainer": {"ema": {"params": tensors, "decay": 0.9}}},
    "list": lambda tensors: [tensors, {"lr": 0.1}],
}


def as_tensors(arrays: State) -> dict[str, Any]:
    return collections.OrderedDict((name, torch.from_numpy(value.copy())) for name, value in arrays.items())


def torch_file(path: Path, arrays: State, container: str, zipped: bool) -> None:
    value = CONTAINERS[container](as_tensors(arrays))
    torch.save(value, path, _use_new_zipfile_serialization=zipped)


def shards(path: Path, arrays: State) -> Path:
    """The tensors in two files, and an index of them."""
    names = sorted(arrays)
    where = {}
    for number, part in enumerate((names[::2], names[1::2])):
        file = path.with_name(f"model-0000{number}.safetensors")
        file.write_bytes(b"".join(encode_named({name: arrays[name] for name in part}, {}, file)))
        where |= dict.fromkeys(part, file.name)
    index = path.with_name("model.safetensors.index.json")
    index.write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return index


def written_as(kind: str, folder: Path, arrays: State, container: str) -> Path:
    """Write arrays under their names in a format."""
    path = folder / "weights"
    if kind in ("zip", "old"):
        torch_file(path, arrays, container, kind == "zip")
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(CONTAINERS[container](dict(arrays)), protocol=2))
    elif kind == "npz":
        np.savez(path.with_suffix(".npz"), **dict(arrays))
        path = path.with_suffix(".npz")
    elif kind == "shards":
        path = shards(path, arrays)
    else:
        path.write_bytes(b"".join(encode_named(arrays, {}, folder / f"x{kind}")))
    return path


@settings(max_examples=60, deadline=None)
@given(
    front=st.lists(st.sampled_from(PARTS), max_size=3),
    infix=st.booleans(),
    container=st.sampled_from(sorted(CONTAINERS)),
    kind=st.sampled_from(["zip", "old", "pickle", "npz", "shards", ".safetensors", ".h5"]),
)
def test_a_network_is_found_in_any_container_behind_any_wrapper_in_any_format(
    tmp_path_factory: pytest.TempPathFactory, front: list[str], infix: bool, container: str, kind: str
) -> None:
    folder = tmp_path_factory.mktemp("file")
    prefix = "".join(f"{part}." for part in front)
    inner = {"layer1.0.": "layer1.0._orig_mod.", "bn1.": "bn1.module."} if infix else {}
    renamed = {}
    for name, value in state().items():
        for before, after in inner.items():
            name = after + name.removeprefix(before) if name.startswith(before) else name
        renamed[prefix + name] = value
    found, report = examine(written_as(kind, folder, renamed, container), program())
    assert report.fits
    assert same(found, state())


# --- containers --------------------------------------------------------------------------------


def saved(path: Path, value: Any) -> Path:
    torch.save(value, path)
    return path


def test_of_several_dictionaries_that_fit_the_person_says_which(tmp_path: Path) -> None:
    raw, ema = as_tensors(state(1)), as_tensors(state(2))
    path = saved(tmp_path / "a.pth", {"state_dict": raw, "state_dict_ema": ema, "epoch": 3})
    with pytest.raises(UsageError) as caught:
        examine(path, program())
    fits = f"({len(state())} of {len(state())} fit)"
    assert str(caught.value) == (
        f"a.pth: it holds several dictionaries of tensors: `state_dict` {fits}, `state_dict_ema` {fits}; "
        "--key (in Python, key=) says which is meant"
    )
    found, report = examine(path, program(), Asked(key="state_dict_ema"))
    assert same(found, state(2))
    assert report.remarks() == ["taken from its `state_dict_ema`; left aside: 'epoch', 'state_dict'"]
    with pytest.raises(UsageError, match="did you mean `state_dict_ema`"):
        examine(path, program(), Asked(key="state_dict_ena"))


def test_of_several_dictionaries_the_one_that_fits_is_taken(tmp_path: Path) -> None:
    other = {f"conv{n}.weight": torch.ones(2, 2) for n in range(40)}
    path = saved(tmp_path / "gan.pth", {"discriminator": other, "generator": as_tensors(state())})
    found, report = examine(path, program())
    assert same(found, state())
    assert report.remarks() == ["taken from its `generator`; left aside: 'discriminator'"]


def test_an_average_counts_its_models_and_that_is_left_aside(tmp_path: Path) -> None:
    averaged = torch.optim.swa_utils.AveragedModel(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)))
    names = {f"module.{name}": value for name, value in as_tensors(state()).items()}
    assert "n_averaged" in averaged.state_dict()
    path = saved(tmp_path / "swa.pth", {**names, "n_averaged": averaged.n_averaged})
    _, report = examine(path, program())
    assert report.fits
    assert "left aside: n_averaged" in report.remarks()


def test_a_key_that_no_container_has_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", as_tensors(state()))
    with pytest.raises(UsageError, match="its tensors lie in no entry, so none is called `ema`"):
        examine(path, program(), Asked(key="ema"))


# --- wrappers and prefixes ---------------------------------------------------------------------


def test_what_two_prefixes_fit_the_person_says_which_is_meant(tmp_path: Path) -> None:
    both = {f"encoder_q.{n}": v for n, v in as_tensors(state(1)).items()}
    both |= {f"encoder_k.{n}": v for n, v in as_tensors(state(2)).items()}
    path = saved(tmp_path / "moco.pth", both)
    with pytest.raises(UsageError, match=r"`encoder_q\.` and without `encoder_k\.` alike; --prefix"):
        examine(path, program())
    for prefix in ("encoder_k.", "encoder_k"):
        found, report = examine(path, program(), Asked(prefix=prefix))
        assert same(found, state(2))
        assert report.remarks() == [f"without the prefix `encoder_k.`; {len(state())} tensors left aside"]
    with pytest.raises(UsageError, match=r"no name begins with `encoder\.`; prefixes there: `encoder_q\.`"):
        examine(path, program(), Asked(prefix="encoder."))


def test_a_prefix_leaves_the_rest_of_a_larger_network_aside(tmp_path: Path) -> None:
    names = {f"backbone.{name}": value for name, value in as_tensors(state()).items()}
    path = saved(tmp_path / "detector.pth", {**names, "neck.lateral.weight": torch.ones(4, 4, 1, 1)})
    _, report = examine(path, program())
    assert [each.name for each in report.mismatches["unexpected"]] == ["neck.lateral.weight"]
    found, report = examine(path, program(), Asked(prefix="backbone."))
    assert report.fits
    assert same(found, state())


def test_a_layer_of_ones_own_may_be_called_as_wrappers_are() -> None:
    """Only what the model does not have is taken out of names."""
    text = TEXT.replace("-> fc(", "-> module: fc(", 1)

    model = resnet_dsl.loads(text)
    own = model.state(seed=1)
    assert any(name.startswith("module.") for name in own)
    found, report = examine({f"_orig_mod.{name}": value for name, value in own.items()}, model.program)
    assert report.fits
    assert same(found, own)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["a.conv.weight", "a.fc.weight", "a.bn.bias"], ["a."]),
        (["a.b.conv.weight", "a.b.fc.weight", "head.weight"], ["a.", "a.b."]),
        (["conv1.weight", "layer1.0.conv1.weight", "layer2.0.conv1.weight", "fc.weight"], []),
        ([f"{front}.layer{n}.weight" for front in ("q", "k") for n in range(9)], ["q.", "k."]),
        ([], []),
        (["a" + ".a" * 100_000] * 2, ["a." * depth for depth in range(1, 9)]),
    ],
)
def test_paths_that_most_names_share_are_prefixes(names: list[str], found: list[str]) -> None:
    assert leading(names) == found


# --- shards ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("{", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ('{"weight_map": 3}', "it has no `weight_map`"),
        ('{"weight_map": {"a": "../b"}}', "does not lie beside it: refused"),
        ('{"weight_map": {"a": "/etc/passwd"}}', "does not lie beside it: refused"),
        ('{"weight_map": {"a": "model.safetensors.index.json"}}', "is no file of weights: refused"),
        ('{"weight_map": {"a": "none.safetensors"}}', "No such file"),
        ('{"weight_map": {"a": "one.safetensors"}}', "one.safetensors lacks a"),
    ],
)
def test_an_index_that_lies_is_one_error(
    index: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = tmp_path / "one.safetensors"
    one.write_bytes(b"".join(encode_named({"b": np.zeros(2, np.float32)}, {}, one)))
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(index)
    assert main(["weights", "inspect", str(path)]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("error: ") == 1
    assert "internal error" not in err


# --- other kinds of files ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x1f\x8b" + b"\0" * 40, "it is a gzip archive: unpack it first"),
        (b"<!DOCTYPE html><html></html>", "it is a web page"),
        (b"GGUF" + b"\0" * 40, "it is a GGUF file"),
        (b"\x93NUMPY" + b"\0" * 40, "`numpy.savez(FILE, **arrays)`"),
        (b"\x1c\0\0\0TFL3" + b"\0" * 40, "it is a TensorFlow Lite model"),
    ],
)
def test_a_file_that_holds_no_weights_is_called_what_it_is(
    content: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(content)
    assert main(["weights", "inspect", str(path)]) == 2
    assert message in capsys.readouterr().err


def test_torchscript_is_read_and_not_run(tmp_path: Path) -> None:
    inner = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    net = torch.nn.Sequential(collections.OrderedDict(body=inner, relu=torch.nn.ReLU()))
    torch.jit.save(torch.jit.script(net), tmp_path / "net.pt")
    torch.save(net.state_dict(), tmp_path / "net.pth")
    from resnet_dsl.weights.formats.registry import read_contents

    scripted, plain = read_contents(tmp_path / "net.pt"), read_contents(tmp_path / "net.pth")
    assert scripted.notes[0] == "a TorchScript archive: the tensors of its modules, whose code is not run"
    assert scripted.tensors.keys() == plain.tensors.keys()
    for name, stored in plain.tensors.items():
        assert np.array_equal(stored.load(), scripted.tensors[name].load()), name
    assert any(name.endswith(COUNTER) for name in plain.tensors)
