"""Graphs as `resnet-dsl import` reads them: those of files, and those that programs would have here."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)

from resnet_dsl.backend.foreign_graph import ForeignConstant, ForeignGraph, ForeignNode
from resnet_dsl.backend.ir import INPUT, Array, Extent, GraphNode, Program
from resnet_dsl.backend.refusals import UsageError, printable
from resnet_dsl_onnx import nodes
from resnet_dsl_onnx.render import without_weights
from resnet_dsl_onnx.rules import lower

LARGEST = 64  # elements of a constant that are kept one by one
LISTS = {AttributeProto.INTS, AttributeProto.FLOATS}
PLAIN = {AttributeProto.INT, AttributeProto.FLOAT}


def of_program(program: Program) -> ForeignGraph:
    """Return the graph that the program is written as."""
    found = _foreign(without_weights(program))
    return replace(found, weights={name: parameter.shape for name, parameter in program.graph.parameters()})


def of_op(node: GraphNode) -> ForeignGraph:
    """Return the graph that one op is written as, where the input's height and width are open."""
    lowered = list(lower(node.op, node, Extent()))
    given = (each for part in lowered for each in part.inputs if isinstance(each, nodes.Constant))
    constants = {constant: f"constant/{number}" for number, constant in enumerate(dict.fromkeys(given))}
    parts = []
    for part in lowered:
        inputs = (each if isinstance(each, str) else constants[each] for each in part.inputs)
        result = part.result(node.name)
        parts.append(ForeignNode(result, part.op_type, tuple(inputs), (result,), part.attributes))
    return ForeignGraph(
        INPUT,
        (),
        tuple(parts),
        ((node.name, node.name),),
        {name: _filled(constant) for constant, name in constants.items()},
        {name: tensor.shape for name, tensor in node.parameters()},
    )


def read(path: Path) -> ForeignGraph:
    """Return the graph of a file; raises UsageError where it has not one input and some output."""
    model = ModelProto()
    model.ParseFromString(path.read_bytes())
    found = _foreign(model.graph)
    if odd := found.misplaced():
        raise UsageError(
            f"its graph is not in order: {printable(odd)} is taken before it is given, or given twice"
        )
    if any(not node.inputs or not node.inputs[0] for node in found.nodes):
        raise UsageError("its graph has a node without inputs")
    return found


def _foreign(graph: GraphProto) -> ForeignGraph:
    tensors = {_text(tensor.name): tensor for tensor in graph.initializer}
    inputs = [value for value in graph.input if _text(value.name) not in tensors]
    if len(inputs) != 1:
        raise UsageError(f"its graph has {len(inputs)} inputs; a spec has one")
    constants = {
        name: _read_constant(tensor) for name, tensor in tensors.items() if _is_constant(name, tensor)
    }
    weights = {name: tuple(tensor.dims) for name, tensor in tensors.items() if name not in constants}
    found = []
    for node in graph.node:
        given = _text(node.input[0]) if node.input else ""
        if (
            node.op_type == "Identity" and given in weights and len(node.output) == 1
        ):  # exporters write equal tensors once
            weights[_text(node.output[0])] = weights[given]
            continue
        if node.op_type == "Constant" and len(node.output) == 1 and len(node.attribute) == 1:
            constants[_text(node.output[0])] = _of_node(node.attribute[0])
        else:
            found.append(_node(node))
    outputs = tuple((_text(value.name), _text(value.name)) for value in graph.output)
    if not outputs:
        raise UsageError("its graph has no output")
    return ForeignGraph(_text(inputs[0].name), _sizes(inputs[0]), tuple(found), outputs, constants, weights)


def _node(node: NodeProto) -> ForeignNode:
    attributes = {_text(attribute.name): _attribute(attribute) for attribute in node.attribute}
    op = f"{node.domain}.{node.op_type}" if node.domain not in ("", "ai.onnx") else _text(node.op_type)
    return ForeignNode(
        _text(node.name),
        op,
        tuple(map(_text, node.input)),
        tuple(map(_text, node.output)) or ("",),
        attributes,
    )


def _attribute(attribute: AttributeProto) -> Any:
    """An attribute as plain data; a tensor or graph as what equals nothing of ours."""
    if attribute.type == AttributeProto.STRING:
        return attribute.s.decode("utf-8", "backslashreplace")
    if attribute.type in LISTS:
        return tuple(helper.get_attribute_value(attribute))
    if attribute.type in PLAIN:
        return helper.get_attribute_value(attribute)
    return f"({AttributeProto.AttributeType.Name(attribute.type).lower()})"


def _is_constant(name: str, tensor: TensorProto) -> bool:
    """Whether an initialiser is a constant of the graph, not a weight: ours have a slash in their names."""
    if tensor.data_location == TensorProto.EXTERNAL:
        return False
    floating = tensor.data_type in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)
    return not floating or not tensor.dims or "constant/" in name


def _of_node(attribute: AttributeProto) -> ForeignConstant:
    if attribute.type == AttributeProto.TENSOR:
        return _read_constant(attribute.t)
    return _constant(np.array(_attribute(attribute)))


def _read_constant(tensor: TensorProto) -> ForeignConstant:
    if tensor.data_location == TensorProto.EXTERNAL:
        return ForeignConstant("outside", tuple(tensor.dims), "")
    value = numpy_helper.to_array(tensor)
    if value.size != prod(tensor.dims):
        raise ValueError("data and shape disagree")
    return _constant(value)


def _filled(constant: nodes.Constant) -> ForeignConstant:
    """A constant of a rule as it lies in a file."""
    value = np.array(constant.value, "float32" if constant.kind == "model" else constant.kind)
    return _constant(np.resize(value, constant.shape) if constant.shape else value)


def _constant(value: Array) -> ForeignConstant:
    kind = "float32" if value.dtype == np.float64 else value.dtype.name
    value = np.ascontiguousarray(value, kind) if kind == "float32" else np.ascontiguousarray(value)
    if value.size > LARGEST:
        return ForeignConstant(kind, value.shape, hashlib.sha256(value.tobytes()).hexdigest())
    return ForeignConstant(kind, value.shape, tuple(value.ravel().tolist()))


def _sizes(value: ValueInfoProto) -> tuple[int | str, ...]:
    """The extents after the batch, letters where they are open."""
    dims = value.type.tensor_type.shape.dim
    letters = ["C", "H", "W"]
    found: list[int | str] = []
    for dim, letter in zip(dims[1:], letters, strict=False):
        found.append(dim.dim_value if dim.HasField("dim_value") else letter)
    if len(dims) not in (2, 4):
        raise UsageError(f"its input has {len(dims)} axes; a spec takes images or vectors")
    return tuple(found)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "backslashreplace")
