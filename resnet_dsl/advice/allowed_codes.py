"""`# resnet-dsl: allow W0610`: warnings that the author has seen, silenced where they are.

Behind code the comment is for what ends there, on a line of its own for what begins next: a field, a
statement, an item of a list, a step, or a whole block or model. What that is does not depend on how the text
is laid out. With `in this file` it is for the whole text. An allow that silences nothing is fine: which
model of a file, and which settings, are compiled decides what there is to silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Diagnostic, Source, Span
from resnet_dsl.diagnostics.suggest import did_you_mean
from resnet_dsl.records import dataclass
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.parser import parse

if TYPE_CHECKING:
    from resnet_dsl.syntax.formatter.trivia import Comment

DIRECTIVE = r"#\s*resnet-dsl:\s*(?P<verb>\w+)\b(?P<rest>.*)"
WORD = r"[^\s,]+"
BETWEEN = " \t\r\n,"  # what may stand between the end of a thing and a comment on it
FOLLOWING = re.compile(
    r"(?:#[^\n]*|\s|,|->|(?:return|then|else)\b)*"
)  # and between a comment and the thing after it
VERBS = ("allow", "ignore", "disable", "silence", "suppress", "noqa", "permit", "allows")
EXAMPLE = "`# resnet-dsl: allow W0601`, or `allow W0601 in this file`; a reason may follow a colon"


@dataclass(frozen=True)
class Allowance:
    """One code that a comment allows: for what begins in `stretch`, or everywhere where that is None."""

    code: str
    stretch: range | None
    span: Span

    def covers(self, code: str, span: Span) -> bool:
        """Whether it is about a diagnostic of its text."""
        return self.code == code and (self.stretch is None or span.start in self.stretch)


def without_allowed(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return diagnostics but for the warnings that their texts allow at their places."""
    known: dict[Source, tuple[Allowance, ...]] = {}
    kept = []
    for diagnostic in diagnostics:
        span = diagnostic.span
        if span is not None and diagnostic.severity == "warning":
            if span.source not in known:
                known[span.source] = tuple(allowances(span.source))
            if any(each.covers(diagnostic.code, span) for each in known[span.source]):
                continue
        kept.append(diagnostic)
    return tuple(kept)


def allowances(source: Source) -> Iterator[Allowance]:
    """Yield what the comments of a text allow."""
    directives = tuple(_directives(source))
    nodes = tuple(_nodes(source)) if directives else ()
    for comment, found in directives:
        codes, here = _codes(found["rest"])
        stretch = None if here else _stretch(source, nodes, comment)
        for word in codes if found["verb"] == "allow" else ():
            yield Allowance(word[0], stretch, _span(source, comment, found.start("rest") + word.start()))


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


def _nodes(source: Source) -> Iterator[ast.Node]:
    """Everything that is written in a text; nothing where it cannot be parsed."""
    with suppress(CompileError):
        for declaration in parse(source).declarations:
            yield from ast.below(declaration)


def _stretch(source: Source, nodes: Iterable[ast.Node], comment: Comment) -> range:
    """What a comment is about: the largest thing that ends before it, or that begins after it."""
    if comment.inline:
        end = len(source.text[: comment.start].rstrip(BETWEEN))
        starts = [node.span.start for node in nodes if node.span.end == end]
        line = source.text.rfind("\n", 0, comment.start) + 1  # of the head of a declaration
        return range(min(starts, default=line), comment.start)
    following = FOLLOWING.match(source.text, comment.start)
    assert following is not None
    start = following.end()
    return range(start, max((node.span.end for node in nodes if node.span.start == start), default=start))


def _span(source: Source, comment: Comment, offset: int) -> Span:
    word = re.compile(WORD).match(comment.text, offset)
    assert word is not None
    return Span(source, comment.start + word.start(), comment.start + word.end())
