"""A page as SVG: one style sheet for light, dark and paper, and words for those who do not see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from resnet_dsl.codegen.seal import LINE as SEAL
from resnet_dsl.drawing.block_layout import LABEL, LINE, LaidBox, LaidWire, Point, Rectangle, TextLine
from resnet_dsl.drawing.font_widths import FAMILY
from resnet_dsl.drawing.picture import Picture, StripPart
from resnet_dsl.drawing.sheet import HEAD, MARGIN, LaidPanel, Sheet
from resnet_dsl.drawing.strip_layout import LaidPart
from resnet_dsl.records import dataclass, field
from resnet_dsl.version import __version__

ROUND = 6.0  # of the corners of a line
NAMED = 6  # steps in the title of a box
CAP = 0.36  # from a text's middle to its baseline, in ems
SIZES = {11.0: "", 9.5: "m", 9.0: "l", 13.0: "o", 18.0: "h"}  # class by size of font
# What is coloured how, in light and in dark. No variables of CSS: what makes PDFs of pictures knows none.
COLOURS = (
    (".page,.sign,.bar", "fill", "#fff", "#0d1117"),
    ("text", "fill", "#1f2328", "#e6edf3"),
    (".m,.l", "fill", "#59636e", "#9198a1"),
    (".w,.sign,.bar", "stroke", "#57606a", "#8b949e"),
    (".tip", "fill", "#57606a", "#8b949e"),
    (".layer", "fill", "#e3edfa", "#132a45"),
    (".layer", "stroke", "#3f72af", "#5d94d6"),
    (".window", "fill", "#faeeda", "#3a2c12"),
    (".window", "stroke", "#b58433", "#c99a4b"),
    (".point", "fill", "#f3f4f6", "#21262d"),
    (".point,.frame", "stroke", "#9aa1a9", "#6e7681"),
    (".block", "fill", "#ece7f8", "#2a2145"),
    (".block", "stroke", "#7a63b5", "#9a83d8"),
)
REMARK = (".r", "fill", "#b91c28", "#ff7b72")
TIP = ".w path{marker-end:url(#drawing:tip)}"
STYLE = (
    f"text{{font:11px {FAMILY};text-anchor:middle}}.s{{text-anchor:start}}.b{{font-weight:700}}"
    ".m{font-size:9.5px}.l{font-size:9px}.o{font-size:13px}.h{font-size:18px}"
    ".w{fill:none;stroke-width:1.2}" + TIP + ".d,.frame{stroke-dasharray:3 3}"
    ".frame{fill:none}.marked{stroke:#cf222e!important;stroke-width:2.5}a:hover rect{stroke-width:2.5}"
)


def svg_text(page: Sheet) -> str:
    """Return a page as SVG, with an open seal in its first line."""
    return "\n".join([*_Writer(page).lines(), ""])


@dataclass
class _Writer:
    page: Sheet
    ids: set[str] = field(default_factory=set)

    def lines(self) -> Iterator[str]:
        page, name = self.page, escape(self.page.picture.name)
        width, height = number(page.width), number(page.height)
        own = f"{page.picture.prefix}drawing"
        root = f'id="{own}" ' if page.picture.prefix else ""
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" {root}viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" aria-labelledby="{own}:title {own}:desc">'
        )
        yield f"<!-- drawn by resnet-dsl {__version__}; {SEAL} -->"
        yield f'<title id="{own}:title">{name}</title>'
        yield f'<desc id="{own}:desc">{escape(described(page))}</desc>'
        yield f"<style>{style(page.picture)}</style>"
        yield (
            f'<marker id="{own}:tip" viewBox="0 0 6 6" refX="5.5" refY="3" markerWidth="6" markerHeight="6" '
            'orient="auto" markerUnits="userSpaceOnUse"><path class="tip" d="M0 0.5 6 3 0 5.5z"/></marker>'
        )
        yield '<rect class="page" width="100%" height="100%"/>'
        yield self._text(page.title, (MARGIN, MARGIN + 14), "s")
        yield self._text(page.facts, (MARGIN, MARGIN + 34), "s")
        for index, line in enumerate(page.legend):
            yield self._text(line, (MARGIN, MARGIN + HEAD + 3 + LINE * index), "s")
        yield f'<g transform="translate({number(MARGIN)} {number(page.strip_top)})">'
        yield from self._strip()
        yield "</g>"
        if any(panel.picture is page.picture.against for panel in page.panels):
            yield self._text(page.against, (MARGIN, page.against_y), "s")
        for panel in page.panels:
            yield from self._panel(panel)
        yield "</svg>"

    # --- strip ---------------------------------------------------------------------------------

    def _strip(self) -> Iterator[str]:
        yield '<g class="w">'
        for points in self.page.strip.lines:
            yield f'<path d="{path(points)}"/>'
        yield "</g>"
        for laid in self.page.strip.parts:
            yield from self._part(laid)

    def _part(self, laid: LaidPart) -> Iterator[str]:
        part, picture = laid.part, self.page.picture
        look = "point" if not part.taken else "layer"
        marked = " marked" if picture.is_part_marked(part) else ""
        if part.blocks:
            yield f'<a href="#{block_id(picture, part.blocks[0])}">'
        yield f"<g{self._id(picture.prefix + part.name)}><title>{escape(part_words(part))}</title>"
        if laid.frame is not None:
            yield rectangle("frame", laid.frame, 4)
        yield from (rectangle(look + marked, box, 2) for box in laid.boxes)
        yield from (self._text(line, point) for line, point in laid.captions)
        yield "</g>" + ("</a>" if part.blocks else "")

    # --- blocks --------------------------------------------------------------------------------

    def _panel(self, panel: LaidPanel) -> Iterator[str]:
        block = panel.block
        identity = block_id(panel.picture, panel.picture.blocks.index(block))
        yield f'<g id="{identity}" transform="translate({number(panel.x)} {number(panel.y)})">'
        yield f"<title>{escape(block_words(block.name, block.doc, len(block.uses)))}</title>"
        for index, line in enumerate(panel.heading):
            yield self._text(line, (0, 10 + LINE * index), "s")
        yield f'<g transform="translate(0 {number(panel.top)})">'
        yield '<g class="w">'
        for wire in panel.laid.wires:
            yield from self._wire(wire)
        for points in panel.laid.leaving:
            yield f'<path d="{path(points)}"/>'
        yield "</g>"
        for wire in panel.laid.wires:
            yield from self._wire_label(wire)
        for box in panel.laid.boxes:
            yield from self._box(panel, box)
        yield "</g></g>"

    def _wire(self, laid: LaidWire) -> Iterator[str]:
        dashed = ' class="d"' if laid.wire.size_only else ""
        yield f'<path{dashed} d="{path(laid.points)}"/>'

    def _wire_label(self, laid: LaidWire) -> Iterator[str]:
        x, y = laid.points[0]
        if laid.wire.label and laid.labelled:
            yield self._text(TextLine(laid.wire.label, LABEL), (x + 3, y + LABEL + 1), "s")

    def _box(self, panel: LaidPanel, laid: LaidBox) -> Iterator[str]:
        box, place = laid.box, laid.place
        middle = place.y + place.height / 2 - LINE * (len(laid.lines) - 1) / 2
        texts = [
            self._text(line, (place.middle, middle + LINE * i + CAP * line.size))
            for i, line in enumerate(laid.lines)
        ]
        if box.look == "end":
            yield from texts
            return
        look = box.look + (" marked" if panel.picture.is_marked(panel.block, box) else "")
        link = box.called is not None and self._is_shown(panel.picture, box.called)
        if link:
            yield f'<a href="#{block_id(panel.picture, box.called or 0)}">'
        identity = self._id(panel.picture.prefix + panel.block.path(box.anchor))
        yield f"<g{identity}>{_title(box.steps)}{outline(laid, look)}"
        yield "".join(texts) + "</g>" + ("</a>" if link else "")

    # --- in common -----------------------------------------------------------------------------

    def _is_shown(self, picture: Picture, place: int) -> bool:
        """Whether a block is on the page: of the other picture only some are."""
        return picture is self.page.picture or place in picture.remarked

    def _id(self, path: str) -> str:
        """The path as an id; what another box is called has none."""
        if path in self.ids:
            return ""
        self.ids.add(path)
        return f' id="{escape(path)}"'

    def _text(self, line: TextLine, point: Point, anchor: str = "") -> str:
        classes = " ".join(
            filter(None, [SIZES[line.size], "b" if line.bold else "", anchor, "r" if line.remark else ""])
        )
        shown = f' class="{classes}"' if classes else ""
        return f'<text{shown} x="{number(point[0])}" y="{number(point[1])}">{escape(line.text)}</text>'


def _title(steps: Sequence[str]) -> str:
    """The steps that a box stands for, where it is more than the one that names it."""
    if len(steps) < 2:
        return ""
    return f"<title>{escape(', '.join(steps[:NAMED]))}{', …' if len(steps) > NAMED else ''}</title>"


def outline(laid: LaidBox, look: str) -> str:
    """Return the shape of a box: a circle for a sign, else a rectangle."""
    place = laid.place
    if laid.box.look != "sign":
        return rectangle(look, place, 4)
    x, y = number(place.middle), number(place.y + place.height / 2)
    return f'<circle class="{look}" cx="{x}" cy="{y}" r="{number(place.width / 2)}"/>'


def rectangle(look: str, place: Rectangle, radius: int) -> str:
    """Return a rectangle with round corners."""
    x, y, width, height = map(number, (place.x, place.y, place.width, place.height))
    return f'<rect class="{look}" x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}"/>'


def block_id(picture: Picture, place: int) -> str:
    """Return the id of a block."""
    return f"{picture.prefix}drawing:{picture.letters[place]}"


def style(picture: Picture) -> str:
    """Return the style sheet: the colours of light, which are those of paper too, and of dark screens.

    Where several pictures are within one page they have one style; only the tips of arrows are their own.
    """
    colours = (*COLOURS, REMARK) if picture.legend else COLOURS
    light, dark = (
        "".join(f"{selector}{{{what}:{row[theme]}}}" for selector, what, *row in colours) for theme in (0, 1)
    )
    tip = f'[id="{picture.prefix}drawing"] {TIP}'.replace("#", f"#{picture.prefix}")
    own = STYLE.replace(TIP, tip) if picture.prefix else STYLE
    return f"{own}{light}@media screen and (prefers-color-scheme:dark){{{dark}}}"


def path(points: Sequence[Point]) -> str:
    """Return a polyline with round corners as the data of a path."""
    kept = [
        p for i, p in enumerate(points) if not (0 < i < len(points) - 1 and _straight(*points[i - 1 : i + 2]))
    ]
    commands = [f"M{number(kept[0][0])} {number(kept[0][1])}"]
    for before, corner, after in zip(kept, kept[1:], kept[2:], strict=False):
        radius = min(ROUND, _distance(before, corner) / 2, _distance(corner, after) / 2)
        start, end = _towards(corner, before, radius), _towards(corner, after, radius)
        commands.append(f"L{_pair(start)}Q{_pair(corner)} {_pair(end)}")
    return "".join(commands) + f"L{_pair(kept[-1])}"


def _straight(a: Point, b: Point, c: Point) -> bool:
    return (a[0] == b[0] == c[0]) or (a[1] == b[1] == c[1])


def _distance(a: Point, b: Point) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _towards(corner: Point, other: Point, radius: float) -> Point:
    """The point at a distance from a corner, on the way to another."""
    whole = _distance(corner, other) or 1.0
    return tuple(c + (o - c) * radius / whole for c, o in zip(corner, other, strict=True))  # type: ignore[return-value]


def _pair(point: Point) -> str:
    return f"{number(point[0])} {number(point[1])}"


def number(value: float) -> str:
    """Return a coordinate, to a tenth, in as few letters as it takes."""
    return f"{value:.1f}".removesuffix(".0")


# --- words -------------------------------------------------------------------------------------


def described(page: Sheet) -> str:
    """Return the picture in words: the parts in order, each with its size and blocks."""
    told = "".join(f" {line}." for line in page.picture.legend)
    return f"{page.picture.facts}.{told} " + "; ".join(part_words(laid.part) for laid in page.strip.parts)


def part_words(part: StripPart) -> str:
    """Return a part in words: `layer1: 3 blocks (A, B ×2), 256×56×56`."""
    blocks = f"{part.count} block{'s' if part.count != 1 else ''} ({part.contents}), " if part.count else ""
    return f"{part.name}: {blocks}{', '.join(shown.text for shown in part.maps)}"


def block_words(name: str, doc: str, uses: int) -> str:
    """Return a block in words."""
    said = f": {doc}" if doc else ""
    return f"{name}{said}" + (f" ({uses} uses)" if uses > 1 else "")
