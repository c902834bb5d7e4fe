"""The `verify` command: a report to stdout, exit status 1 where something differs."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from resnet_dsl.cli.programs import one_program, parse_settings
from resnet_dsl.cli.supervised import Announce, ProcessDied, supervised
from resnet_dsl.cli.weight_choice import check_asked
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.driver import compile_source, read
from resnet_dsl.ir.arrays import Array
from resnet_dsl.limits import ARGUMENT, DIGITS
from resnet_dsl.program import Program
from resnet_dsl.verify.attempts import Attempts, Failure

if TYPE_CHECKING:  # it needs NumPy, which starts threads: a process with threads is not copied
    from resnet_dsl.verify.case import Sizes


def verify(options: Namespace) -> int:
    """Verify one spec in every backend asked for."""
    sizes, names = _sizes(options.size), _names(options.backends)
    if options.weights is None:
        check_asked(options, "there is no --weights")
    program = one_program(options)  # what is wrong with the spec itself, as every command says it
    if program.original is not None:
        program = program.original.program  # it is optimised at each size
    source, home = program.network.source, read(options.spec)[1] if options.spec != "-" else None
    overrides = parse_settings(options.settings)

    def load(more: Mapping[str, object]) -> Program:
        return compile_source(source, home, program.name, {**overrides, **more})

    def work(dead: tuple[Failure, ...], announce: Announce) -> int:
        from resnet_dsl.verify.report import as_json, as_text
        from resnet_dsl.verify.run import verify as run

        def begin(backend: str, doing: str) -> None:
            announce(backend, doing)
            _say(f"{backend} {doing}" if backend else "")

        state = _weights(options, program) if options.weights else None
        attempts = Attempts(begin, list(dead))
        report = run(
            load, names, options.train_steps, options.seed, state, sizes, attempts, bool(options.optimize)
        )
        print(as_json(report) if options.format == "json" else as_text(report))
        return 0 if report.passed else 1

    return _without_the_dead(work)


def _without_the_dead(work: Callable[[tuple[Failure, ...], Announce], int]) -> int:
    """Verify; a backend of which the process dies is a failure, and the others are verified again."""
    dead: tuple[Failure, ...] = ()
    while True:
        try:
            return supervised(partial(work, dead))
        except ProcessDied as died:
            if not died.backend:
                raise UsageError(f"verification stopped in the referee: {died}") from None
            dead = (*dead, Failure(died.backend, died.doing, str(died)))


def _say(what: str) -> None:
    if what and sys.stderr.isatty():
        print(f"running {what}", file=sys.stderr)


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()] if text else []


def _sizes(texts: list[str]) -> Sizes:
    sizes = []
    for text in texts:
        height, _, width = text.partition("x")
        if not (_is_extent(height) and _is_extent(width)):
            raise UsageError(f"--size takes HxW such as 64x65, not {text}")
        sizes.append((int(height), int(width)))
    return tuple(sizes)


def _is_extent(text: str) -> bool:
    short = text.isascii() and text.isdigit() and len(text) <= DIGITS.most
    return short and 0 < int(text) <= ARGUMENT.most


def _weights(options: Namespace, program: Program) -> Mapping[str, Array]:
    from resnet_dsl.cli.weight_choice import asked
    from resnet_dsl.weights.match_report import WeightsError
    from resnet_dsl.weights.source import examine

    state, report = examine(options.weights, program, asked(options))
    if not report.fits:
        raise WeightsError(report)
    for remark in report.remarks():
        print(f"note: {remark}", file=sys.stderr)
    return state
