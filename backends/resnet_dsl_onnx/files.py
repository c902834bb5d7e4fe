"""Models as files: one protobuf, or past its limit the weights in a second file beside it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto
from onnx.external_data_helper import set_external_data

from resnet_dsl.backend.artefacts import Artefact, Pieces, sealed, write_together
from resnet_dsl.backend.ir import Array
from resnet_dsl.backend.refusals import UsageError
from resnet_dsl_onnx.message_pieces import in_pieces

# A protobuf message ends at 2 GiB; what is no weight needs room too.
LARGEST = 1_500_000_000
SMALL = 1024  # bytes; what is smaller stays in the model, where shape inference reads constants
ALIGNMENT = 4096  # so that a runtime can map a tensor into memory as it lies


def one_file(model: ModelProto, weights: Sequence[Array]) -> Pieces:
    """Return the bytes of a model that `weights` fill; raises UsageError for more than one file takes."""
    _check_size(sum(value.nbytes for value in weights) + _weight_bytes(model))
    return in_pieces(model, weights)


def serialise(model: ModelProto) -> bytes:
    """Return the bytes of the model in one piece, the same on every run."""
    _check_size(_weight_bytes(model))
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _check_size(size: int) -> None:
    if size > LARGEST:
        raise UsageError(
            f"{size / 1e9:.1f} GB of weights do not fit into one ONNX file: "
            "`resnet_dsl_onnx.save` writes them to a second one"
        )


def write(model: ModelProto, path: Path) -> tuple[Path, ...]:
    """Write the model, all of its files or none; returns the files, the model's first."""
    outline = _outline(model)
    if _weight_bytes(model) <= LARGEST:
        weights = [np.frombuffer(tensor.raw_data, np.uint8) for tensor in model.graph.initializer]
        write_together([Artefact(path, sealed(in_pieces(outline, weights)))])
        return (path,)
    data = path.with_name(f"{path.name}.data")
    tensors = _place(model, outline, data.name)
    write_together([Artefact(data, _aligned(tensors)), Artefact(path, sealed(serialise(outline)))])
    return path, data


@contextmanager
def session_source(model: ModelProto) -> Iterator[bytes | str]:
    """Give what onnxruntime loads a model from: its bytes, or a file if it is too large for that."""
    if _weight_bytes(model) <= LARGEST:
        yield serialise(model)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield str(write(model, Path(folder, "model.onnx"))[0])


def _weight_bytes(model: ModelProto) -> int:
    return sum(len(tensor.raw_data) for tensor in model.graph.initializer)


def _outline(model: ModelProto) -> ModelProto:
    """The model without the contents of its tensors; to copy it whole would take its memory again."""
    outline = ModelProto()
    _copy(model, outline, "graph")
    _copy(model.graph, outline.graph, "initializer")
    for tensor in model.graph.initializer:
        _copy(tensor, outline.graph.initializer.add(), "raw_data")
    return outline


Message = TypeVar("Message", ModelProto, GraphProto, TensorProto)


def _copy(message: Message, to: Message, without: str) -> None:
    """Copy the fields of a message but one."""
    for field, value in message.ListFields():
        if field.name == without:
            continue
        if hasattr(value, "MergeFrom"):  # a message, or several values
            getattr(to, field.name).MergeFrom(value)
        else:
            setattr(to, field.name, value)


def _place(model: ModelProto, outline: ModelProto, location: str) -> list[TensorProto]:
    """Say in the outline where the large tensors lie in a file, and return those in order."""
    moved, offset = [], 0
    for tensor, place in zip(model.graph.initializer, outline.graph.initializer, strict=True):
        size = len(tensor.raw_data)
        if size < SMALL:
            place.raw_data = tensor.raw_data
            continue
        place.raw_data = b""  # onnx says where contents lie of tensors that have some
        set_external_data(place, location, offset=offset, length=size)
        place.ClearField("raw_data")
        moved.append(tensor)
        offset += size + -size % ALIGNMENT
    return moved


def _aligned(tensors: Iterable[TensorProto]) -> Iterator[bytes]:
    for tensor in tensors:
        yield tensor.raw_data
        yield bytes(-len(tensor.raw_data) % ALIGNMENT)
