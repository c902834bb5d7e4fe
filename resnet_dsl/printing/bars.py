"""Bars in a table: which part has how much of all parameters and multiply-adds."""

from __future__ import annotations

from collections.abc import Sequence

CELLS = 16
EIGHTHS = " ▏▎▍▌▋▊▉"
FULL = "█"


def share_column(title: str, counts: Sequence[int | None], plain: bool = False) -> list[str]:
    """Return a column: its title, then a share and a bar for each count, the longest for the largest.

    `plain` draws with `#`, for a terminal without block characters.
    """
    known = [count for count in counts if count is not None]
    total, largest = sum(known), max(known, default=0)
    if len(known) < len(counts) or not total:
        return [title, *("?" if count is None else "" for count in counts)]
    return [title, *(f"{count / total:6.1%} {_bar(count / largest, plain)}".rstrip() for count in known)]


def _bar(part: float, plain: bool) -> str:
    if plain:
        return "#" * round(part * CELLS)
    eighths = round(part * CELLS * 8)
    return FULL * (eighths // 8) + (EIGHTHS[eighths % 8] if eighths % 8 else "")
