"""The page: title, strip, and below it the distinct blocks side by side, in as many rows as they need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from textwrap import wrap

from resnet_dsl.drawing.block_layout import MAIN, MINOR, LaidBlock, TextLine, laid_out
from resnet_dsl.drawing.distinct import in_ranges
from resnet_dsl.drawing.picture import BlockDrawing, Caption, Picture
from resnet_dsl.drawing.strip_layout import LaidStrip, strip_laid_out
from resnet_dsl.records import dataclass, field, replace

MARGIN = 24.0
TITLE = 18.0  # size of font
WIDTHS = range(860, 1800, 60)  # of a page: the one that leaves the least empty, narrow ones preferred
NARROW, UPRIGHT = 0.3, 1.4
APART, UNDER = 40.0, 34.0  # blocks, and rows of them
NARROWEST = 130.0  # room for the words over a block
LINE = 13.0
MOST_LINES = 2  # of uses
HEAD = 48.0  # of the title and what is under it
LETTERS = 160  # in a line of the legend


@dataclass(frozen=True)
class LaidPanel:
    """A block on the page: the picture it is of, where it stands, its heading, and itself below that."""

    picture: Picture
    block: BlockDrawing
    laid: LaidBlock
    x: float
    y: float
    heading: tuple[TextLine, ...]
    width: float

    @property
    def top(self) -> float:
        """Where, below the heading, the boxes begin."""
        return LINE * len(self.heading) + 10

    @property
    def height(self) -> float:
        """The height of heading and boxes."""
        return self.top + self.laid.height

    @property
    def bottom(self) -> float:
        """Where it ends."""
        return self.y + self.height


@dataclass(frozen=True)
class Sheet:
    """Everything in its place."""

    picture: Picture
    strip: LaidStrip
    panels: tuple[LaidPanel, ...]
    width: float
    height: float
    legend: tuple[TextLine, ...] = ()
    against_y: float = 0.0  # of the words over the blocks of the other picture

    @property
    def strip_top(self) -> float:
        """Where the strip begins."""
        return MARGIN + HEAD + LINE * len(self.legend)

    @cached_property
    def title(self) -> TextLine:
        """The model's name."""
        return TextLine(self.picture.name, TITLE, bold=True)

    @cached_property
    def facts(self) -> TextLine:
        """Its input, parameters and multiply-adds."""
        return TextLine(self.picture.facts, MAIN)

    @cached_property
    def against(self) -> TextLine:
        """What stands over the blocks of the other picture."""
        other = self.picture.against
        return TextLine(f"in {other.name}" if other is not None else "", MAIN, bold=True)


def sheet_of(picture: Picture) -> Sheet:
    """Lay a picture out."""
    strip = strip_laid_out(picture.parts, float(WIDTHS[0]))
    legend = tuple(_legend(picture.legend))
    panels = [_panel(picture, block) for block in picture.blocks]
    others = [_panel(of, of.blocks[place]) for of in filter(None, [picture.against]) for place in of.remarked]
    texts = [TextLine(picture.name, TITLE, bold=True), TextLine(picture.facts), *legend]
    widest = max(strip.width, *(t.width for t in texts), *(p.width for p in (*panels, *others)))
    top = MARGIN + HEAD + LINE * len(legend) + strip.height + UNDER + 8
    tried = []
    for width in WIDTHS:
        inner = max(float(width), widest)
        rows = _Rows(inner, top, bottom=top).with_panels(panels)
        below = _Rows(inner, rows.bottom + 2 * UNDER).with_panels(others)
        bottom = max(rows.bottom, below.bottom)
        shown = (*rows.panels, *below.panels)
        size = inner + 2 * MARGIN, bottom + MARGIN
        tried.append(Sheet(picture, strip, shown, *size, legend, rows.bottom + UNDER + LINE))
    return min(tried, key=_badness)


def _legend(lines: Iterable[Caption]) -> Iterator[TextLine]:
    """Yield the lines of a legend, long ones in several."""
    for line in lines:
        for text in wrap(str(line), LETTERS):
            yield TextLine(text, MINOR, remark=line.remark)


def _badness(page: Sheet) -> float:
    """How much room a page takes, the more of a wide one, and of one that is far higher than wide."""
    return float(page.width ** (1 + NARROW)) * page.height * max(1.0, page.height / (UPRIGHT * page.width))


@dataclass
class _Rows:
    """Blocks from left to right; where there is no room, below a low one, or on the next row."""

    inner: float
    y: float
    x: float = 0.0
    bottom: float = 0.0
    panels: list[LaidPanel] = field(default_factory=list)
    row: list[LaidPanel] = field(default_factory=list)  # the lowest of each column

    def with_panels(self, panels: Iterable[LaidPanel]) -> _Rows:
        """Place blocks one after the other."""
        for panel in panels:
            self.add(panel)
        return self

    def add(self, panel: LaidPanel) -> None:
        """Place a block."""
        if self.x and self.x + panel.width > self.inner:
            above = next((low for low in self.row if self._fits_below(panel, low)), None)
            if above is not None:
                placed = replace(panel, x=above.x, y=above.bottom + UNDER)
                self.row[self.row.index(above)] = placed
                self.panels.append(placed)
                return
            self.x, self.y, self.row = 0.0, self.bottom + UNDER, []
        placed = replace(panel, x=MARGIN + self.x, y=self.y)
        self.panels.append(placed)
        self.row.append(placed)
        self.x += panel.width + APART
        self.bottom = max(self.bottom, placed.bottom)

    def _fits_below(self, panel: LaidPanel, above: LaidPanel) -> bool:
        """Whether a block can stand below another without making the row any higher."""
        narrow = panel.width <= above.width + APART / 2
        return narrow and above.bottom + UNDER + panel.height <= self.bottom


def _panel(picture: Picture, block: BlockDrawing) -> LaidPanel:
    """A block with the lines over it, its name, its uses and remarks; it has no place yet."""
    body = laid_out(block, picture.letters)
    name = TextLine(f"{block.letter} {block.name}".strip(), MAIN, bold=True)
    room = max(body.width, name.width, NARROWEST)
    uses = list(_broken(in_ranges(block.uses), room)) if block.letter else []
    lines = [*uses, *(TextLine(text, MINOR, remark=True) for text in block.remarks)]
    width = max(body.width, name.width, *(line.width for line in lines), 0.0)
    return LaidPanel(picture, block, body, 0.0, 0.0, (name, *lines), width)


def _broken(uses: list[str], room: float) -> Iterator[TextLine]:
    """Yield uses on lines; of more than there is room for the first, with how many there are besides."""
    lines, shown = [""], 0
    for use in uses:
        longer = f"{lines[-1]}, {use}" if lines[-1] else use
        if TextLine(longer, MINOR).width > room and lines[-1]:
            if len(lines) == MOST_LINES:
                break
            lines[-1] += ","
            longer = use
            lines.append("")
        lines[-1] = longer
        shown += 1
    if shown < len(uses):
        lines.append(f"and {len(uses) - shown:,} more")
    yield from (TextLine(line, MINOR) for line in lines)
