"""A program as a picture in one of the formats: what `draw` writes."""

from __future__ import annotations

import re
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
from resnet_dsl.records import replace


def _svg(picture: Picture) -> str:
    return svg_text(sheet_of(picture))


WRITERS: dict[str, Callable[[Picture], str]] = {"svg": _svg, "dot": dot_text, "mmd": mermaid_text}
"""By the suffix of a file: SVG, Graphviz, Mermaid."""


def drawn(program: Program, format: str = "svg", marked: Iterable[str] = (), prefix: str = "") -> str:
    """Return the picture of a program; `marked` are canonical paths of steps and parts to stand out.

    The ids of an SVG begin with `prefix` and a colon, if there is one. Raises UsageError for a format that
    there is not. The seal in its header is open.
    """
    return writer(format)(replace(picture_of(program, marked), prefix=id_prefix(prefix)))


def id_prefix(prefix: str) -> str:
    """Return what the ids of a picture begin with, so that several can be on one page."""
    if not re.fullmatch(r"([A-Za-z][\w-]*)?", prefix, re.ASCII):
        raise UsageError(f"a prefix of ids has letters, digits, - and _, not {prefix!r}")
    return f"{prefix}:" if prefix else ""


def writer(format: str) -> Callable[[Picture], str]:
    """Return what writes a format."""
    if format in WRITERS:
        return WRITERS[format]
    known = "there are " + ", ".join(f".{name}" for name in WRITERS)
    if not format:
        raise UsageError(f"the name of a picture ends in its format; {known}")
    raise UsageError(f"no picture is written as .{format}; {did_you_mean(format, WRITERS) or known}")
