"""What a picture shows: a strip of the network's parts, and each distinct block once. No coordinates.

A text may have numbers in it that differ from one use of a block to another: `Caption`. A box stands for
one step of a body or for several that belong together, such as a convolution, its norm and its activation.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Literal

from resnet_dsl.records import dataclass, replace

Look = Literal["layer", "window", "point", "sign", "bar", "block", "end"]
"""A layer with weights, a window or resizing, what acts on each value, a join written as a sign, one written
as a bar across its inputs, a block drawn by itself, and where a block's tensors come in and go out."""

Numbers = tuple[int | float, ...]
LAST = ", {}"
LISTED = 4  # different numbers of one place; of more only the least and the greatest are written


@dataclass(frozen=True)
class Caption:
    """A line of a box: `{}` stands for each of `numbers`, which are the values in the uses of the block.

    A line that is `minor` is of what only goes with a layer; a `remark` is no part of the network.
    """

    text: str
    numbers: tuple[Numbers, ...] = ()
    minor: bool = False
    remark: bool = False

    def __str__(self) -> str:
        return self.text.format(*map(listed, self.numbers)) if self.numbers else self.text

    def with_uses(self, others: tuple[Caption, ...]) -> Caption:
        """Return the label with the numbers of other uses, which have the same text."""
        if all(other.numbers == self.numbers for other in others):
            return self
        places = zip(self.numbers, *(other.numbers for other in others), strict=True)
        merged = (tuple(dict.fromkeys(n for numbers in place for n in numbers)) for place in places)
        return replace(self, numbers=tuple(merged))

    def lines(self) -> tuple[str, ...]:
        """Return the label as it is written: several numbers at its end have a line of their own."""
        if self.text.endswith(LAST) and len(self.numbers[-1]) > 1:
            return str(Caption(self.text.removesuffix(LAST), self.numbers[:-1])), listed(self.numbers[-1])
        return (str(self),)


def listed(numbers: Numbers) -> str:
    """Return numbers as they are written: one after the other, or from the least to the greatest."""
    if len(numbers) > LISTED:
        return f"{min(numbers):.6g}–{max(numbers):.6g}"
    return ", ".join(f"{number:.6g}" for number in numbers)


@dataclass(frozen=True)
class Box:
    """A box of a block; `steps` are the paths, within the block, of the steps it stands for.

    `anchor` is the one of them that names it. `called` is the block that it stands for, by its place in
    `Picture.blocks`. `times` counts equal boxes in a row that are drawn as one.
    """

    look: Look
    lines: tuple[Caption, ...]
    steps: tuple[str, ...]
    anchor: str
    called: int | None = None
    times: int = 1


@dataclass(frozen=True)
class Wire:
    """What goes from a box to input `port` of another; `size_only` if only its height and width count."""

    source: int
    target: int
    port: int = 0
    size_only: bool = False
    label: str = ""


@dataclass(frozen=True)
class BlockDrawing:
    """A distinct block: its boxes in order of execution, the wires, and the way straight through it.

    `uses` are the paths under which it is used, `first` the one that names its boxes, `letter` what the
    strip calls it. `remarks` are lines on the block as a whole.
    """

    name: str
    letter: str
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]
    main: tuple[int, ...]
    uses: tuple[str, ...]
    doc: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def first(self) -> str:
        """The path of the first use; empty for stem and head, whose steps are the model's own."""
        return self.uses[0]

    def path(self, step: str) -> str:
        """Return the canonical path of a step, where the block is used first."""
        return f"{self.first}.{step}" if self.first else step

    def paths(self, box: Box) -> Iterator[str]:
        """Yield the canonical paths of a box's steps in all uses."""
        for use in self.uses:
            yield from (f"{use}.{step}" if use else step for step in box.steps)


@dataclass(frozen=True)
class Map:
    """A tensor that a part gives: its size in words, its channels, the side of the map, 0 for a vector."""

    text: str
    channels: int
    side: float


@dataclass(frozen=True)
class StripPart:
    """Input, stem, a stage or head: the maps it gives and which blocks it is made of, `A` and `B ×2`.

    `taken` are the indices of the parts it takes from; `blocks` has places in `Picture.blocks`. `remarks` are
    the numbers of those on its blocks.
    """

    name: str
    maps: tuple[Map, ...]
    count: int | None
    contents: str
    blocks: tuple[int, ...]
    taken: tuple[int, ...]
    outputs: tuple[str, ...] = ()
    remarks: str = ""


@dataclass(frozen=True)
class Picture:
    """All that is shown; `marked` are canonical paths of steps and parts that are to catch the eye.

    `legend` are lines under the title. `against` is another picture, of which the blocks with marks are
    shown. All ids begin with `prefix`.
    """

    name: str
    facts: str
    parts: tuple[StripPart, ...]
    blocks: tuple[BlockDrawing, ...]
    marked: frozenset[str] = frozenset()
    legend: tuple[Caption, ...] = ()
    against: Picture | None = None
    prefix: str = ""

    @property
    def letters(self) -> tuple[str, ...]:
        """What each block is called on the page."""
        return tuple(block.letter or block.name for block in self.blocks)

    @cached_property
    def remarked(self) -> tuple[int, ...]:
        """The places of the blocks in which a step is marked."""
        return tuple(
            place
            for place, block in enumerate(self.blocks)
            if any(box.called is None and self.is_marked(block, box) for box in block.boxes)
        )

    @cached_property
    def _around_marks(self) -> frozenset[str]:
        """What is marked, and every block and part around it."""
        around = set(self.marked)
        for path in self.marked:
            steps = path.split(".")
            around.update(".".join(steps[:count]) for count in range(1, len(steps)))
        return frozenset(around)

    def is_marked(self, block: BlockDrawing, box: Box) -> bool:
        """Whether a step of the box, or one within the block it stands for, is marked in any use."""
        marks = self.marked if box.called is None else self._around_marks
        return bool(marks) and any(path in marks for path in block.paths(box))

    def is_part_marked(self, part: StripPart) -> bool:
        """Whether a part is marked, or a step within it: those of stem and head are the model's own."""
        if part.name in self._around_marks:
            return True
        own = (self.blocks[place] for place in part.blocks if part.count is None)
        return any(self.is_marked(block, box) for block in own for box in block.boxes)
