"""ONNX models as files of weights: their initialisers, those outside the file among them.

Of a model by another exporter they are those of its plain form, the same that `import` reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from onnx import ModelProto, TensorProto

from resnet_dsl.backend.artefacts import Pieces
from resnet_dsl.backend.bounds import check_metadata
from resnet_dsl.backend.contents import Contents, Metadata, Stored, metadata_value
from resnet_dsl.backend.ir import Array, Program
from resnet_dsl.backend.layer_places import names_by_place
from resnet_dsl.backend.refusals import UsageError, printable
from resnet_dsl_onnx.exported_graph import check_readable, is_ours, tensor_of
from resnet_dsl_onnx.graph_reader import of_plain
from resnet_dsl_onnx.message_sizes import parsed
from resnet_dsl_onnx.plain import plain
from resnet_dsl_onnx.render import render
from resnet_dsl_onnx.runtime import weights_of

COUNTS = (TensorProto.INT64, TensorProto.BOOL)
FOLDED = (
    "a norm was folded into the convolution before it on export: --unfold (in Python, unfold=True) gives "
    "weights that are exact in evaluation alone"
)
KEEPS_NORMS = {
    "pytorch": (
        "in torch, torch.onnx.export keeps it with dynamo=False, training=TrainingMode.PRESERVE and "
        "do_constant_folding=False"
    ),
    "tf2onnx": "Keras' own file of weights, .weights.h5 or .h5, has it",
}
"""How the norms are kept, by what wrote the model."""


def encode(program: Program, state: Mapping[str, Array], metadata: Metadata, suffix: str) -> Pieces:
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
    check_metadata(path, sum(len(entry.value) for entry in model.metadata_props))
    metadata = {_text(entry.key): metadata_value(_text(entry.value)) for entry in model.metadata_props}
    metadata["producer"] = f"{_text(model.producer_name)} {_text(model.producer_version)}".strip()
    check_readable(model)
    if is_ours(model):
        return Contents("onnx", _named(path, weights_of(model)), metadata)
    try:
        graph = plain(model, path)
        foreign = of_plain(graph)
    except UsageError:  # no graph that a network can be read from: its tensors may do
        return Contents("onnx", _named(path, _floating(model)), metadata, folded=_advice(model))
    tensors = {name: graph.tensors[name] for name in foreign.weights}
    places = names_by_place(foreign)
    return Contents(
        "onnx", tensors, metadata, graph.notes, folded=_advice(model), by_place=places, graph=foreign
    )


def _advice(model: ModelProto) -> str:
    """What to do where norms were folded."""
    keeps = KEEPS_NORMS.get(_text(model.producer_name))
    return FOLDED if keeps is None else f"{FOLDED}; {keeps}"


def _named(path: Path, found: list[TensorProto]) -> dict[str, Stored]:
    tensors: dict[str, Stored] = {}
    for tensor in found:
        name = _text(tensor.name)
        if name in tensors:
            raise UsageError(f"{path}: two initialisers are called {printable(name)}")
        tensors[name] = tensor_of(tensor, path)
    return tensors


def _floating(model: ModelProto) -> list[TensorProto]:
    """The initialisers that may be weights: exporters number the shapes and places that a graph needs."""
    return [
        tensor
        for tensor in model.graph.initializer
        if tensor.data_type not in COUNTS or len(tensor.dims) > 1 or "." in _text(tensor.name)
    ]


def _text(value: str | bytes) -> str:
    """A string field; protobuf gives bytes for one that is no UTF-8."""
    return value if isinstance(value, str) else value.decode("utf-8", "backslashreplace")
