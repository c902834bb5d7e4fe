"""Which network of others each spec is compared with, and by what names.

A further network is a row in `ROWS`. Where the tensors of a table are not called as ours are, the row
says how: by a few renamed layers, or by a map of names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from resnet_dsl.program import Program
from tests.support.reference_tables import KERAS, TORCH

Array = np.ndarray[Any, Any]

NameMap = Callable[[Program, Mapping[str, Array]], dict[str, Array]]
"""Makes of a network's tensors, under its own names and as it lays them out, those of a program."""


class Row(NamedTuple):
    """A table, the spec that describes its network, the names, and settings of the spec.

    `names` is None where all are the same, else the layers that are called otherwise (theirs, then ours)
    or a map. A text says why names cannot be compared; figures are.
    """

    table: str
    spec: str
    names: Mapping[str, str] | NameMap | str | None = None
    settings: Mapping[str, Any] = {}


# --- maps of names -----------------------------------------------------------------------------


def by_layer(theirs: Callable[[str], str]) -> NameMap:
    """Return the map of a function from our layers to theirs; those of Keras end in `/`."""

    def convert(program: Program, state: Mapping[str, Array]) -> dict[str, Array]:
        shapes = {name: parameter.shape for name, parameter in program.graph.parameters()}
        layers = dict.fromkeys(name.rpartition(".")[0] for name in shapes)
        ours = {theirs(layer): layer for layer in layers}
        assert len(ours) == len(layers), "two layers of one name"
        found = {}
        for name, value in state.items():
            layer, tensor = split_name(name)
            assert layer in ours, f"no layer of ours is {layer}"
            name = f"{ours[layer]}.{VARIABLES.get(tensor, tensor)}"
            found[name] = _laid_out(value, layer.endswith("/"), shapes.get(name, ()))
        return found

    return convert


def in_order(program: Program, state: Mapping[str, Array]) -> dict[str, Array]:
    """The map for networks whose layers come in the same order here and there."""
    ours = dict.fromkeys(name.rpartition(".")[0] for name, _ in program.graph.parameters())
    theirs = dict.fromkeys(split_name(name)[0] for name in state)
    return by_layer(dict(zip(ours, theirs, strict=True)).__getitem__)(program, state)


VARIABLES = {theirs: ours for kind in KERAS for theirs, ours in zip(KERAS[kind], TORCH[kind], strict=True)}


def renamed(names: Mapping[str, str]) -> NameMap:
    """Return the map that renames a few layers, theirs to ours; every renaming must be of use."""

    def convert(program: Program, state: Mapping[str, Array]) -> dict[str, Array]:
        layers = {split_name(name)[0] for name in state}
        assert set(names) <= layers, f"there is no {set(names) - layers}"
        assert not set(names.values()) & layers, f"{set(names.values()) & layers} is there itself"
        split = ((*split_name(name), value) for name, value in state.items())
        return {f"{names.get(layer, layer)}.{tensor}": value for layer, tensor, value in split}

    return convert


def in_our_names(row: Row, program: Program, state: Mapping[str, Array]) -> dict[str, Array]:
    """Return the tensors of a row's network under our names and in our layouts, in its order."""
    assert not isinstance(row.names, str), row.names
    convert = row.names if callable(row.names) else renamed(row.names or {})
    found = convert(program, state)
    assert len(found) == len(state), "two tensors of one name"
    return found


def split_name(name: str) -> tuple[str, str]:
    """Return layer and tensor of a name; the slash of Keras stays with the layer."""
    end = name.rfind("/") + 1
    if end:
        return name[:end], name[end:]
    layer, _, tensor = name.rpartition(".")
    return layer, tensor


def _laid_out(value: Array, in_keras: bool, shape: tuple[int, ...]) -> Array:
    """A tensor in our layout: Keras' kernels have the outputs last; a 1x1 kernel may be a matrix here."""
    if in_keras and value.ndim > 1:
        *window, inputs, outputs = range(value.ndim)
        value = value.transpose(outputs, inputs, *window)
    return value.reshape(shape) if value.shape == (*shape, 1, 1) else value


def _keras_layer(layer: str) -> str:
    """The names of keras.applications' ResNets v1: `layer1.0.conv2` is `conv2_block1_2_conv`."""
    match = re.fullmatch(r"layer(\d)\.(\d+)\.(?:(conv|bn)(\d)|downsample\.([01]))", layer)
    if match:
        stage, block, kind, number, of_shortcut = match.groups()
        kind, number = (kind, number) if kind else (("conv", "bn")[int(of_shortcut)], "0")
        return f"conv{int(stage) + 1}_block{int(block) + 1}_{number}_{kind}/"
    return KERAS_ALONE[layer]


