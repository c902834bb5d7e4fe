"""The `verify` command: a report to stdout, exit status 1 where something differs."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping

from resnet_dsl.cli.programs import one_program, parse_settings
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.driver import compile_source, read
from resnet_dsl.ir.arrays import Array
from resnet_dsl.program import Program
from resnet_dsl.verify.case import Sizes


def verify(options: Namespace) -> int:
    """Verify one spec in every backend asked for."""
    sizes, names = _sizes(options.size), _names(options.backends)
    if options.train_steps < 0:
        raise UsageError("--train-steps takes a number of steps")
    if options.weights is None and (options.from_library is not None or options.called):
        raise UsageError("--from and --name say what the weights are called, and there is no --weights")
    program = one_program(options)  # what is wrong with the spec itself, as every command says it
    source, home = program.network.source, read(options.spec)[1] if options.spec != "-" else None
    overrides = parse_settings(options.settings)

    def load(more: Mapping[str, object]) -> Program:
        return compile_source(source, home, options.model, {**overrides, **more})

    from resnet_dsl.verify.report import as_json, as_text
    from resnet_dsl.verify.run import verify as run

    state = _weights(options, program) if options.weights else None
    report = run(load, names, options.train_steps, options.seed, state, sizes, _say)
    print(as_json(report) if options.format == "json" else as_text(report))
    return 0 if report.passed else 1


def _say(what: str) -> None:
    if sys.stderr.isatty():
        print(f"running {what}", file=sys.stderr)


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()] if text else []


def _sizes(texts: list[str]) -> Sizes:
    sizes = []
    for text in texts:
        height, _, width = text.partition("x")
        if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
            raise UsageError(f"--size takes HxW such as 64x65, not {text}")
        sizes.append((int(height), int(width)))
    return tuple(sizes)


def _weights(options: Namespace, program: Program) -> Mapping[str, Array]:
    from resnet_dsl.cli.weight_choice import names_of_layers
    from resnet_dsl.weights.match_report import WeightsError
    from resnet_dsl.weights.source import examine

    called = names_of_layers(options.called)
    state, report = examine(options.weights, program, options.from_library, called=called)
    if not report.fits:
        raise WeightsError(report)
    for remark in report.remarks():
        print(f"note: {remark}", file=sys.stderr)
    return state
