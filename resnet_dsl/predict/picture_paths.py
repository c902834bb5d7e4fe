"""Which pictures are meant: files by name, and those of a folder and the folders in it."""

from __future__ import annotations

import os
from collections.abc import Iterable

from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.training.picture_folders import SUFFIXES, pictures_below


def pictures_meant(given: Iterable[str]) -> tuple[str, ...]:
    """Return paths in the order given, those of a folder sorted; raises UsageError for an empty one."""
    found: list[str] = []
    for path in given:
        if not os.path.isdir(path):
            found.append(path)
            continue
        pictures = pictures_below(path)
        if not pictures:
            raise UsageError(f"{path}: no picture is in it, no file that ends in {', '.join(SUFFIXES)}")
        found += pictures
    return tuple(found)
