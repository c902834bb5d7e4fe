"""The recipe that a command is about: the one that is named, or that of a file with recipes alone."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from resnet_dsl.cli.programs import STDOUT, Outcome, parse_settings, show_findings
from resnet_dsl.diagnostics.errors import CompileError, UsageError
from resnet_dsl.driver import declared, read

if TYPE_CHECKING:
    from pathlib import Path

    from resnet_dsl.diagnostics.model import Source
    from resnet_dsl.recipe.recipe import Recipe

WORD = "recipe"


def chosen_recipe(options: Namespace) -> Recipe | None:
    """Return the recipe that is asked for, if any; its warnings are shown. Raises CompileError."""
    recipe = asked_recipe(options)
    if recipe is not None:
        show_findings(Outcome(diagnostics=list(recipe.warnings)), options)
    return recipe


def asked_recipe(options: Namespace) -> Recipe | None:
    """Return the recipe of `--recipe`, or that of a spec that declares recipes and no model; else None.

    Raises CompileError for one that is wrong.
    """
    name = getattr(options, "recipe", None)  # not all commands have the option
    if name is None and (options.model is not None or options.spec == STDOUT):
        return None
    if name is not None and options.model is not None:
        raise UsageError("a recipe has its model: leave out --model, or --recipe")
    source, home = read(options.spec)
    if name is None and not (WORD in source.text and _declares_recipes_alone(source, home)):
        return None
    from resnet_dsl.recipe.compilation import compile_recipe_source

    return compile_recipe_source(source, home, name, parse_settings(options.settings))


def _declares_recipes_alone(source: Source, home: Path | None) -> bool:
    try:
        scope, _ = declared(source, home)
    except CompileError:
        return False
    return bool(scope.recipes) and not scope.models
