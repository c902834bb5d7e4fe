"""Layers called as another library calls them, in the artefacts of a backend that can."""

from __future__ import annotations

from dataclasses import replace

from resnet_dsl.backend.interface import Backend
from resnet_dsl.diagnostics.model import UsageError
from resnet_dsl.program import Program
from resnet_dsl.zoo.name_maps import ORDERS
from resnet_dsl.zoo.naming import naming


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
    if backend.renames:
        return replace(program, names=found.names)
    if found.is_identity:
        return program
    path, layer = next((p, layer) for p, layer in found.layers.items() if p != layer.theirs)
    raise UsageError(
        f"{backend.name} calls layers by the spec's own paths, as {path}, and not as {layer.theirs}; "
        f"`weights convert --to {world}` writes weights under the names of {world}"
    )
