"""What can be done about a diagnostic: the hints that say what to write, as changes of the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from resnet_dsl.diagnostics.model import Diagnostic, Span
from resnet_dsl.diagnostics.suggest import names_meant

NAME = re.compile(r"\w+")


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
    span = diagnostic.span
    if span is not None and NAME.fullmatch(span.source.text[span.start : span.end]):
        names = names_meant(diagnostic.hint)
        for name in names:
            yield Fix(f"write `{name}`", ((span, name),), preferred=len(names) == 1)
