"""Networks of dense prediction are torchvision's: names, counts and every result, at sizes of all kinds."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest

from resnet_dsl.driver import compile_spec
from resnet_dsl.program import Program
from resnet_dsl.zoo.model_names import model_names
from tests.support.agreement import Array, State, images, lively_state
from tests.support.backends import in_full
from tests.support.oracles import torchvision_models

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.torchvision, pytest.mark.slow]

SIZES = ((64, 64), (65, 65), (49, 70))
ENGINES = (("torch", "float64", 1e-11), ("keras", "float64", 1e-11), ("onnx", "float32", 1e-4))
FIFTY, HUNDRED, SHORT = (3, 4, 6, 3), (3, 4, 23, 3), (1, 1, 2, 2)
LEVELS = ("p3", "p4", "p5", "p6", "p7")
Results = dict[str, Any]


def part(name: str) -> Any:
    torchvision_models()
    return importlib.import_module(f"torchvision.models.{name}")


def body(depths: tuple[int, ...], **settings: Any) -> Any:
    resnet = part("resnet")
    return resnet.ResNet(resnet.Bottleneck, list(depths), **settings)


def segmentation(name: str, depths: tuple[int, ...]) -> Any:
    """DeepLabV3 or FCN as the functions of torchvision make them, on a body of any depth."""
    backbone = body(depths, replace_stride_with_dilation=[False, True, True])
    return getattr(part(f"segmentation.{name}"), f"_{name}_resnet")(backbone, 21, True)


def pyramid(depths: tuple[int, ...]) -> Any:
    """The same of `resnet_fpn_backbone` with its own default of norms."""
    frozen = part("detection.retinanet").misc_nn_ops.FrozenBatchNorm2d
    return part("detection.backbone_utils")._resnet_fpn_extractor(body(depths, norm_layer=frozen), 5)


def retinanet(depths: tuple[int, ...]) -> Any:
    """The same of `retinanet_resnet50_fpn` for its published weights: with frozen norms of eps 0."""
    parts = part("detection.retinanet")
    backbone = body(depths, norm_layer=parts.misc_nn_ops.FrozenBatchNorm2d)
    extra, levels = parts.LastLevelP6P7(256, 256), [2, 3, 4]
    found = parts._resnet_fpn_extractor(backbone, 5, returned_layers=levels, extra_blocks=extra)
    model = parts.RetinaNet(found, 91)
    part("detection._utils").overwrite_eps(model, 0.0)
    return model


def retinanet_v2(depths: tuple[int, ...]) -> Any:
    parts, levels = part("detection.retinanet"), [2, 3, 4]
    extra = parts.LastLevelP6P7(2048, 256)
    found = parts._resnet_fpn_extractor(body(depths), 5, returned_layers=levels, extra_blocks=extra)
    norm = parts.partial(torch.nn.GroupNorm, 32)
    return parts.RetinaNet(found, 91, head=parts.RetinaNetHead(256, 9, 91, norm_layer=norm))


def of_segmentation(model: Any, x: Any) -> Results:
    return dict(model(x))


def of_pyramid(model: Any, x: Any) -> Results:
    """The maps, which torchvision calls by number."""
    return dict(zip(("p2", "p3", "p4", "p5", "pool"), model(x).values(), strict=True))


def of_levels(model: Any, x: Any) -> Results:
    """What the heads of a RetinaNet make of each level, still as maps."""
    maps = list(model.backbone(x).values())
    scores, boxes = model.head.classification_head, model.head.regression_head
    heads = {"cls_logits": (scores, scores.cls_logits), "bbox_regression": (boxes, boxes.bbox_reg)}
    return {
        f"{name}.{level}": last(head.conv(features))
        for name, (head, last) in heads.items()
        for level, features in zip(LEVELS, maps, strict=True)
    }


class Case(NamedTuple):
    """A model of the shelf and torchvision's; `shorter` sets its depths, `macs` are at 520x520."""

    make: Callable[[tuple[int, ...]], Any]
    results: Callable[[Any, Any], Results]
    shorter: str
    depths: tuple[int, ...] = FIFTY
    macs: float | None = None


def deeplabv3(depths: tuple[int, ...]) -> Any:
    return segmentation("deeplabv3", depths)


def fcn(depths: tuple[int, ...]) -> Any:
    return segmentation("fcn", depths)


