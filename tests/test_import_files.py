"""`resnet-dsl import` on real files: of every format, of other libraries, and of no good will."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resnet_dsl
from resnet_dsl.cli.main import main
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source, compile_spec
from resnet_dsl.initial.seeded import random_state
from resnet_dsl.printing.headline import headline
from resnet_dsl.program import Program
from resnet_dsl.weights.formats.registry import encode
from tests.support.library_models import keras_resnet
from tests.support.oracles import timm_model, torchvision_model
from tests.test_import import expanded

torch = pytest.importorskip("torch")
pytest.importorskip("h5py")
pytest.importorskip("keras")
onnx = pytest.importorskip("onnx")

SUFFIXES = (".safetensors", ".pth", ".weights.h5", ".h5", ".onnx")
TEXT = """\
model net {
    input: 3x16x16
    stem: conv(8, 3x3) -> bn -> relu
    stages: [1, 2]
    block: bottleneck
    widths: [8, 16]
    shortcut: D
    attention: se(4, 8)
    classes: 5
}
"""


def program() -> Program:
    return compile_source(Source("net.resnet", TEXT))


def written(path: Path) -> Path:
    path.write_bytes(b"".join(encode(program(), random_state(program().graph, 3), {"seed": 3}, path)))
    return path


@pytest.fixture
def imported(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command and return status, stdout and stderr."""

    def run(path: Path, *options: str) -> tuple[int, str, str]:
        capfd.readouterr()
        status = main(["import", str(path), *options])
        return status, *capfd.readouterr()

    return run


Imported = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_gives_the_spec(suffix: str, tmp_path: Path, imported: Imported) -> None:
    path = written(tmp_path / f"net{suffix}")
    options = () if suffix == ".onnx" else ("--stride-on", "conv2", "--input", "3x16x16")
    status, text, notes = imported(path, *options)
    assert status == 0
    assert text.startswith(f"# Restored from net{suffix}.\nmodel net {{\n")
    assert bool(notes) == (suffix != ".onnx")
    assert expanded(compile_source(Source("net.resnet", text))) == expanded(program())


def test_the_text_is_canonical_and_checks(tmp_path: Path, imported: Imported) -> None:
    path, spec = written(tmp_path / "some-net.onnx"), tmp_path / "some_net.resnet"
    status, out, _ = imported(path, "-o", str(spec))
    assert (status, out) == (0, f"wrote {spec} ({headline(program())})\n")
    assert main(["fmt", "--check", str(spec)]) == 0
    assert main(["check", str(spec)]) == 0


def test_a_spec_is_not_overwritten_unasked(tmp_path: Path, imported: Imported) -> None:
    path, spec = written(tmp_path / "net.onnx"), tmp_path / "net.resnet"
    spec.write_text("# mine\n")
    assert imported(path, "-o", str(spec))[0] == 2
    assert spec.read_text() == "# mine\n"
    assert imported(path, "-o", str(spec), "--force", "--name", "mine")[0] == 0
    assert "model mine {" in spec.read_text()


def test_what_is_asked_is_status_2_and_what_cannot_be_expressed_1(tmp_path: Path, imported: Imported) -> None:
    status, out, err = imported(written(tmp_path / "net.pth"))
    assert (status, out) == (2, "")
    assert "--stride-on conv1" in err
    torch.save({"features.0.weight": torch.zeros(8, 3, 3, 3)}, tmp_path / "other.pth")
    status, out, err = imported(tmp_path / "other.pth")
    assert (status, out) == (1, "")
    assert err.startswith(f"error: {tmp_path / 'other.pth'}: cannot express: ")


@pytest.mark.parametrize("name", ["", "1net", "class", "conv", "a b", "__x", "x } model y {"])
def test_a_name_that_the_language_does_not_take_is_refused(
    name: str, tmp_path: Path, imported: Imported
) -> None:
    status, _, err = imported(written(tmp_path / "net.onnx"), "--name", name)
    assert status == 2
    assert "--name" in err


def test_python_has_the_same(tmp_path: Path) -> None:
    path = written(tmp_path / "net.pth")
    with pytest.raises(resnet_dsl.UsageError, match="--stride-on"):
        resnet_dsl.import_spec(path)
    with pytest.warns(UserWarning, match="tensors do not tell"):
        text = resnet_dsl.import_spec(path, name="mine", stride_on="conv2", input="3x16x16")
    assert expanded(resnet_dsl.loads(text).program) == expanded(program())


