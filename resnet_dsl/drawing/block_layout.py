"""A block in coordinates: lanes become columns, rows become lines, wires become polylines between them."""

from __future__ import annotations

from collections import defaultdict

from resnet_dsl.drawing.font_widths import text_width
from resnet_dsl.drawing.lanes import Lanes
from resnet_dsl.drawing.picture import BlockDrawing, Box, Wire
from resnet_dsl.drawing.tracks import Segment, assigned
from resnet_dsl.records import dataclass, field

ALIGNED = ("layer", "block")  # boxes of one lane that are of one width
MAIN, MINOR = 11.0, 9.5  # sizes of font
LINE = 13.0  # from one line of a box to the next
PAD, RADIUS = 7.0, 9.0
EXIT = 0.3  # where, in its share of a box's width, a named result leaves
OUT = 13.0  # of the line on which the result goes out
GAP, TRACK = 16.0, 7.0  # between rows, and between wires that run across beside one another
BETWEEN, WIRE_LANE = 16.0, 8.0  # lanes
LABEL = 9.0  # of a wire
Point = tuple[float, float]


@dataclass(frozen=True)
class TextLine:
    """A line of a box: its text, size and weight; a `remark` is of another colour."""

    text: str
    size: float = MAIN
    bold: bool = False
    remark: bool = False

    @property
    def width(self) -> float:
        """How wide it is."""
        return text_width(self.text, self.size, self.bold)


