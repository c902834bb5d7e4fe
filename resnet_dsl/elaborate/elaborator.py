"""The elaborator: what it found and is working on, its limits and cache; and what names mean where it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple, NoReturn, Protocol

from resnet_dsl.diagnostics.errors import CompileError, Findings
from resnet_dsl.diagnostics.model import Diagnostic, Label, Span
from resnet_dsl.diagnostics.suggest import did_you_mean
from resnet_dsl.elaborate.body_builder import BodyBuilder
from resnet_dsl.elaborate.derived import combined, formula_of, nested_formulas, plain
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.values import BAD, Bad, Definition, Origin, Share, Tag, Tensor, Value
from resnet_dsl.elaborate.watching import Applied, Watch
from resnet_dsl.ir.formulas import names_of
from resnet_dsl.ir.network import Body
from resnet_dsl.ir.shapes import Extent
from resnet_dsl.limits import EVALUATIONS, LIST, OPS
from resnet_dsl.records import dataclass, field, replace
from resnet_dsl.syntax import ast

MAX_SUGGESTIONS = 20
MAX_LEVELS = 8


class Parameter(NamedTuple):
    """A parameter of a block or op as a call sees it."""

    name: str
    required: bool
    choices: tuple[str, ...]


class Frame(NamedTuple):
    """One level of what the compiler is working on, for the notes of a diagnostic.

    `origin` is what the author wrote that made the level what it is, `origins` where the author
    gave the parameters of a block.
    """

    text: str
    span: Span
    origin: Origin | None
    origins: Mapping[str, Origin]


class PartLookup(Protocol):
    """What names of parts mean where they may stand: in stages and in what their blocks are given."""

    def __call__(self, name: str, span: Span) -> Value:
        """Return the part that a name is, MISSING if it is none."""

    def names(self) -> Iterable[str]:
        """Return the names that parts have."""


@dataclass
class Env:
    """What names mean at one point of a block or model, and the body that steps go into."""

    scope: Scope
    builder: BodyBuilder | None = None
    names: dict[str, Value] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    setting: Callable[[str, Span], Value] | None = None
    part: PartLookup | None = None  # what a name that means nothing else is: a part
    known: Callable[[], Iterable[str]] | None = None
    read: set[str] = field(default_factory=set)
    origins: Mapping[str, Origin] = field(default_factory=dict)
    parameters: Container[str] = ()  # of the block or model around: what `...` passes on
    counted: Mapping[str, Value] = field(default_factory=dict)  # what a name means that nothing else has

    @property
    def x(self) -> Tensor | None:
        """The input that a pipeline starts with when it names none."""
        found = self.names.get("x")
        return found if isinstance(found, Tensor) else None

    def all_names(self) -> Iterator[str]:
        """Yield every name that has a meaning here, the nearest first."""
        yield from self.choices
        yield from self.names
        yield from (self.known or tuple)()
        yield from self.part.names() if self.part is not None else ()
        yield from self.scope.names()

    def knows(self, name: str) -> bool:
        """Whether a name has a meaning here; nothing is evaluated."""
        near = name in self.choices or name in self.names or name in (self.known or tuple)()
        return near or self.scope.find(name) is not None or name in self.counted


class ShareHome(NamedTuple):
    """The body, or the model, in which a shared function is applied, and where it is first."""

    body: object
    span: Span


@dataclass
class Elaborator:
    """One elaboration. `evaluator` is that of expressions; bodies are kept by what made them.

    `model_at` is marked where the author wrote nothing that led to an error. `recovering` says that a part
    before failed, so that shapes are a guess: what is found wrong with them is not reported. `homes` says
    where shared functions are applied, `inside` which of those that a body was given it applies, `shares` how
    often, `useless` which need not be; `repeating` that one of them is being applied again.
    """

    findings: Findings
    extent: Extent
    evaluator: Callable[[Elaborator, ast.Expr, Env, Tag | None], Value]
    model_at: Span
    frames: list[Frame] = field(default_factory=list)
    active: list[Definition] = field(default_factory=list)
    bodies: dict[Value, Body | Bad] = field(default_factory=dict)
    constants: dict[tuple[Scope, str], Value] = field(default_factory=dict)
    deriving: list[tuple[Scope, str]] = field(default_factory=list)
    ops: int = 0
    work: int = 0
    max_work: int = EVALUATIONS.most
    suggestions: int = 0
    lists: dict[int, tuple[int, Value]] = field(default_factory=dict)
    recovering: bool = False
    structural: set[str] = field(default_factory=set)  # of the body, or model, being elaborated
    homes: dict[Share, ShareHome] = field(default_factory=dict)
    inside: dict[Value, tuple[Share, ...]] = field(default_factory=dict)
    shares: Counter[Share] = field(default_factory=Counter)
    useless: dict[Share, str] = field(default_factory=dict)
    repeating: int = 0
    watch: Watch | None = None

    def evaluate(self, expr: ast.Expr, env: Env, label: Tag | None = None) -> Value:
        """Return the value of an expression; `label` names the step it makes."""
        return self.evaluator(self, expr, env, label)

    def applied(
        self, span: Span, builder: BodyBuilder, inputs: tuple[int, ...], result: int, first: int
    ) -> None:
        """Tell who watches of a step of the author's, whose nodes are the last ones, from `first` on."""
        if self.watch is not None and not span.source.ours and not self.recovering:
            within = self.frames[-1].text if self.frames else ""
            nodes = range(first, len(builder.nodes))
            self.watch(Applied(span, builder, inputs, result, nodes, within, self.extent))

    # --- limits

    def count(self, ops: int, span: Span) -> None:
        """Count ops (a use of a block that makes none counts as one) and stop past the limit."""
        self.ops += max(ops, 1)
        if self.ops > OPS.most:
            self._stop(f"more than {OPS.most:,} ops", span)

    def charge(self, span: Span, amount: int = 1) -> None:
        """Count evaluations, so that no text can keep the compiler busy for long."""
        self.work += amount
        if self.work > self.max_work:
            self._stop(f"more than {self.max_work:,} evaluations", span)

    def listed(self, items: tuple[Value, ...], span: Span) -> tuple[Value, ...]:
        """Return a list unless it is too long, with the lists inside it: they may be one list often."""
        length = 1 + sum(self.lists.get(id(item), (1, ()))[0] for item in items)
        if length > LIST.most:
            self._stop(f"a list of more than {LIST.most:,} items", span)
        self.lists[id(items)] = (length, items)  # kept, so that its id stays its own
        return items

    def _stop(self, message: str, span: Span) -> NoReturn:
        self.error("E0501", f"the program is too large: {message}", span)
        raise CompileError(self.findings.shown)

    # --- how numbers were derived

    def decide(self, *values: Value) -> None:
        """Note that numbers decide more than a number: their parameters are structural."""
        for value in values:
            self.structural.update(names_of(formula_of(value)))

    def combined(self, sign: str, left: Value, right: Value, result: int | float) -> Value:
        """Return the result of an operation with its formula; where that is lost, note so."""
        found = combined(sign, left, right, result)
        if formula_of(found) is None:
            self.decide(left, right)
        return found

    def stripped(self, value: Value) -> Value:
        """Return a value that goes into another body: the formulas within it would mean nothing there."""
        for inner in nested_formulas(value):
            self.structural.update(names_of(inner))
        return plain(value)

    # --- reports

    def error(
        self,
        code: str,
        message: str,
        span: Span,
        hint: str = "",
        labels: tuple[Label, ...] = (),
        origin: Origin | None = None,
    ) -> Bad:
        """Report an error and return the bad value; `origin` is what to mark if `span` is the library's."""
        self.report(Diagnostic(code, message, span, labels, hint=hint), origin)
        return BAD

    def warn(self, code: str, message: str, span: Span, hint: str = "") -> None:
        """Report a warning."""
        self.report(Diagnostic(code, message, span, hint=hint, severity="warning"))

    def report(self, diagnostic: Diagnostic, origin: Origin | None = None) -> None:
        """Add a diagnostic, with the levels it was found at; the author's own text comes first."""
        if self.recovering and diagnostic.code.startswith(("E03", "W06")):
            return
        span = diagnostic.span
        diagnostic = replace(diagnostic, notes=(*diagnostic.notes, *self._levels()))
        if span is not None and span.source.ours:
            labels = (Label(span, "here"), *diagnostic.labels)
            diagnostic = replace(diagnostic, span=(origin or self.origin()).span, labels=labels)
        self.findings.add(diagnostic)

    def origin(self) -> Origin:
        """Return what the author wrote that led to where the compiler is now."""
        for frame in reversed(self.frames):
            if frame.origin is not None:
                return frame.origin
            if not frame.span.source.ours:
                return Origin(frame.span)
        return Origin(self.model_at)

    def _levels(self) -> tuple[str, ...]:
        notes = [f"{frame.text} ({line_of(frame.span)})" for frame in reversed(self.frames)]
        if len(notes) > MAX_LEVELS:
            notes[MAX_LEVELS - 3 : -2] = [f"… {len(notes) - MAX_LEVELS + 1} levels more"]
        return tuple(notes)

    def suggest(self, name: str, known: Iterable[str], aliases: Iterable[tuple[str, str]] = ()) -> str:
        """Return a hint with names close to `name`; only so often, as a search takes its time."""
        self.suggestions += 1
        return did_you_mean(name, known, aliases) if self.suggestions <= MAX_SUGGESTIONS else ""

    @property
    def under_error_limit(self) -> bool:
        """Whether few enough errors were found to look for what would help."""
        return not self.recovering and self.findings.counts.total() < MAX_SUGGESTIONS

    @contextmanager
    def within(
        self, text: str, span: Span, origin: Origin | None = None, origins: Mapping[str, Origin] | None = None
    ) -> Iterator[None]:
        """Add a level to the notes of what is reported inside."""
        self.frames.append(Frame(text, span, origin, {} if origins is None else origins))
        try:
            yield
        finally:
            self.frames.pop()

    @contextmanager
    def applying_again(self, again: bool = True) -> Iterator[None]:
        """Take what is elaborated inside for the steps of a shared function that is applied again."""
        self.repeating += again
        try:
            yield
        finally:
            self.repeating -= again

    @contextmanager
    def without_frames(self) -> Iterator[None]:
        """Leave the levels out of what is reported inside: it is wrong wherever it is asked for."""
        frames, self.frames = self.frames, []
        try:
            yield
        finally:
            self.frames = frames


def origin_of(expr: ast.Expr, env: Env) -> Origin | None:
    """Return where the author gave the value of an expression, or None where the library did."""
    if isinstance(expr, ast.Name) and expr.id in env.origins:
        return env.origins[expr.id]
    if not expr.span.source.ours:
        return Origin(expr.span)
    if not env.origins:
        return None
    return next((env.origins[name] for name in ast.names(expr) if name in env.origins), None)


def line_of(span: Span) -> str:
    """A place for a sentence: `line 7`, with the file's name where it is the library's."""
    line = span.place[0]
    return f"{span.source.name}:{line}" if span.source.ours else f"line {line}"
