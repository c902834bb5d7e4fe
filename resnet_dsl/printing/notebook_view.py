"""What a notebook shows of a model: its picture, and the table of its parts as HTML."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape

from resnet_dsl.printing.headline import headline
from resnet_dsl.printing.summary import NUMBERS, part_rows
from resnet_dsl.program import Program

# No colours but those of the page around it, whether that is light or dark.
TABLE = "border-collapse:collapse;color:inherit;background:transparent"
CELL = "padding:0.2em 0.8em;border-bottom:1px solid rgba(128,128,128,0.4);color:inherit"


def model_html(program: Program, picture: str) -> str:
    """Return picture and table of a model, of which nothing reaches the rest of the page.

    The picture is an image of its own: as a part of the page its style would be that of every other picture.
    """
    name = escape(program.name)
    encoded = b64encode(picture.encode("utf-8")).decode("ascii")
    header, *rows = part_rows(program)
    return "\n".join(
        [
            f'<div style="overflow-x:auto;color:inherit"><img alt="{name}, drawn by resnet-dsl" '
            f'style="max-width:100%" src="data:image/svg+xml;base64,{encoded}"/>',
            f'<table style="{TABLE}">',
            f'<caption style="color:inherit;text-align:left">{name}: {escape(headline(program))}</caption>',
            f"<thead>{_row('th', header)}</thead>",
            "<tbody>",
            *(_row("td", row) for row in rows),
            "</tbody></table></div>",
        ]
    )


def _row(tag: str, cells: Sequence[str]) -> str:
    sides = ("right" if column in NUMBERS else "left" for column in range(len(cells)))
    written = (
        f'<{tag} style="{CELL};text-align:{side}">{escape(cell)}</{tag}>'
        for side, cell in zip(sides, cells, strict=True)
    )
    return f"<tr>{''.join(written)}</tr>"
