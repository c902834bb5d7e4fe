"""Models of other libraries with random weights and statistics, to be carried over and compared."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnet_dsl.program import Program
from tests.support.backends import in_full
from tests.support.oracles import torchvision_models

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow speaks

Array = np.ndarray[Any, Any]
State = dict[str, Array]
Maker = Callable[[tuple[int, int]], Any]
"""What makes a model for a size of images."""
BAR = 1e-11


def difference(got: Array, wanted: Array) -> float:
    """The largest difference, relative to the largest value; of results that are worth comparing."""
    assert got.shape == wanted.shape
    assert wanted.std() > 1e-3 * np.abs(wanted).max(), "constant results prove nothing"
    return float(np.abs(got - wanted).max() / np.abs(wanted).max())


def telling(result: Array) -> Array:
    """Return results, which depend on the image."""
    assert np.ptp(result, axis=0).max() > 1e-2 * np.abs(result).max(), "one image is as another"
    return result


def images(size: tuple[int, int], seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal((2, 3, *size))


def ours(backend: str, program: Program, state: State, x: Array) -> Array:
    """Our result of an artefact in double."""
    return runner(backend, program, state)(x)


def runner(backend: str, program: Program, state: State) -> Callable[[Array], Array]:
    """The same of one artefact, built once for all images."""
    found = in_full(backend)
    artefact = found.load_state(found.build(program, "float64"), state)

    def result(x: Array) -> Array:
        (value,) = found.run(artefact, x).values()
        return value

    return result


# --- torch -------------------------------------------------------------------------------------


def stirred(model: Any, seed: int = 0) -> Any:
    """Return a module of torch with random weights, signed means and no variance of 1."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    for name, value in model.state_dict().items():
        if not value.is_floating_point():
            continue
        if value.ndim > 1:
            fan_in = value[0].numel()
            value.copy_(torch.randn(value.shape, generator=generator) * (2 / fan_in) ** 0.5)
        elif name.endswith(("running_var", "weight")):
            value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
        else:
            value.copy_(torch.randn(value.shape, generator=generator) * 0.3)
    return model


def timm_model(name: str, **options: Any) -> Any:
    """Return timm's model; those of BiT, whose depths timm fixes, of other depths too."""
    torchvision_models()  # timm imports it
    timm = pytest.importorskip("timm")
    if name.endswith("_bit") and "layers" in options:
        resnetv2 = importlib.import_module("timm.models.resnetv2")
        return resnetv2._create_resnetv2_bit(name, width_factor=1, **options)
    return timm.create_model(name, pretrained=False, **options)


def torchvision_model(name: str, stages: list[int] | None, classes: int = 5) -> Any:
    """Return torchvision's model; a ResNet with so many blocks a stage."""
    models = torchvision_models()
    if stages is None:
        return getattr(models, name)(weights=None, num_classes=classes, aux_logits=False, init_weights=False)
    resnet = importlib.import_module("torchvision.models.resnet")
    block, more = {
        "resnet18": (resnet.BasicBlock, {}),
        "resnext50_32x4d": (resnet.Bottleneck, {"groups": 32, "width_per_group": 4}),
    }[name]
    return resnet.ResNet(block, stages, num_classes=classes, **more)


def torch_result(model: Any, x: Array) -> Array:
    import copy

    import torch

    with torch.no_grad():
        result: Array = copy.deepcopy(model).double().eval()(torch.from_numpy(x)).numpy()
    return telling(result)


def saved(model: Any, path: Path) -> Path:
    import torch

    torch.save(model.state_dict(), path)
    return path


# --- Keras -------------------------------------------------------------------------------------


@contextmanager
def keras_in(dtype: str) -> Iterator[None]:
    """Within, Keras makes models of this type."""
    import keras

    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])


SOFTENED = 0.05
"""A factor for the last weights of a Keras model: a softmax near 0 and 1 would hide what differs."""


