"""The texts of an editing session: those that are open stand for the files, the others are on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from resnet_dsl.diagnostics.errors import CompileError, UsageError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.records import dataclass, field
from resnet_dsl.shipped import PACKAGE, SUFFIX
from resnet_dsl.sources import Texts
from resnet_dsl.syntax import ast

MAX_TREES = 64
MAX_FILES = 2_000  # of a folder, that are looked through for uses
MAX_FOLDERS = 2_000


@dataclass(frozen=True)
class Buffers(Texts):
    """Texts by path: `opened` has those that an editor has open; what was parsed is kept while it is used."""

    opened: dict[Path, str] = field(default_factory=dict)
    trees: dict[Source, ast.File | CompileError] = field(default_factory=dict)

    def has(self, path: Path) -> bool:
        """Whether there is a text at a path, on disk or open."""
        return path in self.opened or super().has(path)

    def read(self, path: Path, name: str) -> Source:
        """Return the text at a path; raises UsageError where it cannot be read."""
        if path in self.opened:
            return Source(name, self.opened[path], path=path)
        return super().read(path, name)

    def tree(self, source: Source) -> ast.File:
        """Return the syntax tree of a text, parsed once; raises CompileError where it has none."""
        found = self.trees.pop(source, None) or self._parsed(source)
        self.trees[source] = found  # the last ones asked for are kept
        while len(self.trees) > MAX_TREES:
            del self.trees[next(iter(self.trees))]
        if isinstance(found, CompileError):
            raise found
        return found

    def _parsed(self, source: Source) -> ast.File | CompileError:
        try:
            return super().tree(source)
        except CompileError as error:
            return error

    def source(self, path: Path) -> Source | None:
        """Return the text at a path, None where it cannot be read."""
        try:
            return self.read(path, path.name)
        except UsageError:
            return None

    def with_text(self, path: Path, text: str) -> Buffers:
        """Return the session as it would be with another text at a path."""
        return Buffers({**self.opened, path: text}, dict(self.trees))

    def specs(self, folders: tuple[Path, ...]) -> Iterator[Path]:
        """Yield the paths of the specs that are open, and of those on disk in some folders."""
        found = dict.fromkeys(self.opened)
        for folder in folders:
            found.update((path.resolve(), None) for path in islice(below(folder), MAX_FILES))
        yield from found


def below(folder: Path) -> Iterator[Path]:
    """Yield the specs in a folder and below it, but for what is hidden and what packages are kept in."""
    for visited, (here, folders, files) in enumerate(os.walk(folder)):
        folders[:] = sorted(name for name in folders if name[0] not in "._" and name != "node_modules")
        yield from (Path(here, name) for name in sorted(files) if name.endswith(SUFFIX))
        if visited >= MAX_FOLDERS:
            return


def path_of(source: Source) -> Path | None:
    """Return where a text lies, that of the library too."""
    return PACKAGE / source.name if source.ours else source.path
