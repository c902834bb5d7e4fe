"""Where a name is declared and used, in all files of a session; and a name changed everywhere at once."""

from __future__ import annotations

import keyword
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from resnet_dsl.diagnostics.errors import CompileError, UsageError
from resnet_dsl.diagnostics.model import Source, Span
from resnet_dsl.driver import declared
from resnet_dsl.editor.analysis import Analysis, analyses
from resnet_dsl.editor.buffers import Buffers, path_of
from resnet_dsl.editor.entities import Entity, Occurrence
from resnet_dsl.editor.name_uses import occurrence_at, occurrences
from resnet_dsl.limits import NAME
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass
from resnet_dsl.shipped import specs_folder
from resnet_dsl.syntax.words import KEYWORDS

RENAMED = ("block", "constant", "model", "recipe", "parameter", "variable", "label", "stage")
MAX_CHECKED = 8  # models of a file that are compared before and after


class RenameRefused(Exception):
    """A name that cannot be changed as asked, with the reason in a sentence."""


@dataclass(frozen=True)
class Place:
    """A name in a file."""

    path: Path
    occurrence: Occurrence

    @property
    def span(self) -> Span:
        """Where it is written."""
        return self.occurrence.span


def named_at(found: Analysis, offset: int) -> Occurrence | None:
    """Return the name at a place of the text that was analysed."""
    if found.tree is None or found.scope is None:
        return None
    return occurrence_at(occurrences(found.tree, found.scope), offset)


def definition(found: Analysis, offset: int) -> Span | None:
    """Return where the name at a place is declared; an op is declared nowhere in the language."""
    name = named_at(found, offset)
    return None if name is None else name.entity.at


def references(entity: Entity, buffers: Buffers, folders: tuple[Path, ...]) -> Iterator[Place]:
    """Yield every place of the session's files where a name is written that stands for `entity`."""
    for path in buffers.specs(folders):
        source = buffers.source(path)
        if source is None or entity.name not in source.text:
            continue
        for occurrence in _occurrences(source, path, buffers):
            if occurrence.entity == entity:
                yield Place(path, occurrence)


def _occurrences(source: Source, path: Path, buffers: Buffers) -> tuple[Occurrence, ...]:
    try:
        tree = buffers.tree(source)
        scope, _ = declared(source, path.parent, buffers)
    except (CompileError, UsageError):
        return ()
    return occurrences(tree, scope)


# --- a new name ----------------------------------------------------------------------------------


def renamable(found: Analysis, offset: int) -> Occurrence:
    """Return the name at a place if it can be changed; raises RenameRefused where it cannot."""
    name = named_at(found, offset)
    if name is None:
        raise RenameRefused("no name of yours is here")
    entity = name.entity
    if entity.kind not in RENAMED or entity.at is None:
        raise RenameRefused(f"`{entity.name}` is a name of the language")
    path = path_of(entity.at.source)
    if entity.at.source.ours or (path is not None and specs_folder().resolve() in path.parents):
        shipped = f"{entity.at.source.name}, which comes with resnet-dsl"
        raise RenameRefused(f"`{entity.name}` is declared in {shipped}")
    if not entity.at.source.text.startswith(entity.name, entity.at.start):
        raise RenameRefused(f"`{entity.name}` is the number of a stage; a label in `stages:` gives it a name")
    return name


def renamed(
    found: Analysis, offset: int, new: str, buffers: Buffers, folders: tuple[Path, ...]
) -> dict[Path, list[tuple[Span, str]]]:
    """Return what to write where, file by file, so that a name is another one and the networks are the same.

    Raises RenameRefused where they would not be.
    """
    entity = renamable(found, offset).entity
    _check_name(new)
    edits: dict[Path, list[tuple[Span, str]]] = {}
    for place in references(entity, buffers, folders):
        edits.setdefault(place.path, []).append((place.span, new + place.occurrence.ending))
    changed = buffers
    for path, changes in edits.items():
        changed = changed.with_text(path, applied_to(changes[0][0].source.text, changes))
    for path in edits:
        _check_same(path, buffers, changed, entity, new)
    return edits


def applied_to(text: str, edits: list[tuple[Span, str]]) -> str:
    """Return a text with stretches of it replaced."""
    for span, written in sorted(edits, key=lambda edit: -edit[0].start):
        text = text[: span.start] + written + text[span.end :]
    return text


def _check_name(new: str) -> None:
    if not (new.isascii() and new.isidentifier()) or len(new) > NAME.most:
        raise RenameRefused(f"`{new}` is not a name")
    if new in KEYWORDS or keyword.iskeyword(new) or new.startswith("__"):
        raise RenameRefused(f"`{new}` is a reserved word")


def _check_same(path: Path, before: Buffers, after: Buffers, entity: Entity, new: str) -> None:
    """Compare the networks of a file, and what is wrong with it, before and after."""
    was, now = (_meaning(path, buffers) for buffers in (before, after))
    if was[1] != now[1] or not was[0].items() <= now[0].items():
        wrong = next(iter(now[1] - was[1]), "the networks would be others")
        raise RenameRefused(f"`{entity.name}` cannot be called `{new}` in {path.name}: {wrong}")


def _meaning(path: Path, buffers: Buffers) -> tuple[Mapping[str | int, object], Counter[str]]:
    """The structure of the networks of a file, and the codes of what is wrong with it."""
    source = buffers.source(path)
    found = None if source is None else list(islice(analyses(source, buffers), MAX_CHECKED))
    if not found:
        return {}, Counter()
    structures: dict[str | int, object] = {
        index: _structure(program) for index, (_, program) in enumerate(found[-1].programs)
    }
    return structures, Counter(each.code for each in found[-1].diagnostics if each.severity == "error")


def _structure(program: Program) -> object:
    """What a network computes, whatever its steps are called."""
    number = {node.name: index for index, node in enumerate(program.graph.nodes)}
    nodes = tuple(
        (node.op, tuple(number.get(name, -1) for name in node.inputs)) for node in program.graph.nodes
    )
    return nodes, tuple(number.get(result, -1) for _, result in program.graph.outputs)
