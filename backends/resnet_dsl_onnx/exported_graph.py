"""A graph as a file has it: its nodes, and its tensors, which are read when asked for."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

from resnet_dsl.backend.bounds import NODES
from resnet_dsl.backend.contents import Stored
from resnet_dsl.backend.foreign_graph import ForeignNode
from resnet_dsl.backend.ir import Array
from resnet_dsl.backend.records import dataclass, field
from resnet_dsl.backend.refusals import UsageError, printable

OURS = "resnet-dsl"
SHARED = "shared"
"""The entry of our metadata that names the weights which several ops take, if any are."""
DOMAINS = ("", "ai.onnx")
LISTS = {AttributeProto.INTS, AttributeProto.FLOATS}
PLAIN = {AttributeProto.INT, AttributeProto.FLOAT}
CONSTANT = "constant/"
"""In the names of tensors that are constants of our rules."""
DEEPEST = 64
FEW = 64
"""Elements of a tensor that says where and how, and is read with the graph."""
FILLING = "ConstantOfShape"
QUANTISED = (
    "ConvInteger", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "QLinearConv",
    "QLinearMatMul", "QuantizeLinear",
)  # fmt: skip
WHOLE = ("int64", "int32", "bool")


@dataclass(frozen=True)
class GraphTensor(Stored):
    """A tensor of a graph; `within` if the file itself holds it, `uniform` if all its elements are
    one, `depth` is how often it was made of others."""

    within: bool = True
    uniform: float | None = None
    depth: int = 0


@dataclass(frozen=True)
class ExportedGraph:
    """A graph of one input. `sizes` are all extents of it, None where they are open."""

    input: str
    sizes: tuple[int | None, ...]
    nodes: tuple[ForeignNode, ...]
    outputs: tuple[tuple[str, str], ...]
    """The name of each output and the value that it is."""
    tensors: Mapping[str, GraphTensor]
    opset: int
    origins: Mapping[str, str] = field(default_factory=dict)
    """The tensors of the file that others are, in another shape, order or precision."""
    notes: tuple[str, ...] = ()


def is_ours(model: ModelProto) -> bool:
    """Whether a model is as we wrote it: tools that simplify one leave its producer's name as it is."""
    if model.producer_name != OURS:
        return False
    takers: dict[str, list[str]] = {}
    for node in model.graph.node:
        for name in node.input:
            takers.setdefault(_text(name), []).append(_text(node.name))
    shared = next((_text(entry.value).split() for entry in model.metadata_props if entry.key == SHARED), ())
    several = frozenset(shared)
    weights = (name for tensor in model.graph.initializer if CONSTANT not in (name := _text(tensor.name)))
    return all(
        "/" not in name and "." in name and (len(takers.get(name, ())) > 1) == (name in several)
        for name in weights
    )


def exported(graph: GraphProto, opset: int, path: Path) -> ExportedGraph:
    """Return a graph as it is; raises UsageError where it has not one input and some output."""
    tensors: dict[str, GraphTensor] = {}
    for each in graph.initializer:
        name = _text(each.name)
        if name in tensors:
            raise UsageError(f"two initialisers are called {printable(name)}")
        tensors[name] = tensor_of(each, path)
    inputs = [value for value in graph.input if _text(value.name) not in tensors]
    if len(inputs) != 1:
        raise UsageError(f"its graph has {len(inputs)} inputs; a spec has one")
    outputs = tuple(_text(value.name) for value in graph.output)
    if not outputs:
        raise UsageError("its graph has no output")
    nodes = tuple(_nodes(graph, tensors))
    values = tuple(zip(outputs, outputs, strict=True))
    return ExportedGraph(_text(inputs[0].name), _sizes(inputs[0]), nodes, values, tensors, opset)


def check_order(graph: ExportedGraph) -> None:
    """Raise UsageError for values that are taken before they are given, or given twice."""
    known = {graph.input, "", *graph.tensors}
    odd = ""
    for node in graph.nodes:
        if not node.inputs or not node.inputs[0]:
            raise UsageError("its graph has a node without inputs")
        odd = odd or next((name for name in node.inputs if name not in known), "")
        for name in filter(None, node.outputs):
            odd = odd or (name if name in known else "")
            known.add(name)
    odd = odd or next((value for _, value in graph.outputs if value not in known), "")
    if odd:
        raise UsageError(
            f"its graph is not in order: {printable(odd)} is taken before it is given, or given twice"
        )


