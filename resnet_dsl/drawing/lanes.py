"""Where a block's boxes stand to one another: each in a row and a lane, and which lane a wire runs in.

The main path is lane 0, straight down. What joins it from aside has lanes of its own, left or right of it,
as near as there is room: a chain of boxes with its wires, or a wire alone, such as a shortcut.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from resnet_dsl.drawing.picture import BlockDrawing, Wire
from resnet_dsl.records import dataclass, field


@dataclass(frozen=True)
class Course:
    """How a wire goes: down a lane, and into its target `beside` it or from above."""

    lane: int
    beside: bool = False


@dataclass
class LaneContent:
    """What a lane holds, by rows: boxes, wires that run down it with their source, and wires across it."""

    boxes: set[int] = field(default_factory=set)
    wires: list[tuple[int, int, int]] = field(default_factory=list)
    across: set[int] = field(default_factory=set)

    def takes_box(self, row: int) -> bool:
        """Whether a box can stand in a row."""
        crossed = any(first <= row <= last for first, last, _ in self.wires)
        return not (crossed or row in self.boxes or row in self.across)

    def takes_wire(self, first: int, last: int, source: int, own: tuple[int, ...] = ()) -> bool:
        """Whether a wire can run from a row to another; `own` are the rows of the boxes at its ends."""
        if last - first < len(self.boxes):
            blocked = any(row in self.boxes and row not in own for row in range(first, last + 1))
        else:
            blocked = any(first <= row <= last and row not in own for row in self.boxes)
        return not blocked and all(
            source == other or max(first, start) >= min(last, end) for start, end, other in self.wires
        )


@dataclass
class Lanes:
    """The places of a block's boxes: `row` and `lane` of each, `course` of each wire, `span` of each bar."""

    block: BlockDrawing
    row: list[int] = field(default_factory=list)
    lane: dict[int, int] = field(default_factory=dict)
    course: dict[Wire, Course] = field(default_factory=dict)
    span: dict[int, tuple[int, int]] = field(default_factory=dict)
    content: defaultdict[int, LaneContent] = field(default_factory=lambda: defaultdict(LaneContent))

    def __post_init__(self) -> None:
        self.into: defaultdict[int, list[Wire]] = defaultdict(list)
        self.out: defaultdict[int, list[Wire]] = defaultdict(list)
        for wire in self.block.wires:
            self.into[wire.target].append(wire)
            self.out[wire.source].append(wire)
        self.row = self._rows()
        self._place_all()

    # --- rows ----------------------------------------------------------------------------------

    def _rows(self) -> list[int]:
        """A box is one row below the last that it takes from; an input is just above what takes it."""
        rows: list[int] = []
        for index in range(len(self.block.boxes)):
            rows.append(max((rows[wire.source] + 1 for wire in self.into[index]), default=0))
        for index, box in enumerate(self.block.boxes):
            if box.look == "end" and not self.into[index] and index not in self.block.main[:1]:
                rows[index] = max(0, min((rows[w.target] for w in self.out[index]), default=1) - 1)
        return rows

    # --- lanes ---------------------------------------------------------------------------------

    def _place_all(self) -> None:
        main = self._main()
        for index in main:
            self._put(index, 0)
        for before, index in pairwise(main):
            for wire in self.into[index]:
                if wire.source == before:
                    self._run(wire, 0)
        for index in main:
            self._attach(index)
        for index in self._ends_aside(main):
            if index not in self.lane:
                self._place_chain(index, self._side_of_end(index, main), None)

    def _main(self) -> list[int]:
        """The main path with the result it ends in, if that has a box."""
        main = list(self.block.main)
        ends = [w.target for w in self.out[main[-1]] if not self.out[w.target] and w.target not in main]
        return main + [end for end in ends if self.block.boxes[end].look == "end"][:1]

    def _ends_aside(self, main: list[int]) -> list[int]:
        """What nothing takes: further results, those to the right of the main path from near to far."""
        ends = [i for i in range(len(self.block.boxes)) if i not in self.lane and not self.out[i]]
        return [i for i in ends if i > main[-1]] + [i for i in reversed(ends) if i < main[-1]]

    def _side_of_end(self, index: int, main: list[int]) -> int:
        return 1 if index > main[-1] else -1

    def _attach(self, target: int) -> None:
        """Place what a box takes from aside."""
        open_wires = [wire for wire in self.into[target] if wire not in self.course]
        straight = next((w.port for w in self.into[target] if w in self.course), -1)
        lone = len(open_wires) == 1 and self.block.boxes[target].look == "sign"
        left = [w for w in open_wires if w.port < straight and not lone]
        right = [w for w in open_wires if w not in left]
        sides = [(-1, wire) for wire in reversed(left)] + [(1, wire) for wire in right]
        for side, wire in sides:
            outward = side if self.lane[target] == 0 else (1 if self.lane[target] > 0 else -1)
            if wire.source in self.lane:
                self._lay(wire, outward)
            else:
                self._place_chain(wire.source, outward, wire)
        if self.block.boxes[target].look == "bar":
            self._spread(target)

    def _place_chain(self, last: int, side: int, out: Wire | None) -> None:
        """Give a box that is not placed, and those before it in a row, a lane at a side."""
        chain, wires = [last], list[Wire]()
        while (wire := self._way_back(chain[0])) is not None:
            wires.insert(0, wire)
            if wire.source in self.lane:
                break
            chain.insert(0, wire.source)
        start = self.lane[out.target] if out is not None else 0
        lane = self._free_lane(chain, wires, out, start, side)
        for index in chain:
            self._put(index, lane)
        for wire in wires:
            self._run(wire, lane)
        if out is not None:
            self._run(out, lane)
        for index in chain:
            self._attach(index)

    def _way_back(self, index: int) -> Wire | None:
        """The wire from the box before, in a chain: one that is not placed where there is any."""
        into = [wire for wire in self.into[index] if not wire.size_only] or self.into[index]
        unplaced = [wire for wire in into if wire.source not in self.lane]
        return next(iter(unplaced or into), None)

    def _free_lane(self, chain: list[int], wires: list[Wire], out: Wire | None, start: int, side: int) -> int:
        rows = tuple(self.row[index] for index in chain)
        lane = start + side
        while lane == 0 or not (
            all(self.content[lane].takes_box(row) for row in rows)
            and all(self._can_run(wire, lane, rows) for wire in (*wires, *(() if out is None else (out,))))
        ):
            lane += side
        return lane

    def _lay(self, wire: Wire, side: int) -> None:
        """Give a wire between boxes that are placed a lane."""
        source, far = self.lane[wire.source], self.lane[wire.target]
        if self.row[wire.source] + 1 == self.row[wire.target]:
            self._run(wire, source)
            return
        near = [source, far] if self.block.boxes[wire.target].look != "sign" else [source]
        for lane in near:
            own = tuple(self.row[i] for i in (wire.source, wire.target) if self.lane[i] == lane)
            if self._can_run(wire, lane, own):
                self._run(wire, lane)
                return
        far += side
        while not self._can_run(wire, far, ()):
            far += side
        self._run(wire, far)

    # --- marks ---------------------------------------------------------------------------------

    def _can_run(self, wire: Wire, lane: int, own: tuple[int, ...]) -> bool:
        first, last = self.row[wire.source], self.row[wire.target]
        ends = tuple(self.row[i] for i in (wire.source, wire.target) if self.lane.get(i) == lane)
        return self.content[lane].takes_wire(first, last, wire.source, own + ends)

    def _put(self, index: int, lane: int) -> None:
        self.lane[index] = lane
        self.content[lane].boxes.add(self.row[index])

    def _run(self, wire: Wire, lane: int) -> None:
        first, last = self.row[wire.source], self.row[wire.target]
        beside = self._enters_beside(wire, lane)
        self.course[wire] = Course(lane, beside)
        if last - first > 1 or beside:
            self.content[lane].wires.append((first, last, wire.source))

    def _enters_beside(self, wire: Wire, lane: int) -> bool:
        """Whether a wire can go into a sign from its side: one wire a side, and no box between."""
        target, row = self.lane[wire.target], self.row[wire.target]
        if self.block.boxes[wire.target].look != "sign" or lane == target or row in self.content[lane].boxes:
            return False
        rightward = lane > target
        others = (self.course[other] for other in self.into[wire.target] if other in self.course)
        if any(course.beside and (course.lane > target) == rightward for course in others):
            return False
        between = range(min(lane, target) + 1, max(lane, target))
        if any(row in self.content[i].boxes for i in between):
            return False
        for i in between:
            self.content[i].across.add(row)
        return True

    def _spread(self, target: int) -> None:
        """Make a bar as wide as the lanes that its inputs come down in, where nothing is in its way."""
        lanes = [self.course[wire].lane for wire in self.into[target]]
        own, row = self.lane[target], self.row[target]
        first, last = min(own, *lanes), max(own, *lanes)
        for lane in range(first, last + 1):
            if lane != own and not self._open_to_bar(target, lane, row):
                return
        self.span[target] = first, last
        for lane in range(first, last + 1):
            self.content[lane].boxes.add(row)

    def _open_to_bar(self, target: int, lane: int, row: int) -> bool:
        """Whether a bar can lie across a lane: nothing is there but what goes into it."""
        content = self.content[lane]
        mine = {wire.source for wire in self.into[target]}
        passing = any(
            first <= row <= last and not (source in mine and last == row)
            for first, last, source in content.wires
        )
        return not passing and row not in content.boxes and row not in content.across
