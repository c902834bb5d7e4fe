"""The weights that options ask for, and the companion file that an artefact without weights gets."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_dsl.backend.file_arrays import mapped_files
from resnet_dsl.cli.progress_line import progress_shown
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.weights.source import Weights, weights_for
from resnet_dsl.zoo.asked import Asked, forms_in

if TYPE_CHECKING:
    from resnet_dsl.backend.interface import Backend
    from resnet_dsl.codegen.seal import Pieces
    from resnet_dsl.program import Program


def names_of_layers(texts: list[str]) -> dict[str, str]:
    """Return what `--name` says that layers are called, by path; raises UsageError for what is none."""
    found: dict[str, str] = {}
    for text in texts:
        path, sign, name = text.partition("=")
        if not (path and sign and name):
            raise UsageError(f"--name takes LAYER=NAME such as fc=last_linear, not {printable(text)}")
        if path in found:
            raise UsageError(f"--name gives {path} two names, {found[path]} and {name}")
        found[path] = name
    return found


def asked(options: Namespace) -> Asked:
    """Return how the options want weights read."""
    return Asked(
        getattr(options, "partial", False),
        options.from_library,
        names_of_layers(options.called),
        options.key,
        options.prefix,
        options.unfold,
        forms_in(options.apply),
        options.adapt_input,
        options.classes,
    )


def check_asked(options: Namespace, without: str, renames: bool = False) -> None:
    """Raise UsageError for options on how weights are to be read where there are none.

    If names are written, `--name` may be about those.
    """
    options_of = {"names": "--from", "called": "--name"}
    found = asked(options).needs_weights
    if found and not (found == "called" and renames):
        option = options_of.get(found, f"--{found.replace('_', '-')}")
        raise UsageError(f"{option} is about weights, and {without}")


def chosen_weights(program: Program, options: Namespace, how: Asked) -> Weights | None:
    """Return the weights that the options ask for, and say on stderr what was done to get them."""
    with mapped_files(), progress_shown():
        weights = weights_for(program, options.seed, options.weights, how)
    if weights is not None:
        for remark in weights.remarks():
            print(f"note: {remark}", file=sys.stderr)
    return weights


def companion_file(backend: Backend, program: Program, weights: Weights | None) -> tuple[str, Pieces] | None:
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
