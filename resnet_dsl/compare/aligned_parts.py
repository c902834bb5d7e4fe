"""The parts of two networks beside each other: stem, blocks of stages, head, as they correspond."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from resnet_dsl.compare.body_differences import BodyDifferences, body_differences
from resnet_dsl.compare.flat_steps import (
    NOTHING,
    FlatSteps,
    Numbers,
    flat_body,
    flat_graph,
    settled,
    settled_order,
)
from resnet_dsl.compare.sequence_alignment import GAP, aligned
from resnet_dsl.ir.network import PREVIOUS, Body, Network, Stage
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass, field

MOST_CELLS = 250_000
"""Of larger graphs that are in parts on one side only, parts are compared all the same."""
OTHER_PLACE = 0.7 * GAP


@dataclass(frozen=True, eq=False)
class ComparedPart:
    """Stem, head or a block of one network, its steps in order."""

    part: str
    path: str
    flat: FlatSteps
    taken: tuple[str, ...] = (PREVIOUS,)
    owner: str | None = None
    arguments: tuple[tuple[str, Any], ...] = ()

    @property
    def label(self) -> str:
        """What the part is called."""
        return self.path or self.part

    def full(self, step: int) -> str:
        """Return the canonical path of a step."""
        name = self.flat.steps[step].name
        return f"{self.path}.{name}" if self.path else name

    @property
    def paths(self) -> tuple[str, ...]:
        """The canonical paths of all steps."""
        return tuple(map(self.full, range(len(self.flat.steps))))


@dataclass(frozen=True, eq=False)
class PartPair:
    """Parts that correspond; one without a counterpart stands alone."""

    a: ComparedPart | None
    b: ComparedPart | None
    differences: BodyDifferences | None = None

    @property
    def one(self) -> ComparedPart:
        """The part of the first network, or of the second where there is none."""
        found = self.a or self.b
        assert found is not None
        return found

    @property
    def is_alike(self) -> bool:
        """Whether most steps have a counterpart."""
        if self.a is None or self.b is None or self.differences is None:
            return False
        alone = sum(len(each.a) + len(each.b) for each in self.differences.steps)
        return 3 * alone < len(self.a.flat.steps) + len(self.b.flat.steps)

    @property
    def is_block(self) -> bool:
        """Whether it is a block of a stage."""
        return bool(self.one.path)


@dataclass
class PartAligner:
    """Aligns networks; what two bodies differ in is found once, however many blocks they are."""

    bodies: dict[int, FlatSteps] = field(default_factory=dict)
    found: dict[tuple[int, int], BodyDifferences] = field(default_factory=dict)
    numbers: Numbers = field(default_factory=dict)
    forms: dict[int, tuple[object, ...]] = field(default_factory=dict)

    def aligned(self, a: Program, b: Program) -> list[PartPair]:
        """Return the parts in order, each with its counterpart and the differences."""
        mine, theirs = a.network, b.network
        if bool(mine.stages) != bool(theirs.stages):
            graphs = flat_graph(a.graph), flat_graph(b.graph)
            if len(graphs[0].steps) * len(graphs[1].steps) <= MOST_CELLS:
                whole = self._pair(*(ComparedPart("network", "", flat) for flat in graphs))
                if whole.is_alike:
                    return [whole]
        return [
            *self._single(mine, theirs, "stem"),
            *self._stages(mine, theirs),
            *self._single(mine, theirs, "head"),
        ]

    def flat(self, body: Body) -> FlatSteps:
        """Return the steps of a body, the same object for the same body."""
        if id(body) not in self.bodies:
            self.bodies[id(body)] = flat_body(body)
        return self.bodies[id(body)]

    def differences(self, a: FlatSteps, b: FlatSteps) -> BodyDifferences:
        """Return what differs between two rows of steps."""
        key = id(a), id(b)
        if key not in self.found:
            self.found[key] = body_differences(a, b)
        return self.found[key]

    def _pair(self, a: ComparedPart, b: ComparedPart) -> PartPair:
        return PartPair(a, b, self.differences(a.flat, b.flat))

    def _single(self, a: Network, b: Network, part: str) -> Iterator[PartPair]:
        bodies = getattr(a, part), getattr(b, part)
        if bodies == (None, None):
            return
        taken = [list(network.taken())[-1] if part == "head" else (PREVIOUS,) for network in (a, b)]
        found = [
            ComparedPart(part, "", NOTHING if body is None else self.flat(body), taken[side])
            for side, body in enumerate(bodies)
        ]
        yield self._pair(*found)

    # --- stages and blocks ---------------------------------------------------------------------

    def _stages(self, a: Network, b: Network) -> Iterator[PartPair]:
        names = [stage.name for stage in a.stages], [stage.name for stage in b.stages]
        if len(names[0]) == len(names[1]):
            pairs = [(i, i) for i in range(len(names[0]))]
        else:
            pairs = aligned(a.stages, b.stages, self._stage_cost)  # type: ignore[assignment]
        for i, j in pairs:
            mine = [] if i is None else self._blocks(a.stages[i])
            theirs = [] if j is None else self._blocks(b.stages[j])
            yield from self._blocks_aligned(mine, theirs)

    def _blocks(self, stage: Stage) -> list[ComparedPart]:
        return [
            ComparedPart(
                stage.name, f"{stage.name}.{index}", self.flat(body), stage.taken(index),
                stage.owner(index), body.arguments,
            )
            for index, body in enumerate(stage.blocks)
        ]  # fmt: skip

    def _blocks_aligned(self, a: list[ComparedPart], b: list[ComparedPart]) -> Iterator[PartPair]:
        if not a or not b:
            yield from (PartPair(x, y) for x, y in zip_longest(a, b))
            return
        if len(a) == len(b):
            yield from map(self._pair, a, b)
            return
        for i, j in aligned(a, b, self._block_cost):
            if i is not None and j is not None:
                yield self._pair(a[i], b[j])
            else:
                yield PartPair(None if i is None else a[i], None if j is None else b[j])

    def _stage_cost(self, a: Stage, b: Stage) -> float:
        unlike = 0.0 if a.name == b.name else 0.5
        if not (a.blocks and b.blocks):
            return unlike
        return unlike + self._unlikeness(self.flat(a.blocks[0]), self.flat(b.blocks[0]))

    def _block_cost(self, a: ComparedPart, b: ComparedPart) -> float:
        """A first block, which is where the size changes, is rather that of the other stage."""
        turned = a.path.endswith(".0") != b.path.endswith(".0")
        return self._unlikeness(a.flat, b.flat) + (OTHER_PLACE if turned else 0.0)

    def _unlikeness(self, a: FlatSteps, b: FlatSteps) -> float:
        """How much of two blocks differs, less than two gaps: a block is rather changed than replaced."""
        if self.form(a) == self.form(b):
            return 0.0
        found = self.differences(a, b)
        alone = sum(len(each.a) + len(each.b) for each in found.steps)
        changes = len(found.arguments) + len(found.moved) + len(found.ways)
        most = len(a.steps) + len(b.steps)
        return GAP * min((alone + 0.25 * changes) / max(most, 1), 1.0)

    def form(self, flat: FlatSteps) -> tuple[object, ...]:
        """Return what steps compute, names left out, as one value."""
        if id(flat) not in self.forms:
            self.forms[id(flat)] = settled(flat, settled_order(flat, self.numbers))
        return self.forms[id(flat)]


def correspondence(a: Program, b: Program) -> list[tuple[str, str]] | None:
    """Return the names of steps that are one in both graphs; None where these are not the same."""
    numbers: Numbers = {}
    flats = [flat_graph(program.graph) for program in (a, b)]
    orders = [settled_order(flat, numbers) for flat in flats]
    forms = [settled(flat, order) for flat, order in zip(flats, orders, strict=True)]
    if forms[0] != forms[1]:
        return None
    names = ([flat.steps[place].name for place in order] for flat, order in zip(flats, orders, strict=True))
    return list(zip(*names, strict=True))
