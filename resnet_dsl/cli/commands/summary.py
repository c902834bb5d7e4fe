"""The command `summary`: what a model amounts to."""

from __future__ import annotations

from argparse import Namespace

from resnet_dsl.cli.programs import one_program


def summary(options: Namespace) -> int:
    """Show what a model amounts to."""
    from resnet_dsl.printing.summary import summary_json, summary_text

    program = one_program(options)
    if options.format == "json":
        print(summary_json(program))
    else:
        print(summary_text(program, options.layers), end="")
    return 0
