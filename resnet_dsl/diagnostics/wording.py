"""How sentences word what they are about: counts, shapes, and names that came out of a file."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 120


def counted(count: int, one: str, many: str = "") -> str:
    """Return so many of a thing; `many` is for words whose plural takes more than an `s`."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def dimensions(shape: Iterable[int]) -> str:
    """Return the shape of a tensor as the language writes one."""
    return "x".join(map(str, shape)) or "scalar"


def printable(name: str) -> str:
    """Return a name out of a file so that it does no harm to a terminal."""
    text = name if name.isprintable() and name else ascii(name)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
