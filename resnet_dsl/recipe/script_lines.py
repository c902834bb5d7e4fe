"""Lines of a generated script, broken as a formatter breaks them."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH = 110  # of a line of a file of a recipe


def with_call(start: str, call: str, end: str = "", width: int = WIDTH) -> list[str]:
    """Return what ends in a call, or in a name, its arguments below it where the line is too long."""
    name, bracket, arguments = call.partition("(")
    if not bracket:
        return [f"{start}{name}{end}"]
    *lines, last = fitted(f"{start}{name}(", [arguments[:-1]], ")", width - len(end))
    return [*lines, f"{last}{end}"]


def fitted(start: str, items: Sequence[str], end: str, width: int = WIDTH) -> list[str]:
    """Return items between brackets: on one line, the arguments of a call below it, or a line each."""
    line = ", ".join(items)
    if len(start) + len(line) + len(end) <= width:
        return [f"{start}{line}{end}"]
    is_call = start[-2].isalnum() and end == ")"
    if is_call and len(line) + 4 <= width:
        return [start, f"    {line}", end]
    return [start, *(f"    {each}," for each in items), end]


def import_line(text: str) -> str:
    """Return an import, the names that it takes a line each where it is too long."""
    if len(text) <= WIDTH:
        return text
    start, _, names = text.partition(" import ")
    return "\n".join([f"{start} import (", *(f"    {name}," for name in names.split(", ")), ")"])