def stirred_keras(model: Any, seed: int = 0) -> Any:
    """Return a model of Keras with random weights, signed means and no variance of 1."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if type(layer).__name__ == "Normalization":
            continue  # of the images: no weights
        for variable in layer.weights:
            shape = tuple(variable.shape)
            if len(shape) > 1:
                scale = SOFTENED if layer is model.layers[-1] else 1.0
                fan_in = np.prod(shape[:2] if hasattr(layer, "depth_multiplier") else shape[:-1])
                value = rng.standard_normal(shape) * scale * (2 / fan_in) ** 0.5
            elif variable.name in ("gamma", "moving_variance"):
                value = rng.uniform(0.5, 1.5, shape)
            else:
                value = rng.standard_normal(shape) * 0.3
            variable.assign(value.astype(np.float32))
    return model


def saved_legacy(model: Any, path: Path) -> Path:
    """Write weights as Keras 2 did, and as the published files are."""
    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return path


def keras_result(make: Maker, model: Any, x: Array) -> Array:
    """The result of a model in double that `make` makes for the size of `x`, with the weights of `model`."""
    with keras_in("float64"):
        double = make(x.shape[2:])
        for to, of in zip(double.weights, model.weights, strict=True):
            to.assign(of.numpy().astype(np.float64))
        result: Array = double(x.transpose(0, 2, 3, 1), training=False).numpy()
    return telling(result)


def application(name: str, size: tuple[int, int]) -> Any:
    """A model of keras.applications of five classes, without softmax; images are not scaled in it."""
    import keras

    make = getattr(keras.applications, name)
    model = make(weights=None, input_shape=(*size, 3), classes=5, classifier_activation=None)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Rescaling):
            layer.scale, layer.offset = 1.0, 0.0
    return model


def resnet_v1(blocks: tuple[int, ...] = (1, 1, 1, 2), classes: int = 5, width: int = 64) -> Maker:
    """keras.applications' ResNet, first version, with so many blocks a stage; the first is `width` wide."""
    from keras.src.applications import resnet

    return _resnet(resnet.stack_residual_blocks_v1, blocks, False, classes, width, stride_first=True)


def resnet_v2(blocks: tuple[int, ...] = (2, 2, 3, 2), classes: int = 5, width: int = 64) -> Maker:
    """The second version."""
    from keras.src.applications import resnet

    return _resnet(resnet.stack_residual_blocks_v2, blocks, True, classes, width, stride_first=False)


def _resnet(
    stack: Any, blocks: tuple[int, ...], preact: bool, classes: int, width: int, *, stride_first: bool
) -> Maker:
    from keras.src.applications import resnet

    def stacked(x: Any) -> Any:
        for index, count in enumerate(blocks):
            plain = index == (0 if stride_first else len(blocks) - 1)
            x = stack(x, width * 2**index, count, stride1=1 if plain else 2, name=f"conv{index + 2}")
        return x

    def make(size: tuple[int, int]) -> Any:
        shape = (*size, 3)
        return resnet.ResNet(stacked, preact, True, weights=None, input_shape=shape, classes=classes)

    return make


def vgg16(classes: int = 5) -> Maker:
    """keras.applications' VGG16 with a head of its names and few units."""
    import keras
    from keras import layers

    def make(size: tuple[int, int]) -> Any:
        base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(*size, 3))
        x = layers.Flatten(name="flatten")(base.output)
        x = layers.Dense(16, activation="relu", name="fc1")(x)
        x = layers.Dense(8, activation="relu", name="fc2")(x)
        x = layers.Dense(classes, activation="softmax", name="predictions")(x)
        return keras.Model(base.input, x)

    return make


