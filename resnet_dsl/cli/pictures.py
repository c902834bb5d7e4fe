"""Where a picture goes, and in which format."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path

from resnet_dsl.cli.programs import STDOUT, say
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.wording import printable

USUAL = "svg"


def show_picture(options: Namespace, text: str, output: str | None, name: str, told: str) -> None:
    """Print a picture or write it, whole or not at all; `name` is that of its file where none is said."""
    from resnet_dsl.backend.writing import Artefact, write_whole
    from resnet_dsl.cli.output import check_targets

    if output == STDOUT:
        sys.stdout.write(text)
        return
    path = _place(output, name)
    check_targets([path], options.force)
    write_whole(Artefact(path, text))
    say(options, f"wrote {printable(str(path))} ({told})")


def format_of(output: str | None) -> str:
    """Return the format that a file's name ends in; the usual one where there is no file yet."""
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