KERAS_ALONE = {"conv1": "conv1_conv/", "bn1": "conv1_bn/", "fc": "predictions/"}
KERAS_ALONE |= {"fc1": "dense/", "fc2": "dense_1/"}  # the head of transfer learning


def _keras_v2_layer(layer: str) -> str:
    """The names of keras.applications' ResNets v2, whose first norm stands before the block."""
    match = re.fullmatch(r"layer(\d)\.(\d+)\.(?:(conv|bn)(\d)|downsample)", layer)
    if match:
        stage, block, kind, number = match.groups()
        name = {"conv": f"{number}_conv", None: "0_conv"}.get(kind) or (
            "preact_bn" if number == "1" else f"{int(number) - 1}_bn"
        )
        return f"conv{int(stage) + 1}_block{int(block) + 1}_{name}/"
    return {"conv1": "conv1_conv/", "bn": "post_bn/", "fc": "predictions/"}[layer]


def _timm_v2_layer(layer: str) -> str:
    """The names of timm's resnetv2."""
    match = re.fullmatch(r"layer(\d)\.(\d+)\.(?:(conv|bn)(\d)|shortcut(?:\.conv1)?)", layer)
    if match:
        stage, block, kind, number = match.groups()
        name = {"conv": f"conv{number}", "bn": f"norm{number}", None: "downsample.conv"}[kind]
        return f"stages.{int(stage) - 1}.blocks.{block}.{name}"
    return TIMM_V2_ALONE[layer]


TIMM_V2_ALONE = {"conv1": "stem.conv", "bn": "norm", "fc": "head.fc"}


def _timm_v2_deep_layer(layer: str) -> str:
    """The same with a stem of three convolutions."""
    match = re.fullmatch(r"(conv|bn)(\d)", layer)
    if match:
        return f"stem.{'norm' if match[1] == 'bn' else 'conv'}{match[2]}"
    return _timm_v2_layer(layer)


def _highway_layer(layer: str) -> str:
    return re.sub(r"^layer1\.(\d+)\.", r"layers.\1.", layer)


AKAMASTER = {"linear": "fc"}
KERAS_V1 = by_layer(_keras_layer)
KERAS_V2 = by_layer(_keras_v2_layer)
TIMM_V2 = by_layer(_timm_v2_layer)
TIMM_V2_DEEP = by_layer(_timm_v2_deep_layer)
HIGHWAY = by_layer(_highway_layer)
ONE_HIGHWAY_LAYER = by_layer(lambda layer: layer.rpartition(".")[2])


# --- rows --------------------------------------------------------------------------------------


def _rows() -> Iterator[Row]:
    for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"):
        yield Row(f"torchvision/{name}", name)
        yield Row(f"timm/{name}", name)
    for name in ("resnext50_32x4d", "resnext101_32x8d", "wide_resnet50_2"):
        yield Row(f"torchvision/{name}", name)
        yield Row(f"timm/{name}", name)
    yield from ROWS
    for depth, n in ((20, 3), (32, 5), (44, 7), (56, 9), (110, 18)):
        yield Row(f"cifar/resnet{depth}_A", f"resnet{depth}")
        yield Row(f"cifar/resnet{depth}_B", f"resnet{depth}_b")
        yield Row(f"cifar/plain{depth}", f"plain{depth}")
        yield Row(f"cifar/resnet{depth}_A", "cifar_resnet", None, {"n": n})
        yield Row(f"cifar/plain{depth}", "cifar_plain", None, {"n": n})
    for depth in (20, 32, 44, 110, 1202):
        yield Row(f"cifar/akamaster_resnet{depth}", f"resnet{depth}", AKAMASTER)
    for depth in (20, 32, 44, 56):
        yield Row(f"cifar/chenyaofo_cifar10_resnet{depth}", f"resnet{depth}_b")
    for depth, n in ((20, 3), (56, 9), (110, 18)):
        yield Row(f"cifar/preresnet{depth}_A", "cifar_preresnet", None, {"n": n})
        yield Row(f"cifar/preresnet{depth}_B", "cifar_preresnet", None, {"n": n, "shortcut": "B"})


