"""Specs compiled for a command, and what is said of them and of the files that are made of them."""

from __future__ import annotations

import re
import sys
from argparse import Namespace
from collections.abc import Iterable
from typing import TYPE_CHECKING

from resnet_dsl.diagnostics.errors import CompileError, UsageError
from resnet_dsl.diagnostics.model import Diagnostic
from resnet_dsl.records import dataclass, field, replace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from resnet_dsl.diagnostics.model import Source
    from resnet_dsl.program import Program
    from resnet_dsl.recipe.recipe import Recipe

STDOUT = "-"
RECIPE = re.compile(r"\brecipe\s+\w+\s*\{")


@dataclass
class Outcome:
    """What became of several specs: the fine ones by name, and everything there is to say.

    `warnings` says what becomes of those: as they are by `default`, as an `error`, or `none`. `blocks`
    are the specs without a model, where those are fine too, `other_recipes` the names of recipes by the
    specs whose model was taken instead.
    """

    warnings: str = "default"
    programs: list[tuple[str, Program]] = field(default_factory=list)
    recipes: list[Recipe] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    other_recipes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, diagnostics: Iterable[Diagnostic]) -> bool:
        """Keep diagnostics; whether none of them is an error. Specs of the same file would repeat some."""
        found = [self._weighed(d) for d in diagnostics if d.severity == "error" or self.warnings != "none"]
        self.diagnostics = list(dict.fromkeys([*self.diagnostics, *found]))
        return all(diagnostic.severity != "error" for diagnostic in found)

    def _weighed(self, diagnostic: Diagnostic) -> Diagnostic:
        return replace(diagnostic, severity="error") if self.warnings == "error" else diagnostic

    @property
    def status(self) -> int:
        """The exit status."""
        if self.problems:
            return 2
        return 1 if any(d.severity == "error" for d in self.diagnostics) else 0


def compiled(specs: Iterable[str], options: Namespace, blocks_alone: bool = False) -> Outcome:
    """Compile every spec, whatever becomes of the others; `blocks_alone` takes files without a model too.

    What has recipes and no model is compiled as a recipe; where blocks alone are fine, a recipe beside a
    model is looked at as well.
    """
    from resnet_dsl.driver import NoModelError, check_blocks, chosen_model, compile_source, read

    settings = parse_settings(options.settings)
    all_of_them = blocks_alone and options.model is None
    blocks_alone = all_of_them and not settings
    outcome = Outcome(options.warnings)
    optimize = getattr(options, "optimize", None)
    for spec in specs:
        try:
            source, home = read(spec)
            if getattr(options, "recipe", None) is not None:
                _add_recipe(outcome, source, home, options.recipe, settings)
                continue
            try:
                program = compile_source(source, home, options.model or chosen_model(spec), settings)
            except NoModelError:
                if options.model is None and _may_declare_recipes(source):
                    _add_recipes(outcome, source, home, settings, all_of_them)
                elif not blocks_alone:
                    raise
                elif outcome.add(check_blocks(source, home)):
                    outcome.blocks.append(spec)
            except CompileError:
                # What is set may have been meant for a recipe.
                if settings and options.model is None and (names := _recipe_names(source, home)):
                    outcome.other_recipes[spec] = names
                raise
            else:
                if outcome.add(program.warnings):
                    outcome.programs.append((spec, optimised(program, optimize)))
                if all_of_them and _may_declare_recipes(source):
                    _add_recipes(outcome, source, home, {}, True)
                elif options.model is None and (names := _recipe_names(source, home)):
                    outcome.other_recipes[spec] = names
        except CompileError as error:
            outcome.add(error.diagnostics)
        except UsageError as error:
            outcome.problems.append(str(error))
    return outcome


def _may_declare_recipes(source: Source) -> bool:
    """Whether the word stands in a text: nothing of recipes is imported for one without it."""
    return "recipe" in source.text and RECIPE.search(source.text) is not None


def _add_recipes(
    outcome: Outcome, source: Source, home: Path | None, settings: Mapping[str, object], every: bool
) -> None:
    """Add the recipes of a text, every one or the one that is meant; raises NoModelError if it has none."""
    from resnet_dsl.driver import check_blocks

    names = _recipe_names(source, home)
    if names:
        for name in names if every else [None]:
            _add_recipe(outcome, source, home, name, settings)
    elif not outcome.programs:
        outcome.add(check_blocks(source, home))


def _recipe_names(source: Source, home: Path | None) -> tuple[str, ...]:
    if not _may_declare_recipes(source):
        return ()
    from resnet_dsl.recipe.compilation import recipe_names

    return recipe_names(source, home)


def _add_recipe(
    outcome: Outcome, source: Source, home: Path | None, name: str | None, settings: Mapping[str, object]
) -> None:
    from resnet_dsl.recipe.compilation import compile_recipe_source

    try:
        recipe = compile_recipe_source(source, home, name, settings)
    except CompileError as error:
        outcome.add(error.diagnostics)
    else:
        if outcome.add(recipe.warnings):
            outcome.recipes.append(recipe)


def parse_settings(texts: Iterable[str], option: str = "--set") -> dict[str, str]:
    """Return what `--set NAME=VALUE` says; the values are still in the language."""
    settings: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (equals and value and name.isidentifier()):
            raise UsageError(f"{option} takes NAME=VALUE, not `{text}`")
        if name in settings:
            raise UsageError(f"{option} {name} is given twice")
        settings[name] = value
    return settings


def show_findings(outcome: Outcome, options: Namespace, diagnostics: bool = True) -> None:
    """Show diagnostics and problems to the person, on stderr."""
    if diagnostics and outcome.diagnostics:
        from resnet_dsl.diagnostics.render.terminal import render_all, wants_color

        print(render_all(outcome.diagnostics, wants_color(options.color, sys.stderr)), file=sys.stderr)
    for problem in outcome.problems:
        print(f"error: {problem}", file=sys.stderr)


def say(options: Namespace, line: str) -> None:
    """Say what was written, unless the person wants to hear nothing of it."""
    if not options.quiet:
        print(line)


def one_program(options: Namespace) -> Program:
    """Compile the one spec of a command and show its warnings; raises CompileError if it is wrong."""
    program = program_of(options.spec, options.model, parse_settings(options.settings))
    show_findings(Outcome(diagnostics=list(program.warnings)), options)
    return optimised(program, getattr(options, "optimize", None))


def program_of(spec: str, model: str | None, settings: Mapping[str, object]) -> Program:
    """Compile a spec; of a file of recipes without a model the network of the recipe that is meant."""
    from resnet_dsl.driver import NoModelError, compile_spec

    try:
        return compile_spec(spec, model, settings)
    except NoModelError as error:
        source = None if error.diagnostics[0].span is None else error.diagnostics[0].span.source
        if model is not None or spec == STDOUT or source is None or not _may_declare_recipes(source):
            raise
        from resnet_dsl.recipe.compilation import compile_recipe

        home = None if source.path is None else source.path.parent
        if not _recipe_names(source, home):
            raise
        return compile_recipe(spec, None, settings).program


def optimised(program: Program, target: str | None) -> Program:
    """Return the form of a program that `--optimize` asks for, itself where it asks for none."""
    if target is None:
        return program
    from resnet_dsl.optimize import for_inference

    return for_inference(program)
