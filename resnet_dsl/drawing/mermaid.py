"""A picture as a Mermaid flowchart, which Markdown pages show: the same boxes, no coordinates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from resnet_dsl.codegen.seal import LINE as SEAL
from resnet_dsl.drawing.dot import FILLS, box_words, heading
from resnet_dsl.drawing.picture import BlockDrawing, Picture
from resnet_dsl.version import __version__

OPEN, CLOSE = {"sign": "((", "end": "(["}, {"sign": "))", "end": "])"}


def mermaid_text(picture: Picture) -> str:
    """Return a picture as a flowchart of Mermaid, with an open seal in its second line."""
    return "\n".join([*_lines(picture), ""])


def _lines(picture: Picture) -> Iterator[str]:
    yield "flowchart TB"
    yield f"%% drawn by resnet-dsl {__version__}; {SEAL}"
    yield f"subgraph network[{text(picture.name)}]"
    yield "  direction LR"
    yield from _strip(picture)
    yield "end"
    if picture.legend:
        yield _node("legend", map(str, picture.legend), "end", False)
    yield from _blocks(picture, range(len(picture.blocks)))
    if picture.against is not None:
        yield f"subgraph against[{text(f'in {picture.against.name}')}]"
        yield from _blocks(picture.against, picture.against.remarked, "against")
        yield "end"
    yield from (f"classDef {look} fill:{fill},color:#1f2328" for look, fill in FILLS.items())
    yield "classDef marked stroke:#cf222e,stroke-width:2.5px"


def _blocks(picture: Picture, places: Iterable[int], front: str = "") -> Iterator[str]:
    """Yield blocks; the names of their nodes begin with `front`."""
    for place in places:
        block = picture.blocks[place]
        yield f"subgraph {front}block{place}[{text('<br/>'.join(heading(block)))}]"
        yield "  direction TB"
        yield from _block(picture, block, f"{front}b{place}")
        yield "end"


def _strip(picture: Picture) -> Iterator[str]:
    for index, part in enumerate(picture.parts):
        count = f" ×{part.count}" if (part.count or 1) > 1 else ""
        words = [f"{part.name}{count}", *(shown.text for shown in part.maps), part.contents, part.remarks]
        yield _node(f"part{index}", filter(None, words), "layer", picture.is_part_marked(part))
        yield from (f"  part{source} --> part{index}" for source in part.taken)


def _block(picture: Picture, block: BlockDrawing, place: str) -> Iterator[str]:
    for index, box in enumerate(block.boxes):
        yield _node(f"{place}_{index}", box_words(picture, box), box.look, picture.is_marked(block, box))
    for wire in block.wires:
        arrow = "-.->" if wire.size_only else "-->"
        label = f"|{text(wire.label)}|" if wire.label else ""
        yield f"  {place}_{wire.source} {arrow}{label} {place}_{wire.target}"


def _node(name: str, words: Iterable[str], look: str, marked: bool) -> str:
    shape = f"{OPEN.get(look, '[')}{text('<br/>'.join(words))}{CLOSE.get(look, ']')}"
    kinds = [f":::{kind}" for kind, has in ((look, look in FILLS), ("marked", marked)) if has]
    return f"  {name}{shape}{''.join(kinds[-1:])}"


def text(words: str) -> str:
    """Return a text as Mermaid quotes it."""
    return '"' + words.replace('"', "#quot;") + '"'