ROWS = (
    # the papers
    Row("paper/plain18", "plain18"),
    Row("paper/plain34", "plain34"),
    Row("paper/resnet18_A", "resnet18_a"),
    Row("paper/resnet18_B", "resnet18"),
    Row("paper/resnet18_C", "resnet18_c"),
    Row("paper/resnet34_A", "resnet34_a"),
    Row("paper/resnet34_B", "resnet34"),
    Row("paper/resnet50_v1.5_B", "resnet50"),
    Row("paper/resnet50_v1_B", "resnet50_v1"),
    Row("paper/resnet50_v1_C", "resnet50_c"),
    Row("paper/resnet101_v1.5_B", "resnet101"),
    Row("paper/resnet101_v1_B", "resnet101_v1"),
    Row("paper/resnet152_v1.5_B", "resnet152"),
    Row("paper/resnet152_v1_B", "resnet152_v1"),
    Row("paper/preresnet200", "preresnet200"),
    Row("cifar/resnet1202_A", "resnet1202"),
    Row("cifar/preresnet110_A", "preresnet110"),
    Row("cifar/preresnet164_bottleneck", "preresnet164"),
    Row("cifar/preresnet164_bottleneck_stride3x3", "preresnet164", None, {"stride_on": "conv2"}),
    Row(
        "cifar/resnet164_bottleneck_B",
        "cifar_resnet",
        None,
        {"n": 18, "block": "bottleneck", "shortcut": "B", "stride_on": "conv1"},
    ),
    Row("cifar/resnext29_8x64d", "resnext29_8x64d"),
    Row("cifar/wrn16_8", "wrn16_8"),
    Row("cifar/wrn22_8", "wrn22_8"),
    Row("cifar/wrn28_10", "wrn28_10"),
    Row("cifar/wrn40_1", "wrn40_1"),
    Row("cifar/wrn40_2", "wrn40_2"),
    Row("cifar/preresnet20_A", "preresnet20"),
    Row("cifar/preresnet20_B", "preresnet20_b"),
    Row("cifar/preresnet56_A", "preresnet56"),
    Row("cifar/preresnet56_B", "preresnet56_b"),
    Row("cifar/preresnet110_B", "preresnet110_b"),
    Row("cifar/preresnet164_bottleneck_stride3x3", "preresnet164_stride3x3"),
    Row("cifar/resnet164_bottleneck_B", "resnet164"),
    Row("cifar/wrn16_8", "cifar_wide_resnet", None, {"n": 2, "k": 8}),
    # keras.applications
    Row("keras/ResNet50", "resnet50_keras", KERAS_V1),
    Row("keras/ResNet101", "resnet101_keras", KERAS_V1),
    Row("keras/ResNet152", "resnet152_keras", KERAS_V1),
    Row("keras/ResNet50V2", "resnet50v2_keras", KERAS_V2),
    Row("keras/ResNet50_notop", "resnet50_keras", KERAS_V1, {"head": "none"}),
    Row("keras/ResNet101_notop", "resnet101_keras", KERAS_V1, {"head": "none"}),
    Row("keras/ResNet152_notop", "resnet152_keras", KERAS_V1, {"head": "none"}),
    Row("keras/ResNet50V2_notop", "resnet50v2_keras", KERAS_V2, {"head": "keras_norm -> relu"}),
    # timm
    Row("timm/legacy_seresnet50", "legacy_seresnet50"),
    Row("timm/resnet101d", "resnet101d"),
    Row("timm/resnet10t", "resnet10t"),
    Row("timm/resnet14t", "resnet14t"),
    Row("timm/resnet18d", "resnet18d"),
    Row("timm/resnet200", "resnet200"),
    Row("timm/resnet26", "resnet26"),
    Row("timm/resnet26t", "resnet26t"),
    Row("timm/resnet50_gn", "resnet50_gn"),
    Row("timm/resnet50c", "resnet50c"),
    Row("timm/resnet50d", "resnet50d"),
    Row("timm/resnet50s", "resnet50s"),
    Row("timm/resnetaa50", "resnetaa50"),
    Row("timm/resnetblur50", "resnetblur50"),
    Row("timm/resnext101_64x4d", "resnext101_64x4d"),
    Row("timm/resnext50d_32x4d", "resnext50d_32x4d"),
    Row("timm/seresnet101", "seresnet101"),
    Row("timm/seresnet152", "seresnet152"),
    Row("timm/seresnet34", "seresnet34"),
    Row("timm/seresnet50", "seresnet50"),
    Row("timm/skresnet50", "skresnet50"),
    Row("timm/wide_resnet101_2", "wide_resnet101_2"),
    Row("timm/resnetv2_18", "resnetv2_18", TIMM_V2),
    Row("timm/resnetv2_34", "resnetv2_34", TIMM_V2),
    Row("timm/resnetv2_50", "resnetv2_50", TIMM_V2),
    Row("timm/resnetv2_101", "resnetv2_101", TIMM_V2),
    Row("timm/resnetv2_152", "resnetv2_152", TIMM_V2),
    Row("timm/resnetv2_50x1_bit", "resnetv2_50x1_bit", TIMM_V2),
    Row("timm/resnetv2_50t", "resnetv2_50t", TIMM_V2_DEEP),
    # the networks before
    Row(
        "historic/lenet5_1998",
        "lenet5_1998",
        "what subsamples there has no layer, and the RBFs are no weights",
    ),
    Row("historic/lenet5_modern", "lenet5", in_order),
    Row("historic/alexnet_2012_groups2", "alexnet_2012", in_order),
    Row("historic/alexnet_2012_ungrouped", "alexnet_2012_ungrouped", in_order),
    Row("historic/torchvision_alexnet", "alexnet", in_order),
    Row("historic/torchvision_vgg11", "vgg11", in_order),
    Row("historic/torchvision_vgg16", "vgg16", in_order),
    Row("historic/torchvision_vgg16_bn", "vgg16_bn", in_order),
    Row("historic/torchvision_vgg19", "vgg19", in_order),
    Row("historic/keras_VGG16", "vgg16_keras", in_order),
    Row("historic/keras_VGG19", "vgg19_keras", in_order),
    Row("historic/googlenet_paper", "googlenet_2014", in_order),
    Row("historic/torchvision_googlenet", "googlenet", in_order),
    Row("historic/highway_dense_50", "highway_dense", ONE_HIGHWAY_LAYER),
    Row("historic/highway_conv3x3_16", "highway_conv", ONE_HIGHWAY_LAYER),
    Row("historic/highway_mnist_10", "highway_mnist", HIGHWAY),
    Row("historic/highway_mnist_20", "highway_mnist20", HIGHWAY),
    Row("historic/highway_mnist_50", "highway_mnist50", HIGHWAY),
    Row("historic/highway_mnist_100", "highway_mnist100", HIGHWAY),
    # the documents
    Row("documents/000_transfer_phase1_all_base_frozen", "transfer_resnet50", KERAS_V1),
    Row("documents/000_transfer_phase2_first143_frozen", "transfer_resnet50_stage5", KERAS_V1),
    Row("documents/001_resnet152_32x32_frozen", "transfer_resnet152", KERAS_V1),
    Row("documents/003_resnet34_32x32x3", "article_resnet34", in_order),
    Row("documents/003_resnet34_224", "article_resnet34_224", in_order),
    Row(
        "documents/004_ResNeXt50", "resnext50_keras", "grouped kernels there are depthwise ones, to be summed"
    ),
    Row("documents/004_ResNet50", "resnet50_keras", KERAS_V1),
    Row("documents/004_ResNet101", "resnet101_keras", KERAS_V1),
    Row("documents/004_ResNet152", "resnet152_keras", KERAS_V1),
    Row("documents/004_ResNet50V2", "resnet50v2_keras", KERAS_V2),
)

