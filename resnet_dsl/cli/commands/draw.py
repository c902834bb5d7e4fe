"""The command `draw`: a picture of a network and its blocks."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path

from resnet_dsl.cli.programs import STDOUT, one_program, say
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.wording import counted, printable

USUAL = "svg"


def draw(options: Namespace) -> int:
    """Draw a network, whole or not at all."""
    from resnet_dsl.backend.writing import Artefact, write_whole
    from resnet_dsl.cli.output import check_targets
    from resnet_dsl.codegen.seal import sealed
    from resnet_dsl.drawing.strip import picture_of
    from resnet_dsl.drawing.writers import writer

    format = options.format or _format_of(options.output)
    written_as = writer(format)  # before the spec is looked at
    program = one_program(options)
    picture = picture_of(program)
    text = sealed(written_as(picture))
    if options.output == STDOUT:
        sys.stdout.write(text)
        return 0
    path = _place(options.output, f"{program.name}.{format}")
    check_targets([path], options.force)
    write_whole(Artefact(path, text))
    distinct = sum(bool(block.letter) for block in picture.blocks)
    say(options, f"wrote {printable(str(path))} ({counted(distinct, 'distinct block')})")
    return 0


def _format_of(output: str | None) -> str:
    """The format that a file's name ends in; the usual one where there is no file yet."""
    if output is None or output == STDOUT or _is_folder(output):
        return USUAL
    return Path(output).suffix.removeprefix(".").lower()


def _is_folder(output: str) -> bool:
    return output.endswith(("/", os.sep)) or Path(output).is_dir()


def _place(output: str | None, name: str) -> Path:
    """The path to write to; a folder that is not there yet is made."""
    from resnet_dsl.cli.output import make_folder

    if output == "":
        raise UsageError("-o takes a path, not an empty text")
    if output is None or not _is_folder(output):
        return Path(output or name)
    make_folder(Path(output))
    return Path(output) / name
