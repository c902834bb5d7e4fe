"""Models of other libraries become ours and ours theirs, in names, layouts and numbers."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

import resnet_dsl
from resnet_dsl.cli.main import main
from resnet_dsl.zoo.model_names import model_names
from resnet_dsl.zoo.name_maps import find_library
from tests.support import library_models
from tests.support.library_models import BAR, difference, images, ours
from tests.support.oracles import torchvision_models
from tests.support.weight_cases import same

pytestmark = pytest.mark.slow

KERAS = "keras.applications"
THIN = {"widths": "[8, 16, 32, 64]", "classes": 5, "input": "3xHxW"}
V1 = {"stages": "[1, 1, 1, 2]", **THIN}
V2 = {"n2": 2, "n3": 2, "n4": 3, "n5": 2, **THIN}
SIZES = ((32, 32), (45, 35))


# --- keras.applications ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "settings", "make"),
    [
        ("resnet50_keras", V1, lambda: library_models.resnet_v1(width=8)),
        ("resnet50v2_keras", V2, lambda: library_models.resnet_v2(width=8)),
    ],
)
def test_resnets_of_keras_applications_are_ours_and_ours_are_theirs(
    spec: str, settings: dict[str, Any], make: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = library_models.stirred_keras(make()((64, 64)))
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    options = [option for name, value in settings.items() for option in ("--set", f"{name}={value}")]
    with_spec = ["--spec", spec, *options]
    there, here, back = (str(tmp_path / n) for n in ("theirs.weights.h5", "ours.safetensors", "back.h5"))
    assert main(["weights", "convert", "--from", KERAS, there, here, *with_spec]) == 0
    assert main(["weights", "convert", "--to", KERAS, here, back, *with_spec]) == 0
    assert "bias" not in capsys.readouterr().err
    model = resnet_dsl.load(spec, **settings)
    state = model.state(here)
    _all_give(
        model, state, {size: library_models.keras_result(make(), theirs, images(size)) for size in SIZES}
    )
    before = [variable.numpy() for variable in theirs.weights]
    for options_of_keras in ({"by_name": True}, {}):
        for variable in theirs.weights:
            variable.assign(variable * 0)
        theirs.load_weights(back, **options_of_keras)
        pairs = zip(before, theirs.weights, strict=True)
        assert all((old == new.numpy()).all() for old, new in pairs), options_of_keras


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("tf_efficientnet_b0", "EfficientNetB0"),
        ("mobilenet_v2_keras", "MobileNetV2"),
        ("mobilenet_v3_large_keras", "MobileNetV3Large"),
        ("mobilenet_v3_small_keras", "MobileNetV3Small"),
    ],
)
def test_small_networks_of_keras_applications_are_ours_and_ours_are_theirs(
    spec: str, name: str, tmp_path: Path
) -> None:
    def make(size: tuple[int, int]) -> Any:
        return library_models.application(name, size)

    theirs = library_models.stirred_keras(make((64, 64)))
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    model = resnet_dsl.load(spec, classes=5, input="3xHxW")
    state = model.state(tmp_path / "theirs.weights.h5", names=KERAS)
    sizes = ((64, 64), (75, 61))
    _all_give(model, state, {s: library_models.keras_result(make, theirs, images(s)) for s in sizes})
    back = _written(model, state, KERAS, tmp_path / "back.h5")
    before = [variable.numpy() for variable in theirs.weights]
    theirs.load_weights(back, by_name=True)
    assert all((old == new.numpy()).all() for old, new in zip(before, theirs.weights, strict=True))


def test_biases_and_eps_of_keras_are_taken_into_statistics_of_a_spec_without(tmp_path: Path) -> None:
    make = library_models.resnet_v1(width=8)
    theirs = library_models.stirred_keras(make((64, 64)))
    path = library_models.saved_legacy(theirs, tmp_path / "theirs.h5")
    model = resnet_dsl.load("resnet50_v1", head="gap -> fc(classes) -> softmax", **V1)
    state = model.state(path, names=KERAS)
    x = images((45, 35))
    wanted = library_models.keras_result(make, theirs, x)
    error = difference(ours("torch", model.program, state, x), wanted)
    assert 1e-9 < error <= 1e-5  # what is computed anew is rounded to single precision
    assert difference(ours("keras", model.program, state, x), wanted) <= 1e-5


def test_an_eps_of_another_world_is_taken_into_variances_both_ways() -> None:
    model = resnet_dsl.load("resnet18", stages="[1, 1, 1, 1]")
    there = model_names(model.program, "timm")
    wide = resnet_dsl.load(
        "resnet18",
        stages="[1, 1, 1, 1]",
        stem="conv(64, 7x7, stride=2) -> bn(eps=0.5) -> relu -> maxpool(3x3, stride=2)",
    )
    state = model.state(seed=1)
    taken = wide.state(state, names="timm")
    np.testing.assert_array_equal(taken["bn1.running_var"], state["bn1.running_var"] + np.float32(1e-5 - 0.5))
    from resnet_dsl.zoo.translate import to_library

    back, notes = to_library(taken, model_names(wide.program, "timm"), wide.program.graph)
    np.testing.assert_allclose(back["bn1.running_var"], state["bn1.running_var"], rtol=1e-6)
    assert "1 batch norm" in notes[0]
    assert there.is_identity


@pytest.fixture(scope="module")
def keras_vgg() -> tuple[Any, library_models.Array]:
    """A model for 64x96, and what it gives."""
    theirs = library_models.stirred_keras(library_models.vgg16()((64, 96)))
    return theirs, library_models.keras_result(library_models.vgg16(), theirs, images((64, 96)))


@pytest.mark.parametrize("order", ["chw", "hwc"])
def test_vgg_of_keras_has_its_first_layer_in_order(order: str, keras_vgg: Any, tmp_path: Path) -> None:
    theirs, wanted = keras_vgg
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    layers = "fc1: fc(16) -> relu -> fc2: fc(8) -> relu -> predictions: fc(5) -> softmax"
    head = f"maxpool(2) -> flatten(order={order}) -> {layers}"
    model = resnet_dsl.load("vgg16", input="3x64x96", head=head)
    state = model.state(tmp_path / "theirs.weights.h5", names=KERAS)
    _all_give(model, state, {(64, 96): wanted})
    back = _written(model, state, KERAS, tmp_path / "back.h5")
    before = [variable.numpy() for variable in theirs.weights]
    theirs.load_weights(back)
    assert all((old == new.numpy()).all() for old, new in zip(before, theirs.weights, strict=True))


def test_depthwise_groups_of_keras_are_grouped_convolutions(tmp_path: Path) -> None:
    theirs = library_models.stirred_keras(library_models.resnext()((40, 40)))
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    model = resnet_dsl.load(
        "resnext50_keras", stages="[1, 1]", widths="[128, 256]", input="3xHxW", head="gap -> fc(5)"
    )
    state = model.state(tmp_path / "theirs.weights.h5", names=KERAS)
    sizes = ((40, 40), (45, 35))
    wanted = {
        size: library_models.keras_result(library_models.resnext(), theirs, images(size)) for size in sizes
    }
    _all_give(model, state, wanted)
    back = _written(model, state, KERAS, tmp_path / "back.h5")
    before = [variable.numpy() for variable in theirs.weights]
    theirs.load_weights(back, by_name=True)
    assert all((old == new.numpy()).all() for old, new in zip(before, theirs.weights, strict=True))


def test_a_new_head_starts_from_a_seed_on_a_body_from_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = library_models.stirred_keras(library_models.resnet_v1((1, 1))((32, 32)))
    path = library_models.saved_legacy(theirs, tmp_path / "theirs.h5")
    target = tmp_path / "ours.safetensors"
    head = "gap -> fc(8) -> relu -> fc(2)"
    command = ["weights", "convert", "--from", KERAS, str(path), str(target), "--spec", "resnet50_keras"]
    command += ["--set", "stages=[1, 1]", "--set", f"head={head}"]
    assert main(command) == 1
    text = capsys.readouterr().err
    assert "missing (4): fc1.weight (8x512), fc1.bias (8), fc2.weight (2x8), fc2.bias (2)" in text
    assert main([*command, "--partial", "--seed", "4"]) == 0
    text = capsys.readouterr().err
    assert "missing (4): fc1.weight (8x512), fc1.bias (8), fc2.weight (2x8), fc2.bias (2)" in text
    assert "unexpected (2): predictions.weight (5x512), predictions.bias (5)" in text
    model = resnet_dsl.load("resnet50_keras", stages="[1, 1]", head=head)
    kernel = theirs.get_layer("conv2_block1_2_conv").kernel.numpy()
    assert (model.state(target)["layer1.0.conv2.weight"] == kernel.transpose(3, 2, 0, 1)).all()


# --- torch -------------------------------------------------------------------------------------


class Case(NamedTuple):
    """A small model of a library, and the settings that make it of the spec of its name.

    timm's average pool does not fit its shortcut where a map of a block has an odd size.
    """

    spec: str
    options: Mapping[str, Any] = MappingProxyType({})
    settings: Mapping[str, Any] = MappingProxyType({})
    sizes: tuple[tuple[int, int], ...] = ((64, 64), (75, 61))
    theirs: str = ""
    """timm's name for it, if it is another."""

    @property
    def model(self) -> Any:
        return library_models.timm_model(self.theirs or self.spec, num_classes=5, **self.options)


