"""Running a model: single precision by onnxruntime, double by ONNX's reference evaluator.

onnxruntime's CPU kernels have no double convolution, hence the two engines.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
from onnx import AttributeProto, ModelProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from resnet_dsl.ir.arrays import Array
from resnet_dsl_onnx.emit import ELEMENT, NUMBERS
from resnet_dsl_onnx.evaluator_ops import LRN, Erf, HardSwish, Resize
from resnet_dsl_onnx.evaluator_pools import AveragePool, MaxPool
from resnet_dsl_onnx.files import session_source
from resnet_dsl_onnx.state import put


def execute(model: ModelProto, x: Array) -> dict[str, Array]:
    """Return the outputs by name for one NCHW batch, in the batch's precision."""
    match x.dtype.name:
        case "float32" if _precision(model) == ELEMENT["float32"]:
            results = _by_onnxruntime(model, x)
        case "float32":
            results = _by_onnxruntime(_copy(model, "float32"), x)
        case "float64":
            results = _by_reference(_copy(model, "float64"), x)
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
    evaluator = ReferenceEvaluator(model, new_ops=[MaxPool, AveragePool, Erf, HardSwish, LRN, Resize])
    _restore(evaluator, _written(model))
    results: list[Array] = evaluator.run(None, {"input": x})
    return results


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
