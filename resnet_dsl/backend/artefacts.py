"""What an artefact says of its origin; the compiler knows by it that a file is its own."""

from resnet_dsl.backend.writing import Artefact, write_together
from resnet_dsl.codegen.provenance import digest, made_for, origin, recipe_origin, spec_lines
from resnet_dsl.codegen.seal import KEY, OPEN, Pieces, sealed
from resnet_dsl.version import __version__

__all__ = [
    "KEY", "OPEN", "Artefact", "Pieces", "__version__", "digest", "made_for", "origin",
    "recipe_origin", "sealed", "spec_lines", "write_together",
]  # fmt: skip