# The multiply-adds are those that torchvision tells of its weights, in thousands of millions at 520x520.
CASES = {
    "deeplabv3_resnet50": Case(deeplabv3, of_segmentation, "stages", macs=178.722),
    "deeplabv3_resnet101": Case(deeplabv3, of_segmentation, "stages", HUNDRED, 258.743),
    "fcn_resnet50": Case(fcn, of_segmentation, "stages", macs=152.717),
    "fcn_resnet101": Case(fcn, of_segmentation, "stages", HUNDRED, 232.738),
    "resnet50_fpn": Case(pyramid, of_pyramid, "depths"),
    "retinanet_resnet50_fpn": Case(retinanet, of_levels, "depths"),
    "retinanet_resnet50_fpn_v2": Case(retinanet_v2, of_levels, "depths"),
}


def called(program: Program) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Our name and the shape of each tensor, by torchvision's name."""
    names = model_names(program, "torchvision")
    return {
        names.tensor(path, tensor): (f"{path}.{tensor.name}", tensor.shape)
        for path, layer in names.layers.items()
        for _, tensor in layer.node.parameters()
    }


def load(theirs: Any, program: Program, state: State) -> None:
    """Give a model of torchvision our state, all of it and nothing else."""
    tensors = {there: torch.from_numpy(state[here]).double() for there, (here, _) in called(program).items()}
    counters = {n: torch.tensor(0) for n in theirs.state_dict() if n.endswith("num_batches_tracked")}
    theirs.load_state_dict({**tensors, **counters}, strict=True)


def difference(found: Mapping[str, Array], wanted: Mapping[str, Array]) -> float:
    assert list(found) == list(wanted)
    for name, value in wanted.items():
        assert found[name].shape == value.shape
    return max(float(np.abs(found[n] - value).max() / np.abs(value).max()) for n, value in wanted.items())


@pytest.mark.parametrize("name", CASES)
def test_names_shapes_and_counts_are_torchvision_s(name: str) -> None:
    case, program = CASES[name], compile_spec(name)
    with torch.device("meta"):
        theirs = case.make(case.depths)
    there = {n: tuple(v.shape) for n, v in theirs.state_dict().items() if not n.endswith("tracked")}
    assert {n: shape for n, (_, shape) in called(program).items()} == there
    assert program.cost.params == sum(p.numel() for p in theirs.parameters())
    if case.macs is not None:
        sized = compile_spec(name, None, {"input": "3x520x520"})
        assert sized.cost.macs is not None
        assert round(sized.cost.macs / 1e9, 3) == case.macs


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.depths == FIFTY])
def test_every_backend_gives_torchvision_s_results(name: str) -> None:
    """On a short body, with a block behind the first of each stage that dilates."""
    torch.set_num_threads(1)
    case = CASES[name]
    program = compile_spec(name, None, {case.shorter: str(list(SHORT))})
    state, theirs = lively_state(program.graph), case.make(SHORT).double().eval()
    load(theirs, program, state)
    inputs = [images(program, size) for size in SIZES]
    with torch.no_grad():
        results = [case.results(theirs, torch.from_numpy(x)) for x in inputs]
    wanted = [{key: value.numpy() for key, value in each.items()} for each in results]
    for engine, dtype, bar in ENGINES:
        backend = in_full(engine)
        live = backend.load_state(backend.build(program, dtype), state)
        for x, right in zip(inputs, wanted, strict=True):
            found = backend.run(live, x.astype(dtype))
            assert difference(found, right) <= bar, (engine, x.shape)


def test_googlenet_has_auxiliary_results_in_training_as_torchvision_has() -> None:
    torch.set_num_threads(1)
    settings = {"classes": "7", "drop": "0", "aux_drop": "0"}
    program = compile_spec("googlenet_aux", None, settings)
    state = lively_state(program.graph)
    make = torchvision_models().googlenet
    options = {"weights": None, "init_weights": False, "aux_logits": True, "transform_input": False}
    theirs = make(num_classes=7, dropout=0.0, dropout_aux=0.0, **options).double()
    load(theirs, program, state)
    backend = in_full("torch")
    ours = backend.load_state(backend.build(program, "float64"), state)
    x = torch.from_numpy(images(program, (224, 224)))
    with torch.no_grad():
        for training in (False, True):
            found = {name: value.numpy() for name, value in ours.train(training)(x).items()}
            wanted = theirs.train(training)(x)
            keys = ("logits", "aux2", "aux1") if training else ("logits",)
            values = wanted if training else (wanted,)
            assert list(found) == list(keys)
            assert difference(found, dict(zip(keys, (v.numpy() for v in values), strict=True))) <= 1e-11
