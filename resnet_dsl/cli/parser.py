"""How a command line is read: the parser, its help, and the kinds of values that options take."""

from __future__ import annotations

import argparse
import os
import sys
from argparse import Namespace
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple, NoReturn

from resnet_dsl.limits import ARGUMENT, Limit


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """End with a usage error."""
        self.exit(2, f"error: {message}\nfor help: {self.prog} --help\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse keeps quiet of an output that fails.
        (file or sys.stderr).write(message)

    @property
    def option_names(self) -> list[str]:
        """Every option as it is written: `--set`, `-o`."""
        return [name for action in self._actions for name in action.option_strings]

    @property
    def actions(self) -> list[argparse.Action]:
        """What is read: options, and what stands without one."""
        return list(self._actions)


def columns() -> int:
    """How wide the terminal is, or what is said to be one."""
    said = os.environ.get("COLUMNS", "")
    if said.isdigit() and int(said) > 0:
        return int(said)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or 80  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):
        return 80


def help_formatter(prog: str) -> argparse.HelpFormatter:
    """What writes help; argparse makes one for every option, and asks `shutil` for a width not said."""
    return argparse.RawDescriptionHelpFormatter(prog, width=columns() - 2)


class Command(NamedTuple):
    """A command: a line of help, what adds its options to a parser, and its function by module and name."""

    help: str
    options: Callable[[Parser], None]
    place: str
    passes_on: bool = False
    """Whether it takes options that it does not know, as `options.passed_on`."""
    keeps_memory: bool = False
    """Whether it runs a network over and over, and has what is freed kept for the next time."""

    @property
    def function(self) -> Callable[[Namespace], int]:
        """What runs it and returns the exit status; imported only now, since it needs what options do not."""
        module, _, name = self.place.rpartition(".")
        function: Callable[[Namespace], int] = getattr(
            import_module(f"resnet_dsl.cli.commands.{module}"), name
        )
        return function


def up_to(limit: Limit) -> Callable[[str], int]:
    """Return what reads an option's whole number, from 0 to a limit."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 30 and int(text) <= limit.most):
            raise argparse.ArgumentTypeError(
                f"a whole number, 0 or more and at most {limit.most:,}, not {text}"
            )
        return int(text)

    return read


def batch(text: str) -> int:
    """Read a number of images, 1 or more; argparse says what is wrong with another."""
    if not (text.isascii() and text.isdigit() and len(text) < 30 and 0 < int(text) <= ARGUMENT.most):
        wanted = f"a whole number, 1 or more and at most {ARGUMENT.most:,}"
        raise argparse.ArgumentTypeError(f"{wanted}, not {text}")
    return int(text)