def thin(spec: str, *widths: int, **options: Any) -> Case:
    """A ResNet of timm with a block or two a stage and few channels."""
    settings = {"stages": "[1, 1, 2, 1]", "widths": str(list(widths))}
    return Case(spec, {"layers": [1, 1, 2, 1], "channels": widths}, settings, **options)


def dilated(spec: str, stride: int) -> Case:
    """A ResNet of timm whose last strides are dilation."""
    case = thin(spec, 8, 12, 16, 20, theirs="resnet50")
    options = {**case.options, "output_stride": stride, "layers": [1, 1, 2, 2]}
    settings = {"stages": "[1, 1, 2, 2]", "head": "gap -> fc(classes)", "outputs": "none"}
    return case._replace(options=options, settings={**case.settings, **settings})


LAYER = "dense_layer(growth=8, width=32)"
DENSE = {
    "stem": "imagenet_stem(16)",
    "stages": f"[[2 * {LAYER}, transition], [{LAYER}, transition], [{LAYER}, transition], 2 * {LAYER}]",
}
DENSE_THERE = {"growth_rate": 8, "block_config": (2, 1, 1, 2)}
SHALLOW = {"stages": "[1, 1, 2, 1]"}
ONE_SIZE = ((64, 64),)


def thin_v2(spec: str, *widths: int, factor: int = 4) -> Case:
    """A pre-activation ResNet of timm; two stages have all parts."""
    channels = tuple(factor * width for width in widths)
    settings = {"stages": "[1, 2]", "widths": str(list(widths))}
    return Case(spec, {"layers": [1, 2], "channels": channels}, settings)


