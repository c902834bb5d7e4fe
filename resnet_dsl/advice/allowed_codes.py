"""`# resnet-dsl: allow W0610`: warnings that the author has seen, silenced where they are.

On a line of its own the comment is for the next line of code, behind code for its own line, and with
`in this file` for the whole text. An allow that silences nothing is fine: which model of a file, and
which settings, are compiled decides what there is to silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from resnet_dsl.diagnostics.model import Diagnostic, Source, Span
from resnet_dsl.diagnostics.suggest import did_you_mean
from resnet_dsl.records import dataclass

if TYPE_CHECKING:
    from resnet_dsl.syntax.formatter.trivia import Comment

DIRECTIVE = r"#\s*resnet-dsl:\s*(?P<verb>\w+)\b(?P<rest>.*)"
WORD = r"[^\s,]+"
VERBS = ("allow", "ignore", "disable", "silence", "suppress", "noqa", "permit", "allows")
EXAMPLE = "`# resnet-dsl: allow W0601`, or `allow W0601 in this file`; a reason may follow a colon"


@dataclass(frozen=True)
class Allowance:
    """One code that a comment allows: on one line, or everywhere where that is None."""

    code: str
    line: int | None
    span: Span


def without_allowed(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return diagnostics but for the warnings that their texts allow at their places."""
    known: dict[Source, frozenset[tuple[str, int | None]]] = {}
    kept = []
    for diagnostic in diagnostics:
        span = diagnostic.span
        if span is not None and diagnostic.severity == "warning":
            if span.source not in known:
                known[span.source] = frozenset((a.code, a.line) for a in allowances(span.source))
            places = ((diagnostic.code, None), (diagnostic.code, span.place[0]))
            if known[span.source].intersection(places):
                continue
        kept.append(diagnostic)
    return tuple(kept)


def allowances(source: Source) -> Iterator[Allowance]:
    """Yield what the comments of a text allow."""
    for comment, found in _directives(source):
        codes, here = _codes(found["rest"])
        line = None if here else _line(source, comment)
        for word in codes if found["verb"] == "allow" else ():
            yield Allowance(word[0], line, _span(source, comment, found.start("rest") + word.start()))


def misunderstood(source: Source) -> Iterator[Diagnostic]:
    """Yield a warning for each comment to the compiler that allows nothing."""
    for comment, found in _directives(source):
        codes, _ = _codes(found["rest"])
        at = _span(source, comment, found.start("verb"))
        if found["verb"] != "allow" or not codes:
            message = "this comment allows nothing: `allow` and codes of warnings have to follow"
            yield Diagnostic("W0621", message, at, hint=EXAMPLE, severity="warning")
    for allowance in allowances(source):
        from resnet_dsl.diagnostics.codes import PAGES  # long, and seldom asked for

        code, span = allowance.code, allowance.span
        if code in PAGES and code.startswith("W"):
            continue
        message = f"there is no warning `{code}`"
        hint = did_you_mean(code, (known for known in PAGES if known.startswith("W")))
        if code in PAGES:
            message, hint = f"`{code}` is an error: nothing allows it", ""
        yield Diagnostic("W0621", message, span, hint=hint or EXAMPLE, severity="warning")


def _directives(source: Source) -> Iterator[tuple[Comment, re.Match[str]]]:
    if "resnet-dsl:" not in source.text:
        return
    from resnet_dsl.syntax.formatter.trivia import Trivia  # few texts have any

    for comment in Trivia(source.text).comments:
        found = re.match(DIRECTIVE, comment.text)
        if found is not None and found["verb"] in VERBS:
            yield comment, found


def _codes(rest: str) -> tuple[list[re.Match[str]], bool]:
    """The codes behind `allow`, up to a colon, and whether they are for the whole file."""
    listed, _, _ = rest.partition(":")
    front, here, _ = listed.partition(" in this file")
    return list(re.finditer(WORD, front)), bool(here)


def _line(source: Source, comment: Comment) -> int:
    """The line that a comment is about: its own, or where it stands alone the next one with code."""
    number = source.place(comment.start)[0]
    if comment.inline:
        return number
    count = source.text.count("\n") + 1
    lines = ((n, source.line(n).strip()) for n in range(number + 1, count + 1))
    return next((n for n, text in lines if text and not text.startswith("#")), number)


def _span(source: Source, comment: Comment, offset: int) -> Span:
    word = re.compile(WORD).match(comment.text, offset)
    assert word is not None
    return Span(source, comment.start + word.start(), comment.start + word.end())
