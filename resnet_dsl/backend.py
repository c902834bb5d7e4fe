"""Backends: what each must offer, and how one is found by its name.

A backend `x` is an importable package `resnet_dsl_x`: in a checkout a folder of `backends/`,
installed a package of ours or anybody's. Importing it must not import its framework; only
`build` and what takes a built model may.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from resnet_dsl.diagnostics import UsageError, did_you_mean
from resnet_dsl.names.naming import naming
from resnet_dsl.names.world import ORDERS
from resnet_dsl.program import Program
from resnet_dsl.weights.files import Format

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

PREFIX = "resnet_dsl_"


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


def backend_names() -> list[str]:
    """Return the names of the backends that can be imported here."""
    _add_checkout()
    names = {m.name.removeprefix(PREFIX) for m in pkgutil.iter_modules() if m.name.startswith(PREFIX)}
    return sorted(names)


def find_backend(name: str) -> Backend:
    """Return a backend by name; raises UsageError for one that does not exist."""
    _add_checkout()
    if not name.isidentifier() or importlib.util.find_spec(PREFIX + name) is None:
        known = backend_names()
        hint = did_you_mean(name, known) or f"there are {', '.join(known)}"
        raise UsageError(f"no backend `{name}`; {hint}")
    return cast(Backend, importlib.import_module(PREFIX + name))


def require(backend: Backend) -> None:
    """Raise UsageError with the line to type if a package that `build` needs is missing."""
    missing = [name for name in backend.REQUIRES if importlib.util.find_spec(name) is None]
    if missing:
        names = ", ".join(missing)
        line = f'pip install "resnet-dsl[{backend.NAME}]"'
        raise UsageError(f"the {backend.NAME} model needs {names}, not installed here: {line}")


def called_as(world: str | None, program: Program, backend: Backend) -> Program:
    """Return the program with the names of a world; raises UsageError if the backend cannot use them."""
    if world is None:
        return program
    found = naming(program, world)
    for path, layer in found.layers.items():
        if layer.layout in ORDERS:
            raise UsageError(
                f"{layer.theirs} of {world} takes its input in another order than {path}, so that weights of "
                f"one would pass for those of the other; `weights convert --to {world}` puts them in order"
            )
    if getattr(backend, "NAMES", False):
        return replace(program, names=found.names)
    if found.is_identity:
        return program
    path, layer = next((p, layer) for p, layer in found.layers.items() if p != layer.theirs)
    raise UsageError(
        f"{backend.NAME} calls layers by the spec's own paths, as {path}, and not as {layer.theirs}; "
        f"`weights convert --to {world}` writes weights under the names of {world}"
    )


def _add_checkout() -> None:
    """In a bare checkout the backends lie beside the package, not on the path."""
    folder = Path(__file__).parents[1] / "backends"
    if folder.is_dir() and importlib.util.find_spec(PREFIX + "torch") is None:
        sys.path.append(str(folder))
