"""`--optimize inference` on the command line and from Python: artefacts, weights, and what is refused."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resnet_dsl
from resnet_dsl.cli.main import main
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.verify.folding import check_steps
from tests.support.agreement import assert_agreement, compiled, lively_state
from tests.test_optimize import folds_of

NET = """model net {
    input: 3x16x16
    stem: conv(4, 3x3) -> bn -> relu
    stages: [1, 1]  widths: [4, 8]  block: basic
    head: gap -> dropout(0.5) -> fc(3)
}
"""
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in a folder with a spec; returns status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    Path("net.resnet").write_text(NET)

    def call(*arguments: str) -> tuple[int, str, str]:
        return main(arguments), *capsys.readouterr()

    return call


def module_of(path: str) -> Any:
    """The module of a generated file."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


# --- artefacts ----------------------------------------------------------------------------------


def test_torch_source_has_no_norm_and_overwrites_what_nothing_else_reads(run: Run) -> None:
    status, text, _ = run("compile", "net.resnet", "--backend", "torch", "--optimize", "inference", "-o", "-")
    assert status == 0
    assert "# --optimize inference\n" in text
    assert "Norm" not in text
    assert "F.dropout" not in text
    assert "F.relu(main.add_(" in text
    assert "channels_last" in text


@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_without_the_option_the_source_says_nothing_of_it(run: Run, backend: str) -> None:
    _, text, _ = run("compile", "net.resnet", "--backend", backend, "-o", "-")
    assert not [word for word in ("optimize", "contiguous", "trainable") if word in text]


def test_a_torch_model_for_inference_refuses_to_be_trained(run: Run) -> None:
    torch = pytest.importorskip("torch")
    run("compile", "net.resnet", "--backend", "torch", "--optimize", "inference")
    model = module_of("net_torch.py").Net()
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    with pytest.raises(RuntimeError, match=r"for inference: compile its spec without --optimize to train"):
        model.train()
    assert not model.eval().training
    scripted = torch.jit.script(model)
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(scripted(x), model(x))


def test_a_keras_model_for_inference_has_nothing_to_train(run: Run) -> None:
    pytest.importorskip("keras")
    run("compile", "net.resnet", "--backend", "keras", "--optimize", "inference")
    model = module_of("net_keras.py").build()
    assert model.trainable_weights == []


@pytest.mark.slow
def test_artefacts_for_inference_are_the_network_before_folding() -> None:
    for package in ("torch", "keras", "onnxruntime"):
        pytest.importorskip(package)
    program = compiled(NET.replace("3x16x16", "3xHxW"))
    after = resnet_dsl.Model(program).for_inference().program
    state = {name: value.astype(np.float64) for name, value in lively_state(program.graph).items()}
    assert_agreement(after, ((16, 16), (17, 19)), state=folds_of(after, state))


def test_the_bytes_of_an_onnx_file_say_what_it_was_made_for(run: Run) -> None:
    onnx = pytest.importorskip("onnx")
    run("compile", "net.resnet", "--backend", "onnx", "--optimize", "inference")
    model = onnx.load("net.onnx")
    assert {"option_optimize": "inference"}.items() <= {p.key: p.value for p in model.metadata_props}.items()
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}


def test_an_onnx_file_without_weights_has_those_of_seed_0_folded(run: Run) -> None:
    onnx = pytest.importorskip("onnx")
    run("compile", "net.resnet", "--backend", "onnx", "--optimize", "inference")
    run("compile", "net.resnet", "--backend", "onnx", "--optimize", "inference", "--seed", "0", "-o", "o/")
    one, other = (onnx.load(path).graph.initializer for path in ("net.onnx", "o/net.onnx"))
    assert list(one) == list(other)


# --- weights ------------------------------------------------------------------------------------


