"""The shelf as tests walk it: every network, or one of those that differ in numbers alone."""

from __future__ import annotations

from resnet_dsl.decompile.shipped_fields import kind_of
from resnet_dsl.shipped import models, shipped


def varieties() -> list[str]:
    """Return the first network of each kind: all that have a file of their own, and of each family a few."""
    first: dict[object, str] = {}
    for name in shipped():
        first.setdefault(kind_of(name), name)
    return sorted(first.values())


def alone() -> set[str]:
    """Return the networks that have a file of their own; a pattern of a family is none."""
    return {name for name, model in models().items() if model.path.stem == name and model.is_whole}
