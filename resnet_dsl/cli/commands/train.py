"""The command `train`: a recipe compiled into a folder, and its script run there."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_dsl.cli.programs import Outcome, parse_settings, say, show_findings
from resnet_dsl.diagnostics.errors import CompileError, UsageError

if TYPE_CHECKING:
    from resnet_dsl.backend.interface import Backend
    from resnet_dsl.recipe.recipe import Recipe

PACKAGES = ("numpy", "PIL", "safetensors")
"""What every script needs beside its framework."""


def train(options: Namespace) -> int:
    """Compile a recipe, then run its script with what is left of the command line; return its status."""
    from resnet_dsl.backend.discovery import find_backend

    recipe = _checked(options)
    if recipe is None:
        return 1
    backend = find_backend(options.backend)
    _check_packages(backend)
    from resnet_dsl.cli.recipe_files import write_recipe

    folder = Path(options.out or f"runs/{recipe.name}-{backend.name}")
    script = write_recipe(recipe, backend, folder, options.force)
    say(options, f"wrote {script}")
    sys.stdout.flush()
    return _run([sys.executable, str(script), "--out", str(folder), *options.passed_on])


def _checked(options: Namespace) -> Recipe | None:
    """The recipe, or None where something is wrong with it, which is shown."""
    from resnet_dsl.recipe.compilation import compile_recipe

    if options.model is not None:
        raise UsageError("--model chooses a network; a recipe says its own, and --set model=NAME another")
    outcome = Outcome(options.warnings)
    recipe = None
    try:
        recipe = compile_recipe(options.spec, options.recipe, parse_settings(options.settings))
        fine = outcome.add(recipe.warnings)
    except CompileError as error:
        fine = outcome.add(error.diagnostics)
    show_findings(outcome, options)
    return recipe if fine else None


def _check_packages(backend: Backend) -> None:
    """Raise UsageError where the backend trains nothing, or packages of its scripts are not there."""
    from resnet_dsl.backend.discovery import lacking, missing_packages, needed

    if backend.recipe_script is None:
        raise UsageError(f"the {backend.name} backend writes no training scripts")
    reason = lacking(backend, "script", backend.recipe_script) or lacking(backend, "runtime", backend.runtime)
    if reason:
        raise UsageError(f"training with {backend.name} {reason}")
    if missing := missing_packages(PACKAGES):
        raise UsageError(f"training {needed(missing, 'resnet-dsl[train]')}")


def _run(command: list[str]) -> int:
    """Run a script to its end; an interruption is the script's, which keeps what there is."""
    with subprocess.Popen(command) as process:
        while True:
            try:
                status = process.wait()
            except KeyboardInterrupt:
                continue  # the script got it too, and ends by itself
            return status if status >= 0 else 128 - status
