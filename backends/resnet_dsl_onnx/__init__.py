"""The ONNX backend: the graph written out as a ModelProto, one rule an op, by no exporter.

`rules.py` says what an op becomes, `emit.py` makes the model of it, `state.py` moves weights,
`execute.py` runs it, `files.py` writes it. Importing this package imports neither onnx nor NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet_dsl.backend.contents import Format
from resnet_dsl_onnx.rules import RULES

if TYPE_CHECKING:
    from resnet_dsl.ir.arrays import Array
    from resnet_dsl.program import Program

__all__ = [
    "DRAWINGS", "FILES", "NAME", "NAMES", "REQUIRES", "RULES", "STATISTICS", "SUFFIX", "WEIGHTS",
    "build", "load_state", "read_state", "render", "run", "save", "trace",
]  # fmt: skip

NAME = "onnx"
SUFFIX = ".onnx"
REQUIRES = ("onnx", "numpy")
NAMES = True
STATISTICS = None  # a model for inference
WEIGHTS = ""  # they are within the model
FILES: Mapping[str, Format] = {
    SUFFIX: Format("an ONNX model", "resnet_dsl_onnx.weight_files", NAME, REQUIRES, REQUIRES)
}
DRAWINGS: Mapping[str, str] = {SUFFIX: "resnet_dsl_onnx.graph_reader"}
"""Which module reads the graphs that files hold, for `resnet-dsl import`."""


def render(program: Program, state: Mapping[str, Array] | None = None) -> bytes:
    """Return the model as a file's bytes, the same on every run; weights of seed 0 if none are given.

    Raises UsageError past protobuf's 2 GB: such a model goes through `save`.
    """
    from resnet_dsl_onnx.emit import emit
    from resnet_dsl_onnx.files import serialise

    return serialise(emit(program, state, "float32"))


def build(program: Program, dtype: str = "float32") -> Any:
    """Return the ModelProto with the weights of seed 0."""
    from resnet_dsl_onnx.emit import emit

    return emit(program, None, dtype)


def save(model: Any, path: str | Path) -> tuple[Path, ...]:
    """Write a built model and return the files written: one, or with weights past 1.5 GB two."""
    from resnet_dsl_onnx.files import write

    return write(model, Path(path))


def load_state(model: Any, state: Mapping[str, Array]) -> Any:
    """Put weights into the model and return it; raises ValueError unless names and shapes agree."""
    from resnet_dsl_onnx.state import store

    return store(model, state)


def read_state(model: Any) -> dict[str, Array]:
    """Return the weights of a model under their canonical names."""
    from resnet_dsl_onnx.state import read

    return read(model)


def run(model: Any, x: Array) -> dict[str, Array]:
    """Return the outputs by name: float32 by onnxruntime, float64 by ONNX's reference evaluator."""
    from resnet_dsl_onnx.execute import execute

    return execute(model, x)


def trace(model: Any, program: Program, x: Array) -> dict[str, Array]:
    """Return the result of every op."""
    from resnet_dsl_onnx import probe

    return probe.trace(model, program, x)
