"""What an artefact says of its origin; the compiler knows by it that a file is its own."""

from resnet_dsl.codegen.provenance import MARK, digest, origin, spec_lines
from resnet_dsl.version import __version__

__all__ = ["MARK", "__version__", "digest", "origin", "spec_lines"]
