"""Wires that run across between the same two rows, each on a track where it meets no other."""

from __future__ import annotations

from resnet_dsl.records import dataclass

CLEAR = 5.0  # between wires on one track


@dataclass(frozen=True)
class Segment:
    """What runs across: from left to right, with where wires come from above and where they go down."""

    left: float = float("inf")
    right: float = float("-inf")
    above: frozenset[float] = frozenset()
    below: frozenset[float] = frozenset()

    def with_wire(self, start: float, end: float) -> Segment:
        """Return the segment with one more wire of the same source."""
        left, right = min(self.left, start, end), max(self.right, start, end)
        return Segment(left, right, self.above | {start}, self.below | {end})

    def meets(self, other: Segment) -> bool:
        """Whether the two would touch on one track."""
        return self.left < other.right + CLEAR and other.left < self.right + CLEAR

    def has_to_be_above(self, other: Segment) -> bool:
        """Whether it comes down where the other goes down, too: the upright parts would lie on each other."""
        return any(abs(x - y) < CLEAR for x in self.above for y in other.below)


def assigned(segments: dict[object, Segment]) -> dict[object, int]:
    """Return the track of each segment, from 0 above."""
    if len(segments) == 1:
        return dict.fromkeys(segments, 0)
    placed: dict[object, int] = {}
    waiting = sorted(segments, key=lambda key: segments[key].right - segments[key].left)
    while waiting:
        key = next((k for k in waiting if not _held(k, waiting, segments)), waiting[0])
        waiting.remove(key)
        placed[key] = _lowest(segments[key], placed, segments)
    return placed


def _held(key: object, waiting: list[object], segments: dict[object, Segment]) -> bool:
    """Whether one that has to be above it is not placed yet."""
    return any(segments[o].has_to_be_above(segments[key]) for o in waiting if o != key)


def _lowest(segment: Segment, placed: dict[object, int], segments: dict[object, Segment]) -> int:
    """The first track that is free, below those which have to be above."""
    track = max((t + 1 for k, t in placed.items() if segments[k].has_to_be_above(segment)), default=0)
    taken = {t for k, t in placed.items() if segments[k].meets(segment)}
    while track in taken:
        track += 1
    return track
