"""A text checked as `check` does: its model, and every recipe."""

from __future__ import annotations

from pathlib import Path

from resnet_dsl.cli.programs import RECIPE
from resnet_dsl.diagnostics.model import Diagnostic, Source
from resnet_dsl.driver import NoModelError, compile_source
from resnet_dsl.program import Program
from resnet_dsl.recipe.compilation import check_recipes


def checked(source: Source, home: Path | None) -> tuple[list[Program], tuple[Diagnostic, ...]]:
    """Return the networks of a text, and its warnings; raises CompileError."""
    if RECIPE.search(source.text) is None:
        program = compile_source(source, home)
        return [program], program.warnings
    recipes = check_recipes(source, home)
    found = [warning for recipe in recipes for warning in recipe.warnings]
    programs = [recipe.program for recipe in recipes]
    try:
        programs.append(compile_source(source, home))
        found += programs[-1].warnings
    except NoModelError:
        assert recipes
    return programs, tuple(dict.fromkeys(found))
