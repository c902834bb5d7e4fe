"""The strip in coordinates: parts from left to right, what leaves the row below it, skips as arcs above.

A part that takes what is before it stands beside that. One that goes back to an earlier part alone, as the
levels of a pyramid do, stands below it. Lines that do not go straight run in the gaps between columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log2, sqrt

from resnet_dsl.drawing.block_layout import MAIN, MINOR, Point, Rectangle, TextLine
from resnet_dsl.drawing.picture import Map, StripPart
from resnet_dsl.drawing.tracks import Segment, assigned
from resnet_dsl.records import dataclass, field

TALLEST, LOWEST = 96.0, 10.0  # maps, from the largest to a vector
GUTTERS = 20.0, 52.0  # between the captions of neighbours, at least and at most
ARC, TRACK = 10.0, 8.0  # above the boxes, between lines that run across
CAPTION = 13.0  # a line below a box
BELOW = 16.0  # between a row's captions and the next row


@dataclass(frozen=True)
class LaidPart:
    """A part in its place: a box for each map with its size beneath, and the caption of them all.

    A `frame` is around the results of a head: which of them what comes in leads to, the strip does not say.
    """

    part: StripPart
    boxes: tuple[Rectangle, ...]
    captions: tuple[tuple[TextLine, Point], ...]
    bottom: float
    frame: Rectangle | None = None


@dataclass(frozen=True)
class LaidStrip:
    """The strip in coordinates from 0, 0; `lines` end in arrows."""

    parts: tuple[LaidPart, ...]
    lines: tuple[tuple[Point, ...], ...]
    width: float
    height: float


def strip_laid_out(parts: tuple[StripPart, ...], room: float) -> LaidStrip:
    """Return the strip in coordinates, spread out to fill the room as far as that looks well."""
    return _Strip(parts, room).laid()


@dataclass
class _Strip:
    parts: tuple[StripPart, ...]
    room: float
    cells: list[tuple[int, int]] = field(default_factory=list)  # row and column of each part
    laid_parts: list[LaidPart] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.largest = max(shown.side for part in self.parts for shown in part.maps) or 1.0
        for index in range(len(self.parts)):
            self.cells.append(self._cell(index))
        self.rows = max(row for row, _ in self.cells) + 1
        self._columns()

    def _cell(self, index: int) -> tuple[int, int]:
        """Where a part stands: beside the one before it, below the one it takes, or behind all."""
        taken = self.parts[index].taken
        if index == 0:
            return 0, 0
        last = max(column for _, column in self.cells)
        if index - 1 in taken:
            row, column = self.cells[index - 1]
            if (row, column + 1) not in self.cells and len(taken) <= 2:
                return row, column + 1
        if len(taken) == 1:
            row, column = self.cells[taken[0]]
            while (row, column) in self.cells:
                row += 1
            return row, column
        return 0, last + 1

    # --- columns -------------------------------------------------------------------------------

    def _columns(self) -> None:
        count = max(column for _, column in self.cells) + 1
        widths = [0.0] * count
        for part, (_, column) in zip(self.parts, self.cells, strict=True):
            texts = [line.width for line in captions(part)] + [_size_line(m).width + 8 for m in part.maps]
            widths[column] = max(widths[column], *texts, *(map_width(shown) for shown in part.maps))
        spare = (self.room - sum(widths)) / max(count - 1, 1)
        self.gutter = min(max(spare, GUTTERS[0]), GUTTERS[1])
        self.middles, self.lefts, x = list[float](), list[float](), 0.0
        for width in widths:
            self.lefts.append(x)
            self.middles.append(x + width / 2)
            x += width + self.gutter
        self.width = x - self.gutter

    def map_height(self, shown: Map) -> float:
        """How high the box of a map is."""
        return LOWEST + (TALLEST - LOWEST) * sqrt(shown.side / self.largest)

    # --- rows ----------------------------------------------------------------------------------

    def laid(self) -> LaidStrip:
        """Return the strip in coordinates."""
        kinds = list(self._lines())
        y = self._arcs_height(kinds)
        axes, levels, bottoms, gaps = list[float](), list[float](), list[float](), self._tracks(kinds)
        for row in range(self.rows):
            members = [p for p, (r, _) in zip(self.parts, self.cells, strict=True) if r == row]
            axis = y + max(self.map_height(part.maps[0]) for part in members) / 2
            axes.append(axis)
            levels.append(max(self._stack_bottom(part, axis) for part in members))
            bottoms.append(levels[-1] + CAPTION * max(len(captions(part)) for part in members))
            y = bottoms[-1] + BELOW + TRACK * (max(gaps.get(row, {}).values(), default=-1) + 1)
        self.laid_parts = [
            self._part(i, axes[self.cells[i][0]], levels[self.cells[i][0]]) for i in range(len(self.parts))
        ]
        lines = [*self._arcs(kinds), *self._others(kinds, gaps, bottoms)]
        height = bottoms[-1] + (
            TRACK * (max(gaps[self.rows - 1].values()) + 2) if gaps.get(self.rows - 1) else 0
        )
        return LaidStrip(tuple(self.laid_parts), tuple(lines), self.width, height)

    def _stack_bottom(self, part: StripPart, axis: float) -> float:
        first, *further = part.maps
        y = axis + self.map_height(first) / 2 + CAPTION
        return y + sum(self.map_height(shown) + CAPTION + 3 for shown in further)

    def _part(self, index: int, axis: float, level: float) -> LaidPart:
        part, middle = self.parts[index], self.middles[self.cells[index][1]]
        boxes, texts = [], []
        y = axis - self.map_height(part.maps[0]) / 2
        for shown in part.maps:
            width, height = map_width(shown), self.map_height(shown)
            boxes.append(Rectangle(middle - width / 2, y, width, height))
            y = y + height + CAPTION if len(part.maps) > 1 else level
            texts.append((_size_line(shown), (middle, y - 3)))
            y += 3
        y = level
        for line in captions(part):
            y += CAPTION
            texts.append((line, (middle, y - 3)))
        frame = self._frame(part, boxes) if part.count is None and len(boxes) > 1 else None
        return LaidPart(part, tuple(boxes), tuple(texts), y, frame)

    def _frame(self, part: StripPart, boxes: list[Rectangle]) -> Rectangle:
        width = max(*(_size_line(shown).width for shown in part.maps), *(box.width for box in boxes)) + 8
        top, bottom = boxes[0].y - 4, boxes[-1].y + boxes[-1].height + CAPTION
        return Rectangle(boxes[0].middle - width / 2, top, width, bottom - top + 1)

    # --- lines ---------------------------------------------------------------------------------

    def _lines(self) -> Iterator[_Flow]:
        """Yield what goes where, and how: along a row, above it, straight down, or in the gaps."""
        for target, part in enumerate(self.parts):
            for source in part.taken:
                yield _Flow(source, target, self._kind(source, target))

    def _kind(self, source: int, target: int) -> str:
        (row, column), (to_row, to_column) = self.cells[source], self.cells[target]
        if row == to_row and to_column == column + 1:
            return "along"
        if row == to_row == 0:
            return "above"
        return "down" if column == to_column and to_row == row + 1 else "below"

    def _arcs_height(self, lines: list[_Flow]) -> float:
        """What the arcs above the first row need at most."""
        return ARC + TRACK * len({line.source for line in lines if line.kind == "above"})

    def _arcs(self, lines: list[_Flow]) -> Iterator[tuple[Point, ...]]:
        """Yield the skips above the first row, short ones inside long ones; those of one source together."""
        above = [line for line in lines if line.kind == "above"]
        done: list[tuple[int, int, float, int]] = []
        for line in sorted(above, key=lambda line: line.target - line.source):
            first, last = self.cells[line.source][1], self.cells[line.target][1]
            tops = [
                laid.boxes[0].y - (4 if laid.frame else 0)
                for laid, (row, column) in zip(self.laid_parts, self.cells, strict=True)
                if row == 0 and first <= column <= last
            ]
            over = [y - TRACK for start, end, y, _ in done if start <= last and first <= end]
            y = min([min(tops) - ARC, *over])
            done.append((first, last, y, line.source))
            start, end = self._arc_end(line, above, out=True), self._arc_end(line, above, out=False)
            yield start, (start[0], y), (end[0], y), end

    def _arc_end(self, line: _Flow, above: list[_Flow], out: bool) -> Point:
        """Where an arc leaves or enters a box: outgoing ones right of the middle, incoming ones left."""
        index = line.source if out else line.target
        box = self.laid_parts[index].boxes[0]
        goes = any(other.source == index for other in above)
        comes = sorted({other.source for other in above if other.target == index})
        if out:
            return box.middle + (box.width / 5 if comes else 0), box.y
        place = comes.index(line.source) + 1
        width = box.width / 2 if goes else box.width
        return box.x + width * place / (len(comes) + 1), box.y

    def _tracks(self, lines: list[_Flow]) -> dict[int, dict[object, int]]:
        """The tracks of lines in the gaps below rows: one for each target."""
        gaps: dict[int, dict[object, Segment]] = {}
        for line in (line for line in lines if line.kind == "below"):
            row, column = self.cells[line.source]
            segments = gaps.setdefault(row, {})
            found = segments.get(line.target, Segment())
            segments[line.target] = found.with_wire(self.middles[column], self._gutter(line.target))
        return {gap: assigned(segments) for gap, segments in gaps.items()}

    def _gutter(self, target: int) -> float:
        """Left of a part's column: each row has a place of its own there."""
        row, column = self.cells[target]
        return self.lefts[column] - self.gutter / 2 - 4.0 * (row % 2)

    def _others(
        self, lines: list[_Flow], gaps: dict[int, dict[object, int]], bottoms: list[float]
    ) -> Iterator[tuple[Point, ...]]:
        for line in lines:
            source, target = self.laid_parts[line.source], self.laid_parts[line.target]
            first, box = source.boxes[0], target.boxes[0]
            middle = (box.x, box.y + box.height / 2)
            if line.kind == "along":
                yield from self._along(source, target)
            elif line.kind == "down":
                yield (first.middle, source.bottom + 2), (box.middle, box.y)
            elif line.kind == "below":
                row, x = self.cells[line.source][0], self._gutter(line.target)
                y = bottoms[row] + TRACK * (gaps[row][line.target] + 1)
                yield (first.middle, source.bottom + 2), (first.middle, y), (x, y), (x, middle[1]), middle

    def _along(self, source: LaidPart, target: LaidPart) -> Iterator[tuple[Point, ...]]:
        """Arrows to the next part: from map to map, and from the last of one part to all that are left."""
        count = len(source.boxes) if target.frame else max(len(source.boxes), len(target.boxes))
        for i in range(count):
            before, box = (boxes[min(i, len(boxes) - 1)] for boxes in (source.boxes, target.boxes))
            y, end = before.y + before.height / 2, box.y + box.height / 2
            start = before.x + before.width
            bend = box.x - self.gutter / 2
            yield (
                ((start, y), (box.x, y))
                if abs(y - end) < 1
                else ((start, y), (bend, y), (bend, end), (box.x, end))
            )


@dataclass(frozen=True)
class _Flow:
    """What goes from part to part: `along` the row, `above` it, `down` or in the gap `below`."""

    source: int
    target: int
    kind: str


def captions(part: StripPart) -> tuple[TextLine, ...]:
    """Return what stands below a part, its sizes aside: its name with its count, and its blocks."""
    count = f" ×{part.count}" if part.count is not None and part.count > 1 else ""
    lines = [TextLine(f"{part.name}{count}", MAIN, bold=True)]
    lines += [TextLine(part.contents, MINOR)] if part.contents else []
    outputs = len(part.outputs)
    lines += [TextLine("output" if outputs == 1 else f"{outputs} outputs", MINOR)] if outputs else []
    lines += [TextLine(part.remarks, MINOR, remark=True)] if part.remarks else []
    return tuple(lines)


def map_width(shown: Map) -> float:
    """Return how wide the box of a map is: by its channels."""
    return 10.0 + 4.0 * log2(shown.channels + 1)


def _size_line(shown: Map) -> TextLine:
    return TextLine(shown.text, MINOR)
