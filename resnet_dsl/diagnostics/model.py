"""Diagnostics: what is wrong, where, and what to write instead; values that every stage collects."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from resnet_dsl.diagnostics.suggest import did_you_mean as did_you_mean

MAX_SHOWN = 100

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Source:
    """One text and the name it is shown under; `ours` marks the shipped library."""

    name: str
    text: str
    ours: bool = False

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
class Diagnostic:
    """One finding: `code` is stable, `message` says what is, `hint` what to write."""

    code: str
    message: str
    span: Span | None = None
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    hint: str = ""
    severity: Severity = "error"

    @property
    def full_text(self) -> str:
        """The message with its notes and hint, a line each."""
        hint = [f"help: {self.hint}"] if self.hint else []
        return "\n".join([self.message, *self.notes, *hint])


class CompileError(Exception):
    """A program that cannot be compiled; carries every diagnostic of the run."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        from resnet_dsl.diagnostics.render.terminal import render_text

        return "\n\n".join(render_text(diagnostic) for diagnostic in self.diagnostics)


class UsageError(Exception):
    """A request that cannot be served: a missing file, an unknown name, an absent package."""


@dataclass
class Findings:
    """The diagnostics collected so far, each place and code once."""

    items: list[Diagnostic] = field(default_factory=list)
    counts: Counter[Severity] = field(default_factory=Counter)
    places: set[tuple[str, Span | None]] = field(default_factory=set)

    def add(self, diagnostic: Diagnostic) -> None:
        """Keep `diagnostic` unless its code was reported at its place; past the limit, only count."""
        key = (diagnostic.code, diagnostic.span)
        if key in self.places:
            return
        self.places.add(key)
        self.counts[diagnostic.severity] += 1
        if self.counts[diagnostic.severity] <= MAX_SHOWN:
            self.items.append(diagnostic)

    @property
    def failed(self) -> bool:
        """Whether any of them is an error."""
        return self.counts["error"] > 0

    @property
    def shown(self) -> tuple[Diagnostic, ...]:
        """What was kept; the last of them says how many more there are."""
        more = self.counts.total() - len(self.items)
        if not more:
            return tuple(self.items)
        last = self.items[-1]
        return (*self.items[:-1], replace(last, notes=(*last.notes, f"and {more:,} more like these")))

    def check(self) -> None:
        """Raise what was found if any of it is an error."""
        if self.failed:
            raise CompileError(self.shown)