TIMM = [
    thin("resnet50", 8, 12, 16, 20),
    thin("resnet18d", 64, 24, 16, 32),
    thin("resnext50_32x4d", 16, 32, 48, 64),
    thin("seresnet50", 8, 12, 16, 20),
    thin("skresnet50", 8, 12, 16, 20),
    thin("resnetaa50", 8, 12, 16, 20, sizes=((64, 64), (65, 97))),
    thin("resnetblur50", 8, 12, 16, 20),
    Case("legacy_seresnet50", {"layers": [2, 1, 1, 1]}, {"stages": "[2, 1, 1, 1]"}),
    thin_v2("resnetv2_50", 24, 16),
    thin_v2("resnetv2_18", 24, 16, factor=1),
    thin_v2("resnetv2_50t", 24, 16),
    thin_v2("resnetv2_50x1_bit", 32, 64),
    Case("resnet_rs50", {"layers": [1, 1, 2, 1]}, SHALLOW, ONE_SIZE, "resnetrs50"),
    dilated("resnet50_os16", 16),
    dilated("resnet50_os8", 8),
    Case("regnet_y_400mf", sizes=ONE_SIZE, theirs="regnety_004"),
    Case("densenet121", DENSE_THERE, DENSE),
    Case("res2net50", {"layers": [1, 1, 2, 1]}, SHALLOW, theirs="res2net50_26w_4s"),
    Case("efficientnet_b0", sizes=((75, 61),)),
    Case("tf_efficientnet_b0", sizes=ONE_SIZE),
    Case("mobilenetv2_100", sizes=((75, 61),)),
    Case("mobilenetv3_large_100", sizes=((75, 61),)),
    Case("tf_mobilenetv3_small_100", sizes=((75, 61),)),
]


