"""The notebook: `%load_ext resnet_dsl`, then `%%resnet [NAME]` makes a model of the text of a cell."""

from __future__ import annotations

import keyword
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from resnet_dsl.api import Model
from resnet_dsl.diagnostics.errors import CompileError, UsageError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.records import dataclass

CELL = "<cell>"
MAGIC = "resnet"
EXAMPLE = "%%resnet, or %%resnet NAME for a variable of another name than the model's"


class Shell(Protocol):
    """What is asked of IPython's shell; nothing else of IPython is."""

    def register_magic_function(
        self, func: Callable[[str, str], Model], magic_kind: str, magic_name: str
    ) -> None:
        """Have a function as a magic."""

    def push(self, variables: dict[str, object]) -> None:
        """Bind variables of the user."""


class CellError(Exception):
    """A cell that is wrong: it ends there, and the text stands under it in place of a traceback."""

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()  # what IPython shows of an exception that says so itself


@dataclass(frozen=True)
class CellMagic:
    """The magic of one shell."""

    shell: Shell

    def __call__(self, line: str, cell: str) -> Model:
        """Compile the text of a cell, and bind the model to a name."""
        try:
            name = _name(line)
            model = Model(compile_source(Source(CELL, cell), Path.cwd()))
        except CompileError as error:
            raise CellError(_shown(error)) from None
        except UsageError as error:
            raise CellError(f"error: {error}") from None
        if model.warnings:
            print(_shown(CompileError(model.warnings)), file=sys.stderr)
        self.shell.push({name or model.name: model})
        return model


def extend(shell: Shell) -> None:
    """Give a shell the cell magic `%%resnet`."""
    shell.register_magic_function(CellMagic(shell), "cell", MAGIC)


def _name(line: str) -> str:
    """The name behind `%%resnet`, empty if there is none."""
    name = line.strip()
    if name and (not name.isidentifier() or keyword.iskeyword(name)):
        raise UsageError(f"`{name}` is no name of a variable; write {EXAMPLE}")
    return name


def _shown(error: CompileError) -> str:
    from resnet_dsl.diagnostics.render.terminal import render_all, wants_color

    return render_all(error.diagnostics, wants_color("auto", sys.stderr))
