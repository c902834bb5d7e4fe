"""Files written whole or not at all, and those of one command together or not at all."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.records import dataclass, field

# Of this machine, of this process: what a killed process left is known by both.
TEMPORARY = re.compile(r"\.resnet-dsl-([0-9a-f]{8})-(\d+)-[0-9a-f]{16}\.(?:tmp|old)")


@dataclass(frozen=True)
class Artefact:
    """A file to write and what goes into it: text, bytes, or bytes in pieces, where they are many."""

    path: Path
    content: str | bytes | Iterable[bytes | memoryview]

    def pieces(self) -> Iterator[bytes | memoryview]:
        """Yield the content as it lies on the disk."""
        if isinstance(self.content, str):
            yield self.content.encode("utf-8")
        elif isinstance(self.content, bytes):
            yield self.content
        else:
            yield from self.content


def write_whole(artefact: Artefact) -> None:
    """Write a file through a temporary one beside it, so that a reader never sees half of it."""
    write_together([artefact])


def write_together(artefacts: Sequence[Artefact]) -> None:
    """Write files so that all are there in the end, or all as they were; raises UsageError if they are not.

    Each goes into a temporary file beside its target first. What is renamed then is undone if one fails.
    """
    work = _Work()
    for folder in {Path(os.path.realpath(artefact.path)).parent for artefact in artefacts}:
        _take_away_leftovers(folder)
    try:
        for artefact in artefacts:
            work.prepare(artefact)
        for artefact in artefacts:
            work.put(artefact)
    except BaseException as error:
        work.undo()
        if isinstance(error, OSError):
            raise UsageError(f"{work.at}: {error.strerror or error}") from None
        raise
    work.finish()


@dataclass
class _Work:
    """The temporary file of each target, what each held before, and the one that is at work."""

    temporary: dict[Path, Path] = field(default_factory=dict)
    former: dict[Path, Path | None] = field(default_factory=dict)
    at: Path = field(default_factory=Path)

    def prepare(self, artefact: Artefact) -> None:
        """Write the content beside the target; a link is followed, so that it stays one."""
        self.at, target = artefact.path, Path(os.path.realpath(artefact.path))
        if target.exists() and not target.is_file():
            return  # a device or a pipe, which must not be replaced by a file
        path = self.temporary[target] = _beside(target, "tmp")
        # Opened by hand: tempfile's 0600 would stay on the result, here the umask decides.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(handle, "wb") as file:
            file.writelines(artefact.pieces())
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            path.chmod(stat.S_IMODE(target.stat().st_mode))

    def put(self, artefact: Artefact) -> None:
        """Move the content to its place."""
        self.at, target = artefact.path, Path(os.path.realpath(artefact.path))
        if target not in self.temporary:
            with artefact.path.open("wb") as file:
                file.writelines(artefact.pieces())
            return
        former = None
        if len(self.temporary) > 1 and target.exists():
            former = _second_name(target)
        self.former[target] = former
        self.temporary[target].replace(target)

    def undo(self) -> None:
        """Leave everything as it was."""
        for target, former in self.former.items():
            with suppress(OSError):
                if former is not None:
                    former.replace(target)  # does nothing, and leaves it, where both are one file still
                    former.unlink(missing_ok=True)
                elif len(self.temporary) > 1:
                    target.unlink(missing_ok=True)
        self._clear(self.temporary.values())

    def finish(self) -> None:
        """Take away what the targets held before."""
        self._clear(former for former in self.former.values() if former is not None)

    def _clear(self, paths: Iterable[Path]) -> None:
        for path in paths:
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _second_name(target: Path) -> Path:
    """Keep what a file holds under another name, too: there is no moment at which it has none."""
    former = _beside(target, "old")
    try:
        former.hardlink_to(target)
    except OSError:  # a file system without links
        shutil.copy2(target, former)
    return former


def _beside(target: Path, suffix: str) -> Path:
    return target.with_name(f".resnet-dsl-{_machine()}-{os.getpid()}-{secrets.token_hex(8)}.{suffix}")


def _machine() -> str:
    return f"{zlib.crc32(os.uname().nodename.encode()):08x}" if hasattr(os, "uname") else "0" * 8


def _take_away_leftovers(folder: Path) -> None:
    """Remove temporary files that processes of this machine left when they were killed."""
    with suppress(OSError):
        for path in folder.iterdir():
            found = TEMPORARY.fullmatch(path.name)
            if found and found[1] == _machine() and not _runs(int(found[2])):
                path.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    if os.name != "posix":  # where asking is killing
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it runs, and is somebody else's
        return True
    return True
