"""What the classes of a network are called: by a file, the weights' metadata, or the folders of the data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resnet_dsl.backend.contents import KEY, Metadata
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.recipe.data_module import data_module
from resnet_dsl.recipe.recipe import Recipe

CLASSES = "classes"  # of our metadata: what a training script writes


def class_names(
    labels: str | None, weights: str, metadata: Metadata, recipe: Recipe | None, data: str | None
) -> tuple[tuple[str, ...], str]:
    """Return the names of classes, none if nothing tells them, and where they are from.

    The first that tells counts: a file of labels, the weights, what the recipe expects, the data.
    """
    if labels is not None:
        return names_in_file(labels), labels
    if found := names_in_metadata(metadata):
        return found, weights
    if recipe is None:
        return (), ""
    return recipe.data.classes or names_in_data(recipe, data), recipe.name


def names_in_data(recipe: Recipe, data: str | None) -> tuple[str, ...]:
    """Return the classes of a recipe's data, none where it is not there; raises UsageError for wrong data."""
    module = data_module(recipe)
    if not Path(data or recipe.data.path).exists() and data is None:
        return ()
    try:
        found: tuple[str, ...] = module.load(data).classes
    except module.DataError as why:
        raise UsageError(str(why)) from None
    return found


def names_in_file(path: str) -> tuple[str, ...]:
    """Return the lines of a file, a class each; raises UsageError if there are none."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is not a text in UTF-8; --labels takes a class a line") from None
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not names:
        raise UsageError(f"{path}: no class is in it; --labels takes a class a line")
    return names


def names_in_metadata(metadata: Metadata) -> tuple[str, ...]:
    """Return the classes that a file of weights names, none if it names none."""
    ours: Any = metadata.get(KEY)
    found = ours.get(CLASSES) if isinstance(ours, dict) else None
    return tuple(map(str, found)) if isinstance(found, list) else ()


def checked_names(names: Sequence[str], count: int, where: str) -> tuple[str, ...]:
    """Return the names if there is one for each class; raises UsageError else. No names are numbers."""
    if not names:
        return tuple(map(str, range(count)))
    if len(names) != count:
        raise UsageError(f"{where} names {len(names)} classes, and the network has {count}")
    return tuple(names)
