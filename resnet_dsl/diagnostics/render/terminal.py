"""Diagnostics as text: the header, the source under a gutter, and marks below what is meant."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Protocol

from resnet_dsl.diagnostics.model import Diagnostic, Label, Source
from resnet_dsl.records import dataclass

MAX_WIDTH = 100
TAB = "    "
COLOURS = {"error": "1;31", "warning": "1;33", "frame": "1;34", "label": "1;36", "strong": "1"}
# What could steer a terminal or reorder a line is shown, never sent.
UNSAFE = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))


class Stream(Protocol):
    """What is asked of an output stream."""

    def isatty(self) -> bool:
        """Whether it is a terminal."""


def wants_color(mode: str, stream: Stream, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether to colour what goes to `stream`; `mode` is `auto`, `always` or `never`."""
    if mode != "auto":
        return mode == "always"
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return environ.get("TERM") != "dumb" and stream.isatty()


def render_text(diagnostic: Diagnostic, color: bool = False) -> str:
    """Return a diagnostic as a person reads it, without a line end."""
    paint = _Paint(color)
    header = f"{diagnostic.severity}[{diagnostic.code}]"
    lines = [paint(diagnostic.severity, header) + paint("strong", f": {_safe(diagnostic.message)}")]
    snippets = list(_snippets(diagnostic))
    margin = max((len(str(snippet.number)) for snippet in snippets), default=0)
    for index, snippet in enumerate(snippets):
        lines += _snippet_lines(snippet, "-->" if index == 0 else ":::", margin, diagnostic.severity, paint)
    indent = " " * (margin + 2)
    notes = [*diagnostic.notes, *([f"help: {diagnostic.hint}"] if diagnostic.hint else [])]
    lines += [f"{indent}{paint('frame', '=')} {_safe(note)}" for note in notes]
    return "\n".join(lines)


def render_all(diagnostics: Iterable[Diagnostic], color: bool = False) -> str:
    """Return diagnostics one after the other, a blank line between them."""
    return "\n\n".join(render_text(diagnostic, color) for diagnostic in diagnostics)


@dataclass(frozen=True)
class _Paint:
    """Wraps text in a colour, or leaves it as it is."""

    active: bool

    def __call__(self, colour: str, text: str) -> str:
        return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if self.active and text.strip() else text


# --- which lines are shown ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Mark:
    """A stretch of one line, as columns from 0, with its text; the primary mark has none."""

    start: int
    end: int
    text: str
    primary: bool


@dataclass(frozen=True)
class _Snippet:
    """One source line and what is marked on it."""

    source: Source
    number: int
    marks: tuple[_Mark, ...]


def _snippets(diagnostic: Diagnostic) -> Iterator[_Snippet]:
    """Yield the line of the primary span first, then each further line that has a label."""
    primary = [] if diagnostic.span is None else [Label(diagnostic.span, "")]
    places: dict[tuple[str, str, int], list[tuple[Source, _Mark]]] = {}
    for label in (*primary, *diagnostic.labels):
        source, number, mark = _mark(label, label in primary)
        places.setdefault((source.name, source.text, number), []).append((source, mark))
    for (_, _, number), found in places.items():
        yield _Snippet(found[0][0], number, tuple(mark for _, mark in found))


def _mark(label: Label, primary: bool) -> tuple[Source, int, _Mark]:
    """Place a span on its first line; an empty one, or one past the end, marks one column."""
    source, span = label.span.source, label.span
    start = min(max(span.start, 0), len(source.text))
    number, column = source.place(start)
    length = len(source.line(number))
    first = min(column - 1, length)
    last = min(first + max(span.end - start, 1), max(length, first + 1))
    return source, number, _Mark(first, last, label.text, primary)


# --- drawing -----------------------------------------------------------------------------------


def _snippet_lines(snippet: _Snippet, arrow: str, margin: int, severity: str, paint: _Paint) -> Iterator[str]:
    text, marks = _on_screen(snippet)
    bar = paint("frame", "|")
    empty = " " * (margin + 2) + bar
    place = f"{_safe(snippet.source.name)}:{snippet.number}:{snippet.marks[0].start + 1}"
    yield " " * (margin + 1) + paint("frame", arrow) + " " + place
    yield empty
    number = paint("frame", f"{snippet.number:>{margin}}")
    yield f" {number} {bar} {text}".rstrip()
    for line in _mark_lines(marks, severity, paint):
        yield f"{empty} {line}"


def _mark_lines(marks: list[_Mark], severity: str, paint: _Paint) -> Iterator[str]:
    """Yield the line of marks, ending in the text of the last, then the other texts from the right."""
    width = max(mark.end for mark in marks)
    cells = [" "] * width
    for mark in sorted(marks, key=lambda mark: mark.primary):
        cells[mark.start : mark.end] = ["^" if mark.primary else "~"] * (mark.end - mark.start)
    drawn = "".join(
        paint({"^": severity, "~": "label"}.get(sign, "strong"), "".join(run)) for sign, run in groupby(cells)
    )
    texts = sorted((mark for mark in marks if mark.text), key=lambda mark: -mark.start)
    if texts and texts[0].end == width:
        drawn += " " + paint("label", _safe(texts.pop(0).text))
    yield drawn
    for mark in texts:
        yield " " * mark.start + paint("label", _safe(mark.text))


def _on_screen(snippet: _Snippet) -> tuple[str, list[_Mark]]:
    """Return the line as it is shown and its marks in screen columns; a long line is clipped."""
    line = snippet.source.line(snippet.number)
    first, last = _window(line, snippet.marks[0])
    cells = [_cell(char) for char in line[first:last]]
    before, after = ("…" if first else ""), ("…" if last < len(line) else "")

    def column(index: int) -> int:
        inside = min(max(index, first), last) - first
        return len(before) + sum(map(_width, cells[:inside])) + max(min(index, last + 1) - last, 0)

    marks = []
    for mark in snippet.marks:
        start, end = column(mark.start), column(mark.end)
        marks.append(_Mark(start, max(end, start + 1), mark.text, mark.primary))
    return before + "".join(cells) + after, marks


def _window(line: str, mark: _Mark) -> tuple[int, int]:
    """Return the stretch of a line to show: all of it, or as much as fits around the mark."""
    if len(line) <= MAX_WIDTH and sum(_width(_cell(char)) for char in line) <= MAX_WIDTH:
        return 0, len(line)
    first = last = min(mark.start, len(line))
    room = MAX_WIDTH - 2
    while room > 0 and (first > 0 or last < len(line)):
        # The mark itself first, then as much on both sides.
        if last < len(line):
            room -= _width(_cell(line[last]))
            last += 1
        if first > 0 and (last >= mark.end or last == len(line)):
            first -= 1
            room -= _width(_cell(line[first]))
    return first, last


def _cell(char: str) -> str:
    """Return a character as it is shown."""
    if char == "\t":
        return TAB
    return "\ufffd" if unicodedata.category(char) in UNSAFE else char


def _width(cell: str) -> int:
    """Return the number of screen columns of a cell."""
    if cell.isascii():
        return len(cell)
    if unicodedata.combining(cell):
        return 0
    return 2 if unicodedata.east_asian_width(cell) in "WF" else 1


def _safe(text: str) -> str:
    """Return a text on one line, without anything that steers a terminal."""
    return "".join(char if char.isascii() and char.isprintable() else _cell(char) for char in text)
