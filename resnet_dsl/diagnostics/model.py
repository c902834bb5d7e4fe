"""Diagnostics: what is wrong, where, and what to write instead; values that every stage collects."""

from __future__ import annotations

import bisect
from functools import cached_property
from pathlib import Path
from typing import Literal

from resnet_dsl.diagnostics.suggest import did_you_mean as did_you_mean
from resnet_dsl.records import dataclass, field, replace

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Source:
    """One text, the name it is shown under, and its file; `ours` marks the shipped library."""

    name: str
    text: str
    ours: bool = False
    path: Path | None = field(default=None, compare=False, repr=False)

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(i + 1 for i, char in enumerate(self.text) if char == "\n")]

    def place(self, offset: int) -> tuple[int, int]:
        """Return the 1-based line and column of `offset`."""
        line = bisect.bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """Return the text of the 1-based line `number`, without its end."""
        start = self._starts[number - 1]
        end = self._starts[number] - 1 if number < len(self._starts) else len(self.text)
        return self.text[start:end].rstrip("\r")


@dataclass(frozen=True)
class Span:
    """A stretch of a source, from offset `start` up to `end`."""

    source: Source
    start: int
    end: int

    @property
    def place(self) -> tuple[int, int]:
        """The 1-based line and column where the span starts."""
        return self.source.place(self.start)

    @property
    def end_place(self) -> tuple[int, int]:
        """The 1-based line and column just after the span."""
        return self.source.place(min(max(self.end, self.start), len(self.source.text)))

    def to(self, other: Span) -> Span:
        """Return the span from the start of this one to the end of `other`."""
        return replace(self, end=other.end)

    def __str__(self) -> str:
        line, column = self.place
        return f"{self.source.name}:{line}:{column}"


@dataclass(frozen=True)
class Label:
    """A second place that belongs to a diagnostic, with a word about it."""

    span: Span
    text: str


@dataclass(frozen=True)
class Remedy:
    """A hint that can be tried: what it says to write, and in place of which stretches of text."""

    hint: str
    edits: tuple[tuple[Span, str], ...] = ()


@dataclass(frozen=True)
class Diagnostic:
    """One finding: `code` is stable, `message` says what is, `hint` what to write.

    `remedies` are the hints there may be, the likeliest first; the first of them that helps is to be
    the hint. `fix` is what a hint without remedies writes, in place of which stretch, if that is certain.
    """

    code: str
    message: str
    span: Span | None = None
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    hint: str = ""
    severity: Severity = "error"
    remedies: tuple[Remedy, ...] = field(default=(), compare=False, repr=False)
    fix: tuple[Span, str] | None = field(default=None, compare=False, repr=False)

    @property
    def full_text(self) -> str:
        """The message with its notes and hint, a line each."""
        hint = [f"help: {self.hint}"] if self.hint else []
        return "\n".join([self.message, *self.notes, *hint])
