"""The `verify` command: a report to stdout, exit status 1 where something differs."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING

from resnet_dsl.backend.discovery import missing_packages, needed
from resnet_dsl.cli.programs import one_program
from resnet_dsl.cli.progress_line import progress_shown
from resnet_dsl.cli.recipe_choice import chosen_recipe
from resnet_dsl.cli.verification_progress import VerificationProgress
from resnet_dsl.cli.weight_choice import check_asked
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.driver import compile_source
from resnet_dsl.ir.arrays import Array
from resnet_dsl.limits import ARGUMENT, DIGITS
from resnet_dsl.program import Program
from resnet_dsl.verify.supervised import Announce, ProcessDied, supervised

if TYPE_CHECKING:  # it needs NumPy, which starts threads: a process with threads is not copied
    from resnet_dsl.recipe.recipe import Recipe
    from resnet_dsl.verify.case import Sizes


def verify(options: Namespace) -> int:
    """Verify one spec, or the scripts of a recipe, in every backend asked for."""
    recipe = chosen_recipe(options)
    if recipe is not None:
        return _verify_recipe(options, recipe)
    for option in ("steps", "data", "random"):
        if getattr(options, option) not in (None, False):
            raise UsageError(f"--{option} is about a recipe, and none is named with --recipe")
    sizes, names = _sizes(options.size), _names(options.backends)
    if options.weights is None:
        check_asked(options, "there is no --weights")
    program = one_program(options)  # what is wrong with the spec itself, as every command says it
    if program.original is not None:
        program = program.original.program  # it is optimised at each size
    source, overrides = program.network.source, dict(program.network.settings)  # perhaps those of a recipe
    home = None if source.path is None else source.path.parent

    def load(more: Mapping[str, object]) -> Program:
        return compile_source(source, home, program.name, {**overrides, **more})

    def work(announce: Announce) -> int:
        _one_thread()
        from resnet_dsl.verify.report import as_json, as_text
        from resnet_dsl.verify.run import runners
        from resnet_dsl.verify.run import verify as run

        state = _weights(options, program) if options.weights else None
        engines, steps = options.engines == "all", options.train_steps
        optimize = bool(options.optimize)
        with progress_shown():
            progress = VerificationProgress(runners(names, engines)[0], steps)

            def begin(backend: str, doing: str) -> None:
                announce(backend, doing)
                progress.begin(backend, doing)

            report = run(
                load, names, steps, options.seed, state, sizes, begin, engines, apart=True, optimize=optimize
            )
        progress.end()
        print(as_json(report) if options.format == "json" else as_text(report))
        return 0 if report.passed else 1

    try:
        return supervised(work)
    except ProcessDied as died:
        where = f"{died.backend}, {died.doing}" if died.backend else "the referee"
        raise UsageError(f"verification stopped in {where}: {died}") from None


def _verify_recipe(options: Namespace, recipe: Recipe) -> int:
    for option, usual in (("train_steps", 0), ("size", []), ("optimize", None), ("weights", None)):
        if getattr(options, option) != usual:
            words = option.replace("_", "-")
            raise UsageError(f"--{words} is about a network; a recipe has --steps, --data and --random")
    if missing := missing_packages(("numpy", "PIL")):
        raise UsageError(f"a recipe {needed(missing, 'resnet-dsl[train]')}")
    _one_thread()
    from resnet_dsl.verify.recipe_report import recipe_json, recipe_text
    from resnet_dsl.verify.recipe_run import STEPS, verify_recipe

    steps = STEPS if options.steps is None else options.steps
    with progress_shown():
        report = verify_recipe(recipe, steps, _names(options.backends), options.data, options.random)
    print(recipe_json(report) if options.format == "json" else recipe_text(report))
    return 0 if report.passed else 1


def _one_thread() -> None:
    """Have a thread a process: backends have a process each, and only one with a single thread is copied."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"


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
