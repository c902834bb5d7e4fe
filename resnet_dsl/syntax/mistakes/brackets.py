"""Brackets that are not closed, are closed by another, or close nothing."""

from __future__ import annotations

import re

from resnet_dsl.diagnostics.model import Label, Span
from resnet_dsl.syntax.mistakes.place import CLOSERS, Opening, Stop
from resnet_dsl.syntax.mistakes.slip import FIELDS, Found
from resnet_dsl.syntax.words import OPENING

TERMINALS = {")": "RPAR", "]": "RSQB", "}": "RBRACE"}
BEGINS = re.compile(rf"\s*(?:return\b|(?:{FIELDS})\s*:)")
BEGINS_ON_A_NEW_LINE = re.compile(r"\s*[A-Za-z_]\w*\s*(?:[:=](?!=)|->)")
DECLARATION = re.compile(r"\s*(?:(?:block|model|const)\s+[A-Za-z_]\w*\s*[({=]|recipe\s+\w+\s*\{|use\s+\S)")


def bracket(stop: Stop) -> Found | None:
    """Return the bracket that is wrong where the parser stopped, or None if it is none."""
    token = stop.source.text[stop.at : stop.at + 1]
    if stop.terminal == "$END":
        return _not_closed(stop, stop.open[-1], "the text ends", "E0102") if stop.open else None
    if token in CLOSERS:
        return _closer(stop, token)
    if not stop.open:
        return None
    return _before_something_else(stop, stop.open[-1])


def _closer(stop: Stop, token: str) -> Found | None:
    """A closing bracket that does not fit: it closes another, or nothing."""
    span = Span(stop.source, stop.at, stop.at + 1)
    if not stop.open:
        return Found(span, "E0101", f"this `{token}` closes nothing", "", "delete it")
    innermost = stop.open[-1]
    if innermost.bracket == CLOSERS[token]:
        return None
    wanted = OPENING[innermost.bracket]
    if TERMINALS[wanted] not in stop.expected:
        return None
    if any(opening.bracket == CLOSERS[token] for opening in stop.open):
        return _not_closed(stop, innermost, f"`{token}` follows")
    if wanted != "}":
        opened = Label(Span(stop.source, innermost.offset, innermost.offset + 1), "opened here")
        message = f"`{token}` does not close `{innermost.bracket}`"
        return Found(span, "E0101", message, wanted, labels=(opened,))
    return Found(span, "E0101", f"this `{token}` closes nothing", "", "delete it")


def _before_something_else(stop: Stop, innermost: Opening) -> Found | None:
    """A field, step or declaration that begins inside a bracket."""
    text, wanted = stop.text, OPENING[innermost.bracket]
    begins = _beginning(stop)
    if declaration := DECLARATION.match(text, begins):
        if innermost.kind in "MBRCLGP" and not re.match(r"\s*(?:block|model)\s*:", declaration[0]):
            return _not_closed(stop, innermost, f"`{declaration[0].split()[0]}` begins the next declaration")
        return None
    if innermost.kind not in "CLG" or TERMINALS[wanted] not in stop.expected:
        return None
    match = BEGINS.match(text, begins)
    if match is None and "\n" in text[: stop.at][len(text[: stop.at].rstrip()) :]:
        match = BEGINS_ON_A_NEW_LINE.match(text, begins)
    if match is None:
        return None
    what = match[0].split()[0].rstrip(":=->") or match[0].strip()
    return _not_closed(stop, innermost, f"`{what}` begins something else")


def _beginning(stop: Stop) -> int:
    """Where the word begins that is one too many: the parser may have taken it for a field's name."""
    if stop.expected == {"COLON"}:
        match = re.search(r"\b(?:block|model)\s+\Z", stop.text[max(0, stop.at - 80) : stop.at])
        if match:
            return max(0, stop.at - 80) + match.start()
    return stop.at


def _not_closed(stop: Stop, opening: Opening, why: str, code: str = "E0101") -> Found:
    """The opening bracket that has no end, and where that is likely to belong."""
    wanted = OPENING[opening.bracket]
    text = stop.source.text
    end = len(text[: _beginning(stop)].rstrip(" \t\r\n,"))
    if stop.terminal == "$END":
        end = len(text.rstrip())
    span = Span(stop.source, opening.offset, opening.offset + 1)
    message = f"this `{opening.bracket}` is not closed: {why}"
    hint = f"close it with `{wanted}`"
    if "\n" in text[opening.offset : end]:
        return Found(span, code, message, None, hint)  # which line it ends on is the author's to say
    write = f" {wanted}" if wanted == "}" else wanted
    return Found(span, code, message, write, hint, Span(stop.source, end, end))
