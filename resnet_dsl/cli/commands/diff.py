"""The command `diff`: what differs between two networks, in the words of the field."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import TYPE_CHECKING

from resnet_dsl.cli.pictures import format_of, show_picture
from resnet_dsl.cli.programs import STDOUT, Outcome, parse_settings, show_findings
from resnet_dsl.diagnostics.errors import CompileError, UsageError
from resnet_dsl.diagnostics.suggest import did_you_mean
from resnet_dsl.diagnostics.wording import counted

if TYPE_CHECKING:
    from resnet_dsl.compare.comparison_result import Comparison

TEXT, JSON = "text", "json"


def diff(options: Namespace) -> int:
    """Show what differs, or draw it; exit status 1 if something does, 2 if that cannot be said."""
    from resnet_dsl.compare.sides import SideRequest, compare
    from resnet_dsl.zoo.asked import Asked

    if options.a == options.b == "-":
        raise UsageError("standard input is one spec: give the other by its name")
    format = _format(options)  # before anything is looked at
    asked = Asked(key=options.key, prefix=options.prefix, unfold=options.unfold)
    a = SideRequest(options.a, options.model_a, parse_settings(options.settings_a, "--set-a"), asked)
    b = SideRequest(options.b, options.model_b, parse_settings(options.settings_b, "--set-b"), asked)
    try:
        found = compare(a, b)
    except CompileError as error:
        # A status of 1 would say that they differ.
        show_findings(Outcome(diagnostics=list(error.diagnostics)), options)
        return 2
    _show(found, format, options)
    return 0 if found.same else 1


def _format(options: Namespace) -> str:
    """The format that is asked for: of a picture if there is a place to write to."""
    format = str(options.format or (TEXT if options.output is None else format_of(options.output)))
    if format not in (TEXT, JSON):
        _check_picture(format, options.output is not None)
    elif options.output is not None:
        raise UsageError(f"-o is where a picture goes, and {format} is none; there are .svg, .dot, .mmd")
    return format


def _check_picture(format: str, has_place: bool) -> None:
    """Raise UsageError unless there are pictures of a format."""
    from resnet_dsl.drawing.writers import WRITERS, writer

    if has_place or format in WRITERS:
        writer(format)
        return
    known = (TEXT, JSON, *WRITERS)
    hint = did_you_mean(format, known)
    said = f"--format takes {', '.join(known)}, not `{format}`"
    raise UsageError(f"{said}; {hint}" if hint else said)


def _show(found: Comparison, format: str, options: Namespace) -> None:
    from resnet_dsl.compare.comparison_result import difference_facts

    if format == TEXT:
        print(found)
    elif format == JSON:
        print(json.dumps(difference_facts(found), indent=2, ensure_ascii=False))
    else:
        name = f"{found.a.model}-{found.b.model}.{format}"
        told = counted(len(found.differences), "difference")
        show_picture(options, found.draw(format), options.output or STDOUT, name, told)
