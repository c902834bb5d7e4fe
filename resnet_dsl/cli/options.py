"""What a command line says: the command, and its options.

Nothing is imported here but what the options need; the module of a command is imported when it runs.
"""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Iterable, Sequence

from resnet_dsl.cli.command_options import COMMANDS as COMMANDS
from resnet_dsl.cli.parser import Command, Parser, help_formatter
from resnet_dsl.version import __version__

PROGRAM = "resnet-dsl"
COLORS = ("auto", "always", "never")


def parse(argv: Sequence[str]) -> tuple[Command, Namespace]:
    """Read a command line; raises SystemExit where it is wrong or asks for help, as argparse does."""
    parser = _program_parser()
    program = parser.parse_args(argv)
    if program.command is None:
        parser.print_help()
        parser.exit(2)
    name, rest = _name_and_rest(program.command, program.arguments)
    if (group := _group(name)) and rest and rest[0] in ("-h", "--help"):
        print("\n".join(f"{PROGRAM} {member}: {COMMANDS[member].help}" for member in group))
        parser.exit()
    if name not in COMMANDS:
        known = _group(program.command) or list(COMMANDS)
        hint = _closest(name, known) or f"there are {', '.join(known)}"
        parser.error(f"no command `{name}`; {hint}")
    parser = command_parser(name)
    options, unknown = parser.parse_known_args(rest)
    if COMMANDS[name].passes_on:
        options.passed_on, unknown = unknown, []
    if unknown:  # perhaps words behind options; to read those, argparse writes its help first
        options, unknown = parser.parse_known_intermixed_args(rest)
    if unknown:
        parser.error(_unknown(unknown[0], parser))
    options.color = getattr(options, "color", program.color)
    return COMMANDS[name], options


def command_parser(name: str) -> Parser:
    """Return the parser of a command's options."""
    command = COMMANDS[name]
    description = f"{command.help[0].upper()}{command.help[1:]}."
    parser = Parser(
        prog=f"{PROGRAM} {name}", description=description, formatter_class=help_formatter, allow_abbrev=False
    )
    parser.add_argument("--color", choices=COLORS, default=argparse.SUPPRESS, help="colour diagnostics")
    command.options(parser)
    return parser


def _program_parser() -> Parser:
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:<{width}}  {command.help}" for name, command in COMMANDS.items())
    parser = Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [--help] [--version] [--color WHEN] COMMAND …",
        description="One text, the same residual network in PyTorch, Keras and ONNX.",
        epilog=f"commands:\n{listed}\n\n`{PROGRAM} COMMAND --help` says more.",
        formatter_class=help_formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.add_argument("--color", choices=COLORS, default="auto", help="colour diagnostics (default: auto)")
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _name_and_rest(command: str, arguments: list[str]) -> tuple[str, list[str]]:
    """Return the command's name, which may be two words, and what follows it."""
    if _group(command) and arguments and not arguments[0].startswith("-"):
        return f"{command} {arguments[0]}", arguments[1:]
    return command, arguments


def _group(word: str) -> list[str]:
    """Return the commands of two words that start with this one."""
    return [name for name in COMMANDS if name.startswith(f"{word} ")]


def _unknown(argument: str, parser: Parser) -> str:
    if not argument.startswith("-"):
        return f"unexpected argument `{argument}`"
    hint = _closest(argument.split("=")[0], parser.option_names)
    return f"unknown option {argument}" + (f"; {hint}" if hint else "")


def _closest(name: str, known: Iterable[str]) -> str:
    from resnet_dsl.diagnostics.suggest import did_you_mean

    return did_you_mean(name, known)
