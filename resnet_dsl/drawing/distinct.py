"""The distinct blocks of a network: bodies that are drawn alike are one block, with all its uses.

Alike are those of one definition whose boxes, wires and texts are the same; channels and other numbers may
differ, and are then written one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from resnet_dsl.drawing.picture import BlockDrawing, Box
from resnet_dsl.drawing.sketch import Sketch, Sketcher, same_text
from resnet_dsl.ir.network import PARTS, Body
from resnet_dsl.records import dataclass, field, replace


@dataclass
class Distinct:
    """Blocks by what they have in common, in order of their first use."""

    sketcher: Sketcher = field(default_factory=Sketcher)
    numbers: dict[tuple[Sketch, tuple[int, ...]], int] = field(default_factory=dict)
    of_body: dict[int, int] = field(default_factory=dict)
    bodies: dict[int, dict[int, Body]] = field(default_factory=dict)
    uses: dict[int, list[str]] = field(default_factory=dict)

    def use(self, body: Body, path: str) -> int:
        """Note that a body is used under a path, and the blocks within it; return its number."""
        number = self.number(body)
        self.bodies.setdefault(number, {})[id(body)] = body
        self.uses.setdefault(number, []).append(path)
        sketch = self.sketcher.sketch(body)
        for box, called in zip(sketch.boxes, sketch.called, strict=True):
            if called is not None:
                for step in box.steps:
                    self.use(called, f"{path}.{step}" if path else step)
        return number

    def number(self, body: Body) -> int:
        """Return a number that bodies which are drawn alike have in common."""
        if id(body) not in self.of_body:
            sketch = self.sketcher.sketch(body)
            within = tuple(self.number(called) for called in sketch.called if called is not None)
            self.of_body[id(body)] = self.numbers.setdefault((same_text(sketch), within), len(self.numbers))
        return self.of_body[id(body)]

    def places(self) -> dict[int, int]:
        """Return where each block stands among the drawings, by its number."""
        return {number: place for place, number in enumerate(self.bodies)}

    def drawings(self) -> Iterator[BlockDrawing]:
        """Yield the blocks as they are drawn."""
        places = self.places()
        letters = letters_for(len(places))
        for number, bodies in self.bodies.items():
            sketches = [self.sketcher.sketch(body) for body in bodies.values()]
            first = sketches[0]
            letter = "" if first.definition in PARTS else next(letters)
            boxes = tuple(self._box(sketches, i, places) for i in range(len(first.boxes)))
            uses = tuple(self.uses[number])
            yield BlockDrawing(first.definition, letter, boxes, first.wires, first.main, uses, first.doc)

    def _box(self, sketches: list[Sketch], index: int, places: dict[int, int]) -> Box:
        """A box with the numbers that it has in all uses."""
        box, *others = (sketch.boxes[index] for sketch in sketches)
        lines = tuple(
            line.with_uses(tuple(other.lines[i] for other in others)) for i, line in enumerate(box.lines)
        )
        called = sketches[0].called[index]
        return replace(box, lines=lines, called=None if called is None else places[self.number(called)])


def letters_for(count: int) -> Iterator[str]:
    """Yield A, B, … Z, AA, AB, … for that many blocks."""
    for index in range(1, count + 1):
        letters = ""
        while index:
            index, place = divmod(index - 1, 26)
            letters = chr(ord("A") + place) + letters
        yield letters


def in_ranges(paths: Iterable[str]) -> list[str]:
    """Return paths, those that count on in one place as one: `layer1.1–2`, `layer2.0–3.se`."""
    split = [tuple(path.split(".")) for path in paths]
    for place in reversed(range(max(map(len, split), default=0))):
        split = list(_merged(split, place))
    return [".".join(path) for path in split]


def _merged(paths: list[tuple[str, ...]], place: int) -> Iterator[tuple[str, ...]]:
    """Join neighbours that differ in one place, by a number that counts on."""

    def key(item: tuple[int, tuple[str, ...]]) -> object:
        index, path = item
        if place >= len(path) or not path[place].isdecimal():
            return index
        return path[:place], path[place + 1 :], int(path[place]) - index

    for _, run in groupby(enumerate(paths), key):
        members = [path for _, path in run]
        first, last = members[0], members[-1]
        if len(members) > 1:
            first = (*first[:place], f"{first[place]}–{last[place]}", *first[place + 1 :])
        yield first
