"""Auxiliary outputs: their weights are always there, and what they return is for training only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from resnet_dsl import loads
from resnet_dsl.cli.main import main
from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.initial.seeded import random_state
from resnet_dsl.printing.stages import print_network
from resnet_dsl.reference import evaluate
from resnet_dsl.verify.run import verify
from tests.support.agreement import compiled, images, lively_state
from tests.support.backends import in_full

BLOCKS = """
block segment(classes) { return x -> 0: conv(4, 3x3) -> 1: bn -> 2: relu -> 4: conv(classes, 1x1, bias=true) }
block plain(width, stride) { return x -> conv(width, 3x3, stride=stride) -> bn -> relu }
"""
TEXT = (
    BLOCKS
    + """
model aux(classes = 5) {
    input: 3x16x16
    stem: conv(4, 3x3) -> bn -> relu
    stages: [plain(4), plain(8), more: layer1 -> plain(3, 1), layer3: layer2 -> plain(12)]
    stride: 2
    head: { aux_classifier: layer2 -> segment(classes)  classifier: segment(classes)
            low: more -> conv(4, 1x1)  side: layer2 }
    auxiliary: [aux_classifier, low]
}
"""
)
NOTHING = "every output is auxiliary: after training nothing would be returned"
MAIN, AUXILIARY = ["classifier", "side"], ["aux_classifier", "low"]


def test_the_names_are_those_that_torchvision_gives() -> None:
    names = {name for name, _ in compiled(TEXT).graph.parameters()}
    assert {
        "classifier.0.weight",
        "aux_classifier.0.weight",
        "aux_classifier.4.bias",
        "low.conv.weight",
    } <= names


def test_torchvision_networks_are_written_with_their_names() -> None:
    deeplab = """
