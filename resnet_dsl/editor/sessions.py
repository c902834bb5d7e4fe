"""An editing session: the texts that are open, what was last known of each, and what that says of a place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from resnet_dsl.diagnostics.model import Diagnostic, Source, Span
from resnet_dsl.driver import declared
from resnet_dsl.editor.analysis import Analysis
from resnet_dsl.editor.buffers import Buffers
from resnet_dsl.editor.name_uses import used_path
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.records import dataclass, field
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.formatter.format import format_source


@dataclass
class Document:
    """A text that is open: as it is now, and what is known of the last version that could be parsed."""

    name: str
    path: Path | None
    text: str
    latest: Analysis | None = None
    parsed: Analysis | None = None

    @property
    def source(self) -> Source:
        """The text as the compiler takes it."""
        return Source(self.name, self.text, path=self.path)

    @property
    def home(self) -> Path | None:
        """The folder that `use` starts from."""
        return None if self.path is None else self.path.parent

    @property
    def is_current(self) -> bool:
        """Whether the text as it is now was analysed."""
        return self.latest is not None and self.latest.source.text == self.text

    def learn(self, found: Analysis) -> None:
        """Keep what is known of a version of the text."""
        self.latest = found
        if found.scope is not None:
            self.parsed = found

    def known(self) -> Analysis | None:
        """Return what is known of the text, of its last version that could be parsed if this one cannot."""
        return self.latest if self.latest is not None and self.latest.scope is not None else self.parsed

    def scope(self, buffers: Buffers) -> Scope:
        """Return what names mean, as far as they are known; that of an empty text before any was parsed."""
        found = self.known()
        if found is not None and found.scope is not None:
            return found.scope
        return declared(Source(self.name, ""), self.home, buffers)[0]

    def uses(self, path: Path) -> bool:
        """Whether the text uses a file, or one that uses it."""
        found = self.known()
        used = () if found is None or found.scope is None else found.scope.used()
        return any(source.path == path for source in used)


@dataclass
class Session:
    """All documents that are open, by the names that the editor has for them."""

    documents: dict[str, Document] = field(default_factory=dict)
    buffers: Buffers = field(default_factory=Buffers)

    def open(self, uri: str, document: Document) -> None:
        """Add a document, whose text stands for its file from now on."""
        self.documents[uri] = document
        self.change(uri, document.text)

    def change(self, uri: str, text: str) -> None:
        """Take another text for a document."""
        document = self.documents[uri]
        document.text = text
        if document.path is not None:
            self.buffers.opened[document.path] = text

    def close(self, uri: str) -> None:
        """Forget a document; its file counts again."""
        document = self.documents.pop(uri)
        if document.path is not None:
            self.buffers.opened.pop(document.path, None)

    def known(self, uri: str) -> Analysis | None:
        """Return what is known of a document, its steps also where others that are open use it."""
        found = self.documents[uri].known()
        for other in self.users(uri) if found is not None else ():
            user = self.documents[other].known()
            found = found if found is None or user is None else found.with_steps_of(user)
        return found

    def users(self, uri: str) -> Iterator[str]:
        """Yield the documents that use another one."""
        path = self.documents[uri].path if uri in self.documents else None
        for other, document in self.documents.items():
            if path is not None and other != uri and document.uses(path):
                yield other


def formatted(document: Document) -> str:
    """Return the text in the canonical form, with its own ends of lines; raises CompileError."""
    text = format_source(document.source)
    return text.replace("\n", "\r\n") if "\r\n" in document.text else text


def shown_in(found: Analysis, diagnostic: Diagnostic) -> tuple[Span, str]:
    """Return where a diagnostic is shown in a text, and its message there.

    What is wrong in a file that the text uses is shown where it is used.
    """
    span = diagnostic.span
    if span is not None and span.source.text == found.source.text and not span.source.ours:
        return _visible(Span(found.source, span.start, span.end)), diagnostic.full_text
    where = "" if span is None else f"{span}: "
    use = _use_of(found, span)
    at = use.span if use is not None else Span(found.source, 0, 1)
    return at, where + diagnostic.full_text


def _visible(span: Span) -> Span:
    """A span of one character at least."""
    if span.end > span.start:
        return span
    start = min(span.start, max(len(span.source.text) - 1, 0))
    return Span(span.source, start, start + 1)


def _use_of(found: Analysis, span: Span | None) -> ast.Use | None:
    """The `use` that leads to the file of a span."""
    declarations = () if found.tree is None else found.tree.declarations
    uses = {used_path(each): each for each in declarations if isinstance(each, ast.Use)}
    if span is None or not uses:
        return None
    if span.source.path in uses:
        return uses[span.source.path]
    for parent in () if found.scope is None else found.scope.parents:
        if parent.source.path in uses and any(span.source == each.source for each in parent.visible):
            return uses[parent.source.path]
    return next(iter(uses.values()))
