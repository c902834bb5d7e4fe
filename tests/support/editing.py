"""An editor for tests: texts are opened in the real server, changed, and asked about in words of the text."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from lsprotocol import types
from pytest_lsp import LanguageClient

from resnet_dsl.editor.positions import TextPositions


@dataclass
class Editor:
    """A client with a folder; places are given by the words that stand there."""

    client: LanguageClient
    folder: Path
    texts: dict[str, str] = field(default_factory=dict)

    def uri(self, name: str) -> str:
        """Return what a file of the folder is called."""
        return (self.folder / name).as_uri()

    def write(self, name: str, text: str | bytes) -> str:
        """Write a file on disk alone."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return self.uri(name)

    async def open(self, name: str, text: str) -> list[types.Diagnostic]:
        """Open a text that is on no disk, and return what is wrong with it."""
        self.texts[name] = text
        item = types.TextDocumentItem(self.uri(name), "resnet", 1, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return await self.diagnostics(name)

    async def change(self, name: str, text: str) -> list[types.Diagnostic]:
        """Change a text, and return what is wrong with it then."""
        self.type(name, text)
        return await self.diagnostics(name)

    def type(self, name: str, text: str) -> None:
        """Change a text, and wait for nothing."""
        self.texts[name] = text
        self.client.diagnostics.clear()
        document = types.VersionedTextDocumentIdentifier(2, self.uri(name))
        change = types.TextDocumentContentChangeWholeDocument(text)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))

    async def diagnostics(self, name: str) -> list[types.Diagnostic]:
        """Return the diagnostics that are published of a text, and were not returned before."""
        method = types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS
        while self.uri(name) not in self.client.diagnostics:
            # The protocol's own: it listens at once, the client's coroutine after what is read meanwhile.
            await asyncio.wait_for(self.client.protocol.wait_for_notification_async(method), 60)
        return list(self.client.diagnostics.pop(self.uri(name)))

    def at(self, name: str, words: str, inside: int = 0) -> types.Position:
        """Return the position of words in a text, or of a character in them."""
        offset = self.texts[name].index(words) + inside
        return types.Position(*TextPositions(self.texts[name]).at(offset))

    def place(
        self, name: str, words: str, inside: int = 0
    ) -> tuple[types.TextDocumentIdentifier, types.Position]:
        """Return what a request about a place of a text is given."""
        return types.TextDocumentIdentifier(self.uri(name)), self.at(name, words, inside)

    def marked(self, name: str, place: types.Range) -> str:
        """Return the text of a range."""
        positions = TextPositions(self.texts[name])
        start = positions.offset(place.start.line, place.start.character)
        return self.texts[name][start : positions.offset(place.end.line, place.end.character)]

    async def hover(self, name: str, words: str, inside: int = 0) -> str:
        """Return what is shown at a place."""
        found = await self.client.text_document_hover_async(
            types.HoverParams(*self.place(name, words, inside))
        )
        return found.contents.value if found and isinstance(found.contents, types.MarkupContent) else ""

    async def completions(self, name: str, words: str) -> list[str]:
        """Return what may be typed behind words."""
        params = types.CompletionParams(*self.place(name, words, len(words)))
        found = await self.client.text_document_completion_async(params)
        return [item.label for item in found.items] if isinstance(found, types.CompletionList) else []

    def applied(self, edit: types.WorkspaceEdit) -> dict[str, str]:
        """Return the texts that an edit changes, as they are then, by the names of their files."""
        changed = {}
        for uri, edits in (edit.changes or {}).items():
            name = Path(uri).relative_to(Path(self.folder.as_uri())).as_posix()
            text = self.texts.get(name) or (self.folder / name).read_bytes().decode()
            positions = TextPositions(text)
            for one in sorted(edits, key=lambda each: each.range.start, reverse=True):
                start = positions.offset(one.range.start.line, one.range.start.character)
                end = positions.offset(one.range.end.line, one.range.end.character)
                text = text[:start] + one.new_text + text[end:]
            changed[name] = text
        return changed
