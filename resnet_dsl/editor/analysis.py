"""A text as far as it is understood: its tree, what it declares, what is wrong, the shapes of its steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

from resnet_dsl.diagnostics.errors import CompileError, Findings, UsageError
from resnet_dsl.diagnostics.model import Diagnostic, Source
from resnet_dsl.driver import NoModelError, check_blocks, compile_source, declared
from resnet_dsl.editor.buffers import Buffers
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.watching import Applied
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass, replace
from resnet_dsl.shipped import PACKAGE
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.changes import Change

MAX_MODELS = 100
MAX_APPLIED = 20_000  # steps of one model that are remembered


def always() -> bool:
    """What is asked for is wanted to the end."""
    return True


@dataclass(frozen=True)
class Analysis:
    """What is known of one version of a text; `scope` is None where the text cannot be parsed.

    `programs` are its models as far as they are right, by name, and `applied` the steps that were seen, those
    of files that it uses too, and also of models that are wrong.
    """

    source: Source
    tree: ast.File | None = None
    scope: Scope | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    programs: tuple[tuple[str, Program], ...] = ()
    applied: tuple[Applied, ...] = ()

    @cached_property
    def steps(self) -> tuple[Applied, ...]:
        """The steps of this text that were seen."""
        return tuple(step for step in self.applied if step.span.source == self.source)

    def with_steps_of(self, other: Analysis) -> Analysis:
        """Return the analysis with the steps of this text that were seen where another text uses it."""
        path, text = self.source.path, self.source.text
        seen = (step for step in other.applied if step.span.source.path == path is not None)
        own = (step for step in seen if step.span.source.text == text)
        more = (step._replace(span=replace(step.span, source=self.source)) for step in own)
        return replace(self, applied=(*self.applied, *more))

    def then(self, text: str, offset: int) -> int | None:
        """Return where a place of a later text was in this one; None in what was changed since."""
        if text == self.source.text:
            return offset
        head, tail = Change.between(self.source.text, text)
        if offset <= head:
            return offset
        from_end = len(text) - offset
        return len(self.source.text) - from_end if from_end <= tail else None


def analyses(source: Source, buffers: Buffers, wanted: Callable[[], bool] = always) -> Iterator[Analysis]:
    """Yield what is known of a text, first with the model that `check` takes, then with more of its models.

    It ends early where it is not `wanted` any longer.
    """
    home = None if source.path is None else source.path.parent
    tree = None
    try:
        tree = buffers.tree(source)
        scope, findings = declared(source, home, buffers)
    except CompileError as error:  # perhaps of a file that is used
        yield Analysis(source, tree, diagnostics=error.diagnostics)
        return
    found = Analysis(source, tree, scope, findings.shown)
    names = list(_models(scope))
    if home == PACKAGE / "library":  # what every model has that says nothing is no model by itself
        yield found
        return
    if findings.failed or not names:
        without = found if findings.failed or scope.recipes else _without_models(found, home, buffers)
        yield without if findings.failed else _with_recipes(without, home, buffers)
        return
    for name in names:
        found = _with_model(found, name, home, buffers)
        yield found
        if not wanted():
            return
    if scope.recipes:
        yield _with_recipes(found, home, buffers)


def analysis(source: Source, buffers: Buffers) -> Analysis:
    """Return all that is known of a text."""
    *_, last = analyses(source, buffers)
    return last


def _models(scope: Scope) -> Iterator[str]:
    """The models of a file to look at, that of its name or else the last one first.

    One that needs arguments, or that others are based on, may be no network by itself: those show it.
    """
    whole = [name for name, (model, _) in scope.models.items() if _is_whole(model)][-MAX_MODELS:]
    stem = Path(scope.source.name).stem
    bases = set(_bases(scope))
    chosen = stem if stem in whole else next(reversed(list(scope.models)), "")
    names = [name for name in whole if name == chosen or name not in bases]
    yield from sorted(names, key=lambda name: name != chosen)


def _is_whole(model: ast.Model) -> bool:
    return all(parameter.default is not None for parameter in model.parameters)


def _bases(scope: Scope) -> Iterator[str]:
    for model, _ in scope.models.values():
        for field in model.fields:
            if field.name == "base":
                yield from ast.names(field.value)


def _without_models(found: Analysis, home: Path | None, buffers: Buffers) -> Analysis:
    """The analysis of a file of blocks, or of models that need arguments."""
    try:
        return replace(found, diagnostics=check_blocks(found.source, home, buffers))
    except NoModelError as error:
        patterns = found.scope is not None and found.scope.models
        return found if patterns else replace(found, diagnostics=error.diagnostics)
    except CompileError as error:
        return replace(found, diagnostics=error.diagnostics)


def _with_recipes(found: Analysis, home: Path | None, buffers: Buffers) -> Analysis:
    """The analysis with what is to be said of its recipes."""
    if found.scope is None or not found.scope.recipes:
        return found
    from resnet_dsl.recipe.compilation import check_recipes

    findings = Findings()
    for diagnostic in found.diagnostics:
        findings.add(diagnostic)
    try:
        recipes = check_recipes(found.source, home, buffers)
    except CompileError as error:
        more = error.diagnostics
    except UsageError:
        more = ()
    else:
        more = tuple(warning for recipe in recipes for warning in recipe.warnings)
    for diagnostic in more:
        findings.add(diagnostic)
    return replace(found, diagnostics=findings.shown)


def _with_model(found: Analysis, name: str, home: Path | None, buffers: Buffers) -> Analysis:
    """The analysis with one more model."""
    applied: list[Applied] = []

    def watch(step: Applied) -> None:
        if len(applied) < MAX_APPLIED:
            applied.append(step)

    findings = Findings()
    for diagnostic in found.diagnostics:
        findings.add(diagnostic)
    programs = found.programs
    try:
        program = compile_source(found.source, home, name, texts=buffers, watch=watch)
    except CompileError as error:
        more = error.diagnostics
    except UsageError:
        more = ()
    else:
        more = program.warnings
        programs = (*programs, (name, program))
    for diagnostic in more:
        findings.add(diagnostic)
    steps = (*found.applied, *applied)
    return replace(found, diagnostics=findings.shown, programs=programs, applied=steps)
