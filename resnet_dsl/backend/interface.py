"""What a backend must offer.

Importing a backend's package must not import its framework; only `build` and what takes a built
model may.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from resnet_dsl.backend.contents import Format
from resnet_dsl.ir.arrays import Array
from resnet_dsl.program import Program


class Sgd(NamedTuple):
    """SGD as torch's: v = momentum v + (gradient + weight_decay w), then w -= lr v."""

    lr: float
    momentum: float
    weight_decay: float


class Training(NamedTuple):
    """What steps of training leave: losses, the last step's gradients without decay, the weights."""

    losses: tuple[float, ...]
    gradients: dict[str, Array]
    state: dict[str, Array]


@dataclass(frozen=True)
class Statistics:
    """How a framework moves running statistics, where that cannot be made the same.

    `unbiased` is whether the running variance takes N / (N - 1); `momentum` gives the weight of
    the new batch that a momentum of the language comes to in that framework's arithmetic.
    """

    unbiased: bool
    momentum: Callable[[float], float]


class Backend(Protocol):
    """The names a backend package defines.

    Weights travel as arrays under canonical names in torch's layouts (`OIHW`, `(out, in)`).
    """

    NAME: str
    """Its name on the command line."""
    SUFFIX: str
    """What follows the model's name in the file it writes."""
    REQUIRES: tuple[str, ...]
    """The importable packages that `build` needs."""
    RULES: Mapping[type, Any]
    """The op classes it has a rule for."""
    STATISTICS: Statistics | None
    """How it moves running statistics in training; None if it does not train."""
    FILES: Mapping[str, Format]
    """The files of weights it reads and writes, by suffix."""
    WEIGHTS: str
    """The suffix of the file of weights that lies beside the artefact; empty if they are within it."""
    # NAMES: bool = False
    # Whether `render` and `build` call layers as `program.names` says, and `load_state` takes those names.

    def render(self, program: Program, state: Mapping[str, Array] | None = None) -> str | bytes:
        """Return the artefact: source text, or bytes. `state` is written in where it holds weights."""

    def build(self, program: Program, dtype: str = "float32") -> Any:
        """Return the live model."""

    def load_state(self, model: Any, state: Mapping[str, Array]) -> Any:
        """Return the model with these weights; every tensor must be given, none more."""

    def read_state(self, model: Any) -> dict[str, Array]:
        """Return the weights of a model."""

    def run(self, model: Any, x: Array) -> dict[str, Array]:
        """Return the outputs by name for one NCHW batch, in evaluation mode and the batch's dtype."""

    def trace(self, model: Any, program: Program, x: Array) -> dict[str, Array]:
        """Return results by op, as many as the framework shows; a verification names the first to part."""

    def train(self, model: Any, batches: Sequence[tuple[Array, Array]], sgd: Sgd) -> Training:
        """Take one step of SGD on the cross-entropy of the first output for each (images, labels)."""
