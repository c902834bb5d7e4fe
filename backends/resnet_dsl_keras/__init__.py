"""The Keras backend: one standalone file that builds a functional Keras 3 model, on any of its backends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from resnet_dsl.backend.contents import Format
from resnet_dsl.backend.interface import Statistics
from resnet_dsl.program import Program
from resnet_dsl_keras.rules import lower

if TYPE_CHECKING:
    from resnet_dsl.backend.interface import Backend, Sgd, Training
    from resnet_dsl.ir.arrays import Array

NAME = "keras"
SUFFIX = "_keras.py"
REQUIRES: tuple[str, ...] = ("keras",)
RULES: Mapping[type, Any] = {kind: rule for kind, rule in lower.registry.items() if kind is not object}

# Keras keeps the biased variance; the file gives it the weight of the old statistics, rounded.
NAMES = True
STATISTICS: Statistics | None = Statistics(unbiased=False, momentum=lambda m: 1 - round(1 - m, 12))

WEIGHTS = ".weights.h5"
_MODULE = "resnet_dsl_keras.weight_files"
FILES: Mapping[str, Format] = {
    WEIGHTS: Format(
        "a file of Keras weights (.weights.h5)", _MODULE, NAME, ("h5py", "numpy"), ("keras", "h5py")
    ),
    ".h5": Format(
        "a file of Keras weights (legacy .h5)", _MODULE, NAME, ("h5py", "numpy"), ("keras", "h5py")
    ),
}


def render(program: Program, state: Mapping[str, Array] | None = None) -> str:
    """Return the source of the model's file; weights are not part of it."""
    from resnet_dsl_keras import layout

    return layout.render(program)


def build(program: Program, dtype: str = "float32") -> Any:
    """Return the live `keras.Model`: the rendered source, executed as a module."""
    from resnet_dsl_keras import live

    return live.build(program, render(program), dtype)


def load_state(model: Any, state: Mapping[str, Array]) -> Any:
    """Load weights under canonical names and in torch's layouts; every tensor, none more."""
    from resnet_dsl_keras import live

    return live.load_state(model, state)


def read_state(model: Any) -> dict[str, Array]:
    """Return the weights under canonical names and in torch's layouts."""
    from resnet_dsl_keras import live

    return live.read_state(model)


def run(model: Any, x: Array) -> dict[str, Array]:
    """Return the outputs by name for one NCHW batch, in evaluation mode; the model's own dtype."""
    from resnet_dsl_keras import live

    return live.run(model, x)


def trace(model: Any, program: Program, x: Array) -> dict[str, Array]:
    """Return results by op, as many as the framework shows."""
    from resnet_dsl_keras import probe

    return probe.trace(model, program, x)


def train(model: Any, batches: Sequence[tuple[Array, Array]], sgd: Sgd) -> Training:
    """Take one step of SGD on the cross-entropy for each batch."""
    from resnet_dsl_keras import probe

    return probe.train(model, batches, sgd)


if TYPE_CHECKING:
    import resnet_dsl_keras

    _: Backend = resnet_dsl_keras
