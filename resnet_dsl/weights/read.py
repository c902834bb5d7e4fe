"""Weights from a file or from arrays, held against a spec; none that does not fit gets through."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet_dsl.backend.contents import Contents
from resnet_dsl.diagnostics.model import UsageError
from resnet_dsl.program import Program
from resnet_dsl.weights.match_report import Account, WeightsError
from resnet_dsl.zoo.naming import naming

if TYPE_CHECKING:
    from resnet_dsl.ir.arrays import Array

Given = str | Path | Mapping[str, Any]


def read_weights(weights: Given, program: Program) -> dict[str, Array]:
    """Return every tensor of the model; raises WeightsError unless all are given, and none more."""
    state, account = examine(weights, program)
    if not account.fits:
        raise WeightsError(account)
    return state


def examine(
    weights: Given, program: Program, world: str | None = None, partial: bool = False
) -> tuple[dict[str, Array], Account]:
    """Return what fits, and the account of all; raises UsageError for a file that cannot be read.

    With a `world` the weights are under its names; it may have none for some layers if `partial`.
    """
    need_numpy()
    from resnet_dsl.weights.formats.registry import read_contents
    from resnet_dsl.weights.match import fit, from_arrays

    if isinstance(weights, Mapping):
        return fit(as_ours(from_arrays(weights), program, world, partial), program, "the state given")
    path = Path(weights)
    return fit(as_ours(read_contents(path), program, world, partial), program, path.name)


def as_ours(contents: Contents, program: Program, world: str | None, partial: bool) -> Contents:
    """Return contents under our names; raises UsageError if the model has none in the world."""
    if world is None:
        return contents
    from resnet_dsl.zoo.translate import from_world

    return from_world(contents, naming(program, world, partial), program.graph)


def need_numpy() -> None:
    """Raise UsageError with the line to type if NumPy is missing."""
    if importlib.util.find_spec("numpy") is None:
        raise UsageError('weights need numpy, not installed here: pip install "resnet-dsl[weights]"')
