"""Where a difference is, in few words: every op of a kind, or a step in each block of stages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from resnet_dsl.compare.aligned_parts import PartPair
from resnet_dsl.diagnostics.wording import counted
from resnet_dsl.records import dataclass, field

LISTED = 4
Place = tuple[PartPair, str]
"""A pair of parts, and the name of a step in the first of them."""


def in_words(texts: Iterable[str]) -> str:
    """Return a list as a sentence has it."""
    *most, last = texts
    return f"{', '.join(most)} and {last}" if most else last


@dataclass
class PlaceWords:
    """Knows all parts, and so which places are all of a kind."""

    pairs: Sequence[PartPair]
    by_kind: dict[str, list[Place]] = field(default_factory=dict)
    of_first: dict[str, list[Place]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for pair in self.pairs:
            found = pair.differences
            if found is None:
                continue
            for step in found.a.steps:
                self.of_first.setdefault(step.op.kind, []).append((pair, step.name))
            for i, j in found.matched:
                step = found.a.steps[i]
                if type(step.op) is type(found.b.steps[j].op):
                    self.by_kind.setdefault(step.op.kind, []).append((pair, step.name))

    def of_steps(self, kind: str, places: Sequence[Place], of_first: bool = False) -> str:
        """Return where steps of a kind are, among those that both have or among all `of_first`."""
        every = (self.of_first if of_first else self.by_kind).get(kind, [])
        if len(places) == len(every) > 1:
            return f"every {kind} ({len(every)})"
        if len(places) == 1:
            pair, name = places[0]
            return self.step(pair, name)
        parts = self._parts(places)
        in_parts = [place for place in every if id(place[0]) in {id(pair) for pair in parts}]
        if len(in_parts) == len(places) and len(places) > 2 * len(parts):
            return f"every {kind} in {self.of_parts(parts)}"
        return "; ".join(self._by_name(places))

    def step(self, pair: PartPair, name: str) -> str:
        """Return where one step is."""
        return f"{pair.one.path}.{name}" if pair.is_block else f"{name} in {self.of_parts([pair])}"

    def of_parts(self, parts: Sequence[PartPair]) -> str:
        """Return where parts are."""
        parts = list({id(pair): pair for pair in parts}.values())
        blocks = [pair for pair in parts if pair.is_block]
        words = [f"the {pair.one.label}" for pair in parts if not pair.is_block]
        return in_words([*words, *([self._blocks(blocks)] if blocks else [])])

    def _parts(self, places: Iterable[Place]) -> list[PartPair]:
        return list({id(pair): pair for pair, _ in places}.values())

    def _by_name(self, places: Sequence[Place]) -> list[str]:
        """The steps by name, those of the same parts together."""
        parts_of: dict[str, list[PartPair]] = {}
        for pair, name in places:
            parts_of.setdefault(name, []).append(pair)
        names_of: dict[tuple[int, ...], list[str]] = {}
        for name, parts in parts_of.items():
            names_of.setdefault(tuple(map(id, parts)), []).append(name)
        found = ((in_words(names), parts_of[names[0]]) for names in names_of.values())
        return [f"{names} in {self.of_parts(parts)}" for names, parts in found]

    def _blocks(self, blocks: Sequence[PartPair]) -> str:
        both = [pair for pair in self.pairs if pair.is_block and pair.differences is not None]
        if len(blocks) == 1:
            return blocks[0].one.path
        if len(blocks) == len(both):
            return f"each of {len(both)} blocks"
        stages: dict[str, list[int]] = {}
        for pair in blocks:
            stages.setdefault(pair.one.part, []).append(_number(pair))
        sizes = {name: sum(pair.one.part == name for pair in both) for name in stages}
        names = in_words(stages)
        if all(numbers == [0] for numbers in stages.values()):
            return f"the first block of {names}"
        if all(len(numbers) == sizes[name] for name, numbers in stages.items()):
            return f"each block of {names}"
        if all(len(n) == sizes[name] - 1 and 0 not in n for name, n in stages.items()):
            return f"each block but the first of {names}"
        listed = [pair.one.path for pair in blocks[:LISTED]]
        more = len(blocks) - len(listed)
        return in_words([*listed, *([counted(more, "more block")] if more else [])])


def _number(pair: PartPair) -> int:
    return int(pair.one.path.rpartition(".")[2])
