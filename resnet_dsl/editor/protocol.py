"""Answers in the words of the protocol: places, diagnostics, outlines, completions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls import uris

from resnet_dsl.diagnostics.model import Diagnostic, Source, Span
from resnet_dsl.editor.analysis import Analysis
from resnet_dsl.editor.buffers import path_of
from resnet_dsl.editor.completion import Completion
from resnet_dsl.editor.entities import Entity
from resnet_dsl.editor.explain_pages import page_file
from resnet_dsl.editor.outline import Entry
from resnet_dsl.editor.positions import TextPositions
from resnet_dsl.editor.sessions import shown_in
from resnet_dsl.records import dataclass, field
from resnet_dsl.shipped import PACKAGE, SUFFIX

NAME = "resnet-dsl"
MAX_TEXTS = 15  # whose positions are kept
SEVERITIES = {"error": types.DiagnosticSeverity.Error, "warning": types.DiagnosticSeverity.Warning}
SYMBOL_KINDS = {
    "block": types.SymbolKind.Function, "model": types.SymbolKind.Class,
    "recipe": types.SymbolKind.Event,
    "constant": types.SymbolKind.Constant, "parameter": types.SymbolKind.TypeParameter,
    "variable": types.SymbolKind.Variable, "field": types.SymbolKind.Field, "file": types.SymbolKind.Module,
}  # fmt: skip
COMPLETION_KINDS = {
    "block": types.CompletionItemKind.Function, "op": types.CompletionItemKind.Function,
    "recipe": types.CompletionItemKind.Event,
    "model": types.CompletionItemKind.Class, "constant": types.CompletionItemKind.Constant,
    "parameter": types.CompletionItemKind.Variable, "variable": types.CompletionItemKind.Variable,
    "input": types.CompletionItemKind.Variable, "field": types.CompletionItemKind.Field,
    "argument": types.CompletionItemKind.Property, "choice": types.CompletionItemKind.EnumMember,
    "stage": types.CompletionItemKind.Module, "file": types.CompletionItemKind.File,
    "keyword": types.CompletionItemKind.Keyword, "attribute": types.CompletionItemKind.Property,
}  # fmt: skip


@dataclass
class Wording:
    """How places are told to the client: in which code units, and by which names of files."""

    encoding: str = "utf-16"
    uris: dict[Path, str] = field(default_factory=dict)  # of what is open, as the client names it
    positions: dict[str, TextPositions] = field(default_factory=dict)

    def positions_of(self, text: str) -> TextPositions:
        """Return the positions of a text, worked out once."""
        if text not in self.positions:
            self.positions = {
                text: TextPositions(text, self.encoding),
                **dict(list(self.positions.items())[:15]),
            }
        return self.positions[text]

    def offset(self, text: str, position: types.Position) -> int:
        """Return the offset of a position."""
        return self.positions_of(text).offset(position.line, position.character)

    def range(self, text: str, start: int, end: int) -> types.Range:
        """Return a stretch of a text."""
        positions = self.positions_of(text)
        return types.Range(types.Position(*positions.at(start)), types.Position(*positions.at(end)))

    def of(self, span: Span) -> types.Range:
        """Return a stretch of the text that a span is of."""
        return self.range(span.source.text, span.start, span.end)

    def uri(self, path: Path) -> str:
        """Return what the client calls a file."""
        return self.uris.get(path) or uris.from_fs_path(str(path)) or ""

    def location(self, span: Span) -> types.Location | None:
        """Return a place in a file, that of the library too."""
        path = path_of(span.source)
        return None if path is None else types.Location(self.uri(path), self.of(span))

    def edits(self, changes: Iterable[tuple[Span, str]]) -> types.WorkspaceEdit | None:
        """Return changes of files of the author's; None where one is the library's."""
        found: dict[str, list[types.TextEdit]] = {}
        for span, written in changes:
            path = path_of(span.source)
            if path is None or span.source.ours:
                return None
            found.setdefault(self.uri(path), []).append(types.TextEdit(self.of(span), written))
        return types.WorkspaceEdit(changes=found)

    # --- diagnostics

    def diagnostic(self, found: Analysis, diagnostic: Diagnostic) -> types.Diagnostic:
        """Return a diagnostic with its code, the page of that, and what else belongs to it."""
        span, message = shown_in(found, diagnostic)
        page = page_file(diagnostic.code)
        href = None if page is None else uris.from_fs_path(str(page))
        labels = [*diagnostic.labels]
        related = [
            types.DiagnosticRelatedInformation(location, label.text)
            for label in labels
            if (location := self.location(_in_file(label.span, found.source))) is not None
        ]
        return types.Diagnostic(
            self.range(found.source.text, span.start, span.end),
            message,
            SEVERITIES[diagnostic.severity],
            code=diagnostic.code,
            code_description=None if href is None else types.CodeDescription(href),
            source=NAME,
            related_information=related or None,
        )

    # --- what is listed

    def outline_entry(self, entry: Entry) -> types.DocumentSymbol:
        """Return a line of an outline."""
        return types.DocumentSymbol(
            name=entry.name,
            kind=SYMBOL_KINDS[entry.kind],
            range=self.of(entry.span),
            selection_range=self.of(entry.name_at),
            detail=entry.detail,
            children=[self.outline_entry(each) for each in entry.entries],
        )

    def completion(self, found: Completion, order: int, replaced: types.Range) -> types.CompletionItem:
        """Return a word to type; what it stands for is told when it is asked for."""
        return types.CompletionItem(
            label=found.label,
            kind=COMPLETION_KINDS[found.kind],
            detail=found.detail or None,
            sort_text=f"{order:04}",
            text_edit=types.TextEdit(replaced, found.write or found.label),
            data=None if found.entity is None else packed(found.entity),
        )


def _in_file(span: Span, own: Source) -> Span:
    """A span of the text as it was analysed: trials of hints are made of the same text without a file."""
    return Span(own, span.start, span.end) if span.source == own else span


def packed(entity: Entity) -> dict[str, Any]:
    """Return what a completion stands for as the client keeps it."""
    at = entity.at
    path = None if at is None else path_of(at.source)
    place = None if at is None or path is None else [str(path), at.start, at.end]
    return {"kind": entity.kind, "name": entity.name, "owner": entity.owner, "at": place}


def unpacked(data: Mapping[str, Any], read: Callable[[Path], Source | None]) -> Entity:
    """Return what a completion stands for; `read` returns the text at a path."""
    entity = Entity.known(data["kind"], data["name"], data["owner"])
    if data["at"] is None:
        return entity
    path, start, end = data["at"]
    source = read(Path(path))
    return (
        entity
        if source is None
        else Entity.declared(entity.kind, entity.name, Span(source, start, end), entity.owner)
    )


def library_source(path: Path) -> Source | None:
    """Return a text of the library, where a path is that of one."""
    if path.parent != PACKAGE / "library" or path.suffix != SUFFIX:
        return None
    return Source(f"library/{path.name}", path.read_text(encoding="utf-8"), ours=True)
