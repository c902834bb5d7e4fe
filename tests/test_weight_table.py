"""The table of docs/weights.md that begins with what people have: every command of it, on such a file."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resnet_dsl
from resnet_dsl.cli.main import main
from resnet_dsl.driver import compile_spec
from resnet_dsl.program import Program
from resnet_dsl.weights.formats.registry import encode, encode_named
from resnet_dsl.weights.source import read_weights
from resnet_dsl.zoo.model_names import model_names
from resnet_dsl.zoo.translate import to_library
from tests.support.weight_cases import as_torch, same

torch = pytest.importorskip("torch")
State = Mapping[str, Any]

PAGE = (Path(__file__).parents[1] / "docs" / "weights.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (.+) \| `resnet-dsl (.+)` \|$", PAGE, re.MULTILINE)
SPEC = """\
model net(classes = 10) {
    input: 3x64x64
    stem: conv(8, 7x7, stride=2) -> bn -> relu -> maxpool(3x3, stride=2)
    stages: [1, 1, 1, 1]  widths: [8, 16, 32, 64]
    block: basic
    head: gap -> fc(classes)
}
"""
KERAS = """\
use resnet50_keras

model net(classes = 10) {
    base: resnet50_keras
    input: 3x64x64
    stem: keras_conv(8, 7x7, stride=2) -> keras_norm -> relu -> maxpool(3x3, stride=2)
    stages: [1, 1, 1, 1]
    widths: 8 * 2 ** stage
}
"""
OWN_HEAD = KERAS.replace(
    "    stages", "    head: gap -> fc(16, init=glorot) -> relu -> fc(2) -> softmax\n    stages"
)


def named(state: State, library: str) -> dict[str, Any]:
    """The tensors under the names of a library."""
    program = compile_spec("net.resnet")
    return to_library(state, model_names(program, library), program.graph)[0]


# --- a file for each row -------------------------------------------------------------------------


def plain(path: Path, state: State) -> None:
    torch.save(as_torch(state), path)


def of_a_trainer(path: Path, state: State) -> None:
    others = {"epoch": 90, "optimizer": {"state": {0: {"step": 3}}, "param_groups": []}, "args": {"lr": 0.1}}
    torch.save({"state_dict": as_torch(state, "module."), **others}, path)


def of_lightning(path: Path, state: State) -> None:
    others = {"pytorch-lightning_version": "2.4.0", "callbacks": {}, "hyper_parameters": {"lr": 0.1}}
    torch.save({"state_dict": as_torch(state, "model."), **others}, path)


def with_average(path: Path, state: State) -> None:
    raw = {name: value * 2 for name, value in state.items()}
    torch.save({"state_dict": as_torch(raw), "state_dict_ema": as_torch(state), "epoch": 3}, path)


def of_a_larger_model(path: Path, state: State) -> None:
    other = {name: value * 2 for name, value in state.items()}
    torch.save(as_torch(state, "student.") | as_torch(other, "teacher."), path)


def of_hugging_face(path: Path, state: State) -> None:
    path.write_bytes(b"".join(encode_named(named(state, "transformers"), {}, path)))


def of_hugging_face_before(path: Path, state: State) -> None:
    torch.save(as_torch(named(state, "transformers")), path)


def in_shards(path: Path, state: State) -> None:
    tensors = named(state, "transformers")
    where = {
        name: f"model-0000{1 + place % 2}-of-00002.safetensors" for place, name in enumerate(sorted(tensors))
    }
    for shard in set(where.values()):
        held = {name: value for name, value in tensors.items() if where[name] == shard}
        Path(shard).write_bytes(b"".join(encode_named(held, {}, Path(shard))))
    path.write_text(json.dumps({"metadata": {}, "weight_map": where}))


def of_detectron2(path: Path, state: State) -> None:
    path.write_bytes(pickle.dumps({"model": named(state, "detectron2"), "__author__": "third_party"}))


def of_keras(path: Path, state: State) -> None:
    path.write_bytes(b"".join(encode_named(named(state, "keras.applications"), {}, path)))


def nested_in_keras(path: Path, state: State) -> None:
    h5py = pytest.importorskip("h5py")
    head = ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")
    program = compile_spec("net.resnet")
    called = {"fc1": "dense", "fc2": "dense_1"}
    names = model_names(program, "keras.applications", True, called)
    whole = to_library(state, names, program.graph)[0]
    assert set(head) <= set(state)
    path.write_bytes(b"".join(encode_named(whole, {}, path)))
    with h5py.File(path, "r+") as file:
        body = [name for name in file if not name.startswith("dense")]
        inner = file.create_group("resnet50")
        weights = [weight for name in body for weight in file[name].attrs["weight_names"]]
        for name in body:
            file.move(name, f"resnet50/{name}")
        for name in body:  # within the layer of the whole model, each weight is under its own name
            for inside in list(inner[name]):
                inner.move(f"{name}/{inside}", f"{name}_")
            del inner[name]
            inner.move(f"{name}_", name)
        inner.attrs["weight_names"] = weights
        file.attrs["layer_names"] = [b"resnet50", b"dense", b"dense_1"]


def scripted(path: Path, state: State) -> None:
    model = resnet_dsl.load("net.resnet").build("torch", weights=dict(state)).eval()
    torch.jit.trace(model, torch.zeros(1, 3, 64, 64)).save(str(path))


def whole_model(path: Path, state: State) -> None:
    torch.save(resnet_dsl.load("net.resnet").build("torch", weights=dict(state)), path)


def of_onnx(path: Path, state: State) -> None:
    path.write_bytes(b"".join(encode(compile_spec("net.resnet"), state, {}, path)))


def arrays(path: Path, state: State) -> None:
    np.savez(path, **state)


def in_half(path: Path, state: State) -> None:
    torch.save({name: tensor.half() for name, tensor in as_torch(state).items()}, path)


def with_another_classifier(path: Path, state: State) -> None:
    head = {"fc.weight": np.ones((3, 64), np.float32), "fc.bias": np.ones(3, np.float32)}
    torch.save(as_torch({**state, **head}), path)


def for_colour(path: Path, state: State) -> None:
    """Red as the gray of the network, and nothing of green and blue: the sum is exact."""
    weight = state["conv1.weight"]
    torch.save(as_torch({**state, "conv1.weight": np.concatenate([weight, 0 * weight, 0 * weight], 1)}), path)


def with_background(path: Path, state: State) -> None:
    head = {name: np.concatenate([state[name][:1] * 3, state[name]]) for name in ("fc.weight", "fc.bias")}
    torch.save(as_torch({**state, **head}), path)


def pruned(path: Path, state: State) -> None:
    parts = {"fc.weight_orig": state["fc.weight"], "fc.weight_mask": np.ones_like(state["fc.weight"])}
    torch.save(as_torch({name: value for name, value in state.items() if name != "fc.weight"} | parts), path)


def folded(path: Path, state: State) -> None:
    convolutions = {name: value for name, value in state.items() if np.ndim(value) == 4}
    biases = {f"{name[:-7]}.bias": np.ones(len(value), np.float32) for name, value in convolutions.items()}
    head = {name: state[name] for name in ("fc.weight", "fc.bias")}
    torch.save(as_torch(convolutions | biases | head), path)


def of_two_epochs(path: Path, state: State) -> None:
    torch.save(as_torch({name: value * 2 for name, value in state.items()}), path)
    torch.save(as_torch({name: value * 0 for name, value in state.items()}), "epoch_2.pth")


FILES: dict[str, tuple[str, Callable[[Path, State], None]]] = {
    "resnet.pth": (SPEC, plain),
    "model_best.pth.tar": (SPEC, of_a_trainer),
    "last.ckpt": (SPEC, of_lightning),
    "timm.pth": (SPEC, with_average),
    "detector.pth": (SPEC, of_a_larger_model),
    "model.safetensors": (SPEC, of_hugging_face),
    "pytorch_model.bin": (SPEC, of_hugging_face_before),
    "model.safetensors.index.json": (SPEC, in_shards),
    "R-50.pkl": (SPEC, of_detectron2),
    "resnet.h5": (KERAS, of_keras),
    "nested.h5": (OWN_HEAD, nested_in_keras),
    "scripted.pt": (SPEC, scripted),
    "whole_model.pth": (SPEC, whole_model),
    "model.onnx": (SPEC, of_onnx),
    "arrays.npz": (SPEC, arrays),
    "half.pth": (SPEC, in_half),
    "rgb.pth": (SPEC.replace("3x64x64", "1x64x64"), for_colour),
    "background.pth": (SPEC, with_background),
    "pruned.pth": (SPEC, pruned),
    "folded.pth": (SPEC, folded),
    "epoch_1.pth": (SPEC, of_two_epochs),
    "other_head.pth": (SPEC, with_another_classifier),
}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], tuple[Program, State]]]:
    """Make the file of a row, and the spec of its network."""
    monkeypatch.chdir(tmp_path)

    def make(name: str) -> tuple[Program, State]:
        for package in ("h5py", "onnx"):
            pytest.importorskip(package)
        text, writer = FILES[name]
        Path("net.resnet").write_text(text, encoding="utf-8")
        state = resnet_dsl.load("net.resnet").state(seed=7)
        writer(Path(name), state)
        return compile_spec("net.resnet"), state

    return make


@pytest.mark.parametrize(
    "command", [command for _, command in ROWS], ids=lambda text: " ".join(text.split()[:3])
)
def test_the_command_for_a_file_reads_its_weights(
    command: str, made: Callable[[str], tuple[Program, State]], capsys: pytest.CaptureFixture[str]
) -> None:
    words = command.split()
    source = words[1] if words[0] == "import" else words[2]
    program, state = made(source)
    assert main(words) == 0, capsys.readouterr().err
    if words[:2] not in (["weights", "convert"], ["weights", "average"]):
        assert "[1, 1, 1, 1]" in capsys.readouterr().out
        return
    found = read_weights("net.safetensors", program)
    if source == "half.pth":
        assert same(found, {name: value.astype("float16").astype("float32") for name, value in state.items()})
        return
    kept = {name for name in state if not (source == "other_head.pth" and name.startswith("fc."))}
    if source == "folded.pth":  # what the norms had measured is not in the file
        kept = {name for name in state if np.ndim(state[name]) == 4 or name.startswith("fc.")}
    assert same({n: found[n] for n in kept}, {n: state[n] for n in kept})


def test_every_file_that_is_made_has_a_row() -> None:
    assert len(ROWS) >= len(FILES)
    assert {word for _, command in ROWS for word in command.split()} >= set(FILES)
