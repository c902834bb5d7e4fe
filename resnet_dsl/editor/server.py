"""The language server: pygls between an editor and the functions of this folder. Nothing else imports it.

Requests are answered from what was last known of a text; texts are analysed in a thread of their own, a
moment after a change, and an analysis that a new change makes useless is given up.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls import uris
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import declared
from resnet_dsl.editor.analysis import Analysis, analyses
from resnet_dsl.editor.buffers import Buffers
from resnet_dsl.editor.completion import completions
from resnet_dsl.editor.context import Context
from resnet_dsl.editor.descriptions import described
from resnet_dsl.editor.fixes import fixes
from resnet_dsl.editor.hover import hover
from resnet_dsl.editor.name_uses import occurrences
from resnet_dsl.editor.outline import outline
from resnet_dsl.editor.protocol import NAME, Wording, library_source, unpacked
from resnet_dsl.editor.references import RenameRefused, definition, named_at, references, renamable, renamed
from resnet_dsl.editor.sessions import Document, Session, formatted, shown_in
from resnet_dsl.editor.shape_hints import shape_hints
from resnet_dsl.syntax.changes import Change
from resnet_dsl.version import __version__

DEBOUNCE = 0.02  # seconds without a change, after which a text is analysed
PATIENCE = 5.0  # seconds that a request waits for an analysis
COMPLETING = types.CompletionOptions(
    trigger_characters=[".", "(", "=", ":", ">", ",", '"'], resolve_provider=True
)
Highlights = list[types.DocumentHighlight] | None
Symbols = list[types.DocumentSymbol] | None
FIXING = types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix])


class SpecServer(LanguageServer):
    """A session with an editor."""

    def __init__(self) -> None:
        super().__init__(NAME, __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full)
        self.session = Session()
        self.wording = Wording()
        self.worker = ThreadPoolExecutor(1, thread_name_prefix="analysis")
        self.trees = Buffers()  # those of the worker
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.ready: dict[str, asyncio.Event] = {}

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log an error in a line; a traceback helps nobody who edits a spec."""
        said = " ".join(str(error).split())
        message = f"internal error: {type(error).__name__}: {said}; please report"
        self.window_log_message(types.LogMessageParams(types.MessageType.Error, message))

    # --- analyses

    def analyse_soon(self, uri: str) -> None:
        """Analyse a text once it rests, and give up what is being found out about an earlier version."""
        if (running := self.tasks.get(uri)) is not None:
            running.cancel()
            self.ready[uri].set()  # who waits for that waits for the new version
        self.ready[uri] = asyncio.Event()
        self.tasks[uri] = asyncio.get_running_loop().create_task(self._analyse(uri, self.ready[uri]))

    async def _analyse(self, uri: str, ready: asyncio.Event) -> None:
        await asyncio.sleep(DEBOUNCE)
        document = self.session.documents[uri]
        buffers, text = self.snapshot(self.trees), document.text
        steps = analyses(document.source, buffers, lambda: document.text == text)
        loop, last = asyncio.get_running_loop(), None
        try:
            while (found := await loop.run_in_executor(self.worker, _next, steps)) is not None:
                document.learn(found)
                if last is None or last.diagnostics != found.diagnostics:
                    self.publish(uri, found)
                last = found
                ready.set()
        except Exception as error:
            self.report_server_error(error, None)
        ready.set()

    def snapshot(self, trees: Buffers) -> Buffers:
        """Return the texts as they are now, for a thread that has trees of its own."""
        return Buffers(dict(self.session.buffers.opened), trees.trees)

    def publish(self, uri: str, found: Analysis) -> None:
        """Tell the client what is wrong with a text."""
        shown = [self.wording.diagnostic(found, each) for each in found.diagnostics]
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, shown))

    async def known(self, uri: str) -> Analysis | None:
        """Return what is known of a text as it is now, or of its last version that could be parsed."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._settled(uri), PATIENCE)
        return self.session.known(uri) if uri in self.session.documents else None

    async def _settled(self, uri: str) -> None:
        """Wait until the text as it is then was analysed, or cannot be."""
        waited = None
        while uri in self.session.documents and not self.session.documents[uri].is_current:
            if self.ready.get(uri) is waited:
                return
            waited = self.ready[uri]
            await waited.wait()

    def changed(self, uri: str) -> None:
        """Analyse a text that has changed, and those that use it."""
        for each in (uri, *self.session.users(uri)):
            self.analyse_soon(each)

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that the editor has open; without any, those of the texts that are open."""
        found = [uris.to_fs_path(uri) for uri in self.workspace.folders] or [self.workspace.root_path]
        homes = dict.fromkeys(document.home for document in self.session.documents.values())
        return tuple(Path(path) for path in found if path) or tuple(home for home in homes if home)


def _next(steps: Iterator[Analysis]) -> Analysis | None:
    return next(steps, None)


server = SpecServer()


def serve() -> None:
    """Speak the protocol on standard input and output until the editor ends the session."""
    # Copies, for pygls closes what it is given, and the command line has to end as others do.
    with open(os.dup(sys.stdin.fileno()), "rb") as asked, open(os.dup(sys.stdout.fileno()), "wb") as said:
        server.start_io(asked, said)