COMPARISONS = tuple(_rows())

# Tables whose network no shipped spec describes yet; who writes a row takes it off.
WITHOUT_SPEC = {
    "historic/keras_InceptionV3",
    "historic/torchvision_googlenet_aux",
}
# Specs without a table.
NO_TABLE = {
    # their counts follow from those of A, B and C at other depths
    "resnet34_c",
    "resnet50_a",
    # larger or smaller ones of those that are compared
    "resnet101v2_keras",
    "resnet152v2_keras",
    "resnext101_keras",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg19_bn",
    "preresnet18",
    "preresnet34",
    "preresnet50",
    "preresnet101",
    "preresnet152",
    "preresnet1001",
    # of relatives that no table is of
    "botnet50",
    "gem_resnet50",
    "densenet121",
    "efficientnet",
    "mobilenet_v2",
    "regnet",
    "res2net50",
    "resnet50_os8",
    "resnet50_os16",
    "resnet_rs50",
    "deeplabv3plus_resnet50",
    "unet_resnet34",
    # examples of the language
    "fpn_shared_heads",
    "little_resnet",
    "own_activation",
    "two_heads",
    "unet",
}
# Multiply-adds that a table leaves out.
MORE_MACS = {
    "historic/lenet5_1998": 1_576,  # 6 x 14 x 14 + 16 x 5 x 5: a mean by a weight is a convolution here
}