@pytest.mark.torchvision
def test_a_state_dict_of_torchvision_gives_the_shipped_spec(tmp_path: Path, imported: Imported) -> None:
    torch.save(torchvision_model("resnet18").float().state_dict(), tmp_path / "resnet18.pth")
    status, text, _ = imported(tmp_path / "resnet18.pth")
    assert status == 0
    assert expanded(compile_source(Source("x", text))) == expanded(compile_spec("resnet18"))


@pytest.mark.torchvision
def test_a_graph_that_torch_exported_gives_the_shipped_spec(tmp_path: Path, imported: Imported) -> None:
    model, path = torchvision_model("resnet18").float(), tmp_path / "resnet18.onnx"
    options: dict[str, Any] = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}
    try:
        torch.onnx.export(model, torch.zeros(1, 3, 64, 64), path, dynamo=False, **options)
    except (ImportError, TypeError, RuntimeError) as error:
        pytest.skip(f"torch exports no ONNX here: {error}")
    status, text, notes = imported(path)
    assert (status, notes) == (0, "")
    assert expanded(compile_source(Source("x", text))) == expanded(
        compile_spec("resnet18", None, {"input": "3x64x64"})
    )


def test_weights_of_keras_applications_give_the_shipped_spec(tmp_path: Path, imported: Imported) -> None:
    from keras.applications import ResNet50

    ResNet50(weights=None).save_weights(tmp_path / "base.weights.h5")
    status, text, notes = imported(tmp_path / "base.weights.h5")
    assert status == 0
    assert "those of the shipped resnet50_keras" in notes
    assert "--from keras.applications" in notes
    assert expanded(compile_source(Source("x", text))) == expanded(compile_spec("resnet50_keras"))


def trained_h5(path: Path) -> None:
    """A ResNet V2 of two stages in a model with a head of its own."""
    import keras

    base = keras_resnet([2, 2], True, [64, 128], include_top=False)
    pool, scores = keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(5, name="scores")
    keras.Sequential([base, pool, scores]).save(path)


@pytest.mark.slow
@pytest.mark.torchvision
def test_the_page_shows_what_the_command_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, imported: Imported
) -> None:
    """Every console block of docs/import.md in turn."""
    page = (Path(resnet_dsl.__file__).parents[1] / "docs" / "import.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    resnet50 = torchvision_model("resnet50").float()
    for file, model in {
        "seresnext.pth": timm_model("seresnext50_32x4d"),
        "legacy_seresnet50.pth": timm_model("legacy_seresnet50"),
        "resnet50.pth": resnet50,
        "inception.pth": timm_model("inception_v4"),
    }.items():
        torch.save(model.state_dict(), file)
    small = torchvision_model("resnet18").float()
    torch.onnx.export(small, torch.zeros(1, 3, 64, 64), "folded.onnx", dynamo=False)
    shown = re.findall(r"^```console\n\$ resnet-dsl import (.*)\n((?s:.*?))\n```$", page, re.MULTILINE)
    trained_h5(tmp_path / "trained.h5")
    assert len(shown) == 7
    for line, expected in shown:
        path, *options = shlex.split(line)
        _, out, err = imported(Path(path), *options)
        assert (err + out).rstrip("\n") == expected


# --- broken and hostile files ------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"hello\n" * 20])
def test_a_file_of_something_else_is_one_error(
    suffix: str, content: bytes, tmp_path: Path, imported: Imported
) -> None:
    path = tmp_path / f"odd{suffix}"
    path.write_bytes(content)
    status, out, err = imported(path)
    assert (status, out, err.count("error: ")) == (2, "", 1)
    assert "internal error" not in err


def test_flipped_bytes_of_a_graph_are_never_a_traceback(tmp_path: Path, imported: Imported) -> None:
    whole = written(tmp_path / "net.onnx").read_bytes()
    path = tmp_path / "flipped.onnx"
    for place in [*range(0, 6000, 311), *range(len(whole) - 20_000, len(whole), 1117)]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xA5]) + whole[place + 1 :])
        status, _, err = imported(path)
        assert status in (0, 1, 2)
        assert "internal error" not in err, place


