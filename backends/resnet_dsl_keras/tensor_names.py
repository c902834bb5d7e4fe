"""Names and layouts of weights: Keras' against the canonical ones, which are torch's."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING

from resnet_dsl.backend.ir import AGAIN

if TYPE_CHECKING:
    from resnet_dsl.backend.ir import Array

# Keras' name of a variable, and the canonical one.
NAMES = {
    "kernel": "weight",
    "depthwise_kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "alpha": "weight",
    "gain": "gain",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
NORM_VARIABLES = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
REPEATED = ">"
KERNEL = "kernel"
DEPTHWISE = "depthwise_kernel"  # HWIO with the I and O of one group; Keras 3 calls it `kernel` too
SLOPES = "alpha"  # of a PReLU: with an extent of 1 for each axis along which they are shared
# Tensors that a layer of the file calls as we do: learned positions, a row for each.
POSITIONS = ("positional_embedding", "height_rel", "width_rel")
LAYER_VARIABLES = {
    "weight": "kernel", "bias": "bias", "gain": "gain", **dict(zip(POSITIONS, POSITIONS, strict=True))
}  # fmt: skip
NAMES |= {name: name for name in POSITIONS}
# The axes of a weight of Keras in torch's order, by how many there are: HWIO to OIHW, WIO to OIW,
# (in, out) to (out, in).
AXES = {4: (3, 2, 0, 1), 3: (2, 1, 0), 2: (1, 0)}


def layer_name(path: str) -> str:
    """Return the name of a layer in Keras: its path, which Keras on PyTorch allows no dots in.

    Nor does TensorFlow allow the sign of what is applied again.
    """
    return path.replace(".", "-").replace(AGAIN, REPEATED)


def apart(layer: str) -> str:
    """Return the name for a layer that Keras would call an operation of its own as: `add-` for `add`."""
    return f"{layer}-"


def path_of(layer: str) -> str:
    """Return the canonical path of a layer by its name in Keras, told apart from an operation's or not."""
    return ".".join(filter(None, layer.split("-"))).replace(REPEATED, AGAIN)


def to_keras(value: Array) -> Array:
    """Return a weight in Keras' layout: OIHW as HWIO, (out, in) as (in, out)."""
    if value.ndim == 4:
        return value.transpose(2, 3, 1, 0)
    return value.T if value.ndim in AXES else value


def keras_variables(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Return the tensors of a layer as Keras names and keeps them."""
    if any(value.ndim > 1 for value in tensors.values()):
        names: Mapping[str, str] = LAYER_VARIABLES
    else:
        names = {"weight": SLOPES} if tensors.keys() == {"weight"} else NORM_VARIABLES
    return {names[name]: to_keras(value) for name, value in tensors.items()}


def to_torch(value: Array) -> Array:
    """Return a weight of Keras in torch's layout."""
    return value.transpose(AXES[value.ndim]) if value.ndim in AXES else value


def variable_in_torch(variable: str, value: Array) -> Array:
    """Return a variable of Keras in torch's layout."""
    if variable == DEPTHWISE and value.ndim == 4:
        value = value.reshape(*value.shape[:2], 1, -1)
    return value.reshape(-1) if variable == SLOPES else to_torch(value)


def shape_in_torch(variable: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a variable of Keras in torch's layout."""
    if variable == SLOPES:
        return (prod(shape),)
    if variable == DEPTHWISE and len(shape) == 4:
        return (shape[2] * shape[3], 1, *shape[:2])
    return tuple(shape[axis] for axis in AXES.get(len(shape), range(len(shape))))
