"""What can be done about a diagnostic: the hints that say what to write, as changes of the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from resnet_dsl.advice.allowed_codes import allowances
from resnet_dsl.diagnostics.model import Diagnostic, Source, Span
from resnet_dsl.diagnostics.suggest import names_meant

NAME = re.compile(r"\w+")
CALLEE = re.compile(r"[A-Za-z_]\w*")
WRITE = re.compile(r"write `([^`]+)`")
OPEN = "…"


class Fix(NamedTuple):
    """A change of texts that a diagnostic proposes, in words and as stretches to replace."""

    title: str
    edits: tuple[tuple[Span, str], ...]
    preferred: bool = False


def fixes(diagnostic: Diagnostic) -> Iterator[Fix]:
    """Yield what may be done about a diagnostic, what its hint says first."""
    if diagnostic.fix is not None:
        yield Fix(diagnostic.hint, (diagnostic.fix,), preferred=True)
    for remedy in sorted(diagnostic.remedies, key=lambda each: each.hint != diagnostic.hint):
        # Hints before the one that is shown were tried, and did not help.
        if remedy.edits and remedy.hint == diagnostic.hint:
            yield Fix(remedy.hint, remedy.edits, preferred=True)
    if diagnostic.span is not None:
        yield from _names(diagnostic, diagnostic.span)
        yield from _whole_call(diagnostic, diagnostic.span)
        if diagnostic.severity == "warning" and not _in_comment(diagnostic.span):
            yield _allowed(diagnostic, diagnostic.span)


def _names(diagnostic: Diagnostic, span: Span) -> Iterator[Fix]:
    """The names that were perhaps meant."""
    if NAME.fullmatch(_text(span)):
        names = names_meant(diagnostic.hint)
        for name in names:
            yield Fix(f"write `{name}`", ((span, name),), preferred=len(names) == 1)


def _whole_call(diagnostic: Diagnostic, span: Span) -> Iterator[Fix]:
    """The call that a hint shows in place of the one that is marked, if nothing in it is left open."""
    written = WRITE.fullmatch(diagnostic.hint)
    callee = CALLEE.match(_text(span))
    if written is None or callee is None or OPEN in written[1] or diagnostic.fix is not None:
        return
    meant = CALLEE.match(written[1])
    if meant is not None and meant[0] == callee[0]:
        yield Fix(diagnostic.hint, ((span, written[1]),), preferred=True)


def _in_comment(span: Span) -> bool:
    text = span.source.text
    return "#" in text[text.rfind("\n", 0, span.start) + 1 : span.end]


def _allowed(diagnostic: Diagnostic, span: Span) -> Fix:
    """A comment above the line that allows the warning there; in the file where it would be about less."""
    text, code = span.source.text, diagnostic.code
    start = text.rfind("\n", 0, span.start) + 1
    indent = text[start : len(text) - len(text[start:].lstrip(" \t"))]
    comment = f"{indent}# resnet-dsl: allow {code}\n"
    changed = Source(span.source.name, text[:start] + comment + text[start:])
    moved = Span(changed, span.start + len(comment), span.end + len(comment))
    if not any(each.covers(code, moved) for each in allowances(changed)):
        comment = f"{indent}# resnet-dsl: allow {code} in this file\n"
    return Fix(f"allow {code} here", ((Span(span.source, start, start), comment),))


def _text(span: Span) -> str:
    return span.source.text[span.start : span.end]
