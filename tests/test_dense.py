"""Networks of dense prediction are torchvision's: names, counts and every result, at sizes of all kinds."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from resnet_dsl.driver import compile_spec
from resnet_dsl.zoo.model_names import model_names
from tests.support.agreement import Array, images, lively_state
from tests.support.backends import in_full
from tests.support.oracles import torchvision_models

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.torchvision, pytest.mark.slow]

SIZES = ((64, 64), (65, 65), (49, 70))
SEGMENTATION = ("deeplabv3_resnet50", "fcn_resnet50")
DEEPER = ("deeplabv3_resnet101", "fcn_resnet101")
LEVELS = ("p3", "p4", "p5", "p6", "p7")


def segmentation(name: str) -> Any:
    torchvision_models()
    module = importlib.import_module("torchvision.models.segmentation")
    return getattr(module, name)(weights=None, weights_backbone=None, aux_loss=True)


def detection() -> Any:
    torchvision_models()
    return importlib.import_module("torchvision.models.detection")


def pyramid() -> Any:
    utilities = importlib.import_module(f"{detection().__name__}.backbone_utils")
    return utilities.resnet_fpn_backbone(backbone_name="resnet50", weights=None)


def retinanet() -> Any:
    """The network as torchvision makes it for its weights: with frozen norms of eps 0."""
    module = detection()
    utilities, parts = (importlib.import_module(f"{module.__name__}.{n}") for n in ("_utils", "retinanet"))
    body = parts.resnet50(weights=None, norm_layer=parts.misc_nn_ops.FrozenBatchNorm2d)
    levels = parts.LastLevelP6P7(256, 256)
    body = parts._resnet_fpn_extractor(body, 5, returned_layers=[2, 3, 4], extra_blocks=levels)
    model = parts.RetinaNet(body, 91)
    utilities.overwrite_eps(model, 0.0)
    return model


def retinanet_v2() -> Any:
    return detection().retinanet_resnet50_fpn_v2(weights=None, weights_backbone=None)


def maps(found: dict[str, Any]) -> dict[str, Any]:
    """The results of the pyramid, which torchvision calls by number."""
    return dict(zip(("p2", "p3", "p4", "p5", "pool"), found.values(), strict=True))


def levels(model: Any, x: Any) -> dict[str, Any]:
    """What the heads of a RetinaNet make of each level, still as maps."""
    pyramid = list(model.backbone(x).values())
    heads = {
        "cls_logits": (model.head.classification_head, "cls_logits"),
        "bbox_regression": (model.head.regression_head, "bbox_reg"),
    }
    return {
        f"{name}.{level}": getattr(head, last)(head.conv(features))
        for name, (head, last) in heads.items()
        for level, features in zip(LEVELS, pyramid, strict=True)
    }


NETWORKS = {
    **{
        name: (lambda name=name: segmentation(name), lambda model, x: dict(model(x))) for name in SEGMENTATION
    },
    "resnet50_fpn": (pyramid, lambda model, x: maps(model(x))),
    "retinanet_resnet50_fpn": (retinanet, levels),
    "retinanet_resnet50_fpn_v2": (retinanet_v2, levels),
}


def difference(found: dict[str, Array], wanted: dict[str, Array]) -> float:
    assert list(found) == list(wanted)
    assert all(found[name].shape == value.shape for name, value in wanted.items())
    return max(
        float(np.abs(found[name] - value).max() / np.abs(value).max()) for name, value in wanted.items()
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_takes_torchvision_s_state_and_gives_its_results(name: str) -> None:
    make, results = NETWORKS[name]
    torch.set_num_threads(1)
    program, theirs = compile_spec(name), make().double().eval()
    state = lively_state(program.graph)
    names = model_names(program, "torchvision")
    tensors = {
        names.tensor(path, parameter): torch.from_numpy(state[f"{path}.{parameter.name}"]).double()
        for path, layer in names.layers.items()
        for _, parameter in layer.node.parameters()
    }
    counters = [key for key in theirs.state_dict() if key.endswith("num_batches_tracked")]
    theirs.load_state_dict({**tensors, **{key: torch.tensor(0) for key in counters}}, strict=True)
    assert program.cost.params == sum(p.numel() for p in theirs.parameters())
    inputs = [images(program, size) for size in SIZES]
    with torch.no_grad():
        wanted = [
            {key: value.numpy() for key, value in results(theirs, torch.from_numpy(x)).items()}
            for x in inputs
        ]
    for engine, dtype, bar in (
        ("torch", "float64", 1e-11),
        ("keras", "float64", 1e-11),
        ("onnx", "float32", 1e-4),
    ):
        backend = in_full(engine)
        live = backend.load_state(backend.build(program, dtype), state)
        for x, right in zip(inputs, wanted, strict=True):
            assert difference(backend.run(live, x), right) <= bar, (engine, x.shape)
