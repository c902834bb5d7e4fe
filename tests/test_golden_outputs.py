"""Outputs that other projects' models give for weights made from names, without those projects."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from resnet_dsl.backend import find_backend
from resnet_dsl.diagnostics import Source
from resnet_dsl.driver import compile_source, compile_spec
from resnet_dsl.program import Program
from resnet_dsl.reference import evaluate
from resnet_dsl.shelf import shipped
from tests.golden_weights import golden_input, named_state
from tests.reference_tables import golden_outputs

# akamaster's option A puts half of the new channels before the old ones, ours all after.
AKAMASTER = """
use cifar_resnet
block both_sides(channels, stride = 1) {
    return x -> subsample(stride) -> pad_channels(channels, side=both)
}
model akamaster {
    base: cifar_resnet(n = 3)
    shortcut: both_sides
}"""

# Golden file, spec or its text, and how the original names what we name `fc`.
NETWORKS = {
    "cifar_akamaster_resnet20": (AKAMASTER, "linear"),
    "cifar_chenyaofo_cifar10_resnet20": ("resnet20_b", "fc"),
    "torchvision_resnet18": ("resnet18", "fc"),
    "torchvision_resnet34": ("resnet34", "fc"),
    "torchvision_resnet50": ("resnet50", "fc"),
    "torchvision_resnet101": ("resnet101", "fc"),
    "torchvision_resnet152": ("resnet152", "fc"),
    "torchvision_resnext50_32x4d": ("resnext50_32x4d", "fc"),
    "torchvision_resnext101_32x8d": ("resnext101_32x8d", "fc"),
    "torchvision_wide_resnet50_2": ("wide_resnet50_2", "fc"),
}
FOR_KERAS = (
    "cifar_akamaster_resnet20",
    "cifar_chenyaofo_cifar10_resnet20",
    "torchvision_resnet18",
    "torchvision_resnet50",
    "torchvision_resnext50_32x4d",
)
BAR = 1e-11


def original(golden: str) -> tuple[Program, dict[str, np.ndarray[Any, Any]], np.ndarray[Any, Any]]:
    """The spec, its weights as the original's names seed them, and the input."""
    spec, head = NETWORKS[golden]
    size = golden_outputs()[golden]["size"]
    settings = {"input": f"3x{size}x{size}"}
    if spec in shipped():
        program = compile_spec(spec, None, settings)
    else:
        program = compile_source(Source("<text>", spec), None, None, settings)
    theirs = {name: name.replace("fc.", f"{head}.") for name, _ in program.graph.parameters()}
    state = named_state((theirs[name], p.shape) for name, p in program.graph.parameters())
    return program, {name: state[theirs[name]] for name in theirs}, golden_input(size)


def check(golden: str, logits: np.ndarray[Any, Any]) -> None:
    wanted = golden_outputs()[golden]
    bar = BAR * wanted["absmax"]
    assert np.abs(logits[:, :8] - np.array(wanted["logits_first8"])).max() <= bar
    assert np.abs(logits.sum(1) - np.array(wanted["sum"])).max() <= bar * np.sqrt(logits.shape[1])
    assert abs(np.abs(logits).max() - wanted["absmax"]) <= bar
    assert logits.argmax(1).tolist() == wanted["argmax"]


def by_backend(name: str, golden: str) -> np.ndarray[Any, Any]:
    program, state, x = original(golden)
    backend = find_backend(name)
    model = backend.load_state(backend.build(program, "float64"), state)
    return backend.run(model, x)["output"]


def test_every_golden_output_is_compared() -> None:
    assert set(golden_outputs()) == set(NETWORKS)


@pytest.mark.parametrize("golden", NETWORKS)
def test_the_referee_gives_the_golden_logits(golden: str) -> None:
    program, state, x = original(golden)
    check(golden, evaluate(program.graph, state, x)["output"])


@pytest.mark.parametrize("golden", NETWORKS)
def test_the_torch_model_gives_the_golden_logits(golden: str) -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    check(golden, by_backend("torch", golden))


@pytest.mark.parametrize("golden", FOR_KERAS)
def test_the_keras_model_gives_the_golden_logits(golden: str) -> None:
    keras = pytest.importorskip("keras")
    check(golden, by_backend("keras", golden))
    keras.backend.clear_session()
    gc.collect()


@pytest.mark.parametrize("golden", ["cifar_akamaster_resnet20", "torchvision_resnet18"])
def test_the_onnx_model_gives_the_golden_logits(golden: str) -> None:
    pytest.importorskip("onnx")
    check(golden, by_backend("onnx", golden))


def test_logits_that_are_off_by_little_are_refused() -> None:
    golden = "cifar_akamaster_resnet20"
    program, state, x = original(golden)
    logits = evaluate(program.graph, state, x)["output"]
    check(golden, logits)
    with pytest.raises(AssertionError):
        check(golden, logits * (1 + 1e-9))
