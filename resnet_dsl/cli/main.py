"""The command line: which command runs with which options, and how it ends.

Results go to stdout, diagnostics to stderr. Exit status: 0 fine; 1 the spec is wrong; 2 usage or
I/O. Only the command that runs is imported, so that starting costs next to nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Any, NamedTuple, NoReturn

from resnet_dsl.version import __version__

Parser = argparse.ArgumentParser
PROGRAM = "resnet-dsl"
COLORS = ("auto", "always", "never")


class Command(NamedTuple):
    """A command: a line of help, the options it adds to its parser, the function (in its module)."""

    help: str
    arguments: Callable[[Parser], None]
    function: str


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    _spell_out_what_cannot_be_encoded()
    try:
        status = _run(sys.argv[1:] if argv is None else list(argv))
        sys.stdout.flush()
    except SystemExit as stop:  # argparse ends this way, after --help too
        status = stop.code if isinstance(stop.code, int) else 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Nobody reads on; without this the interpreter would complain once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except Exception as error:
        return _ended_by(error)
    return status


def _run(argv: list[str]) -> int:
    options = _global_parser().parse_args(argv)
    if options.command is None:
        _global_parser().print_help()
        return 2
    words, rest = _words(options.command, options.arguments)
    if (group := _group(words)) and rest and rest[0] in ("-h", "--help"):
        print("\n".join(f"{PROGRAM} {name}: {COMMANDS[name].help}" for name in group))
        return 0
    parser, command = _command_parser(words)
    arguments, unknown = parser.parse_known_intermixed_args(rest)
    if unknown:
        parser.error(_unknown(unknown[0], parser))
    arguments.color = getattr(arguments, "color", options.color)
    # A command's module is imported only now: it needs what the options alone do not.
    module, _, name = command.function.rpartition(".")
    function: Callable[[argparse.Namespace], int] = getattr(
        import_module(f"resnet_dsl.cli.commands.{module}"), name
    )
    try:
        return function(arguments)
    except Exception as error:
        return _ended_by(error, arguments.color)


def _words(command: str, arguments: list[str]) -> tuple[str, list[str]]:
    """Return the command's name, which may be two words, and what follows it."""
    if _group(command) and arguments and not arguments[0].startswith("-"):
        return f"{command} {arguments[0]}", arguments[1:]
    return command, arguments


def _group(word: str) -> list[str]:
    """Return the commands of two words that start with this one."""
    return [name for name in COMMANDS if name.startswith(f"{word} ")]


def _ended_by(error: Exception, color: str = "auto") -> int:
    """Report an exception in the words of the person who caused it; a traceback only on request."""
    from resnet_dsl.diagnostics.errors import CompileError, UsageError
    from resnet_dsl.weights.match_report import WeightsError

    if isinstance(error, WeightsError):
        print(f"error: {error}", file=sys.stderr)
        return 1
    if isinstance(error, UsageError):
        print(f"error: {error}", file=sys.stderr)
        return 2
    if isinstance(error, CompileError):
        from resnet_dsl.diagnostics.render.terminal import render_all, wants_color

        print(render_all(error.diagnostics, wants_color(color, sys.stderr)), file=sys.stderr)
        return 1
    if isinstance(error, OSError):
        print(f"error: {error.filename or 'output'}: {error.strerror or error}", file=sys.stderr)
        return 2
    if os.environ.get("RESNET_DSL_TRACEBACK") == "1":
        import traceback

        traceback.print_exception(error)
    message = " ".join(str(error).split())
    print(f"internal error: {type(error).__name__}: {message}; please report", file=sys.stderr)
    return 2