def test_given_weights_are_folded_beside_the_source(run: Run) -> None:
    torch = pytest.importorskip("torch")
    load_file = pytest.importorskip("safetensors.torch").load_file
    program = compiled(NET)
    state = lively_state(program.graph)
    np.savez("net.npz", **state)
    run("compile", "net.resnet", "--backend", "torch", "--weights", "net.npz", "-o", "plain/")
    arguments = ("--weights", "net.npz", "--optimize", "inference", "-o", "folded/")
    assert run("compile", "net.resnet", "--backend", "torch", *arguments)[0] == 0
    models = []
    for folder in ("plain", "folded"):
        model = module_of(f"{folder}/net_torch.py").Net().eval()
        model.load_state_dict(load_file(f"{folder}/net_torch.safetensors"))
        models.append(model)
    x = torch.randn(2, 3, 16, 16)
    with torch.inference_mode():
        wanted, found = (model(x) for model in models)
    assert (wanted - found).abs().max() < 1e-5 * wanted.abs().max()


def test_convert_brings_a_checkpoint_and_folded_weights_are_taken_again(run: Run) -> None:
    pytest.importorskip("safetensors")
    run("weights", "init", "net.resnet", "-o", "net.safetensors")
    arguments = ("--spec", "net.resnet", "--optimize", "inference")
    status, out, _ = run("weights", "convert", "net.safetensors", "folded.safetensors", *arguments)
    assert (status, out) == (0, "wrote folded.safetensors (14 tensors, 1,355 elements)\n")
    status, out, _ = run("weights", "convert", "folded.safetensors", "again.safetensors", *arguments)
    assert (status, out) == (0, "wrote again.safetensors (14 tensors, 1,355 elements)\n")
    load_file = pytest.importorskip("safetensors.numpy").load_file
    one, other = (load_file(f"{name}.safetensors") for name in ("folded", "again"))
    assert {n: value.tobytes() for n, value in one.items()} == {n: v.tobytes() for n, v in other.items()}


def test_the_names_of_a_library_are_those_of_the_layers_that_are_left(run: Run) -> None:
    status, text, _ = run(
        "compile", "resnet50_keras", "--backend", "keras", "--names", "keras.applications",
        "--optimize", "inference", "-o", "-",
    )  # fmt: skip
    assert status == 0
    assert '"conv1_conv"' in text
    assert '"conv1_bn"' not in text


def test_the_model_for_inference_takes_weights_of_the_other_from_python() -> None:
    model = resnet_dsl.loads(NET)
    state = lively_state(model.program.graph)
    x = np.random.default_rng(0).standard_normal((1, 3, 16, 16))
    wanted, found = model.run(x, state)["output"], model.for_inference().run(x, state)["output"]
    assert np.abs(wanted - found).max() < 1e-6 * np.abs(wanted).max()


# --- summaries and prints -----------------------------------------------------------------------


def test_summary_counts_the_form_for_inference(run: Run) -> None:
    _, out, _ = run("summary", "net.resnet", "--optimize", "inference", "--format", "json")
    facts = json.loads(out)
    assert (facts["params"], facts["buffers"]) == (1355, 0)


def test_expand_prints_the_form_for_inference(run: Run) -> None:
    _, out, _ = run("expand", "net.resnet", "--optimize", "inference", "--format", "graph")
    assert [line.split(":")[0] for line in out.splitlines()[2:4]] == ["conv1", "relu1"]


# --- refused ------------------------------------------------------------------------------------

REFUSED = {
    "the text": (
        ("compile", "net.resnet", "--emit", "ast", "--optimize", "inference"),
        "error: --optimize is about the network; ast is the text as it was read\n",
    ),
    "training": (
        ("verify", "net.resnet", "--optimize", "inference", "--train-steps", "2"),
        "error: a network that is optimised for inference is not trained: "
        "verify training without --optimize, or optimise without --train-steps\n",
    ),
    "another library's names": (
        ("weights", "convert", "a.npz", "b.safetensors", "--spec", "net.resnet", "--to", "timm",
         "--optimize", "inference"),
        "error: --to is for weights that a library reads, and it has none for folded layers\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_in_a_line(run: Run, case: str) -> None:
    arguments, message = REFUSED[case]
    status, _, error = run(*arguments)
    assert (status, error) == (2, message)


def test_another_target_is_refused_with_those_that_there_are(run: Run) -> None:
    status, _, error = run("compile", "net.resnet", "--backend", "torch", "--optimize", "speed")
    assert status == 2
    assert "invalid choice: 'speed' (choose from 'inference')" in error


def test_verification_without_steps_is_not_refused() -> None:
    check_steps(0)
    with pytest.raises(UsageError):
        check_steps(1)
