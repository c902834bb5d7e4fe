"""Networks of a shipped spec's blocks at other depths, widths and classes: restored, and equal in numbers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resnet_dsl
from resnet_dsl.decompile.comparison import computation
from resnet_dsl.decompile.pipeline import NotExpressibleError
from resnet_dsl.decompile.shipped_blocks import with_blocks
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.syntax.formatter.format import format_source
from tests.support.library_models import keras_resnet
from tests.support.oracles import timm_model, torchvision_model, torchvision_models
from tests.test_import import compiled, expanded, from_shapes, shapes_of

OF_SHIPPED = [
    ("resnet50_keras", "stages: [1, 2, 1, 1]  classes: 10"),
    ("resnet50_keras", "stages: [1, 2]  widths: [24, 40]  preprocess: none  input: 1x224x224"),
    ("resnet50_keras", "stages: [2, 1]  head: gap -> d1: fc(12) -> relu -> d2: fc(3) -> softmax"),
    ("resnet50_keras", "stages: [2, 1]  head: none"),
    ("resnet50v2_keras", "n2: 4  classes: 3"),
    (
        "resnet50v2_keras",
        "stages: [[keras_preactivated, keras_preactivated(stride=2)], 2 * keras_preactivated]"
        "  head: keras_norm -> relu",
    ),
    ("densenet121", "stages: [[2 * dense_layer(width=128), transition], 3 * dense_layer(width=128)]"),
    (
        "densenet161",  # whose text is the shortest: its stem has twice the growth
        "stages: [[2 * dense_layer(12, width=48), transition], 3 * dense_layer(12, width=48)]"
        "  stem: imagenet_stem(24)  classes: 7",
    ),
    ("regnet_x_400mf", "stages: [1, 1, 4, 7]  widths: [24, 56, 152, 368]  group_width: 8"),
    ("regnet_y_400mf", "stages: [1, 3, 8, 1]  widths: [64, 144, 320, 784]  group_width: 16"),
    ("skresnet50", "stages: [2, 1, 1, 2]  classes: 10"),
    ("legacy_seresnet50", "stages: [1, 1, 3, 1]"),
    ("res2net50", "stages: [1, 2, 1, 1]"),
    ("resnet_rs50", "stages: [1, 2, 2, 1]  input: 3x160x160"),
]


@pytest.mark.parametrize(("spec", "fields"), OF_SHIPPED)
def test_a_shipped_networks_blocks_are_found_at_another_depth(spec: str, fields: str) -> None:
    original = compiled(f"use {spec}\n\nmodel net {{ base: {spec}  {fields} }}")
    restored = from_shapes(shapes_of(original))
    assert expanded(restored.program) == expanded(original)
    assert f"base: {spec}\n" in restored.text
    assert f"its blocks are those of the shipped {spec};" in restored.notes[0]
    assert format_source(Source("net", restored.text)) == restored.text


def test_no_more_is_written_than_differs() -> None:
    text = "use densenet121\n\nmodel net { base: densenet121  growth: 48  stem: imagenet_stem(96) }"
    restored = from_shapes(shapes_of(compiled(text)))
    assert "widths" not in restored.text
    assert "growth: 48" in restored.text


def test_what_the_person_says_keeps_a_shipped_networks_blocks_from_being_taken() -> None:
    shapes = shapes_of(compiled("use skresnet50\n\nmodel net { base: skresnet50  stages: [1, 1, 1, 1] }"))
    with pytest.raises(NotExpressibleError, match=r"neither `basic`[^\n]*\n  = help: a shipped spec"):
        from_shapes(shapes, None, act="silu")


def test_one_tensor_that_does_not_fit_is_no_shipped_network() -> None:
    shapes = shapes_of(compiled("use skresnet50\n\nmodel net { base: skresnet50  stages: [1, 1, 1, 1] }"))
    name = "layer2.0.conv2.attn.fc_reduce.weight"
    with pytest.raises(NotExpressibleError, match="neither `basic` nor `bottleneck`"):
        from_shapes({**shapes, name: (9, *shapes[name][1:])})


def test_of_shipped_networks_that_compute_otherwise_none_is_taken() -> None:
    text = "use densenetblur121d\n\nmodel net { base: densenetblur121d  depths: [1, 2, 1, 1] }"
    shapes = shapes_of(compiled(text))
    found = {each.spec: computation(each.program.graph) for each in with_blocks(shapes, "net", "")}
    assert found["densenetblur121d"] != found["densenet264d"]  # one blurs where it pools
    with pytest.raises(NotExpressibleError, match="neither `basic` nor `bottleneck`"):
        from_shapes(shapes)


# --- models of the libraries themselves --------------------------------------------------------


def imported(path: Path, **given: str) -> str:
    """The text of the spec, whatever is noted."""
    with pytest.warns(UserWarning, match="of the shipped|tensors do not tell"):
        return resnet_dsl.import_spec(path, name="net", **given)


def filled(model: Any) -> Any:
    """The model with weights and statistics that tell each layer from the others."""
    torch = pytest.importorskip("torch")
    random = torch.Generator().manual_seed(5)
    model = model.float()
    for name, tensor in model.state_dict().items():
        if tensor.dim() == 1:
            positive = name.endswith(("weight", "running_var"))
            drawn = torch.rand(tensor.shape, generator=random, dtype=tensor.dtype)
            tensor.copy_(drawn / 2 + 0.5 if positive else drawn - 0.5)
    return model.eval()


def agrees(model: Any, path: Path, size: int = 64, **given: str) -> str:
    """Import the model's file and hold the spec with its weights against it; return the text."""
    torch = pytest.importorskip("torch")
    torch.save(filled(model).state_dict(), path)
    model = model.double()
    text = imported(path, **given)
    loaded = resnet_dsl.loads(text)
    ours = loaded.build("torch", weights=path).double().eval()
    images = torch.randn(2, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        theirs, found = model(images), ours(images)
    assert (theirs - found).abs().max() <= 1e-11 * theirs.abs().max()
    return text


@pytest.mark.slow
@pytest.mark.torchvision
def test_torchvisions_relatives_at_other_depths_are_equal(tmp_path: Path) -> None:
    models = torchvision_models()
    small = models.DenseNet(16, (2, 3), 24, 4, num_classes=3)
    text = agrees(small, tmp_path / "densenet.pth")
    assert "stages: [[2 * dense_layer(width=64), transition], 3 * dense_layer(width=64)]" in text
    text = agrees(torchvision_model("regnet_y_800mf"), tmp_path / "regnet_y.pth")
    assert "the shipped regnet_y_800mf.\n" in text
    assert re.findall(r"^model (\w+)", text, re.MULTILINE) == ["torchvision_regnet", "net"]


@pytest.mark.slow
@pytest.mark.timm
@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("resnetv2_101x1_bit", "base: resnetv2_101x1_bit\n    classes: 5"),
        (
            "resnetv2_101",
            "stages: [3, 4, 23, 3]\n    block: bottleneck\n    activation: pre",
        ),
        ("regnety_002", "base: regnety_002\n    classes: 5"),
    ],
)
def test_timms_relatives_at_other_depths_are_equal(name: str, found: str, tmp_path: Path) -> None:
    assert found in agrees(timm_model(name, num_classes=5), tmp_path / f"{name}.pth")


