"""Weights into and out of a model: its initialisers under canonical names, torch's layouts as they are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import ModelProto, TensorProto, numpy_helper

from resnet_dsl.ir.arrays import Array

Shapes = Mapping[str, tuple[int, ...]]


def store(model: ModelProto, state: Mapping[str, Array]) -> ModelProto:
    """Overwrite every weight of the model, in the model's own precision, and return the model."""
    tensors = {tensor.name: tensor for tensor in weights_of(model)}
    check({name: tuple(tensor.dims) for name, tensor in tensors.items()}, state)
    for name, tensor in tensors.items():
        put(tensor, state[name])
    return model


def read(model: ModelProto) -> dict[str, Array]:
    """Return every weight of the model by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in weights_of(model)}


def weights_of(model: ModelProto) -> list[TensorProto]:
    """Return the initialisers that are weights: the constants of rules have a slash in their names."""
    return [tensor for tensor in model.graph.initializer if "/" not in tensor.name]


def put(tensor: TensorProto, value: Array) -> None:
    """Overwrite the contents of a tensor, its type kept."""
    dtype = np.float64 if tensor.data_type == TensorProto.DOUBLE else np.float32
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(value, dtype), tensor.name))


def check(expected: Shapes, state: Mapping[str, Array]) -> None:
    """Raise ValueError with every name that is missing, unexpected or of another shape."""
    given = {name: tuple(np.shape(value)) for name, value in state.items()}
    missing = [name for name in expected if name not in given]
    unexpected = [name for name in given if name not in expected]
    misshapen = [
        f"{name} ({given[name]}, not {shape})"
        for name, shape in expected.items()
        if name in given and given[name] != shape
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": misshapen}
    faults = [f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names]
    if faults:
        raise ValueError(f"these weights are not the model's; {'; '.join(faults)}")
