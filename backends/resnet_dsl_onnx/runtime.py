"""The live ONNX model: a ModelProto, built, loaded, read, run and looked into with NumPy arrays.

Single precision is run by onnxruntime, double by ONNX's reference evaluator:
onnxruntime's CPU kernels have no double convolution.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from onnx import AttributeProto, ModelProto, TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from resnet_dsl.backend.ir import Array, Program
from resnet_dsl_onnx.evaluator_ops import EVALUATOR_OPS
from resnet_dsl_onnx.files import session_source
from resnet_dsl_onnx.render import ELEMENT, LEFT_OUT, NUMBERS, check_weights, model_of

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def build(program: Program, dtype: str = "float32") -> ModelProto:
    """Return the model with the weights of seed 0: ONNX starts none."""
    return model_of(program, None, dtype)


def build_with(program: Program, state: Mapping[str, Array], dtype: str = "float32") -> ModelProto:
    """Return the model with these weights, under the names that the program gives them."""
    canonical = {program.tensor_name(name): name for name, _ in program.graph.parameters()}
    return model_of(program, {canonical.get(name, name): value for name, value in state.items()}, dtype)


# --- weights: initialisers under canonical names, in torch's layouts as they are ---------------


def load_state(model: ModelProto, state: Mapping[str, Array]) -> ModelProto:
    """Overwrite every weight of the model, in the model's own precision, and return the model."""
    tensors = {tensor.name: tensor for tensor in weights_of(model)}
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    left_out = json.loads(metadata.get(LEFT_OUT, "[]"))
    state = {name: value for name, value in state.items() if name not in left_out}
    check_weights({name: tuple(tensor.dims) for name, tensor in tensors.items()}, state)
    for name, tensor in tensors.items():
        put(tensor, state[name])
    return model


def read_state(model: ModelProto) -> dict[str, Array]:
    """Return every weight of the model by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in weights_of(model)}


def weights_of(model: ModelProto) -> list[TensorProto]:
    """Return the initialisers that are weights: the constants of rules have a slash in their names."""
    return [tensor for tensor in model.graph.initializer if "/" not in tensor.name]


def put(tensor: TensorProto, value: Array) -> None:
    """Overwrite the contents of a tensor, its type kept."""
    dtype = np.float64 if tensor.data_type == TensorProto.DOUBLE else np.float32
    tensor.CopyFrom(TensorProto(name=tensor.name, data_type=tensor.data_type, dims=np.shape(value)))
    tensor.raw_data = np.ascontiguousarray(value, np.dtype(dtype).newbyteorder("<")).tobytes()


# --- running -----------------------------------------------------------------------------------


def run(model: ModelProto, x: Array) -> dict[str, Array]:
    """Return the outputs by name for one NCHW batch, in the batch's precision."""
    return next(run_each(model, [x]))


def run_each(model: ModelProto, batches: Sequence[Array]) -> Iterator[dict[str, Array]]:
    """Yield the outputs by name for each NCHW batch, in the batches' precision, from one session."""
    names = [output.name for output in model.graph.output]
    session = _session(model, batches[0].dtype.name)
    return (dict(zip(names, session.run(None, {"input": x}), strict=True)) for x in batches)


def _session(model: ModelProto, dtype: str) -> InferenceSession | ReferenceEvaluator:
    """What runs a model in a precision."""
    if dtype not in ELEMENT:
        raise TypeError(f"an onnx model runs in float32 or float64, not {dtype}")
    given = model if _precision(model) == ELEMENT[dtype] else _copy(model, dtype)
    return _by_onnxruntime(given) if dtype == "float32" else _by_reference(given)


def _by_onnxruntime(model: ModelProto) -> InferenceSession:
    import onnxruntime

    with session_source(model) as source:
        return onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])


def _by_reference(model: ModelProto) -> ReferenceEvaluator:
    evaluator = ReferenceEvaluator(model, new_ops=list(EVALUATOR_OPS))
    _restore(evaluator, _written(model))
    return evaluator


def _precision(model: ModelProto) -> int:
    element: int = model.graph.input[0].type.tensor_type.elem_type
    return element


def _copy(model: ModelProto, dtype: str) -> ModelProto:
    """A copy of the model with every floating-point value and tensor in a precision.

    The scales of a Resize stay in single precision, and scalar constants are what was written.
    """
    copy = ModelProto()
    copy.CopyFrom(model)
    graph, written = copy.graph, _written(model)
    single = {node.input[2] for node in graph.node if node.op_type == "Resize"}
    for value in (*graph.input, *graph.output, *graph.value_info):
        value.type.tensor_type.elem_type = ELEMENT[dtype]
    for tensor in graph.initializer:
        if tensor.data_type in ELEMENT.values() and tensor.name not in single:
            value = numpy_helper.to_array(tensor)
            tensor.data_type = ELEMENT[dtype]
            put(tensor, value if tensor.dims else np.array(written.get(float(value), value)))
    return copy


def _written(model: ModelProto) -> dict[float, float]:
    """The numbers that single precision does not hold, by what it makes of them."""
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    return {float(np.float32(number)): number for number in json.loads(metadata.get(NUMBERS, "[]"))}


def _restore(evaluator: ReferenceEvaluator, written: Mapping[float, float]) -> None:
    """Give the attributes their numbers as they were written.

    Without this the outputs are off by 6e-12, as an eps of 1e-5 is 9.99999974e-06.
    """
    for node in evaluator.rt_nodes_:
        for attribute in node.onnx_node.attribute:
            if attribute.type == AttributeProto.FLOAT:
                setattr(node, attribute.name, written.get(attribute.f, attribute.f))


def trace(model: ModelProto, program: Program, x: Array) -> dict[str, Array]:
    """Return results by op, in the batch's precision."""
    given = [output.name for output in model.graph.output]
    inner = [value for value in model.graph.value_info if value.name not in given]
    model.graph.output.extend(inner)  # for a while: a copy would take the memory of all weights again
    try:
        found = run(model, x)
    finally:
        del model.graph.output[len(given) :]
    results = {name: found[name] for name in found if name not in given}
    results |= {result: found[output] for output, result in program.graph.inference.outputs}
    return {name.removesuffix("/value"): value for name, value in results.items()}