@pytest.mark.parametrize("case", TIMM, ids=lambda case: case.spec)
def test_models_of_timm_are_ours_and_back_bit_for_bit(case: Case, tmp_path: Path) -> None:
    model = resnet_dsl.load(case.spec, classes=5, input="3xHxW", **case.settings)
    _agrees(model, "timm", library_models.stirred(case.model), tmp_path, case.sizes)


# Maps whose models are compared with timm's in tests/test_timm_registry.py and tests/test_single_networks.py.
COMPARED_ELSEWHERE = {
    "convnext_nano and its like, convnextv2_nano and its like",
    "convnext_tiny and its like, convnextv2_tiny and its like",
    "densenet264d and densenetblur121d",
    "dm_nfnet_f0, nfnet_f0 and their like",
    "hrnet_w18 and its like",
    "legacy_seresnext50_32x4d and legacy_senet154",
    "regnetv",
    "regnetx, regnety and regnetz",
    "res2net50_26w_4s and its like",
    "resnest50d and its like",
    "resnetv2_18d and resnetv2_34d",
    "resnetv2_50d_frn",
    "resnetv2_50d_gn and its like",
    "skresnet18 and skresnet34",
    "test_resnet",
    "vgg11 to vgg19",
}


def test_every_map_of_timm_has_its_numbers() -> None:
    compared = {
        model_names(resnet_dsl.load(case.spec, **case.settings).program, "timm").map.about for case in TIMM
    }
    assert compared.isdisjoint(COMPARED_ELSEWHERE)
    assert compared | COMPARED_ELSEWHERE == {each.about for each in find_library("timm").maps}


@pytest.mark.parametrize(
    ("spec", "stages"), [("resnet18", [1, 1, 1, 1]), ("resnext50_32x4d", [1, 1, 1, 1]), ("googlenet", None)]
)
def test_models_of_torchvision_are_ours_and_back_bit_for_bit(
    spec: str, stages: list[int] | None, tmp_path: Path
) -> None:
    theirs = library_models.torchvision_model(spec, stages)
    settings = {} if stages is None else {"stages": str(stages)}
    model = resnet_dsl.load(spec, classes=5, input="3xHxW", **settings)
    _agrees(model, "torchvision", library_models.stirred(theirs), tmp_path, ((64, 64), (75, 61)))


def test_the_regnets_and_densenets_of_torchvision(tmp_path: Path) -> None:
    torchvision_models()
    regnet = importlib.import_module("torchvision.models.regnet")
    rows = {"depths": [1, 2, 1, 1], "widths": [16, 24, 32, 40], "group_widths": [8] * 4}
    blocks = regnet.BlockParams(**rows, bottleneck_multipliers=[1.0] * 4, strides=[2] * 4, se_ratio=0.25)
    theirs = regnet.RegNet(blocks, num_classes=5)
    settings = {"stages": "[1, 2, 1, 1]", "widths": "[16, 24, 32, 40]", "group_width": 8}
    model = resnet_dsl.load("regnet_y_400mf", classes=5, input="3xHxW", **settings)
    _agrees(model, "torchvision", library_models.stirred(theirs), tmp_path, ((64, 64), (75, 61)))
    densenet = importlib.import_module("torchvision.models.densenet")
    model = resnet_dsl.load("densenet121", classes=5, input="3xHxW", **DENSE)
    theirs = library_models.stirred(densenet.DenseNet(**DENSE_THERE, num_init_features=16, num_classes=5))
    _agrees(model, "torchvision", theirs, tmp_path, ((64, 64), (75, 61)))


