"""What elaboration carries along: findings, places, bodies under construction, and what names mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, NoReturn

from resnet_dsl.diagnostics import CompileError, Diagnostic, Findings, Label, Span
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.values import BAD, Bad, Definition
from resnet_dsl.ir.network import Body, Node
from resnet_dsl.ir.shapes import Extent, Shape
from resnet_dsl.syntax import ast


class Parameter(NamedTuple):
    """A parameter of a block or op as a call sees it."""

    name: str
    required: bool
    choices: tuple[str, ...]


class Frame(NamedTuple):
    """One level of what the compiler is working on, for the notes of a diagnostic."""

    text: str
    span: Span


@dataclass
class Builder:
    """A body under construction: its nodes so far and the names they have taken."""

    inputs: list[Shape]
    nodes: list[Node] = field(default_factory=list)
    names: dict[str, Span] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    automatic: set[str] = field(default_factory=set)
    variable: str = ""

    def numbered(self, kind: str) -> str:
        """Return the next name of a step of `kind`: conv1, conv2, …"""
        while True:
            self.counts[kind] += 1
            name = f"{kind}{self.counts[kind]}"
            if name not in self.names:
                self.automatic.add(name)
                return name


@dataclass
class Env:
    """What names mean at one point of a block or model, and the body that steps go into."""

    scope: Scope
    builder: Builder | None = None
    names: dict[str, Any] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    setting: Callable[[str, Span], Any] | None = None
    known: Callable[[], Iterator[str]] | None = None
    read: set[str] = field(default_factory=set)

    @property
    def x(self) -> Any:
        """The input that a pipeline starts with when it names none."""
        return self.names.get("x")


MAX_OPS = 100_000
MAX_WORK = 2_000_000


@dataclass
class Context:
    """One elaboration. `evaluate` is that of expressions; bodies are kept by what made them."""

    findings: Findings
    extent: Extent
    evaluate: Callable[..., Any]
    frames: list[Frame] = field(default_factory=list)
    active: list[Definition] = field(default_factory=list)
    bodies: dict[Any, Body | Bad] = field(default_factory=dict)
    constants: dict[ast.Const, Any] = field(default_factory=dict)
    ops: int = 0
    work: int = 0

    def count(self, ops: int, span: Span) -> None:
        """Count ops (a use of a block that makes none counts as one) and stop past the limit."""
        self.ops += max(ops, 1)
        if self.ops > MAX_OPS:
            self._stop(f"more than {MAX_OPS:,} ops", span)

    def toil(self, span: Span) -> None:
        """Count one evaluation, so that no text can keep the compiler busy for long."""
        self.work += 1
        if self.work > MAX_WORK:
            self._stop(f"more than {MAX_WORK:,} evaluations", span)

    def _stop(self, message: str, span: Span) -> NoReturn:
        self.error("E0501", f"the program is too large: {message}", span)
        raise CompileError(self.findings.items)

    def error(
        self, code: str, message: str, span: Span, hint: str = "", labels: tuple[Label, ...] = ()
    ) -> Bad:
        """Report an error and return the bad value."""
        self.report(Diagnostic(code, message, span, labels, hint=hint))
        return BAD

    def warn(self, code: str, message: str, span: Span, hint: str = "") -> None:
        """Report a warning."""
        self.report(Diagnostic(code, message, span, hint=hint, severity="warning"))

    def report(self, diagnostic: Diagnostic) -> None:
        """Add a diagnostic, with the levels it was found at; the reader's own text comes first."""
        notes = tuple(f"{frame.text} ({line_of(frame.span)})" for frame in reversed(self.frames))
        diagnostic = replace(diagnostic, notes=(*diagnostic.notes, *notes))
        span = diagnostic.span
        mine = [frame for frame in self.frames if not frame.span.source.ours]
        if span is not None and span.source.ours and mine:
            labels = (Label(span, "here"), *diagnostic.labels)
            diagnostic = replace(diagnostic, span=mine[-1].span, labels=labels)
        self.findings.add(diagnostic)

    @contextmanager
    def within(self, text: str, span: Span) -> Iterator[None]:
        """Add a level to the notes of what is reported inside."""
        self.frames.append(Frame(text, span))
        try:
            yield
        finally:
            self.frames.pop()


def line_of(span: Span) -> str:
    """A place for a sentence: `line 7`, with the file's name where it is the library's."""
    line = span.place[0]
    return f"{span.source.name}:{line}" if span.source.ours else f"line {line}"
