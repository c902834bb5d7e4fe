"""The page: title, strip, and below it the distinct blocks side by side, in as many rows as they need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from resnet_dsl.drawing.block_layout import MAIN, MINOR, LaidBlock, TextLine, laid_out
from resnet_dsl.drawing.distinct import in_ranges
from resnet_dsl.drawing.picture import BlockDrawing, Picture
from resnet_dsl.drawing.strip_layout import LaidStrip, strip_laid_out

MARGIN = 24.0
TITLE = 18.0  # size of font
WIDTHS = range(860, 1800, 60)  # of a page: the one that leaves the least empty, narrow ones preferred
NARROW, UPRIGHT = 0.3, 1.4
APART, UNDER = 40.0, 34.0  # blocks, and rows of them
NARROWEST = 130.0  # room for the words over a block
LINE = 13.0
MOST_LINES = 2  # of uses


@dataclass(frozen=True)
class LaidPanel:
    """A block on the page: where it stands, its heading, and itself below that."""

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
    strip_top: float = MARGIN + 48.0

    @cached_property
    def title(self) -> TextLine:
        """The model's name."""
        return TextLine(self.picture.name, TITLE, bold=True)

    @cached_property
    def facts(self) -> TextLine:
        """Its input, parameters and multiply-adds."""
        return TextLine(self.picture.facts, MAIN)


def sheet_of(picture: Picture) -> Sheet:
    """Lay a picture out."""
    letters = tuple(block.letter or block.name for block in picture.blocks)
    strip = strip_laid_out(picture.parts, float(WIDTHS[0]))
    laid = [laid_out(block, letters) for block in picture.blocks]
    headings = [_heading(block, body) for block, body in zip(picture.blocks, laid, strict=True)]
    text = max(TextLine(picture.name, TITLE, bold=True).width, TextLine(picture.facts).width)
    widest = max(strip.width, text, *(heading[1] for heading in headings))
    top = MARGIN + 48.0 + strip.height + UNDER + 8
    tried = []
    for width in WIDTHS:
        inner = max(float(width), widest)
        panels, bottom = _in_rows(picture.blocks, laid, headings, inner, top)
        tried.append(Sheet(picture, strip, tuple(panels), inner + 2 * MARGIN, bottom + MARGIN))
    return min(tried, key=_badness)


def _badness(page: Sheet) -> float:
    """How much room a page takes, the more of a wide one, and of one that is far higher than wide."""
    return float(page.width ** (1 + NARROW)) * page.height * max(1.0, page.height / (UPRIGHT * page.width))


def _in_rows(
    blocks: tuple[BlockDrawing, ...],
    laid: list[LaidBlock],
    headings: list[tuple[tuple[TextLine, ...], float]],
    inner: float,
    top: float,
) -> tuple[list[LaidPanel], float]:
    """Place blocks from left to right; where there is no room, below a low one, or on the next row."""
    panels: list[LaidPanel] = []
    row: list[LaidPanel] = []  # the lowest of each column
    x, y, bottom = 0.0, top, top
    for block, body, (heading, width) in zip(blocks, laid, headings, strict=True):
        panel = LaidPanel(block, body, MARGIN + x, y, heading, width)
        if x and x + width > inner:
            above = next((p for p in row if _fits_below(panel, p, bottom)), None)
            if above is not None:
                panel = replace(panel, x=above.x, y=above.bottom + UNDER)
                row[row.index(above)] = panel
                panels.append(panel)
                continue
            x, y, row = 0.0, bottom + UNDER, []
            panel = replace(panel, x=MARGIN, y=y)
        panels.append(panel)
        row.append(panel)
        x += width + APART
        bottom = max(bottom, panel.bottom)
    return panels, bottom


def _fits_below(panel: LaidPanel, above: LaidPanel, bottom: float) -> bool:
    """Whether a block can stand below another without making the row any higher."""
    return panel.width <= above.width + APART / 2 and above.bottom + UNDER + panel.height <= bottom


def _heading(block: BlockDrawing, body: LaidBlock) -> tuple[tuple[TextLine, ...], float]:
    """The lines over a block, its name and its uses, and how wide it is with them."""
    name = TextLine(f"{block.letter} {block.name}".strip(), MAIN, bold=True)
    room = max(body.width, name.width, NARROWEST)
    uses = list(_broken(in_ranges(block.uses), room)) if block.letter else []
    return (name, *uses), max(body.width, name.width, *(line.width for line in uses), 0.0)


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
