"""What lies where in an SVG that `draw` wrote, measured with a real font, and what lies on something else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations, pairwise
from typing import NamedTuple
from xml.etree import ElementTree

from PIL import ImageFont

SIZES = {"m": 9.5, "l": 9.0, "o": 13.0, "h": 18.0}  # by class; 11 for all others
CAPITALS = 0.73  # their height in ems
TOUCH = 0.3  # what rounding to tenths may make of two that touch


class Corner(NamedTuple):
    x: float
    y: float


@dataclass(frozen=True)
class Item:
    """A box or a text of a picture."""

    kind: str
    left: float
    top: float
    right: float
    bottom: float
    name: str

    def overlaps(self, other: Item) -> bool:
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return wide > TOUCH and high > TOUCH

    def contains(self, other: Item) -> bool:
        across = self.left <= other.left and other.right <= self.right
        return across and self.top <= other.top and other.bottom <= self.bottom

    def is_crossed(self, start: Corner, end: Corner) -> bool:
        """Whether a straight line goes through it; one that ends at its edge does not."""
        low, high = (min(start.x, end.x), min(start.y, end.y)), (max(start.x, end.x), max(start.y, end.y))
        across = low[0] <= self.right - 2 * TOUCH and high[0] >= self.left + 2 * TOUCH
        return across and low[1] <= self.bottom - 2 * TOUCH and high[1] >= self.top + 2 * TOUCH


@cache
def real_font(bold: bool) -> ImageFont.FreeTypeFont:
    """The font that the shipped widths are of; raises OSError where it is not installed."""
    return ImageFont.truetype("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf", 1000)


@cache
def real_width(text: str, bold: bool) -> float:
    """The width of a text at size 1; by the shipped table where the font is not installed."""
    try:
        return real_font(bold).getlength(text) / 1000
    except OSError:
        from resnet_dsl.drawing.font_widths import text_width

        return text_width(text, 1.0, bold)


@dataclass(frozen=True)
class Geometry:
    """The boxes and texts of a picture, its lines as corners, and the size of the page."""

    items: tuple[Item, ...]
    lines: tuple[tuple[Corner, ...], ...]
    width: float
    height: float

    def faults(self) -> Iterator[str]:
        """Yield what overlaps, what a line goes through, and what is not on the page."""
        for item in self.items:
            if item.left < 0 or item.top < 0 or item.right > self.width or item.bottom > self.height:
                yield f"{item} is not on the page"
        for one, other in combinations(sorted(self.items, key=lambda item: item.top), 2):
            if one.overlaps(other) and not _belong(one, other):
                yield f"{one} and {other} overlap"
        for line in self.lines:
            for start, end in pairwise(line):
                for item in self.items:
                    if item.kind != "frame" and item.is_crossed(start, end):
                        yield f"a line from {start} to {end} goes through {item}"


def _belong(one: Item, other: Item) -> bool:
    """Whether one lies in the other by intent: a text within a box, and all within a frame."""
    for outer, inner in ((one, other), (other, one)):
        if outer.contains(inner) and (outer.kind == "frame" or (outer.kind, inner.kind) == ("box", "text")):
            return True
    return False


def geometry(svg: str) -> Geometry:
    """Read a picture."""
    root = ElementTree.fromstring(svg)
    items: list[Item] = []
    lines: list[tuple[Corner, ...]] = []
    _walk(root, Corner(0, 0), items, lines)
    return Geometry(tuple(items), tuple(lines), float(root.attrib["width"]), float(root.attrib["height"]))


def _walk(
    element: ElementTree.Element, at: Corner, items: list[Item], lines: list[tuple[Corner, ...]]
) -> None:
    if moved := re.match(r"translate\((\S+) (\S+)\)", element.get("transform", "")):
        at = Corner(at.x + float(moved[1]), at.y + float(moved[2]))
    classes = element.get("class", "").split()
    match element.tag.partition("}")[2]:
        case "marker":
            return
        case "rect" if "page" not in classes:
            x, y, width, height = (float(element.attrib[k]) for k in ("x", "y", "width", "height"))
            kind = "frame" if "frame" in classes else "box"
            items.append(Item(kind, at.x + x, at.y + y, at.x + x + width, at.y + y + height, ""))
        case "circle":
            x, y, r = (float(element.attrib[k]) for k in ("cx", "cy", "r"))
            items.append(Item("box", at.x + x - r, at.y + y - r, at.x + x + r, at.y + y + r, "sign"))
        case "text":
            items.append(_text(element, classes, at))
        case "path":
            lines.append(_corners(element.attrib["d"], at))
    for child in element:
        _walk(child, at, items, lines)


def _text(element: ElementTree.Element, classes: list[str], at: Corner) -> Item:
    size = next((SIZES[c] for c in classes if c in SIZES), 11.0)
    text = element.text or ""
    width = real_width(text, "b" in classes) * size
    left = at.x + float(element.attrib["x"]) - (0 if "s" in classes else width / 2)
    base = at.y + float(element.attrib["y"])
    return Item("text", left, base - CAPITALS * size, left + width, base, text)


def _corners(data: str, at: Corner) -> tuple[Corner, ...]:
    """The corners of a path; of a round one the point where the lines would meet is one, too."""
    numbers = [float(number) for number in re.findall(r"-?[\d.]+", data)]
    return tuple(Corner(at.x + x, at.y + y) for x, y in zip(numbers[::2], numbers[1::2], strict=True))