def with_head(base: Any) -> Any:
    import keras

    layers = keras.layers
    return keras.Sequential(
        [base, layers.Dense(12, activation="relu"), layers.Dense(5, activation="softmax")]
    )


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".h5", ".weights.h5"])
@pytest.mark.parametrize("kind", ["v1", "v2", "nested"])
def test_a_keras_resnet_of_any_depth_is_equal(kind: str, suffix: str, tmp_path: Path) -> None:
    if kind == "nested":
        model = with_head(keras_resnet([1, 2], False, [24, 32], include_top=False, pooling="avg"))
    else:
        depths = [1, 2, 1, 1] if kind == "v1" else [2, 3, 2]
        model = keras_resnet(depths, kind == "v2", [24, 32, 40, 48][: len(depths)], classes=10)
    random = np.random.default_rng(3)
    for weight in model.weights:
        if len(weight.shape) == 1:
            low, high = (0.5, 1.5) if weight.path.endswith(("gamma", "variance")) else (-0.3, 0.3)
            weight.assign(random.uniform(low, high, weight.shape))
    path = tmp_path / f"net{suffix}"
    if suffix == ".h5":
        model.save(path)
    else:
        model.save_weights(path)
    images = random.normal(size=(2, 64, 64, 3)).astype(np.float32)
    theirs = np.asarray(model.predict(images, verbose=0))
    loaded = resnet_dsl.loads(imported(path))
    import torch

    ours = loaded.build("torch", weights=path).double().eval()
    with torch.no_grad():
        found = ours(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).double()).numpy()
    assert np.abs(found - theirs).max() <= 1e-6 * np.abs(theirs).max()
