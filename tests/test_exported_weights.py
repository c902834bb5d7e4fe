"""Weights out of ONNX models by other exporters: tensors written once, and norms folded into convolutions."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnet_dsl.cli.main import main
from resnet_dsl.initial.seeded import random_state
from resnet_dsl.program import Program
from resnet_dsl.weights.match_report import WeightsError
from resnet_dsl.weights.source import examine, weights_for
from resnet_dsl.zoo.asked import Asked
from tests.support.agreement import compiled
from tests.support.backends import in_full

onnx = pytest.importorskip("onnx")
backend = in_full("onnx")

TEXT = """block own(bias = false) {
    inner = x -> conv1: conv(8, 3x3, bias=bias) -> bn1: bn -> relu
    return (inner -> conv2: conv(8, 3x3, bias=bias) -> bn2: bn) + x
}
model net {
    input: 3x16x16  stem: conv(8, 3x3) -> bn -> relu  stages: [2]  block: own(bias=BIAS)  head: gap -> fc(4)
}
"""
Change = Callable[[Any], None]


def net(bias: bool = False, norms: bool = True) -> Program:
    text = TEXT.replace("BIAS", str(bias).lower())
    return compiled(text if norms else re.sub(" -> (bn1: |bn2: |)bn", "", text))


def exported(program: Program, path: Path, *changes: Change) -> Path:
    """A file as another exporter writes it."""
    model = backend.build(program)
    backend.load_state(model, random_state(program.graph, 3))
    model.producer_name = "pytorch"
    for change in changes:
        change(model)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())
    return path


def folded(model: Any) -> None:
    """Put each batch norm into the convolution before it, as torch's exporter of today does.

    The names of weights stay; a convolution with a bias keeps that name too.
    """
    graph = model.graph
    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    makers = {node.output[0]: node for node in graph.node}
    for norm in [node for node in graph.node if node.op_type == "BatchNormalization"]:
        conv = makers[norm.input[0]]
        gamma, beta, mean, var = (tensors[name].astype(np.float64) for name in norm.input[1:])
        factor = gamma / np.sqrt(var + 1e-5)
        weight = conv.input[1]
        bias = tensors[conv.input[2]] if len(conv.input) > 2 else 0.0
        called = conv.input[2] if len(conv.input) > 2 else f"{weight}_bias"
        _put(graph, weight, tensors[weight] * factor[:, None, None, None])
        _put(graph, called, (bias - mean) * factor + beta)
        del conv.input[2:]
        conv.input.append(called)
        conv.output[0] = norm.output[0]
        graph.node.remove(norm)
        for name in norm.input[1:]:
            graph.initializer.remove(next(each for each in graph.initializer if each.name == name))


def _put(graph: Any, name: str, value: Any) -> None:
    for tensor in [each for each in graph.initializer if each.name == name]:
        graph.initializer.remove(tensor)
    graph.initializer.append(onnx.numpy_helper.from_array(value.astype(np.float32), name))


def shared(model: Any) -> None:
    """Write equal tensors once, as torch's older exporter does: the others are what an Identity passes on."""
    graph, first = model.graph, dict[bytes, str]()
    for tensor in list(graph.initializer):
        content = tensor.raw_data + bytes(tensor.dims)
        if tensor.name.rpartition(".")[2] not in ("weight", "bias") or len(tensor.dims) > 1:
            continue
        if content in first:
            copy = onnx.helper.make_node(
                "Identity", [first[content]], [tensor.name], name=f"Identity_{tensor.name}"
            )
            graph.initializer.remove(tensor)
            graph.node.insert(0, copy)
        first.setdefault(content, tensor.name)


def untrained(model: Any) -> None:
    for tensor in model.graph.initializer:
        if len(tensor.dims) == 1 and tensor.name.endswith((".weight", ".bias")):
            value = np.full(tensor.dims, float(tensor.name.endswith(".weight")), np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(value, tensor.name))


def in_chains(model: Any) -> None:
    """An Identity of an Identity."""
    (one, *_) = [node for node in model.graph.node if node.op_type == "Identity"]
    given = one.input[0]
    one.input[0] = "between"
    model.graph.node.insert(0, onnx.helper.make_node("Identity", [given], ["between"]))


def halved(model: Any) -> None:
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            value = onnx.numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(onnx.numpy_helper.from_array(value, tensor.name))
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16


def numbered_constants(model: Any) -> None:
    """Shapes and places that the graph needs have numbers for names."""
    for number, value in enumerate(([2, -1], [], True)):
        model.graph.initializer.append(
            onnx.numpy_helper.from_array(
                np.array(value, dtype=type(value) if value is True else np.int64), f"val_{number}"
            )
        )


