"""What the classes of a network are called: by a file, the weights' metadata, or the folders of the data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resnet_dsl.backend.contents import KEY, Metadata
from resnet_dsl.diagnostics.errors import UsageError

CLASSES = "classes"  # of our metadata: what a training script writes


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
