"""Where files may be written: never over what somebody else wrote, nor over what somebody changed."""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from resnet_dsl.codegen.seal import condition
from resnet_dsl.diagnostics.errors import UsageError


def check_targets(paths: Iterable[Path], force: bool = False) -> None:
    """Raise UsageError unless every file can be written, none twice and none over foreign work."""
    seen: set[str] = set()
    for path in paths:
        if (real := os.path.realpath(path)) in seen:
            raise UsageError(f"{path}: would be written twice; write to different folders")
        seen.add(real)
        _check_target(path, force)


def _check_target(path: Path, force: bool) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        _check_folder(path)
        return
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    if stat.S_ISDIR(mode):
        raise UsageError(f"{path}: is a directory")
    if stat.S_ISREG(mode) and not force:
        _check_ours(path)


def _check_folder(path: Path) -> None:
    folder = Path(os.path.realpath(path)).parent
    if not folder.exists():
        raise UsageError(f"{path}: the folder {folder} does not exist")
    if not folder.is_dir():
        raise UsageError(f"{path}: {folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{path}: permission denied in {folder}")


def _check_ours(path: Path) -> None:
    """Raise UsageError unless a file is as the compiler wrote it, or holds nothing to lose."""
    try:
        with path.open("rb") as file:
            if not file.read(1):
                return
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                found = condition(data)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    if found == "changed":
        raise UsageError(f"{path}: was changed since resnet-dsl wrote it; --force overwrites it")
    if found == "foreign":
        raise UsageError(f"{path}: exists and was not written by resnet-dsl; --force overwrites it")


def make_folder(path: Path) -> None:
    """Create a folder and those above it; one that exists is fine."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UsageError(f"{path}: exists and is not a folder") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
