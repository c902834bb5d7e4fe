"""`--preprocess`: artefacts take images as bytes, and make of them what `preprocess:` says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resnet_dsl
from resnet_dsl.diagnostics.errors import UsageError
from tests.support.agreement import lively_state
from tests.test_optimize_commands import Run, module_of, run

__all__ = ["run"]

NET = """model net {{
    input: {input}
    stem: conv(4, 3x3) -> bn -> relu
    stages: []
    head: gap -> fc(3)
    preprocess: {{ {said} }}
}}
"""
SAID = {
    "rgb": "color: rgb  range: [0, 1]  mean: [0.485, 0.456, 0.406]  std: [0.229, 0.224, 0.225]  size: 8",
    "bgr": "color: bgr  range: [0, 255]  mean: [103.939, 116.779, 123.68]  std: [1, 1, 1]",
    "range alone": "range: [-1, 1]",
    "one number": "color: rgb  range: [0, 1]  mean: 0.5  std: 0.25",
}
Array = np.ndarray[Any, Any]


def model(said: str, input: str = "3x8x9") -> resnet_dsl.Model:
    return resnet_dsl.loads(NET.format(said=said, input=input))


def maps(said: str, images: Array) -> Array:
    """The input of the network, as a person computes it from the record."""
    low, high = {"rgb": (0, 1), "bgr": (0, 255), "range alone": (-1, 1), "one number": (0, 1)}[said]
    x = images.astype(np.float64) / 255 * (high - low) + low
    if said == "bgr":
        x = x[..., ::-1] - np.array([103.939, 116.779, 123.68])
    if said == "rgb":
        x = (x - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    if said == "one number":
        x = (x - 0.5) / 0.25
    return x.transpose(0, 3, 1, 2)


def by_torch(own: resnet_dsl.Model, state: Mapping[str, Array], images: Array) -> Array:
    torch = pytest.importorskip("torch")
    live = own.build("torch", weights=state).eval()
    with torch.inference_mode():
        result: Array = live(torch.from_numpy(images)).numpy()
    return result


def by_keras(own: resnet_dsl.Model, state: Mapping[str, Array], images: Array) -> Array:
    pytest.importorskip("keras")
    result: Array = np.asarray(own.build("keras", weights=state)(images))
    return result


def by_onnx(own: resnet_dsl.Model, state: Mapping[str, Array], images: Array) -> Array:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(own.render("onnx", state), providers=["CPUExecutionProvider"])
    result: Array = session.run(None, {"input": images})[0]
    return result


@pytest.mark.parametrize("engine", [by_torch, by_keras, by_onnx])
@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("optimized", [False, True])
def test_images_give_what_the_network_gives_of_its_input(said: str, engine: Any, optimized: bool) -> None:
    own = model(SAID[said])
    state = lively_state(own.program.graph, size=(8, 9))
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 9, 3)).astype(np.uint8)
    wanted = own.run(maps(said, images), state)["output"]
    taking = own.for_inference().taking_images() if optimized else own.taking_images()
    found = engine(taking, state, images)
    assert np.abs(found - wanted).max() < 1e-5 * np.abs(wanted).max()


def test_an_image_of_one_channel_is_taken() -> None:
    own = model("color: gray  range: [0, 1]  mean: [0.1307]  std: [0.3081]", "1xHxW")
    state = lively_state(own.program.graph, size=(8, 9))
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 9, 1)).astype(np.uint8)
    wanted = own.run(((images / 255 - 0.1307) / 0.3081).transpose(0, 3, 1, 2), state)["output"]
    for engine in (by_torch, by_keras, by_onnx):
        assert np.abs(engine(own.taking_images(), state, images) - wanted).max() < 1e-5 * np.abs(wanted).max()


def test_the_onnx_input_is_bytes_with_channels_last() -> None:
    onnx = pytest.importorskip("onnx")
    content = model(SAID["rgb"], "3xHxW").taking_images().render("onnx")
    assert isinstance(content, bytes)
    read = onnx.load_model_from_string(content)
    onnx.checker.check_model(read, full_check=True)
    kind = read.graph.input[0].type.tensor_type
    assert kind.elem_type == onnx.TensorProto.UINT8
    assert [size.dim_param or size.dim_value for size in kind.shape.dim] == ["N", "H", "W", 3]


def test_weights_of_the_files_are_loaded_as_those_of_others(run: Run) -> None:
    load_file = pytest.importorskip("safetensors.torch").load_file
    pytest.importorskip("keras")
    Path("net.resnet").write_text(NET.format(said=SAID["bgr"], input="3x8x9"))
    arguments = ("--preprocess", "--optimize", "inference", "--seed", "0", "-o", "o/")
    assert run("compile", "net.resnet", "--backend", "all", *arguments)[0] == 0
    torch_model = module_of("o/net_torch.py").Net()
    torch_model.load_state_dict(load_file("o/net_torch.safetensors"))
    keras_model = module_of("o/net_keras.py").build()
    keras_model.load_weights("o/net_keras.weights.h5")
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 9, 3)).astype(np.uint8)
    import torch

    one, other = torch_model(torch.from_numpy(images)).numpy(), np.asarray(keras_model(images))
    assert np.abs(one - other).max() < 1e-5 * np.abs(one).max()
    assert "# --preprocess\n" in Path("o/net_torch.py").read_text()


def test_a_scripted_model_takes_images_too(run: Run) -> None:
    torch = pytest.importorskip("torch")
    live = model(SAID["bgr"]).taking_images().build("torch", seed=0).eval()
    images = torch.randint(0, 256, (2, 8, 9, 3), dtype=torch.uint8)
    assert torch.equal(torch.jit.script(live)(images), live(images))


REFUSED = {
    "": "net has no `preprocess`, which says what becomes of images: write one, such as "
    "`preprocess: { color: rgb  range: [0, 1] }`",
    "color: rgb": "`preprocess` of net does not say what range pixels are in: `range: [0, 1]`, or `[0, 255]` "
    "where they stay as they are",
    "range: [0, 1, 2]": "`range` in `preprocess` of net is no pair of numbers such as [0, 1]",
    "range: [0, 1]  std: 0": "`preprocess` of net has a `std` of 0, by which nothing is divided",
    "range: [0, 1]  mean: rgb": "`mean` and `std` in `preprocess` of net have to be numbers",
}


@pytest.mark.parametrize("said", REFUSED)
def test_a_record_that_does_not_say_enough_is_refused(said: str) -> None:
    text = (
        NET.format(said=said, input="3x8x9")
        if said
        else NET.split("    preprocess")[0].format(input="3x8x9").replace("{{", "{") + "}\n"
    )
    with pytest.raises(UsageError) as error:
        resnet_dsl.loads(text).taking_images()
    assert str(error.value) == REFUSED[said]


def test_stages_that_hold_no_artefact_take_no_images(run: Run) -> None:
    status, _, error = run("compile", "net.resnet", "--emit", "graph", "--preprocess")
    assert (status, error) == (
        2, "error: --preprocess is for backends; graph begins with the network's input\n",
    )  # fmt: skip
