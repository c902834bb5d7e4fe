"""The live Keras model: built from its own source, loaded, read, run and looked into with NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from resnet_dsl.backend.ir import Array, Program
from resnet_dsl.backend.python_source import module_of
from resnet_dsl_keras.layer_names import result_layers
from resnet_dsl_keras.quiet import quiet_start, quiet_tracing
from resnet_dsl_keras.render import render
from resnet_dsl_keras.tensor_names import (
    DEPTHWISE,
    KERNEL,
    NAMES,
    SLOPES,
    path_of,
    shape_in_torch,
    to_keras,
    variable_in_torch,
)

with quiet_start():
    import keras
    from keras.src.backend.common import global_state

LEFT_TO_START = (
    "uninitialized_variables"  # those that Keras starts at the end of the next scope without state
)


def build(program: Program, dtype: str | None = None) -> keras.Model:
    """Return the rendered source's model under a policy, or that which is set; for double its exact form.

    It has the auxiliary outputs, and with them their weights.
    """
    policy = keras.config.dtype_policy() if dtype is None else keras.DTypePolicy(dtype)
    exact = policy.compute_dtype == "float64"
    return build_source(render(program, exact), program.name, dtype, program.network.auxiliary)


def build_with(program: Program, state: Mapping[str, Array], dtype: str | None = None) -> keras.Model:
    """Return the model with these weights; none is started before.

    Within a scope without state a variable is made with its shape alone, and gets its values at the end.
    """
    with keras.StatelessScope():
        model = build(program, dtype)
        for named in matching_variables(model, state):
            named.variable._initializer = partial(_copied, written(named, state[named.name]))
    return model


def _copied(value: Array, _: tuple[int, ...], dtype: str) -> Any:
    """What a variable starts with: a copy, since a file that is mapped may be written anew."""
    return keras.ops.convert_to_tensor(np.array(value, order="C"), dtype)


def build_unstarted(program: Program) -> keras.Model:
    """Return the model in single precision, with variables that have a shape and no values."""
    with keras.StatelessScope(initialize_variables=False):
        model = build(program, "float32")
    global_state.set_global_attribute(LEFT_TO_START, [])
    return model


def without_auxiliary(model: keras.Model) -> keras.Model:
    """Return the model without its auxiliary outputs: layers that these alone need are not its own."""
    return keras.Model(model.inputs[0], _main(model, model.output), name=model.name)


def _main(model: keras.Model, outputs: dict[str, Any]) -> dict[str, Any]:
    auxiliary = getattr(model, "_auxiliary", ())
    return {name: value for name, value in outputs.items() if name not in auxiliary}


def build_source(source: str, name: str, dtype: str | None, auxiliary: Sequence[str] = ()) -> keras.Model:
    """Execute source and build its model under the dtype policy, or that which is set."""
    return _built(module_of(source, name), dtype, auxiliary)


def _built(module: ModuleType, dtype: str | None, auxiliary: Sequence[str]) -> keras.Model:
    model = module.build(dtype=dtype, auxiliary=True) if auxiliary else module.build(dtype=dtype)
    model._auxiliary = tuple(auxiliary)
    return model


def variables_of(layer: keras.Layer) -> Iterator[tuple[str, Any]]:
    """Yield (what its values are to a layer, variable): a depthwise kernel has the name of any other."""
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    for variable in layer.weights:
        yield DEPTHWISE if depthwise and variable.name == KERNEL else variable.name, variable


class Named(NamedTuple):
    """A variable of a live model: its canonical name, and what its values are to its layer."""

    name: str
    kind: str
    variable: Any


def named_variables(model: keras.Model) -> Iterator[Named]:
    """Yield all variables by layer name, never by order."""
    for layer in model.layers:
        yield from named_in(layer)


def named_in(layer: keras.Layer) -> Iterator[Named]:
    """Yield the variables of a layer, in its order."""
    for kind, variable in variables_of(layer):
        yield Named(f"{path_of(layer.name)}.{NAMES[kind]}", kind, variable)


def load_state(model: keras.Model, state: Mapping[str, Array]) -> keras.Model:
    """Assign every tensor of `state`; raises ValueError naming what does not match."""
    for named in matching_variables(model, state):
        named.variable.assign(written(named, state[named.name]))
    return model


def matching_variables(model: keras.Model, state: Mapping[str, Array]) -> list[Named]:
    """Return all variables, each with a tensor in `state`; raises ValueError naming what does not match."""
    variables = {named.name: named for named in named_variables(model)}
    wrong = [f"missing {name}" for name in variables if name not in state]
    wrong += [f"unexpected {name}" for name in state if name not in variables]
    for name, named in variables.items():
        if name in state and written(named, state[name]).shape != tuple(named.variable.shape):
            wrong.append(f"{name} has shape {np.asarray(state[name]).shape}")
    if wrong:
        raise ValueError("the weights do not fit the model: " + "; ".join(wrong))
    return list(variables.values())


def written(named: Named, value: Array) -> Array:
    """Return a value in the layout of a variable, if its shape is one that this can be."""
    shape = tuple(named.variable.shape)
    turned = to_keras(np.asarray(value))
    fits = value.shape == shape_in_torch(named.kind, shape) and named.kind in (SLOPES, DEPTHWISE)
    return turned.reshape(shape) if fits else turned


def read_state(model: keras.Model) -> dict[str, Array]:
    """Return every variable, in torch's layout."""
    return {each.name: np.ascontiguousarray(in_torch(each, each.variable)) for each in named_variables(model)}


def in_torch(named: Named, value: Any) -> Array:
    """Return a variable's value, or its gradient, as an array in torch's layout."""
    return variable_in_torch(named.kind, keras.ops.convert_to_numpy(value))


def run(model: keras.Model, x: Array) -> dict[str, Array]:
    """Evaluate one NCHW batch; maps come back as NCHW too."""
    last = keras.config.image_data_format() == "channels_last"
    given = x.transpose(0, 2, 3, 1) if last and x.ndim == 4 else x
    with quiet_tracing():
        result = model(keras.ops.convert_to_tensor(given, dtype=model.inputs[0].dtype), training=False)
    outputs = _main(model, result) if isinstance(result, dict) else {"output": result}
    arrays = {name: keras.ops.convert_to_numpy(value) for name, value in outputs.items()}
    return {n: a.transpose(0, 3, 1, 2) if last and a.ndim == 4 else a for n, a in arrays.items()}


def trace(model: keras.Model, program: Program, x: Array) -> dict[str, Array]:
    """Return results by op, of every op that ends in a layer, as NCHW; in the model's own dtype."""
    return trace_layers(model, result_layers(program.graph), x)


def trace_layers(model: keras.Model, endings: Mapping[str, str], x: Array) -> dict[str, Array]:
    """Return the results of these ops, as far as they have layers."""
    layers = {path_of(layer.name): layer for layer in model.layers}
    outputs = {
        name: layers.get(f"{name}.{ending}", layers[name]).output
        for name, ending in endings.items()
        if name in layers
    }
    return run(keras.Model(model.inputs[0], outputs), x) if outputs else {}
