"""Graphs as `resnet-dsl import` reads them: those of files, and those that programs would have here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from onnx import (
    AttributeProto,
    GraphProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    defs,
    helper,
    numpy_helper,
)

from resnet_dsl.backend.foreign_graph import ForeignConstant, ForeignGraph, ForeignNode
from resnet_dsl.backend.ir import INPUT, Array, Extent, GraphNode, Program
from resnet_dsl.backend.refusals import UsageError, printable
from resnet_dsl_onnx import nodes
from resnet_dsl_onnx.message_sizes import parsed
from resnet_dsl_onnx.render import OPSET, without_weights
from resnet_dsl_onnx.rules import lower
from resnet_dsl_onnx.rules.windows import padding_behind

DOMAINS = ("", "ai.onnx")
LARGEST = 64  # elements of a constant that are kept one by one
LISTS = {AttributeProto.INTS, AttributeProto.FLOATS}
PLAIN = {AttributeProto.INT, AttributeProto.FLOAT}


def of_program(program: Program) -> ForeignGraph:
    """Return the graph that the program is written as."""
    found = _foreign(without_weights(program), OPSET)
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
        attributes = _complete(part.op_type, OPSET, part.attributes)
        parts.append(ForeignNode(result, part.op_type, tuple(inputs), (result,), *attributes))
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
    model = parsed(path)
    opset = next((each.version for each in model.opset_import if each.domain in DOMAINS), OPSET)
    found = _foreign(model.graph, opset)
    if odd := found.misplaced():
        raise UsageError(
            f"its graph is not in order: {printable(odd)} is taken before it is given, or given twice"
        )
    if any(not node.inputs or not node.inputs[0] for node in found.nodes):
        raise UsageError("its graph has a node without inputs")
    return found


def _foreign(graph: GraphProto, opset: int) -> ForeignGraph:
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
            found.append(_node(node, opset, weights))
    outputs = tuple((_text(value.name), _text(value.name)) for value in graph.output)
    if not outputs:
        raise UsageError("its graph has no output")
    return ForeignGraph(_text(inputs[0].name), _sizes(inputs[0]), tuple(found), outputs, constants, weights)


def _node(node: NodeProto, opset: int, weights: Mapping[str, tuple[int, ...]]) -> ForeignNode:
    given = {_text(attribute.name): _attribute(attribute) for attribute in node.attribute}
    name, op = _text(node.name), _text(node.op_type)
    inputs, outputs = tuple(map(_text, node.input)), tuple(map(_text, node.output)) or ("",)
    if node.domain not in DOMAINS:
        return ForeignNode(name, f"{node.domain}.{op}", inputs, outputs, given)
    weight = next((weights[each] for each in inputs if each in weights), ())
    return ForeignNode(name, op, inputs, outputs, *_complete(op, opset, given, weight))


def _complete(
    op: str, opset: int, given: Mapping[str, Any], weight: tuple[int, ...] = ()
) -> tuple[Mapping[str, Any], frozenset[str]]:
    """The attributes of a node with those that it leaves out, as ONNX means them, and which it may."""
    usual = dict(_defaults(op, opset))
    if "kernel_shape" in _attribute_names(op):
        if weight:
            usual["kernel_shape"] = weight[2:]
        kernel = given.get("kernel_shape", weight[2:])
        axes = len(kernel) if isinstance(kernel, tuple) else 0
        usual |= {"strides": (1,) * axes, "dilations": (1,) * axes, "pads": (0, 0) * axes}
        if given.get("auto_pad", "NOTSET") != "NOTSET":
            del usual["pads"]
    found = _with_ceil_mode({**{name: usual[name] for name in usual.keys() & _attribute_names(op)}, **given})
    return found, frozenset(name for name, value in found.items() if usual.get(name) == value)


def _with_ceil_mode(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """A pool that is padded behind so that it rounds up, as we write it, as others do: with `ceil_mode`.

    Whether padding counts in a mean says nothing where there is none.
    """
    if "ceil_mode" not in found or not all(
        isinstance(found.get(name), tuple) for name in ("kernel_shape", "strides", "pads")
    ):
        return found
    axes = len(found["kernel_shape"])
    before, behind = found["pads"][:axes], found["pads"][axes:]
    if len(found["strides"]) != axes or len(before) != len(behind):
        return found
    counted = found.get("count_include_pad", 0)
    if behind != before and not counted and not found["ceil_mode"]:
        if behind != padding_behind(found["kernel_shape"], found["strides"], before):
            return found
        return {**found, "pads": before * 2, "ceil_mode": 1}
    return {**found, "count_include_pad": 0} if counted and not any(found["pads"]) else found


@cache
def _defaults(op: str, opset: int) -> Mapping[str, Any]:
    """The defaults of an op's attributes in an opset, of those that it has in ours.

    One that came later by default changes nothing.
    """
    try:
        known, schema = defs.get_schema(op, OPSET).attributes, defs.get_schema(op, opset).attributes
    except defs.SchemaError:
        return {}
    defaults = {name: schema.get(name, each).default_value for name, each in known.items()}
    return {name: _attribute(value) for name, value in defaults.items() if value.type}


@cache
def _attribute_names(op: str) -> frozenset[str]:
    try:
        return frozenset(defs.get_schema(op, OPSET).attributes)
    except defs.SchemaError:
        return frozenset()


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
