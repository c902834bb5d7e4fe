"""Rows of text as aligned columns, for everything that prints a table."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Return a line a row, cells two blanks apart, the columns in `right` to the right."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(_cell(row[i], widths[i], i in right) for i in range(len(row))).rstrip() for row in rows]


def _cell(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)


def headed(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Return the same with a rule under the first row."""
    lines = aligned([*rows, *[["-" * max(len(row[i]) for row in rows) for i in range(len(rows[0]))]]], right)
    return [lines[0], lines[-1], *lines[1:-1]]