def graph_file(path: Path, change: Callable[[Any], None]) -> Path:
    """A file of ours with its model changed."""
    model = onnx.load(written(path))
    change(model.graph)
    path.write_bytes(model.SerializeToString())
    return path


def test_attributes_left_out_are_their_defaults(tmp_path: Path, imported: Imported) -> None:
    kept = {
        "AveragePool": {"kernel_shape", "strides", "ceil_mode"},
        "Conv": {"strides", "pads"},
        "Gemm": {"transB"},
        "MaxPool": {"kernel_shape", "strides", "pads"},
    }

    def leave_out(graph: Any) -> None:
        for node in graph.node:
            left = [each for each in node.attribute if each.name in kept.get(node.op_type, ())]
            del node.attribute[:]
            node.attribute.extend(left)

    (tmp_path / "left").mkdir()
    left = graph_file(tmp_path / "left" / "net.onnx", leave_out)
    assert imported(left) == imported(written(tmp_path / "net.onnx"))


def _cycle(graph: Any) -> None:
    graph.node[1].input[0] = graph.node[3].output[0]


def _twice(graph: Any) -> None:
    graph.node[2].output[0] = graph.node[1].output[0]


def _no_output(graph: Any) -> None:
    del graph.output[:]


def _two_inputs(graph: Any) -> None:
    graph.input.add().CopyFrom(graph.input[0])
    graph.input[1].name = "other"


def _without_inputs(graph: Any) -> None:
    del graph.node[4].input[:]


def _no_attributes(graph: Any) -> None:
    for node in graph.node:
        del node.attribute[:]


def _odd_attributes(graph: Any) -> None:
    for node in graph.node:
        for attribute in node.attribute:
            attribute.CopyFrom(onnx.helper.make_attribute(attribute.name, "x } model y {"))


def _no_nodes_left(graph: Any) -> None:
    del graph.node[1:]


def _huge_numbers(graph: Any) -> None:
    for node in graph.node:
        for attribute in node.attribute:
            attribute.ints[:] = [2**62] * len(attribute.ints)


def _lying_constant(graph: Any) -> None:
    graph.initializer.append(onnx.TensorProto(name="constant/odd", data_type=7, dims=[10**12]))


def _loop(graph: Any) -> None:
    body = onnx.helper.make_graph([], "body", [], [])
    graph.node.insert(1, onnx.helper.make_node("Loop", [graph.node[0].output[0]], ["odd"], body=body))


@pytest.mark.parametrize(
    "change",
    [
        _cycle, _twice, _no_output, _two_inputs, _without_inputs, _no_attributes, _odd_attributes,
        _no_nodes_left, _huge_numbers, _lying_constant, _loop,
    ],
)  # fmt: skip
def test_odd_graphs_are_refused_with_a_sentence(
    change: Callable[[Any], None], tmp_path: Path, imported: Imported
) -> None:
    status, out, err = imported(graph_file(tmp_path / "net.onnx", change))
    assert status in (1, 2)
    assert out == ""
    assert "internal error" not in err


def test_names_out_of_a_file_do_no_harm_to_a_terminal(tmp_path: Path, imported: Imported) -> None:
    def rename(graph: Any) -> None:
        for node in graph.node:
            node.name = f"\x1b[2J{node.name}"
            node.op_type = node.op_type.replace("MaxPool", "\x1b[2J")
        graph.node[5].op_type = "\x1b[31mEvil"

    status, _, err = imported(graph_file(tmp_path / "net.onnx", rename))
    assert status == 1
    assert "\x1b" not in err


def test_an_output_under_a_hostile_name_is_refused(tmp_path: Path, imported: Imported) -> None:
    def rename(graph: Any) -> None:
        copy = graph.output.add()
        copy.CopyFrom(graph.output[0])
        copy.name = "x] } model y { stages: [1"
        graph.node.append(onnx.helper.make_node("Identity", [graph.output[0].name], [copy.name]))

    status, out, err = imported(graph_file(tmp_path / "net.onnx", rename))
    assert (status, out) == (1, "")
    assert "internal error" not in err


def test_values_are_not_read(tmp_path: Path, imported: Imported) -> None:
    state = {name: np.full_like(value, np.nan) for name, value in random_state(program().graph, 3).items()}
    path = tmp_path / "net.safetensors"
    path.write_bytes(b"".join(encode(program(), state, {"seed": 3}, path)))
    assert imported(path, "--stride-on", "conv2")[0] == 0
