"""The command line from start to end: the command runs, and its end is reported.

Results go to stdout, diagnostics to stderr. Exit status: 0 fine; 1 the spec is wrong; 2 usage or
I/O. Only the command that runs is imported, so that starting costs next to nothing.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from resnet_dsl.cli.options import parse

# What is made lives as long as the program: looking through it for cycles every 700 objects finds none.
GARBAGE = 100_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    ours = argv is None  # whether the process is; given arguments, it is that of who calls
    if ours:
        gc.set_threshold(GARBAGE)
    _take_the_place_of_closed_streams()
    _spell_out_what_cannot_be_encoded()
    try:
        status = _run(sys.argv[1:] if argv is None else list(argv), ours)
        if ours:
            gc.freeze()  # the end of the process has no use for a last search either
        sys.stdout.flush()
        sys.stderr.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _let_go_of_output()
        return 2
    except Exception as error:
        # Only output is left to fail, and stderr may be what failed.
        with suppress(OSError):
            _ended_by(error)
            sys.stderr.flush()
        _let_go_of_output()
        return 2
    return status


def _run(argv: Sequence[str], ours: bool) -> int:
    try:
        command, options = parse(argv)
    except SystemExit as stop:  # argparse ends this way, after --help too
        return stop.code if isinstance(stop.code, int) else 2
    try:
        if ours and command.keeps_memory:
            from resnet_dsl.training.process_memory import keep_memory

            keep_memory()
        return command.function(options)
    except BrokenPipeError:
        raise
    except Exception as error:
        return _ended_by(error, options.color)


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
    if isinstance(error, MemoryError):
        print("error: there is not enough memory for this", file=sys.stderr)
        return 2
    if os.environ.get("RESNET_DSL_TRACEBACK") == "1":
        import traceback

        traceback.print_exception(error)
    message = " ".join(str(error).split())
    print(f"internal error: {type(error).__name__}: {message}; please report", file=sys.stderr)
    return 2


def _take_the_place_of_closed_streams() -> None:
    """Open what the caller closed (`>&-`), so that no file of ours gets its number.

    What goes to a closed stdout is an error, as on a full disk; of a closed stderr nobody wants to know.
    """
    flags = {"stdin": os.O_RDONLY, "stdout": os.O_RDONLY, "stderr": os.O_WRONLY}
    for number, (name, flag) in enumerate(flags.items()):
        if getattr(sys, name) is not None:
            continue
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flag)  # the lowest number that is free
        if name != "stdin":
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def _let_go_of_output() -> None:
    """Send what is still buffered nowhere: the interpreter would complain of it once more at its exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())


def _spell_out_what_cannot_be_encoded() -> None:
    """A terminal without UTF-8 shows escapes instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None and str(stream.encoding).lower() not in ("utf-8", "utf8"):
            reconfigure(errors="backslashreplace")