@dataclass(frozen=True)
class Rectangle:
    """A place on the page."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """Where its middle is, from the left."""
        return self.x + self.width / 2

    def moved(self, dx: float, dy: float) -> Rectangle:
        """Return it elsewhere."""
        return Rectangle(self.x + dx, self.y + dy, self.width, self.height)


@dataclass(frozen=True)
class LaidBox:
    """A box in its place, with its lines of text."""

    box: Box
    place: Rectangle
    lines: tuple[TextLine, ...]


@dataclass(frozen=True)
class LaidWire:
    """A wire as a polyline; if it is `labelled`, its label stands to the right of its first point."""

    wire: Wire
    points: tuple[Point, ...]
    labelled: bool = False


@dataclass(frozen=True)
class LaidBlock:
    """A block in coordinates from 0, 0; `leaving` is the line on which its result goes out."""

    boxes: tuple[LaidBox, ...]
    wires: tuple[LaidWire, ...]
    leaving: tuple[tuple[Point, ...], ...]
    width: float
    height: float


def lines_of(box: Box, block: BlockDrawing, letters: tuple[str, ...]) -> tuple[TextLine, ...]:
    """Return the lines of a box as they are written."""
    lines: list[TextLine] = []
    for label in box.lines:
        size = MINOR if label.minor or label.remark or box.look == "end" else MAIN
        first, *further = label.lines()
        lines += [TextLine(first, size, remark=label.remark), *(TextLine(text, MINOR) for text in further)]
    if box.called is not None:
        lines[0] = TextLine(f"{letters[box.called]} {lines[0].text}", bold=True)
    if box.times > 1:
        lines.append(TextLine(f"× {box.times}", bold=True))
    if box.look == "sign":
        lines[0] = TextLine(lines[0].text, 13.0)
    return tuple(lines)


def laid_out(block: BlockDrawing, letters: tuple[str, ...]) -> LaidBlock:
    """Return a block in coordinates."""
    return _Layout(block, Lanes(block), letters).laid()


@dataclass
class _Layout:
    block: BlockDrawing
    lanes: Lanes
    letters: tuple[str, ...]
    xs: dict[int, float] = field(default_factory=dict)
    width: float = 0.0
    place: dict[int, Rectangle] = field(default_factory=dict)

    def __post_init__(self) -> None:
        boxes = self.block.boxes
        self.lines = [lines_of(box, self.block, self.letters) for box in boxes]
        self.sizes = [self._size(i, box) for i, box in enumerate(boxes)]
        self.exits = {i: self._labels(i) for i in range(len(boxes))}
        self.rows = max(self.lanes.row) + 1
        self._columns()

    def laid(self) -> LaidBlock:
        """Return the block in coordinates."""
        for index in range(len(self.block.boxes)):
            self.place[index] = self._across(index)
        ways = {wire: self._way(wire) for wire in self.block.wires}
        tracks = self._tracks(ways)
        tops, height = self._tops(tracks)
        for index, place in self.place.items():
            row = self.lanes.row[index]
            top = tops[row] + (self._row_height(row) - place.height) / 2
            self.place[index] = place.moved(0, top)
        first = {(wire.source, wire.label): wire for wire in reversed(self.block.wires) if wire.label}
        named = set(first.values())
        wires = [LaidWire(w, self._points(w, way, tracks, tops), w in named) for w, way in ways.items()]
        boxes = [LaidBox(box, self.place[i], self.lines[i]) for i, box in enumerate(self.block.boxes)]
        last = self.place[self.block.main[-1]]
        leaving = () if self.lanes.out[self.block.main[-1]] else (self._leaving(last),)
        return LaidBlock(tuple(boxes), tuple(wires), leaving, self.width, height + (OUT if leaving else 0))

    def _leaving(self, last: Rectangle) -> tuple[Point, ...]:
        x, bottom = self.xs[0], last.y + last.height
        return (x, bottom), (x, bottom + OUT)

    # --- across --------------------------------------------------------------------------------

    def _size(self, index: int, box: Box) -> tuple[float, float]:
        if box.look == "sign":
            return 2 * RADIUS, 2 * RADIUS
        lines = self.lines[index]
        pad = 2.0 if box.look == "end" else PAD
        labels = [*self._labels(index)]
        wide = max((line.width for line in lines), default=0.0) + 2 * pad
        spread = sum(text_width(label, LABEL) + 10 for label in labels)
        return max(wide, spread), LINE * len(lines) + (1 if box.look == "end" else 6)

    def _labels(self, index: int) -> list[str]:
        """The different names of what goes out of a box."""
        return list(dict.fromkeys(wire.label for wire in self.lanes.out[index] if wire.label))

    def _columns(self) -> None:
        """Give each lane its middle; those that hold wires alone are narrow."""
        used = {*self.lanes.lane.values(), *(course.lane for course in self.lanes.course.values())}
        used |= {lane for ends in self.lanes.span.values() for lane in ends}
        widths = dict.fromkeys(used, WIRE_LANE)
        for index, lane in self.lanes.lane.items():
            widths[lane] = max(widths[lane], self.sizes[index][0])  # of a bar, too: it is no narrower
        x = 0.0
        for lane in sorted(used):
            self.xs[lane] = x + widths[lane] / 2
            x += widths[lane] + BETWEEN
        for index, lane in self.lanes.lane.items():
            if self.block.boxes[index].look in ALIGNED:
                self.sizes[index] = self._aligned(lane), self.sizes[index][1]
        self.widths, self.width = widths, max(x - BETWEEN, 0.0)

    def _aligned(self, lane: int) -> float:
        """How wide the layers of a lane are, all alike."""
        alike = (i for i, other in self.lanes.lane.items() if other == lane)
        return max(self.sizes[i][0] for i in alike if self.block.boxes[i].look in ALIGNED)

    def _across(self, index: int) -> Rectangle:
        """The place of a box from left to right."""
        (width, height), lane = self.sizes[index], self.lanes.lane[index]
        first, last = self.lanes.span.get(index, (lane, lane))
        if first == last:
            return Rectangle(self.xs[lane] - width / 2, 0, width, height)
        left = self.xs[first] - max(self.widths[first] / 2, PAD)
        right = self.xs[last] + max(self.widths[last] / 2, PAD)
        return Rectangle(left, 0, right - left, height)

    # --- wires ---------------------------------------------------------------------------------

    def _way(self, wire: Wire) -> _Way:
        """Where a wire starts, runs down and ends, from left to right."""
        course = self.lanes.course[wire]
        lane = self.xs[course.lane]
        source, target = self.place[wire.source], self.place[wire.target]
        start = self._exit(wire, source, lane)
        end = (
            target.middle if self.block.boxes[wire.target].look == "sign" else self._entry(wire, target, lane)
        )
        close = self.lanes.row[wire.target] == self.lanes.row[wire.source] + 1
        if close and not course.beside:
            return _Way(start, end, end, False)
        return _Way(start, lane, end, course.beside)

    def _exit(self, wire: Wire, source: Rectangle, lane: float) -> float:
        labels = self.exits[wire.source]
        if wire.label in labels:
            pitch = source.width / len(labels)
            return source.x + pitch * (labels.index(wire.label) + EXIT)
        if wire.source in self.lanes.span and source.x <= lane <= source.x + source.width:
            return lane
        return self.xs[self.lanes.lane[wire.source]]

    def _entry(self, wire: Wire, target: Rectangle, lane: float) -> float:
        """Where on its top edge a wire enters a box: those from aside beside the one from above."""
        if wire.target in self.lanes.span:
            return min(max(lane, target.x + 4), target.x + target.width - 4)
        middle = self.xs[self.lanes.lane[wire.target]]
        arrivals = sorted(
            (self.xs[self.lanes.course[other].lane], other.port) for other in self.lanes.into[wire.target]
        )
        place = arrivals.index((lane, wire.port))
        straight = [x for x, _ in arrivals if x == middle]
        if len(straight) > 1:
            return target.x + target.width * (place + EXIT) / len(arrivals)
        if len(arrivals) == 1 or lane == middle:
            return middle
        left = sum(x < middle for x, _ in arrivals)
        step = min(12.0, (target.width / 2 - 5) / max(left, len(arrivals) - left, 1))
        return middle + step * (place - left + (0 if straight else lane > middle))

    def _tracks(self, ways: dict[Wire, _Way]) -> dict[int, dict[object, int]]:
        """Where, between the rows, wires run across: a track for each, by gap."""
        gaps: defaultdict[int, dict[object, Segment]] = defaultdict(dict)
        for wire, way in ways.items():
            above, below = self.lanes.row[wire.source], self.lanes.row[wire.target] - 1
            if way.start != way.lane:
                _add(gaps[above], _exit_key(wire), way.start, way.lane)
            if way.lane != way.end and not way.beside:
                _add(gaps[below], _entry_key(wire), way.lane, way.end)
        return {gap: assigned(segments) for gap, segments in gaps.items()}

    def _row_height(self, row: int) -> float:
        return self.heights[row]

    def _tops(self, tracks: dict[int, dict[object, int]]) -> tuple[list[float], float]:
        """The top of each row and the height of all."""
        self.heights = [0.0] * self.rows
        labelled = [False] * self.rows
        for index, (_, height) in enumerate(self.sizes):
            row = self.lanes.row[index]
            self.heights[row] = max(self.heights[row], height)
            labelled[row] = labelled[row] or bool(self.exits[index])
        self.labelled = labelled
        tops, y = [], 0.0
        for row in range(self.rows):
            tops.append(y)
            count = max(tracks.get(row, {}).values(), default=-1) + 1
            y += self.heights[row] + GAP + TRACK * max(count - 1, 0) + (LABEL + 4 if labelled[row] else 0)
        return tops, tops[-1] + self.heights[-1]

    def _points(
        self, wire: Wire, way: _Way, tracks: dict[int, dict[object, int]], tops: list[float]
    ) -> tuple[Point, ...]:
        source, target = self.place[wire.source], self.place[wire.target]
        above, below = self.lanes.row[wire.source], self.lanes.row[wire.target] - 1
        points = [(way.start, source.y + source.height)]
        if way.start != way.lane:
            y = self._track_y(above, tracks[above][_exit_key(wire)], tops)
            points += [(way.start, y), (way.lane, y)]
        if way.beside:
            y = target.y + target.height / 2
            edge = target.x if way.lane < target.middle else target.x + target.width
            return (*points, (way.lane, y), (edge, y))
        if way.lane != way.end:
            y = self._track_y(below, tracks[below][_entry_key(wire)], tops)
            points += [(way.lane, y), (way.end, y)]
        return (*points, (way.end, target.y))

    def _track_y(self, gap: int, track: int, tops: list[float]) -> float:
        label = LABEL + 4 if self.labelled[gap] else 0
        return tops[gap] + self.heights[gap] + label + GAP / 2 - 1 + TRACK * track


@dataclass(frozen=True)
class _Way:
    """A wire from left to right: where it starts, the lane it runs down, where it ends."""

    start: float
    lane: float
    end: float
    beside: bool


def _exit_key(wire: Wire) -> object:
    return "out", wire.source, wire.label


def _entry_key(wire: Wire) -> object:
    return "in", wire.source, wire.label, wire.target


def _add(segments: dict[object, Segment], key: object, start: float, end: float) -> None:
    found = segments.get(key, Segment())
    segments[key] = found.with_wire(start, end)
