"""The weights that options ask for, and the companion file that an artefact without weights gets."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_dsl.weights.source import Weights, weights_for

if TYPE_CHECKING:
    from resnet_dsl.backend.interface import Backend
    from resnet_dsl.program import Program


def chosen_weights(program: Program, options: Namespace, library: str | None = None) -> Weights | None:
    """Return the weights that the options ask for, and say on stderr what was done to get them."""
    weights = weights_for(program, options.seed, options.weights, options.partial, library)
    if weights is not None:
        for remark in weights.remarks():
            print(f"note: {remark}", file=sys.stderr)
    return weights


def companion_file(backend: Backend, program: Program, weights: Weights | None) -> tuple[str, bytes] | None:
    """Return suffix and content of the file of weights beside an artefact that does not hold them."""
    from resnet_dsl.backend.interface import WITHIN
    from resnet_dsl.weights.formats.registry import encode

    if weights is None or backend.weights == WITHIN:
        return None
    if backend.weights is None:
        print(f"note: {backend.no_weights}", file=sys.stderr)
        return None
    path = Path(program.name + backend.suffix).with_suffix(backend.weights)
    return backend.weights, encode(program, weights.state, weights.origin, path)
