"""The model's name: as asked for, or out of the file's."""

from __future__ import annotations

import re

from resnet_dsl.diagnostics.errors import CompileError, UsageError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.ir.ops import CATALOGUE
from resnet_dsl.syntax.parser import parse

LONGEST = 40
PREFIX = "net_"


def model_name(source: str) -> str:
    """Return a name that the language takes, as like the file's as can be."""
    stem = source.partition(".")[0]
    name = re.sub(r"[^A-Za-z0-9]+", "_", stem).strip("_")[:LONGEST].strip("_")
    return name if is_name(name) else f"{PREFIX}{name}".rstrip("_")


def checked_name(name: str) -> str:
    """Return the name; raises UsageError for one that the language does not take."""
    if not is_name(name):
        raise UsageError(
            f"--name: `{ascii(name)[1:-1]}` is no name: letters, digits and `_`, no word of the language"
        )
    return name


def is_name(name: str) -> bool:
    """Whether a model can have the name."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or name in CATALOGUE:
        return False
    try:
        parse(Source("<name>", f"model {name} {{ stages: [] }}"))
    except CompileError:
        return False
    return True
