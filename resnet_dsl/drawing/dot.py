"""A picture in the language of Graphviz, for those who draw it otherwise: the same boxes, no coordinates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from resnet_dsl.codegen.seal import LINE as SEAL
from resnet_dsl.drawing.picture import BlockDrawing, Box, Picture
from resnet_dsl.version import __version__

SHAPES = {"sign": "circle", "end": "plaintext"}  # what is no box
FILLS = {"layer": "#e3edfa", "window": "#faeeda", "point": "#f3f4f6", "block": "#ece7f8"}


def dot_text(picture: Picture) -> str:
    """Return a picture as a graph of Graphviz, with an open seal in its first line."""
    return "\n".join([*_lines(picture), ""])


def _lines(picture: Picture) -> Iterator[str]:
    yield f"// drawn by resnet-dsl {__version__}; {SEAL}"
    yield f"digraph {quoted(picture.name)} {{"
    yield f"  label={quoted(chr(10).join([picture.facts, *map(str, picture.legend)]))}"
    yield '  node [shape=box style="rounded,filled" fillcolor=white fontname=Helvetica fontsize=11]'
    yield "  subgraph cluster_network {"
    yield f"    label={quoted(picture.name)}"
    yield from _strip(picture)
    yield "  }"
    yield from _blocks(picture, range(len(picture.blocks)))
    if picture.against is not None:
        yield "  subgraph cluster_against {"
        yield f"    label={quoted(f'in {picture.against.name}')}"
        yield from _blocks(picture.against, picture.against.remarked, "against ")
        yield "  }"
    yield "}"


def _blocks(picture: Picture, places: Iterable[int], front: str = "") -> Iterator[str]:
    """Yield blocks; the names of their nodes begin with `front`."""
    for place in places:
        block, name = picture.blocks[place], f"{front}{place}"
        yield f"  subgraph cluster_{name.replace(' ', '_')} {{"
        yield f"    label={quoted(chr(10).join(heading(block)))}"
        yield from _block(picture, block, name)
        yield "  }"


def heading(block: BlockDrawing) -> list[str]:
    """Return the lines over a block."""
    return [f"{block.letter} {block.name}".strip(), *block.remarks]


def _strip(picture: Picture) -> Iterator[str]:
    for index, part in enumerate(picture.parts):
        count = f" ×{part.count}" if (part.count or 1) > 1 else ""
        words = [f"{part.name}{count}", *(shown.text for shown in part.maps), part.contents, part.remarks]
        marked = picture.is_part_marked(part)
        yield _node(f"part {index}", filter(None, words), "layer", part.name, marked)
        yield from (f"    {quoted(f'part {source}')} -> {quoted(f'part {index}')}" for source in part.taken)


def _block(picture: Picture, block: BlockDrawing, place: str) -> Iterator[str]:
    for index, box in enumerate(block.boxes):
        path = picture.prefix + block.path(box.anchor) if box.anchor else ""
        words, marked = box_words(picture, box), picture.is_marked(block, box)
        yield _node(f"{place}.{index}", words, box.look, path, marked)
    for wire in block.wires:
        ends = f"{quoted(f'{place}.{wire.source}')} -> {quoted(f'{place}.{wire.target}')}"
        how = [f"label={quoted(wire.label)}"] if wire.label else []
        how += ["style=dashed"] if wire.size_only else []
        yield f"    {ends}" + (f" [{' '.join(how)}]" if how else "")


def box_words(picture: Picture, box: Box) -> list[str]:
    """Return the lines of a box as they are without a font: a block by its letter and name."""
    words = [str(label) for label in box.lines]
    if box.called is not None:
        words[0] = f"{picture.blocks[box.called].letter} {words[0]}"
    return [*words, f"×{box.times}"] if box.times > 1 else words


def _node(name: str, words: Iterable[str], look: str, path: str, marked: bool) -> str:
    text = "\n".join(words)
    how = [f"label={quoted(text)}"]
    how += [f"id={quoted(path)}"] if path else []
    how += [f"shape={SHAPES[look]}"] if look in SHAPES else []
    how += [f"fillcolor={quoted(FILLS[look])}"] if look in FILLS else []
    how += ['color="#cf222e"', "penwidth=2.5"] if marked else []
    return f"    {quoted(name)} [{' '.join(how)}]"


def quoted(text: str) -> str:
    """Return a text as Graphviz quotes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
