"""A comparison as a picture: the second network with what differs marked, and the same of the first below.

Each difference has a number and stands in the legend; where it is at a few boxes they say it, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from resnet_dsl.compare.one_difference import NONE, NetworkDifference
from resnet_dsl.drawing.picture import BlockDrawing, Caption, Picture
from resnet_dsl.drawing.remarks import Remark, shown_remarks, with_remarks
from resnet_dsl.drawing.strip import picture_of
from resnet_dsl.program import Program
from resnet_dsl.records import replace

FIRST = "first:"
"""What the ids of the first network's boxes begin with."""
MARKED = "in red below; what changes a result is outlined"
UNMARKED = "none is marked: each is of most boxes, or of none"


def marked_picture(
    programs: tuple[Program, Program],
    names: tuple[str, str],
    differences: Sequence[NetworkDifference],
    said: Sequence[str],
    prefix: str = "",
) -> Picture:
    """Return the picture of the second network, with what differs; all ids begin with `prefix`.

    `said` are further lines of the legend, first of them how many differences there are.
    """
    pictures = [picture_of(program) for program in programs]
    remarks = [list(_remarks(differences, side, names[1 - side])) for side in (0, 1)]
    shown = [shown_remarks(*both) for both in zip(pictures, remarks, strict=True)]
    a, b = (with_remarks(*both) for both in zip(pictures, shown, strict=True))
    marked = {remark.number for side in shown for remark in side}
    blocks = tuple(map(_in_small_letters, a.blocks))
    first = replace(a, name=names[0], prefix=f"{prefix}{FIRST}", blocks=blocks)
    return replace(
        b, name=" against ".join(names), facts=f"{names[1]}: {b.facts}", prefix=prefix,
        legend=tuple(_legend(differences, marked, said)), against=first if first.remarked else None,
    )  # fmt: skip


def _in_small_letters(block: BlockDrawing) -> BlockDrawing:
    """A block that is told apart from those of the second network."""
    return replace(block, letter=block.letter.lower())


# --- legend ----------------------------------------------------------------------------------------


def _legend(
    differences: Sequence[NetworkDifference], marked: Collection[int], said: Sequence[str]
) -> Iterator[Caption]:
    """Yield what is said under the title: every difference, in red if it is marked below."""
    first, *further = said
    how = f": {MARKED if marked else UNMARKED}" if differences else ""
    yield Caption(f"{first}{how}", minor=True)
    for number, difference in enumerate(differences, 1):
        yield Caption(f"({number}) {_told(difference)}", minor=True, remark=number in marked)
    yield from (Caption(line, minor=True) for line in further)


def _told(difference: NetworkDifference) -> str:
    details = "; ".join(difference.details)
    return f"{difference.text}: {details}" if details else difference.text


# --- words of a box --------------------------------------------------------------------------------


def _remarks(differences: Sequence[NetworkDifference], side: int, other: str) -> Iterator[Remark]:
    """Yield what is said in boxes of one side; the other has a name."""
    for number, difference in enumerate(differences, 1):
        paths = frozenset((difference.paths_a, difference.paths_b)[side])
        own = (difference.a, difference.b)
        words = _words(difference, own[side], own[1 - side], other)
        yield Remark(number, words, paths, difference.about == "computes")


def _words(difference: NetworkDifference, own: str, others: str, name: str) -> str:
    """What a box says of a difference: how it is here, and how it is not."""
    if others == NONE:
        return f"not in {name}"
    match difference.kind:
        case "argument":
            return f"{difference.what}={own}, not {others}"
        case "moved":
            return f"{difference.what} on {own}, not {others}"
        case "ways":
            return f"takes {own}, not {others}"
        case "count":
            return f"{own} {difference.what}, not {others}"
        case "steps" if difference.what:
            return f"{difference.what}={own}, not {others}"
        case "property" if difference.what:
            return f"{difference.what} {own}, not {others}"
    return f"instead of {others}"
