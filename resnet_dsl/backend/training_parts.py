"""Definitions of `resnet_dsl.training` as text, of which a backend's training script holds copies."""

from resnet_dsl.recipe.assembly import definitions_of, imports_of, needed

__all__ = ["definitions_of", "imports_of", "needed"]
