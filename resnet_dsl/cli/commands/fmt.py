"""The command `fmt`: specs rewritten in the canonical form."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from resnet_dsl.cli.programs import STDOUT, Outcome, show_findings
from resnet_dsl.diagnostics.errors import CompileError, UsageError
from resnet_dsl.diagnostics.model import Source


def fmt(options: Namespace) -> int:
    """Rewrite specs in the canonical form; nothing is written unless all can be read."""
    from resnet_dsl.backend.writing import Artefact, write_whole
    from resnet_dsl.syntax.formatter.format import format_source

    outcome, done = Outcome(), []
    for spec in options.specs:
        try:
            source = _read_to_format(spec)
            done.append((spec, source.text, format_source(source)))
        except CompileError as error:
            outcome.add(error.diagnostics)
        except UsageError as error:
            outcome.problems.append(str(error))
    show_findings(outcome, options)
    if outcome.status:
        return outcome.status
    changed = [item for item in done if item[1] != item[2]]
    if options.check or options.diff:
        for item in changed:
            print(_difference(*item) if options.diff else f"would rewrite {item[0]}")
        return 1 if changed else 0
    for spec, _, text in done:
        if spec == STDOUT:
            print(text, end="")
    for spec, _, text in (item for item in changed if item[0] != STDOUT):
        write_whole(Artefact(Path(spec), text))
        if not options.quiet:
            print(f"rewrote {spec}", file=sys.stderr if STDOUT in options.specs else sys.stdout)
    return 0


def _read_to_format(spec: str) -> Source:
    """Read what `fmt` is given: never a shipped name, since those are not the caller's to rewrite."""
    from resnet_dsl.driver import read

    if spec != STDOUT and not Path(spec).is_file():
        problem = "is a directory" if Path(spec).is_dir() else "no such file"
        raise UsageError(f"{spec}: {problem}")
    return read(spec)[0]


def _difference(spec: str, before: str, after: str) -> str:
    import difflib

    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), spec, f"{spec} (formatted)", lineterm=""
    )
    return "\n".join(lines)
