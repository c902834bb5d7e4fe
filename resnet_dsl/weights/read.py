"""Weights from a file or from arrays, held against a spec; none that does not fit gets through."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet_dsl.diagnostics import UsageError
from resnet_dsl.program import Program
from resnet_dsl.weights.account import Account, WeightsError

if TYPE_CHECKING:
    from resnet_dsl.backend import Array

Given = str | Path | Mapping[str, Any]


def read_weights(weights: Given, program: Program) -> dict[str, Array]:
    """Return every tensor of the model; raises WeightsError unless all are given, and none more."""
    state, account = examine(weights, program)
    if not account.fits:
        raise WeightsError(account)
    return state


def examine(weights: Given, program: Program) -> tuple[dict[str, Array], Account]:
    """Return what fits, and the account of all; raises UsageError for a file that cannot be read."""
    need_numpy()
    from resnet_dsl.weights.fitting import fit, from_arrays
    from resnet_dsl.weights.registry import read_contents

    if isinstance(weights, Mapping):
        return fit(from_arrays(weights), program, "the state given")
    path = Path(weights)
    return fit(read_contents(path), program, path.name)


def need_numpy() -> None:
    """Raise UsageError with the line to type if NumPy is missing."""
    if importlib.util.find_spec("numpy") is None:
        raise UsageError('weights need numpy, not installed here: pip install "resnet-dsl[weights]"')
