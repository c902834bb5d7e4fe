"""Remarks on a picture: words in the boxes they are of, each with a number by which a legend calls it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap

from resnet_dsl.drawing.picture import BlockDrawing, Box, Caption, Picture, StripPart
from resnet_dsl.records import dataclass, replace

LETTERS, LINES = 30, 3  # of the words in a box; a legend has all of them
FEW = 6  # places that are always shown, however few boxes a picture has


@dataclass(frozen=True)
class Remark:
    """Words on the steps at `paths`; one that is `outlined` has their boxes stand out, too."""

    number: int
    words: str
    paths: frozenset[str]
    outlined: bool = True

    @property
    def sign(self) -> str:
        """How it is called where its words are already said."""
        return f"({self.number})"


def shown_remarks(picture: Picture, remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    """Return the remarks that a picture can show: what is of most of its boxes marks none of them."""
    boxes = sum(len(_own(block)) for block in picture.blocks)
    counts = [(remark, sum(_places(block, remark) for block in picture.blocks)) for remark in remarks]
    return tuple(remark for remark, count in counts if 0 < count <= max(FEW, boxes / 2))


def with_remarks(picture: Picture, remarks: Sequence[Remark]) -> Picture:
    """Return a picture with remarks over blocks and in boxes, and their numbers below the parts."""
    blocks = tuple(_block(block, remarks) for block in picture.blocks)
    parts = tuple(replace(part, remarks=_of_part(picture, part, remarks)) for part in picture.parts)
    marked = (remark.paths for remark in remarks if remark.outlined)
    return replace(picture, blocks=blocks, parts=parts, marked=picture.marked.union(*marked))


def _own(block: BlockDrawing) -> list[Box]:
    """The boxes that stand for steps of the block."""
    return [box for box in block.boxes if box.steps]


def _is_on(block: BlockDrawing, box: Box, remark: Remark) -> bool:
    return any(path in remark.paths for path in block.paths(box))


def _is_whole(block: BlockDrawing, remark: Remark) -> bool:
    """Whether a remark is of all that the block does by itself."""
    boxes = [box for box in _own(block) if box.called is None]
    return len(boxes) > 1 and all(_is_on(block, box, remark) for box in boxes)


def _places(block: BlockDrawing, remark: Remark) -> int:
    """How many places of a block a remark marks."""
    return 1 if _is_whole(block, remark) else sum(_is_on(block, box, remark) for box in _own(block))


def _block(block: BlockDrawing, remarks: Sequence[Remark]) -> BlockDrawing:
    """A block with its remarks: each is written out once, over the block or in the first of its boxes."""
    whole = [remark for remark in remarks if _is_whole(block, remark)]
    rest = [remark for remark in remarks if remark not in whole]
    said: set[Remark] = set()
    boxes = tuple(
        _box(block, box, [each for each in rest if _is_on(block, box, each)], said) for box in block.boxes
    )
    lines = (line for remark in whole for line in _lines(block, remark))
    return replace(block, boxes=boxes, remarks=tuple(lines))


def _box(block: BlockDrawing, box: Box, remarks: Sequence[Remark], said: set[Remark]) -> Box:
    if not remarks:
        return box
    lines = [line for remark in remarks if remark not in said for line in _lines(block, remark)]
    again = " ".join(remark.sign for remark in remarks if remark in said)
    said.update(remarks)
    captions = (Caption(line, remark=True) for line in (*lines, *filter(None, [again])))
    look = "point" if box.look == "sign" else box.look  # a circle has no room for words
    return replace(box, look=look, lines=(*box.lines, *captions))


def _lines(block: BlockDrawing, remark: Remark) -> list[str]:
    """A remark on lines, with how many uses of the block it is of if not of all."""
    uses = sum(_is_of_use(block, use, remark) for use in block.uses)
    count = f" ({uses} of {len(block.uses)})" if uses < len(block.uses) else ""
    words = f"{remark.sign} {remark.words}{count}"
    return wrap(words, LETTERS, max_lines=LINES, placeholder=" …", break_on_hyphens=False)


def _is_of_use(block: BlockDrawing, use: str, remark: Remark) -> bool:
    start = f"{use}." if use else ""
    return any(start + step in remark.paths for box in block.boxes for step in box.steps)


def _of_part(picture: Picture, part: StripPart, remarks: Sequence[Remark]) -> str:
    """The numbers of the remarks on a part: the steps of stem and head are the model's own."""
    own = [picture.blocks[place] for place in part.blocks if part.count is None]
    return " ".join(
        remark.sign
        for remark in remarks
        if any(path.startswith(f"{part.name}.") for path in remark.paths)
        or any(_is_on(block, box, remark) for block in own for box in block.boxes)
    )