@pytest.mark.parametrize(
    "name", ["efficientnet_b0", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"]
)
def test_the_small_networks_of_torchvision(name: str, tmp_path: Path) -> None:
    theirs = getattr(torchvision_models(), name)(num_classes=5)
    model = resnet_dsl.load(name, classes=5, input="3xHxW")
    _agrees(model, "torchvision", library_models.stirred(theirs), tmp_path, ((75, 61),))


def test_models_of_torchvision_without_a_name_for_their_layers(tmp_path: Path) -> None:
    """As others build on them: the children in a row, with a head of one's own behind."""
    from torch import nn

    whole = library_models.torchvision_model("resnet18", [1, 1, 1, 1])
    body = nn.Sequential(*list(whole.children())[:-1])
    head = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(512), nn.Linear(512, 8), nn.ReLU(), nn.Linear(8, 5))
    theirs = library_models.stirred(nn.Sequential(body, head))
    model = resnet_dsl.load(
        "resnet18", stages="[1, 1, 1, 1]", input="3xHxW", head="gap -> bn -> fc(8) -> relu -> fc(5)"
    )
    state = model.state(library_models.saved(theirs, tmp_path / "theirs.pth"))
    sizes = ((64, 64), (75, 61))
    _all_give(model, state, {size: library_models.torch_result(theirs, images(size)) for size in sizes})


