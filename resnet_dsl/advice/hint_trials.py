"""Hints put to the test before they are shown: the text is changed as they say, compiled and compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Diagnostic, Remedy, Source
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass, field, replace

MAX_TRIALS = 8

Finding = tuple[str, str]
"""What two diagnostics of one kind have alike: code and message."""


@dataclass
class Trial:
    """The hints for one text; `compiled` compiles it anew, changed as a hint says."""

    source: Source
    compiled: Callable[[str], Program]
    known: dict[Remedy, Program | Counter[Finding] | None] = field(default_factory=dict)

    def with_hints_that_help(
        self, diagnostics: Sequence[Diagnostic], program: Program | None
    ) -> tuple[Diagnostic, ...]:
        """Return diagnostics, each with the first of its hints that helps and does no more than it says."""
        before = Counter(map(_finding, diagnostics))
        return tuple(
            replace(d, hint=next((r.hint for r in d.remedies if self._helps(r, d, before, program)), ""))
            if d.remedies
            else d
            for d in diagnostics
        )

    def _helps(
        self, remedy: Remedy, cause: Diagnostic, before: Counter[Finding], program: Program | None
    ) -> bool:
        if not remedy.edits or any(span.source is not self.source for span, _ in remedy.edits):
            return True  # words alone, or another file, whose text is not at hand
        if remedy not in self.known:
            if len(self.known) >= MAX_TRIALS:
                return True
            self.known[remedy] = self._result(remedy)
        result = self.known[remedy]
        if isinstance(result, Counter):
            return result <= before and result[_finding(cause)] < before[_finding(cause)]
        if result is None or program is None:
            return True
        from resnet_dsl.elaborate.fixits import LEAVES_OUT  # few texts have hints to try

        kept = _kinds(program) <= _kinds(result) or LEAVES_OUT in remedy.hint
        return kept and _finding(cause) not in map(_finding, result.warnings)

    def _result(self, remedy: Remedy) -> Program | Counter[Finding] | None:
        """The program with a remedy, or its errors; None where it is too large to try."""
        text = self.source.text
        for span, written in sorted(remedy.edits, key=lambda edit: -edit[0].start):
            text = text[: span.start] + written + text[span.end :]
        try:
            return self.compiled(text)
        except CompileError as error:
            errors = Counter(map(_finding, (d for d in error.diagnostics if d.severity == "error")))
            return None if any(code == "E0501" for code, _ in errors) else errors


def _finding(diagnostic: Diagnostic) -> Finding:
    return diagnostic.code, diagnostic.message


def _kinds(program: Program) -> Counter[str]:
    kinds: Counter[str] = Counter()
    for node in program.lowered.runs.nodes:
        kinds[node.op.kind] += node.times
    return kinds
