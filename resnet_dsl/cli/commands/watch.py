"""The command `watch`: a spec checked again whenever it, or a file that it uses, changes."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from resnet_dsl.cli.programs import STDOUT, Outcome, parse_settings, program_of, show_findings
from resnet_dsl.cli.recipe_choice import asked_recipe
from resnet_dsl.diagnostics.errors import CompileError, UsageError
from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.sources import read
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.parser import parse

PAUSE = 0.2
"""Seconds between two looks. A file that changes between them is still being written."""
CLEARED = "\x1b[2J\x1b[H"

State = Mapping[Path, tuple[int, int, int] | None]


def watch(options: Namespace) -> int:
    """Check a spec and show what is wrong or what it amounts to, again and again until Ctrl-C."""
    if options.spec == STDOUT:
        raise UsageError("standard input cannot be watched; `watch` takes a file")
    parse_settings(options.settings)
    source, _ = read(options.spec)  # a name that is mistyped is not waited for
    spec = source.path or Path(options.spec)
    try:
        for files in states(spec, lambda: time.sleep(PAUSE)):
            _look(options, spec, files)
    except KeyboardInterrupt:
        return 0
    return 0


def states(spec: Path, pause: Callable[[], None]) -> Iterator[State]:
    """Yield the files of a spec as they are, and again whenever one has changed and all are at rest."""
    shown: State | None = None
    while True:
        before = _state(files_of(spec, shown or ()))
        pause()
        if before != shown and before == _state(before):
            shown = before
            yield shown


def files_of(spec: Path, known: Iterable[Path]) -> set[Path]:
    """Return a spec and the files that it uses, there or not; those of before while it cannot be read."""
    found: set[Path] = set()
    left = [spec]
    while left:
        path = left.pop()
        if path in found:
            continue
        found.add(path)
        try:
            left += _uses(path)
        except (CompileError, UsageError):
            found.update(known)
    return found


def _uses(path: Path) -> Iterator[Path]:
    """The files that a file uses; shipped ones do not change."""
    if not path.is_file():
        return
    for declaration in parse(read(path)[0]).declarations:
        if isinstance(declaration, ast.Use) and not declaration.shipped:
            yield (path.parent / declaration.target).resolve()


def _state(files: Iterable[Path]) -> State:
    return {path: _stamp(path) for path in files}


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes with a file: time, size, and which file it is, since editors put another in its place."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


# --- what is shown -----------------------------------------------------------------------------


def _look(options: Namespace, spec: Path, files: State) -> None:
    if sys.stdout.isatty():
        sys.stdout.write(CLEARED)
    if files[spec] is None:
        print(f"waiting for {options.spec}", file=sys.stderr)
    else:
        _check(options)
    sys.stdout.flush()
    if sys.stderr.isatty():
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        print(f"\nwatching {options.spec}{more}; Ctrl-C ends", file=sys.stderr)


def _check(options: Namespace) -> None:
    from resnet_dsl.printing.summary import summary_text

    outcome = Outcome()
    try:
        recipe = asked_recipe(options)
        if recipe is None:
            program = program_of(options.spec, options.model, parse_settings(options.settings))
        else:
            program = recipe.program
    except CompileError as error:
        outcome.add(error.diagnostics)
    except UsageError as error:
        outcome.problems.append(str(error))
    else:
        outcome.add(program.warnings if recipe is None else recipe.warnings)
        print(summary_text(program), end="")
        if recipe is not None:
            from resnet_dsl.recipe.recipe_line import recipe_line

            print(f"\n{printable(recipe_line(recipe))}")
        sys.stdout.flush()
    show_findings(outcome, options)
