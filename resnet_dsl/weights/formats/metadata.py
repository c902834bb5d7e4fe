"""What a weight file says of itself: version, spec and its hash, and where the values are from."""

from __future__ import annotations

from pathlib import PurePath

from resnet_dsl.backend.contents import KEY, Metadata
from resnet_dsl.codegen.provenance import digest
from resnet_dsl.codegen.seal import KEY as SEAL_KEY
from resnet_dsl.codegen.seal import OPEN
from resnet_dsl.program import Program
from resnet_dsl.version import __version__


def describe(program: Program, origin: Metadata) -> dict[str, object]:
    """Return the metadata of a file with weights of `program`; the same on every run."""
    network = program.network
    return {
        "version": __version__,
        "model": network.name,
        "spec": PurePath(network.source.name).name,
        "spec_sha256": digest(network),
        "settings": {name: str(value) for name, value in dict(network.settings).items()},
        "origin": dict(origin),
        SEAL_KEY: OPEN,
    }


def note_of_another(metadata: Metadata, program: Program) -> tuple[str, ...]:
    """Return a note if the file says it was made for a model of another name.

    Names and shapes may agree where the computation does not.
    """
    ours = metadata.get(KEY)
    made_for = ours.get("model") if isinstance(ours, dict) else None
    if not isinstance(made_for, str) or made_for == program.name:
        return ()
    return (f"made for the model {ascii(made_for)[1:-1]}, used for {program.name}: only names are compared",)
