"""What may follow where on a command line, read off the parsers that read it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

from resnet_dsl.cli.options import COMMANDS, command_parser
from resnet_dsl.records import dataclass
from resnet_dsl.shipped import SUFFIX

ANY = "*"
TAKES_FILES = {"SPEC": f"{ANY}{SUFFIX}", "FILE": ANY, "PATH": ANY, "SRC": ANY, "DST": ANY}
"""By how a value is called in help, the files that it may be."""
PATHS_ALONE = {"fmt"}
"""Commands that rewrite what they are given: no shipped spec is the caller's to rewrite."""


@dataclass(frozen=True)
class Values:
    """What a value may be: one of `words`, a file of a pattern, a shipped name."""

    words: tuple[str, ...] = ()
    files: str = ""
    shipped: bool = False


@dataclass(frozen=True)
class OfferedOption:
    """An option by its names; `values` is None where it takes none."""

    names: tuple[str, ...]
    help: str
    values: Values | None
    repeatable: bool = False


@dataclass(frozen=True)
class OfferedCommand:
    """A command of one or two words, its options, and what stands without one."""

    name: str
    help: str
    options: tuple[OfferedOption, ...]
    plain: Values


def offered_commands() -> list[OfferedCommand]:
    """Return every command in the order of the help."""
    known = dict(_known())
    return [_command(name, known) for name in COMMANDS]


def first_words(commands: list[OfferedCommand]) -> dict[str, str]:
    """Return what may come first, with its help: commands, and the words that those of two begin with."""
    found: dict[str, str] = {}
    for command in commands:
        group, _, second = command.name.partition(" ")
        known = found.get(group)
        found[group] = command.help if not second else f"{known}, {second}" if known else second
    return found


def second_words(commands: list[OfferedCommand]) -> dict[str, dict[str, str]]:
    """Return by their first word what may follow it, of commands of two words."""
    found: dict[str, dict[str, str]] = {}
    for command in commands:
        group, _, second = command.name.partition(" ")
        if second:
            found.setdefault(group, {})[second] = command.help
    return found


def shipped_names() -> list[str]:
    """Return the names of shipped networks that a command takes as a spec."""
    from resnet_dsl.shipped import known

    return sorted(known())


def _command(name: str, known: Mapping[str, tuple[str, ...]]) -> OfferedCommand:
    options: list[OfferedOption] = []
    plain = Values()
    for action in command_parser(name).actions:
        if action.option_strings:
            options.append(_option(action, known))
        else:
            plain = _values(action, known)
    if name in PATHS_ALONE:
        plain = Values(files=plain.files)
    return OfferedCommand(name, COMMANDS[name].help, tuple(options), plain)


def _option(action: argparse.Action, known: Mapping[str, tuple[str, ...]]) -> OfferedOption:
    values = None if action.nargs == 0 else _values(action, known)
    repeatable = isinstance(action, argparse._AppendAction)
    return OfferedOption(tuple(action.option_strings), action.help or "", values, repeatable)


def _values(action: argparse.Action, known: Mapping[str, tuple[str, ...]]) -> Values:
    if action.choices is not None:
        return Values(tuple(map(str, action.choices)))
    called = str(action.metavar)
    for key in (action.dest, called):
        if key in known:
            return Values(known[key])
    is_spec = called == "SPEC" and action.dest != "output"
    is_name = called == "NAME" and not action.option_strings
    return Values(files=TAKES_FILES.get(called, ""), shipped=is_spec or is_name)


def _known() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield what some values may be, by how the option or its value is called."""
    from resnet_dsl.backend.discovery import backend_names
    from resnet_dsl.cli.commands.compile import STAGES
    from resnet_dsl.diagnostics.codes import PAGES
    from resnet_dsl.drawing.writers import WRITERS
    from resnet_dsl.zoo.asked import FORMS
    from resnet_dsl.zoo.name_maps import known_libraries

    backends = tuple(backend_names())
    yield "backend", (*backends, "all")
    yield "backends", backends
    yield "emit", (*STAGES, *backends)
    yield "format", tuple(WRITERS)  # of pictures; other formats are choices
    yield "LIBRARY", tuple(known_libraries())
    yield "CODE", tuple(PAGES)
    yield "FORMS", tuple(FORMS)