block convs(width, kernel, rate) { return x -> 0: conv(width, kernel, dilation=rate) -> 1: bn -> 2: relu }
block pooling(width) { return x -> 0: gap -> 1: conv(width, 1x1) -> 2: bn -> 3: relu -> upsample(28) }
block project(width) { return x -> 0: conv(width, 1x1) -> 1: bn -> 2: relu -> 3: dropout(0.5) }
block pyramid(width) {
    return concat(x -> 0: convs(width, 1, 1), x -> 1: convs(width, 3, 12), x -> 2: convs(width, 3, 24),
                  x -> 3: convs(width, 3, 36), x -> 4: pooling(width))
}
block aspp(width) { return x -> convs: pyramid(width) -> project: project(width) }
block deeplab(classes) {
    return x -> 0: aspp(256) -> 1: conv(256, 3x3) -> 2: bn -> 3: relu -> 4: conv(classes, 1x1, bias=true)
}
block fcn(classes) {
    return x -> 0: conv(x.channels // 4, 3x3) -> 1: bn -> 2: relu -> 3: dropout(0.1)
             -> 4: conv(classes, 1x1, bias=true)
}
model deeplabv3(classes = 21) {
    stages: [3, 4, 6, 3]  block: bottleneck  strides: [1, 2, 1, 1]  dilations: [1, 1, 2, 4]
    head: { classifier: deeplab(classes)  aux_classifier: layer3 -> fcn(classes) }
    auxiliary: aux_classifier  expect: params == 42_004_074
}
"""
    names = {name for name, _ in compiled(deeplab).graph.parameters()}
    wanted = "0.convs.0.0.weight 0.convs.4.1.weight 0.project.0.weight 1.weight 4.bias"
    assert {f"classifier.{name}" for name in wanted.split()} | {"aux_classifier.0.weight"} <= names
    googlenet = """
block basic_conv(width, kernel) { return x -> conv: conv(width, kernel) -> bn: bn(eps=0.001) -> relu }
block inception(width) { return x -> branch1: basic_conv(width, 1) }
block aux(classes) {
    return x -> adaptive_avgpool(4) -> conv: basic_conv(8, 1) -> flatten -> fc1: fc(classes)
}
block googlenet(classes) {
    a = x -> conv1: basic_conv(8, 7) -> inception4a: inception(12)
    logits = a -> inception4d: inception(12) -> gap -> fc: fc(classes)
    return { logits: logits  aux1: a -> aux1: aux(classes) }
}
model m { input: 3x24x24  stem: none  stages: []  head: googlenet(10)  auxiliary: aux1 }
"""
    layers = {name.rpartition(".")[0] for name, _ in compiled(googlenet).graph.parameters()}
    assert {"conv1.conv", "inception4a.branch1.bn", "aux1.conv.conv", "aux1.fc1", "fc"} <= layers


SHARED = """
block twice(width) {
    same = share(conv(width, 3x3, bias=true))
    first = x -> relu -> same
    return { extra: first  main: x -> same -> tanh }
}
model net { input: 3x8x8  stages: %s  stem: %s  head: %s  outputs: %s  auxiliary: %s }
"""
# What is auxiliary where: a stem from which all starts, a head as a whole, a block that is one as well as the
# stage, the first application of a shared function.
PLACES = (
    ("[plain(4, 1)]", "elu -> tanh -> mish", "none", "[stem, layer1.0, layer1]", "[layer1, stem]"),
    ("[]", "pixel", "gelu -> relu -> silu", "[stem, head]", "head"),
    ("[]", "relu -> conv(4, 1x1)", "gelu -> conv(3, 1x1) -> silu", "[relu1, head, conv]", "[head, conv]"),
    ("[middle: stem -> twice(3)]", "elu", "none", "middle", "middle.extra"),
    ("[]", "relu", "twice(3)", "head", "extra"),
    ("[2 * share(plain(3, 1)), layer1 -> plain(4, 1)]", "none", "none", "[layer1.0, layer2]", "layer1.0"),
)


@pytest.mark.slow
@pytest.mark.parametrize("places", PLACES, ids=lambda places: " ".join(places[-2:]))
def test_what_is_auxiliary_may_stand_anywhere(places: tuple[str, ...]) -> None:
    torch, program = pytest.importorskip("torch"), compiled(BLOCKS + SHARED % places)
    state, x = random_state(program.graph, 1), images(program, (8, 8))
    main = [name for name in program.network.outputs if name not in program.network.auxiliary]
    wanted = evaluate(program.graph, state, x)
    assert list(wanted) == main
    for name, dtype in (("torch", "float64"), ("keras", "float64"), ("onnx", "float32")):
        live = in_full(name).load_state(in_full(name).build(program, dtype), state)
        found = in_full(name).run(live, x.astype(dtype))
        assert list(found) == main
        assert all(np.allclose(found[key], wanted[key], atol=1e-4, rtol=1e-4) for key in main), name
        if name == "torch":
            trained = live.train()(torch.from_numpy(x))
            assert list(trained) == [*main, *(key for key in program.network.outputs if key not in main)]
        if name == "keras":
            whole = live(x.transpose(0, 2, 3, 1), training=True)
            assert set(whole) == set(program.network.outputs)


def test_tensors_are_there_where_only_a_later_application_is_needed() -> None:
    graph = compiled(BLOCKS + SHARED % PLACES[3]).graph
    assert [name for name, _ in graph.inference.parameters()] == [
        "middle.0.conv1.weight",
        "middle.0.conv1.bias",
    ]
    assert [node.name for node in graph.inference.nodes] == ["elu1", "middle.0.conv1@2", "middle.0.tanh1"]


def test_what_is_counted_is_the_pass_and_all_tensors() -> None:
    with_heads, without = (
        compiled(TEXT),
        compiled(TEXT.replace("auxiliary:", "outputs: [classifier, side] #")),
    )
    assert with_heads.cost.macs == without.cost.macs
    assert with_heads.cost.depth == without.cost.depth
    assert list(with_heads.cost.output) == MAIN
    assert list(with_heads.cost.auxiliary) == AUXILIARY
    assert with_heads.cost.params > without.cost.params
    assert "auxiliary: [aux_classifier, low]" in print_network(with_heads)


@pytest.mark.slow
def test_both_modes_are_verified_in_every_backend() -> None:
    report = verify(lambda more: compile_source(Source("t", TEXT), None, None, more), steps=2)
    assert report.passed
    assert {row.name for row in report.forward.outputs} == set(MAIN)


def test_torch_returns_them_in_training() -> None:
    torch = pytest.importorskip("torch")
    program = compiled(TEXT)
    model, x = in_full("torch").build(program), torch.from_numpy(images(program, (16, 16))).float()
    assert list(model.train()(x)) == [*MAIN, *AUXILIARY]
    wanted = model.eval()(x)
    assert list(wanted) == MAIN
    exported = torch.export.export(model, (x,)).module()
    for other in (torch.jit.script(model), exported, torch.compile(model, fullgraph=True, backend="eager")):
        assert all(torch.equal(value, wanted[name]) for name, value in other(x).items())
    assert list(torch.jit.script(model.train())(x)) == [*MAIN, *AUXILIARY]


def test_keras_returns_them_on_request(tmp_path: Path) -> None:
    pytest.importorskip("keras")
    model = loads(TEXT)
    plain, whole = model.build("keras", seed=1), model.build("keras", seed=1, auxiliary=True)
    assert list(plain.output) == MAIN
    assert list(whole.output) == [*MAIN, *AUXILIARY]
    whole.save_weights(tmp_path / "all.weights.h5")
    found = model.state(tmp_path / "all.weights.h5")
    assert {name for name, _ in model.program.graph.parameters()} == set(found)


def test_onnx_leaves_them_out_with_their_tensors() -> None:
    onnx = pytest.importorskip("onnx")
    program = compiled(TEXT)
    built = onnx.load_from_string(loads(TEXT).render("onnx", seed=1))
    assert [output.name for output in built.graph.output] == MAIN
    names = {tensor.name for tensor in built.graph.initializer}
    assert names == {name for name, _ in program.graph.inference.parameters()}
    state = lively_state(program.graph, size=(16, 16))
    live = in_full("onnx").load_state(in_full("onnx").build(program), state)
    assert set(in_full("onnx").read_state(live)) == names


@pytest.mark.slow
def test_the_generated_test_says_what_it_leaves_out_and_passes(tmp_path: Path) -> None:
    spec = tmp_path / "aux.resnet"
    spec.write_text(TEXT)
    assert main(["compile", str(spec), "--backend", "all", "-o", f"{tmp_path}/"]) == 0
    assert main(["gen-test", str(spec), "-o", f"{tmp_path}/"]) == 0
    text = (tmp_path / "test_aux_identity.py").read_text()
    assert "# Not compared: what exists in training only" in text
    assert '"aux_classifier.0.weight",' in text
    for command in (["ruff", "format", "--isolated", "--check"], ["pytest", "-q", "-p", "no:cacheprovider"]):
        asked = [sys.executable, "-m", *command, str(tmp_path / "test_aux_identity.py")]
        done = subprocess.run(asked, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stdout


def test_the_referee_runs_without_them() -> None:
    model = loads(TEXT)
    found = model.run(np.zeros((1, 3, 16, 16)), seed=0)
    assert list(found) == MAIN
    assert model.outputs == {"classifier": (5, 2, 2), "side": (8, 4, 4)}


@pytest.mark.parametrize(
    ("old", "new", "code", "message"),
    [
        ("[aux_classifier, low]", "[aux_classifier, high]", "E0201", "the model has no output `high`"),
        ("[aux_classifier, low]", "[layer2]", "E0201", "the model has no output `layer2`"),
        ("[aux_classifier, low]", "head", "E0204", NOTHING),
    ],
)  # fmt: skip
def test_only_outputs_are_auxiliary_and_not_all(old: str, new: str, code: str, message: str) -> None:
    with pytest.raises(CompileError) as caught:
        compiled(TEXT.replace(old, new))
    assert [(found.code, found.message) for found in caught.value.diagnostics] == [(code, message)]


def test_a_parameter_of_that_name_is_ones_own() -> None:
    text = "block b(width, auxiliary) { return x -> conv(width + auxiliary, 1x1) }"
    text += "  model m { stages: [1]  block: b  auxiliary: 3  head: none }"
    assert compiled(text).network.auxiliary == ()
    text = "model m(auxiliary = true) { stages: [1]  block: basic"
    text += "  head: if auxiliary then gap -> fc(3) else none }"
    assert compiled(text).network.auxiliary == ()