# --- texts ---------------------------------------------------------------------------------------


@server.feature(types.INITIALIZED)
def initialized(ls: SpecServer, params: types.InitializedParams) -> None:
    """Take the code units that were agreed on; what every text needs is loaded before there is one."""
    ls.worker.submit(declared, Source("", ""), None)
    ls.wording.encoding = str(getattr(ls.workspace.position_encoding, "value", "utf-16"))


@server.feature(types.TEXT_DOCUMENT_DID_OPEN)
def did_open(ls: SpecServer, params: types.DidOpenTextDocumentParams) -> None:
    """Take a text that was opened."""
    uri, text = params.text_document.uri, params.text_document.text
    local = uris.to_fs_path(uri) if uri.startswith("file:") else None
    path = None if local is None else Path(local).resolve()
    name = uri.rpartition("/")[2] if path is None else path.name
    if path is not None:
        ls.wording.uris[path] = uri
    ls.session.open(uri, Document(name, path, text))
    ls.changed(uri)


@server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
def did_change(ls: SpecServer, params: types.DidChangeTextDocumentParams) -> None:
    """Take a text that was changed; each change is the whole text."""
    uri = params.text_document.uri
    for change in params.content_changes:
        ls.session.change(uri, change.text)
    ls.changed(uri)


@server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
def did_close(ls: SpecServer, params: types.DidCloseTextDocumentParams) -> None:
    """Forget a text; what was wrong with it is not shown any longer."""
    uri = params.text_document.uri
    if (running := ls.tasks.pop(uri, None)) is not None:
        running.cancel()
    users = list(ls.session.users(uri))
    ls.session.close(uri)
    ls.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))
    ls.ready.pop(uri, asyncio.Event()).set()
    for other in users:
        ls.analyse_soon(other)


@server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
def files_changed(ls: SpecServer, params: types.DidChangeWatchedFilesParams) -> None:
    """Look at all texts again: files on disk, which they may use, are others."""
    for uri in ls.session.documents:
        ls.analyse_soon(uri)


# --- what a place is -----------------------------------------------------------------------------


@server.feature(types.TEXT_DOCUMENT_HOVER)
async def show_hover(ls: SpecServer, params: types.HoverParams) -> types.Hover | None:
    """Say what is at a place."""
    uri = params.text_document.uri
    found = await ls.known(uri)
    if found is None:
        return None
    text = ls.session.documents[uri].text
    shown = hover(found, text, ls.wording.offset(text, params.position))
    if shown is None:
        return None
    content = types.MarkupContent(types.MarkupKind.Markdown, shown.text)
    return types.Hover(content, ls.wording.range(text, shown.start, shown.end))


@server.feature(types.TEXT_DOCUMENT_COMPLETION, COMPLETING)
def complete(ls: SpecServer, params: types.CompletionParams) -> types.CompletionList | None:
    """List what may be typed at a place; it waits for nothing."""
    document = ls.session.documents.get(params.text_document.uri)
    if document is None:
        return None
    text = document.text
    offset = ls.wording.offset(text, params.position)
    context = Context(text, offset)
    start = offset - len(context.path_typed) if context.path_typed is not None else context.start
    replaced = ls.wording.range(text, start, offset)
    found = completions(text, offset, document.scope(ls.session.buffers), document.home)
    items = [ls.wording.completion(each, order, replaced) for order, each in enumerate(found)]
    return types.CompletionList(is_incomplete=False, items=items)


@server.feature(types.COMPLETION_ITEM_RESOLVE)
def resolve(ls: SpecServer, item: types.CompletionItem) -> types.CompletionItem:
    """Say what a word stands for that may be typed."""
    if item.data is not None:
        entity = unpacked(item.data, lambda path: library_source(path) or ls.session.buffers.source(path))
        text = described(entity, None)
        item.documentation = types.MarkupContent(types.MarkupKind.Markdown, text)
    return item


@server.feature(types.TEXT_DOCUMENT_DEFINITION)
async def find_definition(ls: SpecServer, params: types.DefinitionParams) -> types.Location | None:
    """Return where a name is declared."""
    at = await _place(ls, params)
    span = None if at is None else definition(*at)
    return None if span is None else ls.wording.location(span)


@server.feature(types.TEXT_DOCUMENT_REFERENCES)
async def find_references(ls: SpecServer, params: types.ReferenceParams) -> list[types.Location] | None:
    """Return where a name is used, in all files."""
    at = await _place(ls, params)
    name = None if at is None else named_at(*at)
    if name is None:
        return None
    texts = ls.snapshot(Buffers())
    found = await asyncio.to_thread(lambda: list(references(name.entity, texts, ls.folders)))
    declaring = params.context.include_declaration
    return [
        types.Location(ls.wording.uri(place.path), ls.wording.of(place.span))
        for place in found
        if declaring or not place.occurrence.declares
    ]


