"""Models as files: one protobuf, or past its limit the weights in a second file beside it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from onnx import ModelProto, TensorProto
from onnx.external_data_helper import set_external_data

from resnet_dsl.backend.artefacts import Artefact, sealed, write_together
from resnet_dsl.backend.refusals import UsageError

# A protobuf message ends at 2 GiB; what is no weight needs room too.
LARGEST = 1_500_000_000
SMALL = 1024  # bytes; what is smaller stays in the model, where shape inference reads constants
ALIGNMENT = 4096  # so that a runtime can map a tensor into memory as it lies


def serialise(model: ModelProto) -> bytes:
    """Return the bytes of the model in one piece, the same on every run."""
    size = _weight_bytes(model)
    if size > LARGEST:
        raise UsageError(
            f"{size / 1e9:.1f} GB of weights do not fit into one ONNX file: "
            "`resnet_dsl_onnx.save` writes them to a second one"
        )
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def write(model: ModelProto, path: Path) -> tuple[Path, ...]:
    """Write the model, all of its files or none; returns the files, the model's first."""
    if _weight_bytes(model) <= LARGEST:
        write_together([Artefact(path, sealed(serialise(model)))])
        return (path,)
    data = path.with_name(f"{path.name}.data")
    outline, tensors = _outline(model, data.name)
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


def _outline(model: ModelProto, location: str) -> tuple[ModelProto, list[TensorProto]]:
    """The model with its large tensors given by their place in a file, and those tensors in order."""
    outline = ModelProto()
    outline.CopyFrom(model)
    moved, offset = [], 0
    for tensor, place in zip(model.graph.initializer, outline.graph.initializer, strict=True):
        size = len(tensor.raw_data)
        if size < SMALL:
            continue
        set_external_data(place, location, offset=offset, length=size)
        place.ClearField("raw_data")
        moved.append(tensor)
        offset += size + -size % ALIGNMENT
    return outline, moved


def _aligned(tensors: Iterable[TensorProto]) -> Iterator[bytes]:
    for tensor in tensors:
        yield tensor.raw_data
        yield bytes(-len(tensor.raw_data) % ALIGNMENT)
