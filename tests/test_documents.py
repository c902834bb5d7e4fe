"""The network of the tutorial, written in Keras as the tutorial writes it, and ours: the same numbers."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from resnet_dsl.driver import compile_spec
from resnet_dsl.reference import evaluate
from tests.support.agreement import lively_state

pytestmark = pytest.mark.slow

keras = pytest.importorskip("keras")
BLOCKS = [3, 4, 6, 3]


def identity_block(x: Any, filters: int) -> Any:
    skip = x
    x = keras.layers.Conv2D(filters, (3, 3), padding="same")(x)
    x = keras.layers.BatchNormalization(axis=3)(x)
    x = keras.layers.Activation("relu")(x)
    x = keras.layers.Conv2D(filters, (3, 3), padding="same")(x)
    x = keras.layers.BatchNormalization(axis=3)(x)
    x = keras.layers.Add()([x, skip])
    return keras.layers.Activation("relu")(x)


def convolutional_block(x: Any, filters: int) -> Any:
    skip = x
    x = keras.layers.Conv2D(filters, (3, 3), padding="same", strides=(2, 2))(x)
    x = keras.layers.BatchNormalization(axis=3)(x)
    x = keras.layers.Activation("relu")(x)
    x = keras.layers.Conv2D(filters, (3, 3), padding="same")(x)
    x = keras.layers.BatchNormalization(axis=3)(x)
    skip = keras.layers.Conv2D(filters, (1, 1), strides=(2, 2))(skip)
    x = keras.layers.Add()([x, skip])
    return keras.layers.Activation("relu")(x)


def tutorial_resnet34(shape: tuple[int, int, int], classes: int = 10) -> Any:
    inputs = keras.layers.Input(shape)
    x = keras.layers.ZeroPadding2D((3, 3))(inputs)
    x = keras.layers.Conv2D(64, kernel_size=7, strides=2, padding="same")(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Activation("relu")(x)
    x = keras.layers.MaxPool2D(pool_size=3, strides=2, padding="same")(x)
    filters = 64
    for stage in range(4):
        first = 0
        if stage:
            filters, first = filters * 2, 1
            x = convolutional_block(x, filters)
        for _ in range(BLOCKS[stage] - first):
            x = identity_block(x, filters)
    x = keras.layers.AveragePooling2D((2, 2), padding="same")(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(512, activation="relu")(x)
    x = keras.layers.Dense(classes, activation="softmax")(x)
    return keras.models.Model(inputs=inputs, outputs=x)


@pytest.fixture
def double() -> Iterator[None]:
    before = keras.config.floatx()
    keras.backend.clear_session()  # layers are numbered from there on
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx(before)
    keras.backend.clear_session()
    gc.collect()


@pytest.mark.parametrize("size", [(32, 32), (45, 70)])
@pytest.mark.usefixtures("double")
def test_the_tutorial_s_network_gives_our_numbers(size: tuple[int, int]) -> None:
    """At 45x70 the maps before the head are 2x3: there the order of the flatten counts."""
    program = compile_spec("article_resnet34", None, {"input": f"3x{size[0]}x{size[1]}"})
    state, theirs = lively_state(program.graph), tutorial_resnet34((*size, 3))
    for kind, prefix in (("conv", "conv2d"), ("bn", "batch_normalization"), ("fc", "dense")):
        nodes = [node for node in program.graph.nodes if node.op.kind == kind]
        layers = {
            layer.name: layer for layer in theirs.layers if re.fullmatch(rf"{prefix}(_\d+)?", layer.name)
        }
        assert len(nodes) == len(layers) > 1
        for number, node in enumerate(
            nodes
        ):  # Keras numbers each kind in the order of creation, and so do we
            layer = layers[f"{prefix}_{number}" if number else prefix]
            layer.set_weights([in_keras(state[name]) for name, _ in node.parameters()])
    x = np.random.default_rng(0).standard_normal((2, 3, *size))
    wanted = np.asarray(theirs(x.transpose(0, 2, 3, 1), training=False))
    result = evaluate(program.graph, state, x)["output"]
    assert np.abs(wanted[0] - wanted[1]).max() > 1e-3, "the images make no difference"
    assert np.abs(result - wanted).max() <= 1e-12 * np.abs(wanted).max()


def in_keras(value: Any) -> Any:
    """OIHW as HWIO, (out, in) as (in, out); gamma, beta, mean and variance come in one order."""
    return value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T
