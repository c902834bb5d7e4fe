"""What was found at a place, and what is found alike at many places as one group."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Generic, TypeVar

from resnet_dsl.compare.aligned_parts import ComparedPart, PartPair
from resnet_dsl.compare.body_differences import BodyDifferences
from resnet_dsl.compare.difference_places import PlaceWords
from resnet_dsl.compare.one_difference import NetworkDifference
from resnet_dsl.records import dataclass

What = TypeVar("What")


@dataclass(frozen=True, eq=False)
class ChangeAt(Generic[What]):
    """Something that was found, and the parts in which it was."""

    pair: PartPair
    what: What

    @property
    def found(self) -> BodyDifferences:
        """Everything found in these parts."""
        assert self.pair.differences is not None
        return self.pair.differences

    @property
    def a(self) -> ComparedPart:
        """The part of the first network."""
        assert self.pair.a is not None
        return self.pair.a

    @property
    def b(self) -> ComparedPart:
        """The part of the second network."""
        assert self.pair.b is not None
        return self.pair.b


def grouped(
    pairs: Sequence[PartPair],
    whats: Callable[[BodyDifferences], Sequence[What]],
    key: Callable[[ChangeAt[What]], Hashable],
    tell: Callable[[list[ChangeAt[What]], PlaceWords], NetworkDifference],
    words: PlaceWords,
) -> Iterator[NetworkDifference]:
    """Yield a difference for all occurrences of one key."""
    groups: dict[Hashable, list[ChangeAt[What]]] = {}
    for pair in pairs:
        for what in whats(pair.differences) if pair.differences is not None else ():
            occurrence = ChangeAt(pair, what)
            groups.setdefault(key(occurrence), []).append(occurrence)
    for group in groups.values():
        yield tell(group, words)