def _spell_out_what_cannot_be_encoded() -> None:
    """A terminal without UTF-8 shows escapes instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None and str(stream.encoding).lower() not in ("utf-8", "utf8"):
            reconfigure(errors="backslashreplace")


# --- parsers -----------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; options are never abbreviated."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """End with a usage error."""
        self.exit(2, f"error: {message}\nfor help: {self.prog} --help\n")


def _global_parser() -> Parser:
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:<{width}}  {command.help}" for name, command in COMMANDS.items())
    parser = _Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [--help] [--version] [--color WHEN] COMMAND …",
        description="One text, the same residual network in PyTorch, Keras and ONNX.",
        epilog=f"commands:\n{listed}\n\n`{PROGRAM} COMMAND --help` says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.add_argument("--color", choices=COLORS, default="auto", help="colour diagnostics (default: auto)")
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _command_parser(name: str) -> tuple[Parser, Command]:
    if name not in COMMANDS:
        known = _group(name.partition(" ")[0]) or list(COMMANDS)
        hint = _closest(name, known) or f"there are {', '.join(known)}"
        _global_parser().error(f"no command `{name}`; {hint}")
    command = COMMANDS[name]
    parser = _Parser(prog=f"{PROGRAM} {name}", description=f"{command.help[0].upper()}{command.help[1:]}.")
    parser.add_argument("--color", choices=COLORS, default=argparse.SUPPRESS, help="colour diagnostics")
    command.arguments(parser)
    return parser, command


def _unknown(argument: str, parser: Parser) -> str:
    if not argument.startswith("-"):
        return f"unexpected argument `{argument}`"
    hint = _closest(argument.split("=")[0], parser._option_string_actions)
    return f"unknown option {argument}" + (f"; {hint}" if hint else "")


def _closest(name: str, known: Iterable[str]) -> str:
    from resnet_dsl.diagnostics.suggest import did_you_mean

    return did_you_mean(name, known)


# --- options -----------------------------------------------------------------------------------


def _specs(parser: Parser) -> None:
    parser.add_argument("specs", metavar="SPEC", nargs="+", help="a path, `-`, or a shipped name")
    _settings(parser)


def _spec(parser: Parser) -> None:
    parser.add_argument("spec", metavar="SPEC", help="a path, `-`, or a shipped name")
    _settings(parser)


def _settings(parser: Parser) -> None:
    parser.add_argument(
        "--set", dest="settings", metavar="NAME=VALUE", action="append", default=[],
        help="set a parameter or field of the model",
    )  # fmt: skip
    parser.add_argument("--model", metavar="NAME", help="the model, of a file with several")


def _format(parser: Parser, *names: str) -> None:
    parser.add_argument("--format", choices=names, default=names[0], help=f"(default: {names[0]})")


def _compile(parser: Parser) -> None:
    _specs(parser)
    parser.add_argument("--backend", metavar="NAME", help="torch, keras, onnx, … or all")
    parser.add_argument("--emit", metavar="STAGE", help="ast, network, graph or a backend, to stdout")
    parser.add_argument("-o", "--output", metavar="PATH", help="a file, a folder, or `-` for stdout")
    parser.add_argument("--weights", metavar="FILE", help="write these weights into or beside the artefacts")
    parser.add_argument("--seed", metavar="N", type=int, help="write the initial weights of this seed")
    parser.add_argument("--names", metavar="LIBRARY", help="call layers as keras.applications, timm, … do")
    _partial(parser)
    _force(parser)


def _partial(parser: Parser) -> None:
    parser.add_argument(
        "--partial", action="store_true", help="load the weights that fit, start the rest from the seed"
    )


def _force(parser: Parser) -> None:
    parser.add_argument("--force", action="store_true", help="overwrite files that are not ours")


def _check(parser: Parser) -> None:
    _specs(parser)
    _format(parser, "text", "json", "github", "sarif")


def _summary(parser: Parser) -> None:
    _spec(parser)
    _format(parser, "text", "json")
    parser.add_argument("--layers", action="store_true", help="a line for each op")


def _list(parser: Parser) -> None:
    _format(parser, "text", "json")


def _expand(parser: Parser) -> None:
    _spec(parser)
    _format(parser, "network", "graph", "ast")


def _verify(parser: Parser) -> None:
    _spec(parser)
    parser.add_argument("--backends", metavar="NAMES", help="torch,keras,onnx (default: all installed)")
    parser.add_argument(
        "--train-steps", metavar="K", type=int, default=0, help="compare K steps of SGD too, in float64"
    )
    parser.add_argument("--weights", metavar="FILE", help="weights to use in place of random ones")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of weights and inputs (default: 0)")
    parser.add_argument(
        "--size", metavar="HxW", action="append", default=[], help="an input size, repeatable"
    )
    _format(parser, "text", "json")


def _weights_init(parser: Parser) -> None:
    _spec(parser)
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="its suffix is the format")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="(default: 0)")
    _force(parser)


def _weights_inspect(parser: Parser) -> None:
    parser.add_argument("file", metavar="FILE", help="a file of weights")
    parser.add_argument("--spec", metavar="SPEC", help="compare with this model")
    _from(parser)
    _settings(parser)
    _format(parser, "text", "json")


def _from(parser: Parser) -> None:
    parser.add_argument(
        "--from", dest="from_library", metavar="LIBRARY",
        help="its names are those of keras.applications, timm, …",
    )  # fmt: skip


def _weights_convert(parser: Parser) -> None:
    parser.add_argument("source", metavar="SRC", help="a file of weights")
    parser.add_argument("target", metavar="DST", help="the file to write; its suffix is the format")
    parser.add_argument("--spec", metavar="SPEC", required=True, help="the model they are weights of")
    _from(parser)
    parser.add_argument(
        "--to", dest="to_library", metavar="LIBRARY", help="write the names of timm, torchvision, …"
    )
    _settings(parser)
    _partial(parser)
    parser.add_argument("--seed", metavar="N", type=int, help="with --partial: starts the rest (default: 0)")
    _force(parser)


def _import(parser: Parser) -> None:
    parser.add_argument("file", metavar="FILE", help="a file of weights, or an ONNX model")
    parser.add_argument("-o", "--output", metavar="SPEC", help="the file to write (default: stdout)")
    parser.add_argument("--name", metavar="NAME", help="the model's name (default: after the file's)")
    parser.add_argument("--stride-on", choices=("conv1", "conv2"), help="of bottlenecks: v1 or v1.5")
    parser.add_argument(
        "--shortcut", metavar="BLOCK", help="where no tensor tells: A, 'A(side=both)', none, …"
    )
    parser.add_argument("--input", metavar="CxHxW", help="the input's size")
    parser.add_argument(
        "--set", dest="settings", metavar="NAME=VALUE", action="append", default=[],
        help="a field of the spec as you know it",
    )  # fmt: skip
    _force(parser)


def _gen_test(parser: Parser) -> None:
    _spec(parser)
    parser.add_argument("--backends", metavar="NAMES", help="torch,keras,onnx (default: all there are)")
    parser.add_argument("-o", "--output", metavar="PATH", help="a file or a folder (default: here)")
    parser.add_argument("--force", action="store_true", help="overwrite a file that is not ours")


def _fmt(parser: Parser) -> None:
    parser.add_argument("specs", metavar="SPEC", nargs="+", help="a path, or `-` for stdin to stdout")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if something would")
    parser.add_argument("--diff", action="store_true", help="change nothing; show what would")


def _nothing(parser: Parser) -> None:
    """For a command without options."""


def _explain(parser: Parser) -> None:
    parser.add_argument("code", metavar="CODE", nargs="?", help="such as E0301; all are listed without it")


COMMANDS = {
    "compile": Command("check specs, then write the artefacts of a backend", _compile, "compile.compile_"),
    "check": Command("report what is wrong with specs", _check, "check.check"),
    "summary": Command("show stages, parameters, multiply-adds and memory", _summary, "summary.summary"),
    "list": Command("list the shipped specs", _list, "list.list_"),
    "expand": Command("show the program after elaboration", _expand, "expand.expand"),
    "verify": Command("prove that every backend gives the same numbers", _verify, "verify.verify"),
    "weights init": Command("write a model's initial weights", _weights_init, "weights.init"),
    "weights inspect": Command("show what a file of weights holds", _weights_inspect, "weights.inspect"),
    "weights convert": Command("rewrite weights in another format", _weights_convert, "weights.convert"),
    "import": Command("restore the spec from weights or an ONNX model", _import, "import_.import_"),
    "gen-test": Command("write a test that proves your artefacts identical", _gen_test, "gen_test.gen_test"),
    "fmt": Command("rewrite specs in the canonical form", _fmt, "fmt.fmt"),
    "backends": Command("list the backends and what each needs", _nothing, "backends.backends"),
    "explain": Command("explain the code of a diagnostic", _explain, "explain.explain"),
}
