"""Findings while a program is checked, and the exceptions that end a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from resnet_dsl.diagnostics.model import Diagnostic, Severity, Span
from resnet_dsl.records import dataclass, field, replace

MAX_SHOWN = 100


class CompileError(Exception):
    """A program that cannot be compiled; carries every diagnostic of the run."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        from resnet_dsl.diagnostics.render.terminal import render_text  # few are shown so

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