@pytest.mark.parametrize(
    ("library", "head", "spec", "settings"),
    [
        ("akamaster", "linear", "resnet20", {"shortcut": "A(side=both)"}),
        ("chenyaofo", "fc", "resnet20_b", {}),
        ("bearpaw", "fc", "resnet20_b", {}),
    ],
)
def test_the_repositories_for_cifar(
    library: str, head: str, spec: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    theirs = library_models.stirred(library_models.cifar_resnet(head, "A" if head == "linear" else "B"))
    model = resnet_dsl.load(spec, n=1, input="3xHxW", **settings)
    _agrees(model, library, theirs, tmp_path, ((32, 32), (27, 33)))


def test_vgg_of_torchvision_counts_its_relus(tmp_path: Path) -> None:
    from torch import nn

    torchvision_models()
    vgg = importlib.import_module("torchvision.models.vgg")
    features = vgg.make_layers([8, "M", 12, 12, "M", 8, "M"], batch_norm=True)
    theirs = vgg.VGG(features, init_weights=False)
    theirs.classifier = _classifier(8 * 49, dropout_first=False)
    head = (
        "maxpool(2) -> adaptive_avgpool(7) -> flatten -> fc(16) -> relu -> dropout(0.5)"
        " -> fc(8) -> relu -> dropout(0.5) -> fc(5)"
    )
    model = resnet_dsl.load(
        "vgg16_bn", stages="[1, 2, 1]", widths="[8, 12, 8]", strides="[1, 2, 2]", input="3x64x72", head=head
    )
    assert isinstance(theirs.classifier, nn.Sequential)
    _agrees(model, "torchvision", library_models.stirred(theirs), tmp_path, ((64, 72),))


def test_alexnet_of_torchvision_drops_first(tmp_path: Path) -> None:
    theirs = torchvision_models().AlexNet()
    theirs.classifier = _classifier(256 * 36, dropout_first=True)
    head = (
        "adaptive_avgpool(6) -> flatten -> dropout(0.5) -> fc(16) -> relu -> dropout(0.5)"
        " -> fc(8) -> relu -> fc(5)"
    )
    model = resnet_dsl.load("alexnet", input="3x97x111", head=head)
    _agrees(model, "torchvision", library_models.stirred(theirs), tmp_path, ((97, 111),))


def test_the_auxiliary_heads_of_googlenet_are_left_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = torchvision_models().googlenet(weights=None, aux_logits=True, init_weights=False)
    source, target = library_models.saved(theirs, tmp_path / "a.pth"), tmp_path / "b.safetensors"
    command = ["weights", "convert", "--from", "torchvision", str(source), str(target), "--spec", "googlenet"]
    assert main(command) == 0
    assert "20 tensors of what the model is without left aside, such as aux1.conv.conv.weight" in (
        capsys.readouterr().err
    )


NAMED = {
    "timm": (
        "legacy_seresnet50 resnet50d resnet50_gn resnetaa50 resnetblur50 resnetv2_50 resnetv2_50t "
        "resnetv2_50x1_bit resnetv2_34 seresnet34 seresnet50 skresnet50 resnext50_32x4d resnet26t densenet121"
    ),
    "torchvision": "vgg11 vgg13_bn vgg19 alexnet resnet34 resnext50_32x4d densenet121",
}


@pytest.mark.parametrize(
    ("library", "name"), [(library, name) for library, names in NAMED.items() for name in names.split()]
)
def test_every_tensor_of_theirs_has_its_name_and_shape(library: str, name: str) -> None:
    import torch

    torchvision_models()
    with torch.device("meta"):
        theirs = (
            library_models.timm_model(name)
            if library == "timm"
            else getattr(torchvision_models(), name)(weights=None)
        )
    wanted = {
        n: tuple(v.shape) for n, v in theirs.state_dict().items() if not n.endswith("num_batches_tracked")
    }
    program = resnet_dsl.load(name).program
    found = model_names(program, library)
    called = {
        f"{layer.theirs}.{parameter.name}": parameter.shape
        for layer in found.layers.values()
        for _, parameter in layer.node.parameters()
    }
    assert called.keys() == wanted.keys()
    apart = {n: (called[n], wanted[n]) for n in wanted if called[n] != wanted[n]}
    assert all(there == (*here, 1, 1) for here, there in apart.values())
    assert len(apart) == ("resnetv2" in name)


# --- what the tests share ----------------------------------------------------------------------


def _agrees(
    model: resnet_dsl.Model,
    library: str,
    theirs: Any,
    folder: Path,
    sizes: tuple[tuple[int, int], ...],
) -> None:
    """What theirs gives, all backends give of its weights; and its weights come back."""
    import torch

    state = model.state(library_models.saved(theirs, folder / "theirs.pth"), names=library)
    _all_give(model, state, {size: library_models.torch_result(theirs, images(size)) for size in sizes})

    back = torch.load(_written(model, state, library, folder / "back.pth"), weights_only=True)
    expected = theirs.state_dict()
    assert back.keys() == expected.keys()
    learned = {name for name in back if not name.endswith("num_batches_tracked")}
    assert same({n: back[n].numpy() for n in learned}, {n: expected[n].numpy() for n in learned})
    theirs.load_state_dict(back)


def _all_give(
    model: resnet_dsl.Model, state: dict[str, Any], wanted: dict[tuple[int, int], library_models.Array]
) -> None:
    """Every backend in double; ONNX' own evaluator is in Python, so it has the first image alone."""
    for backend in ("torch", "keras"):
        result = library_models.runner(backend, model.program, state)
        for size, value in wanted.items():
            assert difference(result(images(size)), value) <= BAR, (backend, size)
    size, value = next(iter(wanted.items()))
    assert difference(ours("onnx", model.program, state, images(size)[:1]), value[:1]) <= BAR, "onnx"


def _written(model: resnet_dsl.Model, state: dict[str, Any], library: str, path: Path) -> Path:
    from resnet_dsl.weights.formats.registry import encode_named
    from resnet_dsl.zoo.translate import to_library

    named, _ = to_library(state, model_names(model.program, library), model.program.graph)
    path.write_bytes(b"".join(encode_named(named, {}, path)))
    return path


def _classifier(inputs: int, *, dropout_first: bool) -> Any:
    from torch import nn

    fc1, fc2, fc3 = nn.Linear(inputs, 16), nn.Linear(16, 8), nn.Linear(8, 5)
    if dropout_first:
        return nn.Sequential(nn.Dropout(), fc1, nn.ReLU(), nn.Dropout(), fc2, nn.ReLU(), fc3)
    return nn.Sequential(fc1, nn.ReLU(), nn.Dropout(), fc2, nn.ReLU(), nn.Dropout(), fc3)
