"""The line to write: a mistake put right, and the text parsed again before the line is offered."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from resnet_dsl.diagnostics.model import Source, Span
from resnet_dsl.syntax.changes import Change
from resnet_dsl.syntax.mistakes.place import Stop
from resnet_dsl.syntax.mistakes.slip import Found

MAX_ROUNDS = 12  # mistakes on one line
MAX_REGION = 4_000  # characters that are parsed again in each round
MAX_LINE = 110

DECLARATION = re.compile(r"^(?:use|const|block|model|recipe(?=\s+\w+\s*\{))\b", re.MULTILINE)

FindStop = Callable[[Source, str], Stop | None]
Explain = Callable[[Stop], Found | None]


class Repair(NamedTuple):
    """The line of a mistake as it should be, and what makes it so: a text in place of a stretch."""

    line: str
    fix: tuple[Span, str]


def line_to_write(found: Found, stop: Stop, find_stop: FindStop, explain: Explain) -> Repair | None:
    """Return the line of a mistake as it should be, or nothing where that is not certain.

    Other mistakes on the line are put right as well; what is wrong further down is left.
    """
    start, end = _declaration(stop.source.text, found.change.start)
    region = stop.source.text[start:end]
    if len(region) > MAX_REGION or found.write is None:
        return None
    before = Span(stop.source, start, end)
    region, line = _applied(region, found, start, 0)
    for _ in range(MAX_ROUNDS):
        other = find_stop(Source(stop.source.name, region), stop.start)
        if other is None or _is_behind(other, region, line):
            text = _line(region, line)
            return Repair(text, _difference(before, region)) if text else None
        mistake = explain(other)
        if mistake is None or mistake.write is None or mistake.change.start < line:
            return None
        region, line = _applied(region, mistake, 0, line)
    return None


def _difference(before: Span, after: str) -> tuple[Span, str]:
    """What of a stretch has become other, and what stands there now."""
    text = before.source.text[before.start : before.end]
    head, tail = Change.between(text, after)
    changed = Span(before.source, before.start + head, before.end - tail)
    return changed, after[head : len(after) - tail]


def _declaration(text: str, at: int) -> tuple[int, int]:
    """The stretch of a text from the declaration around a place up to the next."""
    starts = [match.start() for match in DECLARATION.finditer(text)]
    line = text.rfind("\n", 0, at) + 1
    first = max((start for start in starts if start <= at), default=0)
    return min(first, line), min((start for start in starts if start > at), default=len(text))


def _applied(region: str, found: Found, shift: int, line: int) -> tuple[str, int]:
    """The region with a mistake put right, and where its line begins."""
    start, end, write = found.change.start - shift, found.change.end - shift, found.write or ""
    if not write:  # what is taken out takes the blanks on one side with it
        while (
            end < len(region)
            and region[end] in " \t"
            and region[start - 1 : start] in (" ", "\t", "\n", "[", "(", "")
        ):
            end += 1
    region = region[:start] + write + region[end:]
    return region, max(line, region.rfind("\n", 0, start) + 1)


def _is_behind(other: Stop, region: str, line: int) -> bool:
    """Whether the next mistake is on a later line."""
    end = region.find("\n", line)
    return 0 <= end < other.at or (other.terminal == "$END" and 0 <= end < len(region.rstrip()))


def _line(region: str, line: int) -> str:
    text = region[line:].partition("\n")[0].strip()
    return text if len(text) <= MAX_LINE and "`" not in text else ""
