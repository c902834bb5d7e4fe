"""A program as a picture in one of the formats: what `draw` writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.suggest import did_you_mean
from resnet_dsl.drawing.dot import dot_text
from resnet_dsl.drawing.mermaid import mermaid_text
from resnet_dsl.drawing.picture import Picture
from resnet_dsl.drawing.sheet import sheet_of
from resnet_dsl.drawing.strip import picture_of
from resnet_dsl.drawing.svg import svg_text
from resnet_dsl.program import Program


def _svg(picture: Picture) -> str:
    return svg_text(sheet_of(picture))


WRITERS: dict[str, Callable[[Picture], str]] = {"svg": _svg, "dot": dot_text, "mmd": mermaid_text}
"""By the suffix of a file: SVG, Graphviz, Mermaid."""


def drawn(program: Program, format: str = "svg", marked: Iterable[str] = ()) -> str:
    """Return the picture of a program; `marked` are canonical paths of steps and parts to stand out.

    Raises UsageError for a format that there is not. The seal in its header is open.
    """
    return writer(format)(picture_of(program, marked))


def writer(format: str) -> Callable[[Picture], str]:
    """Return what writes a format."""
    if format in WRITERS:
        return WRITERS[format]
    known = "there are " + ", ".join(f".{name}" for name in WRITERS)
    if not format:
        raise UsageError(f"the name of a picture ends in its format; {known}")
    raise UsageError(f"no picture is written as .{format}; {did_you_mean(format, WRITERS) or known}")
