"""The ONNX backend: the graph written out as a ModelProto, one rule an op, by no exporter.

`rules.py` says what an op becomes, `render.py` makes the model of it, `runtime.py` moves weights and
runs it, `files.py` writes it, `message_pieces.py` does so without a copy of the weights. Importing this
package imports neither onnx nor NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_dsl.backend.interface import (
    WITHIN,
    Backend,
    Capability,
    GraphReader,
    Runtime,
    WeightFile,
    WeightFormat,
)
from resnet_dsl.backend.ir import Array, Program
from resnet_dsl_onnx.rules import lower
from resnet_dsl_onnx.self_test import SELF_TEST

if TYPE_CHECKING:
    from onnx import ModelProto

    from resnet_dsl.backend.artefacts import Pieces

SUFFIX = ".onnx"
PACKAGES = ("onnx", "numpy")
INSTALL = "resnet-dsl[onnx]"


def save(model: ModelProto, path: str | Path) -> tuple[Path, ...]:
    """Write a built model and return the files written: one, or with weights past 1.5 GB two."""
    from resnet_dsl_onnx.files import write

    return write(model, Path(path))


def _render(program: Program, state: Mapping[str, Array] | None) -> Pieces:
    from resnet_dsl_onnx.render import render

    return render(program, state)


def _runtime() -> Runtime:
    from resnet_dsl_onnx import runtime

    return runtime


def _weight_files() -> WeightFile:
    from resnet_dsl_onnx import weight_files

    return weight_files


def _graph_reader() -> GraphReader:
    from resnet_dsl_onnx import graph_reader

    return graph_reader


# No trainer: these models are for inference.
BACKEND = Backend(
    name="onnx",
    suffix=SUFFIX,
    rules=frozenset(lower.registry) - {object},
    render=_render,
    weights=WITHIN,
    renames=True,
    install=INSTALL,
    runtime=Capability(PACKAGES, _runtime),
    weight_formats={SUFFIX: WeightFormat("an ONNX model", PACKAGES, PACKAGES, _weight_files, INSTALL)},
    graph_reader=Capability(PACKAGES, _graph_reader),
    self_test=SELF_TEST,
)