@server.feature(types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT)
async def highlight(ls: SpecServer, params: types.DocumentHighlightParams) -> Highlights:
    """Return where the name at a place stands in the same text."""
    at = await _place(ls, params)
    name = None if at is None else named_at(*at)
    if at is None or name is None or at[0].tree is None or at[0].scope is None:
        return None
    alike = [each for each in occurrences(at[0].tree, at[0].scope) if each.entity == name.entity]
    return [types.DocumentHighlight(ls.wording.of(each.span)) for each in alike]


async def _place(ls: SpecServer, params: Any) -> tuple[Analysis, int] | None:
    """The text that is known, and the place in it that a request is about."""
    uri = params.text_document.uri
    found = await ls.known(uri)
    if found is None:
        return None
    text = ls.session.documents[uri].text
    offset = found.then(text, ls.wording.offset(text, params.position))
    return None if offset is None else (found, offset)


# --- changes -------------------------------------------------------------------------------------


@server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
async def prepare_rename(ls: SpecServer, params: types.PrepareRenameParams) -> types.Range | None:
    """Return the name at a place that could be another."""
    at = await _place(ls, params)
    if at is None:
        return None
    try:
        name = renamable(*at)
    except RenameRefused as error:
        raise _refused(error) from None
    return ls.wording.range(name.span.source.text, name.span.start, name.span.end - len(name.ending))


@server.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
async def rename(ls: SpecServer, params: types.RenameParams) -> types.WorkspaceEdit | None:
    """Give a name another one, in all files."""
    at = await _place(ls, params)
    if at is None or at[0].source.text != ls.session.documents[params.text_document.uri].text:
        raise _refused(RenameRefused("the text cannot be parsed as it is"))
    try:
        texts = ls.snapshot(Buffers())
        found = await asyncio.to_thread(renamed, *at, params.new_name, texts, ls.folders)
    except RenameRefused as error:
        raise _refused(error) from None
    changes = {
        ls.wording.uri(path): [types.TextEdit(ls.wording.of(span), written) for span, written in edits]
        for path, edits in found.items()
    }
    return types.WorkspaceEdit(changes=changes)


def _refused(error: RenameRefused) -> JsonRpcException:
    return JsonRpcException(str(error), types.LSPErrorCodes.RequestFailed.value)


@server.feature(types.TEXT_DOCUMENT_FORMATTING)
def format_text(ls: SpecServer, params: types.DocumentFormattingParams) -> list[types.TextEdit] | None:
    """Write a text in the canonical form."""
    document = ls.session.documents.get(params.text_document.uri)
    if document is None:
        return None
    try:
        written = formatted(document)
    except CompileError:
        return None  # what is wrong is underlined
    text = document.text
    head, tail = Change.between(text, written)
    if head + tail == len(text) == len(written):
        return []
    changed = ls.wording.range(text, head, len(text) - tail)
    return [types.TextEdit(changed, written[head : len(written) - tail])]


@server.feature(types.TEXT_DOCUMENT_CODE_ACTION, FIXING)
async def act(ls: SpecServer, params: types.CodeActionParams) -> list[types.CodeAction] | None:
    """Offer what the hints of diagnostics say to write."""
    uri = params.text_document.uri
    await ls.known(uri)
    document = ls.session.documents.get(uri)
    if document is None or document.latest is None or not document.is_current:
        return None
    return list(_actions(ls, document.latest, params.range))


def _actions(ls: SpecServer, found: Analysis, asked: types.Range) -> Iterator[types.CodeAction]:
    text = found.source.text
    start, end = ls.wording.offset(text, asked.start), ls.wording.offset(text, asked.end)
    for diagnostic in found.diagnostics:
        span, _ = shown_in(found, diagnostic)
        if span.end < start or end < span.start:
            continue
        for fix in fixes(diagnostic):
            edit = ls.wording.edits(fix.edits)
            if edit is not None:
                yield types.CodeAction(
                    fix.title,
                    types.CodeActionKind.QuickFix,
                    diagnostics=[ls.wording.diagnostic(found, diagnostic)],
                    is_preferred=fix.preferred,
                    edit=edit,
                )


# --- what a text has -----------------------------------------------------------------------------


@server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
async def list_symbols(ls: SpecServer, params: types.DocumentSymbolParams) -> Symbols:
    """Return the outline of a text."""
    found = await ls.known(params.text_document.uri)
    if found is None or found.tree is None:
        return None
    return [ls.wording.outline_entry(entry) for entry in outline(found.tree)]


@server.feature(types.TEXT_DOCUMENT_INLAY_HINT)
async def show_shapes(ls: SpecServer, params: types.InlayHintParams) -> list[types.InlayHint] | None:
    """Return the shapes to show within a text; none while it is broken, for they would be elsewhere."""
    uri = params.text_document.uri
    found = await ls.known(uri)
    if found is None or found.source.text != ls.session.documents[uri].text:
        return None
    text = found.source.text
    start, end = (ls.wording.offset(text, place) for place in (params.range.start, params.range.end))
    return [
        types.InlayHint(
            ls.wording.range(text, hint.offset, hint.offset).start,
            hint.text.strip(),
            kind=types.InlayHintKind.Type,
            tooltip=types.MarkupContent(types.MarkupKind.Markdown, hint.about),
            padding_left=True,
        )
        for hint in shape_hints(found, start, end)
    ]