def with_another_stem(model: Any) -> None:
    names = {"conv1.weight": "begin.weight"}
    for tensor in model.graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]


# --- folded norms ------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [False, True], ids=["", "biased"])
def test_a_kernel_with_a_norm_in_it_is_not_the_plain_one(bias: bool, tmp_path: Path) -> None:
    program = net(bias)
    path = exported(program, tmp_path / "net.onnx", folded)
    state, report = examine(path, program)
    assert sorted(state) == ["fc.bias", "fc.weight"]
    refused = {each.name: each.detail for each in report.mismatches["not convertible"]}
    convs = [name for name, _ in program.graph.parameters() if "conv" in name]
    assert set(refused) == set(convs)
    assert refused["layer1.0.conv2.weight"] == "`layer1.0.bn2` is not behind it, but in it"
    for partial in (False, True):
        with pytest.raises(WeightsError, match=r"= help: a norm was folded .* dynamo=False"):
            weights_for(program, weights=path, asked=Asked(partial=partial))


def test_a_folded_file_is_refused_in_whole_by_the_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exported(net(), Path("net.onnx"), folded)
    Path("net.resnet").write_text(TEXT.replace("BIAS", "false"), encoding="utf-8")
    spec = ["--spec", "net.resnet"]
    assert main(["weights", "convert", "net.onnx", "net.safetensors", *spec, "--partial"]) == 1
    assert "dynamo=False" in capsys.readouterr().err
    assert main(["compile", "net.resnet", "--backend", "torch", "--weights", "net.onnx", "--partial"]) == 1
    assert not list(tmp_path.glob("*.safetensors"))
    capsys.readouterr()
    assert main(["weights", "inspect", "net.onnx", *spec]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("2 of 27 tensors of net fit: a norm was folded into the convolution before it on")
    assert shown.count("a norm was folded") == 1
    assert main(["import", "net.onnx"]) == 1
    assert "layer1.0 has no norms and no activation behind its sum" in capsys.readouterr().err


def test_a_folded_kernel_is_not_one_of_a_network_without_norms_either(tmp_path: Path) -> None:
    """Its bias would be lost."""
    plain = net(norms=False)
    state, report = examine(exported(net(), tmp_path / "net.onnx", folded), plain)
    assert sorted(state) == ["fc.bias", "fc.weight"]
    assert "the bias conv1.bias is the rest" in str(report.mismatches["not convertible"][0])


def test_a_network_without_norms_is_read_from_others(tmp_path: Path) -> None:
    program = net(bias=True, norms=False)
    path = exported(program, tmp_path / "net.onnx")
    state, report = examine(path, program)
    assert report.fits
    assert all(np.array_equal(value, state[name]) for name, value in random_state(program.graph, 3).items())


def test_part_of_a_file_that_keeps_its_norms_may_be_taken(tmp_path: Path) -> None:
    program, path = net(), tmp_path / "net.onnx"
    exported(compiled(TEXT.replace("BIAS", "false").replace("fc(4)", "fc(5)")), path, with_another_stem)
    weights = weights_for(program, weights=path, asked=Asked(partial=True))
    assert weights is not None
    assert weights.report is not None
    assert weights.report.lacking == 2
    assert "called by their places" in weights.remarks()[0]


# --- equal tensors -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more", [(), (in_chains,), (halved,), (numbered_constants,)], ids=["", "chain", "half", "constants"]
)
def test_a_tensor_that_is_written_once_for_several_is_found(more: tuple[Change, ...], tmp_path: Path) -> None:
    program = net()
    path = exported(program, tmp_path / "net.onnx", untrained, shared, *more)
    state, report = examine(path, program)
    assert report.fits, report.text()
    assert (state["layer1.1.bn2.weight"] == 1.0).all()
    assert (state["layer1.1.bn2.bias"] == 0.0).all()


def test_a_graph_of_an_older_opset_is_imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In opset 11 a batch norm has no `training_mode`."""

    def older(model: Any) -> None:
        model.opset_import[0].version = 11
        for node in model.graph.node:
            attributes = [each for each in node.attribute if each.name != "training_mode"]
            del node.attribute[:]
            node.attribute.extend(attributes)

    program = compiled("model net { input: 3x32x32  stages: [1, 1]  block: basic }")
    assert main(["import", str(exported(program, tmp_path / "net.onnx", older))]) == 0
    assert "block: basic" in capsys.readouterr().out
