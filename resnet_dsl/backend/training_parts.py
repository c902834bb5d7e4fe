"""Definitions of `resnet_dsl.training` as text, of which a backend's training script holds copies."""

from resnet_dsl.recipe.assembly import definitions_of, imports_of, needed
from resnet_dsl.recipe.script_lines import WIDTH, import_line, with_call

__all__ = ["WIDTH", "definitions_of", "import_line", "imports_of", "needed", "with_call"]
