"""Graphs as `resnet-dsl import` reads them: those of files, and those that programs would have here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, defs

from resnet_dsl.backend.foreign_graph import ForeignConstant, ForeignGraph, ForeignNode
from resnet_dsl.backend.ir import INPUT, Array, Extent, GraphNode, Program
from resnet_dsl.backend.records import replace
from resnet_dsl.backend.refusals import UsageError
from resnet_dsl_onnx import nodes
from resnet_dsl_onnx.exported_graph import (
    CONSTANT,
    ExportedGraph,
    GraphTensor,
    attribute_value,
    check_order,
    check_readable,
    exported,
    is_ours,
    opset_of,
)
from resnet_dsl_onnx.message_sizes import parsed
from resnet_dsl_onnx.plain import plain
from resnet_dsl_onnx.plain.fixed_values import FLOATING
from resnet_dsl_onnx.render import OPSET, without_weights
from resnet_dsl_onnx.rules import lower
from resnet_dsl_onnx.rules.windows import padding_behind

LARGEST = 64  # elements of a constant that are kept one by one


def of_program(program: Program) -> ForeignGraph:
    """Return the graph that the program is written as."""
    found = of_plain(exported(without_weights(program), OPSET, Path()))
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
    return of_model(parsed(path), path)


def of_model(model: ModelProto, path: Path) -> ForeignGraph:
    """Return the graph of a model, one by another exporter in plain form."""
    check_readable(model)
    if not is_ours(model):
        return of_plain(plain(model, path))
    found = exported(model.graph, opset_of(model), path)
    check_order(found)
    return of_plain(found)


def of_plain(graph: ExportedGraph) -> ForeignGraph:
    """Return a graph in plain form as the decompiler reads it."""
    kept = {name: tensor for name, tensor in graph.tensors.items() if _says_how(name, tensor)}
    constants = {name: _constant_of(tensor) for name, tensor in kept.items()}
    weights = {name: tuple(tensor.shape) for name, tensor in graph.tensors.items() if name not in kept}
    completed = []
    for node in graph.nodes:
        weight = next((weights[each] for each in node.inputs if each in weights), ())
        attributes, implied = _complete(node.op, graph.opset, node.attributes, weight)
        completed.append(replace(node, attributes=attributes, implied=implied))
    return ForeignGraph(
        graph.input, _extents(graph.sizes), tuple(completed), graph.outputs, constants, weights
    )


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
    return {name: attribute_value(value) for name, value in defaults.items() if value.type}


@cache
def _attribute_names(op: str) -> frozenset[str]:
    try:
        return frozenset(defs.get_schema(op, OPSET).attributes)
    except defs.SchemaError:
        return frozenset()


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


def _extents(sizes: tuple[int | None, ...]) -> tuple[int | str, ...]:
    """The extents after the batch, letters where they are open."""
    if len(sizes) not in (2, 4):
        raise UsageError(f"its input has {len(sizes)} axes; a spec takes images or vectors")
    return tuple(letter if size is None else size for size, letter in zip(sizes[1:], "CHW", strict=False))


def _says_how(name: str, tensor: GraphTensor) -> bool:
    """Whether a tensor is a constant of the graph, not a weight."""
    return tensor.within and (tensor.dtype not in FLOATING or not tensor.shape or CONSTANT in name)


def _constant_of(tensor: GraphTensor) -> ForeignConstant:
    value = tensor.load()
    if value.size != prod(tensor.shape):
        raise ValueError("data and shape disagree")
    return _constant(value)