def check_readable(model: ModelProto) -> None:
    """Raise UsageError for a graph that computes with whole numbers, or of others that is no network's."""
    nodes = model.graph.node
    if len(nodes) + sum(len(node.input) for node in nodes) > NODES.most and not is_ours(model):
        raise UsageError(f"its graph has more than {NODES.most:,} nodes and values that they take")
    found = next((op for node in model.graph.node if (op := _text(node.op_type)) in QUANTISED), None)
    if found is not None:
        raise UsageError(
            f"a quantised graph ({found}): its weights are whole numbers with scales; "
            "take the model that it was made from"
        )


def opset_of(model: ModelProto) -> int:
    """Return the version of ONNX's own ops in a model, 1 where it says none."""
    found = next((each.version for each in model.opset_import if each.domain in DOMAINS), 1)
    return int(found)


def _nodes(graph: GraphProto, tensors: dict[str, GraphTensor]) -> Iterator[ForeignNode]:
    """Yield the nodes but for constants, which are put among the tensors."""
    for node in graph.node:
        outputs = tuple(map(_text, node.output)) or ("",)
        op = _text(node.op_type)
        if op == "Constant" and len(outputs) == 1 and len(node.attribute) == 1:
            tensors[outputs[0]] = _of_constant(node.attribute[0])
            continue
        domain = "" if node.domain in DOMAINS else f"{_text(node.domain)}."
        attributes = {_text(each.name): attribute_value(each) for each in node.attribute}
        if op == FILLING:
            attributes["value"] = next((_number(each.t) for each in node.attribute), 0)
        yield ForeignNode(
            _text(node.name), f"{domain}{op}", tuple(map(_text, node.input)), outputs, attributes
        )


def _number(tensor: TensorProto) -> float | None:
    """The one number of a tensor, None if there are more."""
    return None if prod(tensor.dims) != 1 else float(_inside(tensor).ravel()[0])


def attribute_value(attribute: AttributeProto) -> Any:
    """Return an attribute as plain data; a tensor or graph as what equals nothing of ours."""
    if attribute.type == AttributeProto.STRING:
        return attribute.s.decode("utf-8", "backslashreplace")
    if attribute.type in LISTS:
        return tuple(helper.get_attribute_value(attribute))
    if attribute.type in PLAIN:
        return helper.get_attribute_value(attribute)
    return f"({AttributeProto.AttributeType.Name(attribute.type).lower()})"


def _sizes(value: ValueInfoProto) -> tuple[int | None, ...]:
    dims = value.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in dims)


# --- tensors -----------------------------------------------------------------------------------


def tensor_of(tensor: TensorProto, path: Path) -> GraphTensor:
    """Return a tensor of a file."""
    dtype = _dtype(tensor.data_type)
    outside = tensor.data_location == TensorProto.EXTERNAL
    load = functools.partial(_outside, path, tensor, dtype) if outside else functools.partial(_inside, tensor)
    return GraphTensor(tuple(tensor.dims), dtype, load, within=not outside)


def array_tensor(value: Array) -> GraphTensor:
    """Return an array as a tensor of a graph."""
    return GraphTensor(value.shape, value.dtype.name, lambda: value)


def _of_constant(attribute: AttributeProto) -> GraphTensor:
    if attribute.type == AttributeProto.TENSOR:
        return tensor_of(attribute.t, Path())
    value = np.array(attribute_value(attribute))
    return array_tensor(value.astype(np.float32) if value.dtype == np.float64 else value)


def _dtype(code: int) -> str:
    """The name of an element type as NumPy has it; of an unknown one, its number."""
    if code not in TensorProto.DataType.values():
        return f"type {code}"
    name: str = TensorProto.DataType.Name(code).lower()
    return {"float": "float32", "double": "float64"}.get(name, name)


def _inside(tensor: TensorProto) -> Array:
    value: Array = numpy_helper.to_array(tensor)
    if value.size != prod(tensor.dims):
        raise ValueError("data and shape disagree")
    return value


def _outside(path: Path, tensor: TensorProto, dtype: str) -> Array:
    """Read a tensor from the file that is written beside a large model, and from no other."""
    places = {entry.key: entry.value for entry in tensor.external_data}
    beside = path.with_name(f"{path.name}.data")
    if places.get("location") != beside.name or beside.is_symlink():
        raise UsageError(f"{path}: {printable(tensor.name)} lies in another file than {beside.name}: refused")
    kind = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).newbyteorder("<")
    count, offset = prod(tensor.dims), int(places.get("offset", "0"))
    if offset < 0 or int(places.get("length", count * kind.itemsize)) != count * kind.itemsize:
        raise ValueError("data and shape disagree")
    return np.fromfile(beside, kind, count, offset=offset).reshape(tuple(tensor.dims))


def _text(value: str | bytes) -> str:
    """A string field; protobuf gives bytes for one that is no UTF-8."""
    return value if isinstance(value, str) else value.decode("utf-8", "backslashreplace")
