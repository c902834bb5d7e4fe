"""ONNX models as files of weights: their initialisers, those outside the file among them."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from resnet_dsl.backend.bounds import check_metadata
from resnet_dsl.backend.contents import Contents, Metadata, Stored, metadata_value
from resnet_dsl.backend.foreign_graph import KEEPS_NORMS, is_of_norm
from resnet_dsl.backend.ir import Array, Program
from resnet_dsl.backend.refusals import UsageError, printable
from resnet_dsl_onnx.message_sizes import parsed
from resnet_dsl_onnx.render import render
from resnet_dsl_onnx.runtime import weights_of

OURS = "resnet-dsl"
COUNTS = (TensorProto.INT64, TensorProto.BOOL)
FOLDED = f"a norm was folded into the convolution before it on export, and cannot be taken out; {KEEPS_NORMS}"


def encode(program: Program, state: Mapping[str, Array], metadata: Metadata, suffix: str) -> bytes:
    """Return the model with these weights; it carries its own metadata."""
    return render(program, state)


def encode_named(state: Mapping[str, Array], metadata: Metadata, suffix: str) -> bytes:
    """Raise UsageError: a graph goes with the tensors."""
    raise UsageError("such a file is a model and not weights alone; `compile --names` writes it")


def read(path: Path) -> Contents:
    """Return the initialisers of a model; the constants of our own rules are no weights."""
    model = parsed(path)
    if not model.ir_version or not model.graph.node:
        raise UsageError(f"{path}: not an ONNX model: it has no graph")
    ours = model.producer_name == OURS
    tensors: dict[str, Stored] = {}
    for tensor in weights_of(model) if ours else _floating(model):
        name = _text(tensor.name)
        if name in tensors:
            raise UsageError(f"{path}: two initialisers are called {printable(name)}")
        tensors[name] = _stored(path, tensor)
    check_metadata(path, sum(len(entry.value) for entry in model.metadata_props))
    metadata = {_text(entry.key): metadata_value(_text(entry.value)) for entry in model.metadata_props}
    metadata["producer"] = f"{model.producer_name} {model.producer_version}".strip()
    if ours:
        return Contents("onnx", tensors, metadata)
    tensors |= _shared(model, tensors)
    return Contents("onnx", tensors, metadata, refused=dict(_with_norms(model, tensors)), folded=FOLDED)


def _floating(model: ModelProto) -> list[TensorProto]:
    """The initialisers that may be weights: exporters number the shapes and places that a graph needs."""
    return [
        tensor
        for tensor in model.graph.initializer
        if tensor.data_type not in COUNTS or len(tensor.dims) > 1 or "." in _text(tensor.name)
    ]


def _shared(model: ModelProto, tensors: Mapping[str, Stored]) -> dict[str, Stored]:
    """The tensors that are those of others: an exporter writes equal ones once and passes them on."""
    found: dict[str, Stored] = {}
    for node in model.graph.node:
        if node.op_type == "Identity" and len(node.input) == len(node.output) == 1:
            given, name = _text(node.input[0]), _text(node.output[0])
            stored = found.get(given, tensors.get(given))
            if stored is not None and name not in tensors:
                found[name] = stored
    taken = {_text(name) for node in model.graph.node if node.op_type != "Identity" for name in node.input}
    return {name: stored for name, stored in found.items() if name in taken}


def _with_norms(model: ModelProto, tensors: Mapping[str, Stored]) -> Iterator[tuple[str, str]]:
    """The weights that an export has folded norms into, and why each is none of a layer."""
    for node in model.graph.node:
        if node.op_type == "Conv" and len(node.input) > 2:
            weight, bias = map(_text, node.input[1:3])
            if bias in tensors and is_of_norm(bias, weight):
                yield weight, f"a norm is in it, of which the bias {printable(bias)} is the rest"


def _text(value: str | bytes) -> str:
    """A string field; protobuf gives bytes for one that is no UTF-8."""
    return value if isinstance(value, str) else value.decode("utf-8", "backslashreplace")


def _stored(path: Path, tensor: TensorProto) -> Stored:
    dtype = _dtype(tensor.data_type)
    outside = tensor.data_location == TensorProto.EXTERNAL
    load = functools.partial(_outside, path, tensor, dtype) if outside else functools.partial(_inside, tensor)
    return Stored(tuple(tensor.dims), dtype, load)


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
    """Read a tensor from the file that we write beside a large model, and from no other."""
    places = {entry.key: entry.value for entry in tensor.external_data}
    beside = path.with_name(f"{path.name}.data")
    if places.get("location") != beside.name or beside.is_symlink():
        raise UsageError(f"{path}: {printable(tensor.name)} lies in another file than {beside.name}: refused")
    kind = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).newbyteorder("<")
    count, offset = prod(tensor.dims), int(places.get("offset", "0"))
    if offset < 0 or int(places.get("length", count * kind.itemsize)) != count * kind.itemsize:
        raise ValueError("data and shape disagree")
    return np.fromfile(beside, kind, count, offset=offset).reshape(tuple(tensor.dims))