def resnext(groups: int = 32) -> Maker:
    """A ResNeXt as keras-applications had it, of one block a stage: depthwise, then summed in groups."""
    import keras
    from keras import layers, ops

    def conv(x: Any, channels: int, name: str, **more: Any) -> Any:
        return layers.Conv2D(channels, more.pop("kernel", 1), use_bias=False, name=name, **more)(x)

    def norm(x: Any, name: str) -> Any:
        return layers.BatchNormalization(epsilon=1.001e-5, name=name)(x)

    def block(x: Any, width: int, stride: int, name: str) -> Any:
        each = width // groups
        short = norm(conv(x, 2 * width, f"{name}_0_conv", strides=stride), f"{name}_0_bn")
        x = ops.relu(norm(conv(x, width, f"{name}_1_conv"), f"{name}_1_bn"))
        x = layers.ZeroPadding2D(1)(x)
        depthwise = layers.DepthwiseConv2D(
            3, strides=stride, depth_multiplier=each, use_bias=False, name=f"{name}_2_conv"
        )
        x = depthwise(x)
        x = ops.reshape(x, (-1, *x.shape[1:3], groups, each, each))
        x = ops.reshape(ops.sum(x, axis=-2), (-1, *x.shape[1:3], width))
        x = ops.relu(norm(x, f"{name}_2_bn"))
        return ops.relu(short + norm(conv(x, 2 * width, f"{name}_3_conv"), f"{name}_3_bn"))

    def make(size: tuple[int, int]) -> Any:
        inputs = keras.Input((*size, 3))
        x = conv(layers.ZeroPadding2D(3)(inputs), 64, "conv1_conv", kernel=7, strides=2)
        x = layers.ZeroPadding2D(1)(ops.relu(norm(x, "conv1_bn")))
        x = layers.MaxPooling2D(3, strides=2)(x)
        for index in range(2):
            x = block(x, 128 * 2**index, 1 + index, f"conv{index + 2}_block1")
        x = layers.Dense(5, name="predictions")(layers.GlobalAveragePooling2D()(x))
        return keras.Model(inputs, x)

    return make


# --- the CIFAR repositories --------------------------------------------------------------------


def cifar_resnet(head: str, option: str, blocks: int = 1) -> Any:
    """ResNets as akamaster (`linear`, A) and chenyaofo (`fc`, B) write them."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Block(nn.Module):
        def __init__(self, inner: int, planes: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(inner, planes, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(planes)
            self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(planes)
            self.downsample = None
            if inner != planes and option == "B":
                conv = nn.Conv2d(inner, planes, 1, stride, bias=False)
                self.downsample = nn.Sequential(conv, nn.BatchNorm2d(planes))
            self.more = (planes - inner) // 2

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
            if self.downsample is not None:
                x = self.downsample(x)
            elif self.more:
                x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more, self.more))
            return F.relu(out + x)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(16)
            inner = 16
            for stage, planes in enumerate((16, 32, 64)):
                made = []
                for index in range(blocks):
                    made.append(Block(inner, planes, 2 if stage and not index else 1))
                    inner = planes
                self.add_module(f"layer{stage + 1}", nn.Sequential(*made))
            self.add_module(head, nn.Linear(64, 10))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = F.relu(self.bn1(self.conv1(x)))
            x = self.layer3(self.layer2(self.layer1(x))).mean((2, 3))
            return getattr(self, head)(x)

    return Net()


def keras_resnet(depths: list[int], v2: bool, widths: list[int], **given: Any) -> Any:
    """A ResNet of keras.applications with stages of one's own."""
    pytest.importorskip("keras")
    from keras.src.applications import resnet

    def stack(x: Any) -> Any:
        for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            name = f"conv{stage + 2}"
            if v2:
                stride = 1 if stage == len(depths) - 1 else 2
                x = resnet.stack_residual_blocks_v2(x, width, depth, stride1=stride, name=name)
            else:
                stride = 1 if stage == 0 else 2
                x = resnet.stack_residual_blocks_v1(x, width, depth, stride1=stride, name=name)
        return x

    shape = (64, 64, 3)
    return resnet.ResNet(stack, v2, True, weights=None, weights_name=None, input_shape=shape, **given)
