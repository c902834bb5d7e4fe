"""Running a model: single precision by onnxruntime, double by ONNX's reference evaluator.

onnxruntime's CPU kernels have no double convolution, hence the two engines.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from resnet_dsl_onnx.emit import ELEMENT, EPSILON
from resnet_dsl_onnx.files import session_source
from resnet_dsl_onnx.pooling import AveragePool, MaxPool
from resnet_dsl_onnx.state import put

Array = np.ndarray[Any, Any]


def execute(model: ModelProto, x: Array) -> dict[str, Array]:
    """Return the outputs by name for one NCHW batch, in the batch's precision."""
    match x.dtype.name:
        case "float32" if _precision(model) == ELEMENT["float32"]:
            results = _by_onnxruntime(model, x)
        case "float32":
            results = _by_onnxruntime(_copy(model, "float32"), x)
        case "float64":
            results = _by_reference(_exact_epsilon(_copy(model, "float64")), x)
        case other:
            raise TypeError(f"an onnx model runs in float32 or float64, not {other}")
    return dict(zip((output.name for output in model.graph.output), results, strict=True))


def _by_onnxruntime(model: ModelProto, x: Array) -> list[Array]:
    import onnxruntime

    with session_source(model) as source:
        session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    results: list[Array] = session.run(None, {"input": x})
    return results


def _by_reference(model: ModelProto, x: Array) -> list[Array]:
    evaluator = ReferenceEvaluator(model, new_ops=[MaxPool, AveragePool])
    results: list[Array] = evaluator.run(None, {"input": x})
    return results


def _precision(model: ModelProto) -> int:
    element: int = model.graph.input[0].type.tensor_type.elem_type
    return element


def _copy(model: ModelProto, dtype: str) -> ModelProto:
    """A copy of the model with every floating-point value and tensor in a precision."""
    copy = ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    for value in (*graph.input, *graph.output, *graph.value_info):
        value.type.tensor_type.elem_type = ELEMENT[dtype]
    for tensor in graph.initializer:
        if tensor.data_type in ELEMENT.values():
            value = numpy_helper.to_array(tensor)
            tensor.data_type = ELEMENT[dtype]
            put(tensor, value)
    return copy


def _exact_epsilon(model: ModelProto) -> ModelProto:
    """Move what single precision took from each epsilon into the variance it is added to, in place.

    Without this the outputs are off by 6e-12, as an attribute of 1e-5 is 9.99999974e-06.
    """
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    written = {float(np.float32(eps)): eps for eps in json.loads(metadata.get(EPSILON, "[]"))}
    tensors: dict[str, TensorProto] = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "BatchNormalization":
            kept = helper.get_node_attr_value(node, "epsilon")
            variance = tensors[node.input[4]]
            put(variance, numpy_helper.to_array(variance) + (written.get(kept, kept) - kept))
    return model
