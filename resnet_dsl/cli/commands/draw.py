"""The command `draw`: a picture of a network and its blocks."""

from __future__ import annotations

from argparse import Namespace

from resnet_dsl.cli.pictures import format_of, show_picture
from resnet_dsl.cli.programs import one_program
from resnet_dsl.diagnostics.wording import counted


def draw(options: Namespace) -> int:
    """Draw a network, whole or not at all."""
    from resnet_dsl.codegen.seal import sealed
    from resnet_dsl.drawing.strip import picture_of
    from resnet_dsl.drawing.writers import writer

    format = options.format or format_of(options.output)
    written_as = writer(format)  # before the spec is looked at
    program = one_program(options)
    picture = picture_of(program)
    distinct = sum(bool(block.letter) for block in picture.blocks)
    told = counted(distinct, "distinct block")
    show_picture(options, sealed(written_as(picture)), options.output, f"{program.name}.{format}", told)
    return 0
