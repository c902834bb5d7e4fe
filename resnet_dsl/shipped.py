"""The shelf of shipped specs: where they lie, and what each says of itself in its first line."""

from __future__ import annotations

import functools
from pathlib import Path

SUFFIX = ".resnet"
PACKAGE = Path(__file__).parent


def specs_folder() -> Path:
    """The folder of the shipped specs: inside an installed package, beside it in a checkout."""
    inside = PACKAGE / "specs"
    return inside if inside.is_dir() else PACKAGE.parent / "specs"


def name_maps_folder() -> Path:
    """The folder of the names that other libraries have for layers."""
    return specs_folder() / "name_maps"


@functools.cache
def shipped() -> dict[str, Path]:
    """The shipped specs by name."""
    return {path.stem: path for path in sorted(specs_folder().rglob(f"*{SUFFIX}"))}


def description(path: Path) -> str:
    """Return the first comment line of a spec, or an empty string if it starts with none."""
    with path.open(encoding="utf-8") as file:
        first = next((line.strip() for line in file if line.strip()), "")
    return first.lstrip("#").strip() if first.startswith("#") else ""


def folder_of(path: Path) -> str:
    """Return the folder a shipped spec lies in, as `list` groups them; empty at the top."""
    parent = path.parent.relative_to(specs_folder()).as_posix()
    return "" if parent == "." else parent
