"""Which items of two rows correspond: the alignment of least cost (Needleman and Wunsch 1970)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Pairs = list[tuple[int | None, int | None]]
"""Places in both rows; None where an item has no counterpart."""

GAP = 1.0


def aligned(a: Sequence[Item], b: Sequence[Item], cost: Callable[[Item, Item], float]) -> Pairs:
    """Return the pairs in order; an item without a counterpart costs `GAP`, a pair what `cost` says.

    Of alignments of one cost it is the one that has its pairs first, whichever row is given first.
    """
    if len(a) > len(b):
        return [(i, j) for j, i in aligned(b, a, lambda y, x: cost(x, y))]
    front = _alike(a, b, cost)
    back = _alike(a[front:][::-1], b[front:][::-1], cost)
    middle = _least(a[front : len(a) - back], b[front : len(b) - back], cost)
    before: Pairs = [(i, i) for i in range(front)]
    within: Pairs = [(None if i is None else i + front, None if j is None else j + front) for i, j in middle]
    after: Pairs = [(len(a) - i, len(b) - i) for i in range(back, 0, -1)]
    return before + within + after


def _alike(a: Sequence[Item], b: Sequence[Item], cost: Callable[[Item, Item], float]) -> int:
    """How many items are the same from the start on: they need no table."""
    count = 0
    while count < min(len(a), len(b)) and cost(a[count], b[count]) == 0.0:
        count += 1
    return count


def _least(a: Sequence[Item], b: Sequence[Item], cost: Callable[[Item, Item], float]) -> Pairs:
    """The alignment by a table of what is left to pay from each pair of places on."""
    rows, columns = len(a), len(b)
    left = [[GAP * (rows - i + columns - j) for j in range(columns + 1)] for i in range(rows + 1)]
    prices = [[cost(x, y) for y in b] for x in a]
    for i in range(rows - 1, -1, -1):
        for j in range(columns - 1, -1, -1):
            gap = GAP + min(left[i + 1][j], left[i][j + 1])
            left[i][j] = min(prices[i][j] + left[i + 1][j + 1], gap)
    found: Pairs = []
    i = j = 0
    while i < rows and j < columns:
        if left[i][j] == prices[i][j] + left[i + 1][j + 1]:
            found.append((i, j))
            i, j = i + 1, j + 1
        elif left[i][j] == GAP + left[i + 1][j]:
            found.append((i, None))
            i += 1
        else:
            found.append((None, j))
            j += 1
    return [*found, *((k, None) for k in range(i, rows)), *((None, k) for k in range(j, columns))]
