"""Two versions of a text: what is the same before and behind the place where they differ."""

from __future__ import annotations

from typing import NamedTuple


class Change(NamedTuple):
    """How two texts differ: how much they have alike at their beginnings and, behind that, at their ends."""

    head: int
    tail: int

    @classmethod
    def between(cls, before: str, after: str) -> Change:
        """Return how two texts differ."""
        head = _alike(before, after)
        return cls(head, _alike(before[head:][::-1], after[head:][::-1]))


def _alike(one: str, other: str) -> int:
    """How many characters two texts begin with alike; texts are compared in halves, which is fast."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
