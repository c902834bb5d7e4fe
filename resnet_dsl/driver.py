"""The compiler's stages in order; this docstring is the architecture.

read       a path, `-`, or a shipped name            → Source          sources.py
parse      Source                                    → ast.File        syntax/parser.py
declare    ast.File, and the files it uses           → Scope           elaborate/scope.py
elaborate  a model of the Scope and its overrides    → Network         elaborate/
lower      Network                                   → Lowered         analysis/lower.py
reach      Graph: every op must reach an output                        analysis/reachability.py
cost       Graph                                     → Cost            analysis/cost.py
check      `expect:` against Cost                                      elaborate/outputs.py
advise     what is valid and seldom meant                              advice/
optimise   Program, if asked for                     → Program         optimize/
render     Network or Graph                          → source or bytes backends/, one folder each

Each stage knows only those before it. A stage that finds errors raises CompileError with all of
them; warnings travel with the Program.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from resnet_dsl.advice import advise
from resnet_dsl.advice.allowed_codes import misunderstood, without_allowed
from resnet_dsl.advice.hint_trials import Trial
from resnet_dsl.analysis.cost import Cost, cost_of
from resnet_dsl.analysis.lower import Lowered
from resnet_dsl.analysis.reachability import unused
from resnet_dsl.diagnostics.errors import CompileError, Findings, UsageError
from resnet_dsl.diagnostics.model import Diagnostic, Source, Span
from resnet_dsl.diagnostics.suggest import did_you_mean
from resnet_dsl.elaborate import elaborate
from resnet_dsl.elaborate.declared_names import check_declarations
from resnet_dsl.elaborate.elaborator import Elaborator, Env
from resnet_dsl.elaborate.expressions import evaluate
from resnet_dsl.elaborate.library import declare_library
from resnet_dsl.elaborate.outputs import check_expectations, check_size
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.settings import Setting
from resnet_dsl.elaborate.values import Bad, Value, show
from resnet_dsl.elaborate.watching import Watch
from resnet_dsl.ir.shapes import Extent
from resnet_dsl.limits import EVALUATIONS
from resnet_dsl.program import Program
from resnet_dsl.records import replace
from resnet_dsl.shipped import PACKAGE, SUFFIX
from resnet_dsl.sources import DISK, Files, Texts
from resnet_dsl.sources import chosen_model as chosen_model
from resnet_dsl.sources import read as read
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.parser import parse_value

TRIAL_WORK = 50_000


class NoModelError(CompileError):
    """A text that is fine as far as it goes, but declares no model to compile."""


def compile_spec(
    spec: str | Path, model: str | None = None, overrides: Mapping[str, object] | None = None
) -> Program:
    """Take a spec through every stage up to the cost."""
    source, home = read(spec)
    return compile_source(source, home, model or chosen_model(spec), overrides)


def compile_source(
    source: Source,
    home: Path | None = None,
    model: str | None = None,
    overrides: Mapping[str, object] | None = None,
    texts: Texts = DISK,
    watch: Watch | None = None,
) -> Program:
    """Take a text through every stage up to the cost; `home` is the folder `use` starts from.

    `texts` has the files that it uses; `watch` is told of each of its steps.
    """

    def compiled(text: str) -> Program:
        changed = Source(source.name, text)
        return _compiled(changed, home, model, overrides or {}, texts, max_work=TRIAL_WORK)

    trial = Trial(source, compiled)
    try:
        program = _compiled(source, home, model, overrides or {}, texts, watch)
    except NoModelError:
        raise
    except CompileError as error:
        # Where an error is, a warning at the same place is of the same cause.
        wrong = {found.span for found in error.diagnostics if found.severity == "error"}
        shown = [d for d in error.diagnostics if d.severity == "error" or d.span not in wrong]
        shown = list(without_allowed(shown))
        raise CompileError(trial.with_hints_that_help(shown, None)) from error.__cause__
    warnings = without_allowed(program.warnings)
    return replace(program, warnings=trial.with_hints_that_help(warnings, program))


def _compiled(
    source: Source,
    home: Path | None,
    model: str | None,
    overrides: Mapping[str, object],
    texts: Texts,
    watch: Watch | None = None,
    max_work: int = EVALUATIONS.most,
) -> Program:
    findings = Findings()
    scope = Files(findings, _library(), texts).declare(source, home)
    findings.check()
    chosen = _choose(scope, model)
    settings = {name: override(name, value, scope) for name, value in overrides.items()}
    return compile_model(chosen, scope, settings, findings, watch, max_work)


def compile_model(
    chosen: ast.Model,
    scope: Scope,
    settings: dict[str, Setting],
    findings: Findings,
    watch: Watch | None = None,
    max_work: int = EVALUATIONS.most,
) -> Program:
    """Take a model that `scope` declares through the stages behind that; `settings` come before its own."""
    try:
        network, state = elaborate(chosen, scope, settings, _library(), findings, max_work, watch)
    except RecursionError:
        message = "the program is too large: what it says is nested too deeply"
        raise CompileError([Diagnostic("E0501", message, chosen.name_at)]) from None
    except CompileError as error:
        if error.diagnostics != findings.shown:
            raise  # the cause of what was found
        check_declarations(scope, findings)
        raise CompileError(findings.shown) from None
    check_declarations(scope, findings)
    lowered = Lowered(network)
    for diagnostic in unused(lowered.runs, chosen.name_at):
        findings.add(diagnostic)
    findings.check()
    cost = cost_of(lowered.runs)
    check_size(state, cost.params, cost.largest)
    check_expectations(state, figures_of(cost))
    for diagnostic in (*advise(scope, state, lowered), *misunderstood(scope.source)):
        findings.add(diagnostic)
    return Program(network, lowered, cost, findings.shown)


def declared(source: Source, home: Path | None, texts: Texts = DISK) -> tuple[Scope, Findings]:
    """Return what a text declares and uses, and what is wrong with that alone."""
    findings = Findings()
    return Files(findings, _library(), texts).declare(source, home), findings


def check_blocks(source: Source, home: Path | None = None, texts: Texts = DISK) -> tuple[Diagnostic, ...]:
    """Check a file of blocks and constants without a model, and return its warnings.

    Raises NoModelError if it has none of those either, CompileError where something is wrong with one.
    """
    scope, findings = declared(source, home, texts)
    if not (scope.blocks or scope.constants):
        _choose(scope, None)
    check_declarations(scope, findings)
    for diagnostic in misunderstood(source):
        findings.add(diagnostic)
    shown = without_allowed(findings.shown)
    if findings.failed:
        raise CompileError(shown)
    return shown


def figures_of(cost: Cost) -> dict[str, Value]:
    """Return what an `expect:` line may speak of, and a condition of `list`."""
    output = next(iter(cost.output.values()))
    return {
        "params": cost.params,
        "trainable": cost.trainable,
        "buffers": cost.buffers,
        "macs": cost.macs,
        "depth": cost.depth,
        "output": output[0] if len(output) == 1 else output,
    }


def holds(condition: ast.Expr, source: Source, figures: Mapping[str, Value]) -> bool:
    """Whether a comparison in the language holds of figures; raises CompileError if it is none."""
    findings = Findings()
    elaborator = Elaborator(findings, Extent(), evaluate, condition.span)
    held = elaborator.evaluate(condition, Env(Scope(source), names=dict(figures)))
    if not isinstance(held, bool | Bad):
        message = f"a condition is a comparison, not {show(held)}"
        findings.add(Diagnostic("E0206", message, condition.span, hint="`params < 5_000_000`"))
    findings.check()
    return held is True


# --- names -------------------------------------------------------------------------------------


@functools.cache
def _library() -> Scope:
    """The standard library; its models are the defaults of every model."""
    findings = Findings()
    scopes: list[Scope] = []
    for path in sorted((PACKAGE / "library").glob(f"*{SUFFIX}")):
        source = Source(f"library/{path.name}", path.read_text(encoding="utf-8"), ours=True)
        scopes.append(declare_library(source, list(scopes), findings))
    return scopes[-1]


def _choose(scope: Scope, name: str | None) -> ast.Model:
    """The model to compile: the one named, or the only or last one of the file."""
    if name is not None:
        if name in scope.models:
            return scope.models[name][0]
        known = f"there are {', '.join(scope.models)}" if scope.models else "it declares none"
        hint = did_you_mean(name, scope.models) or known
        raise UsageError(f"{scope.source.name}: no model `{name}`; {hint}")
    if not scope.models:
        span = Span(scope.source, 0, 0)
        what = "recipes, and no model" if scope.recipes else "no model"
        hint = "`model name { stages: [2, 2]  block: basic }`"
        if scope.recipes:
            hint = "`train` and `verify` take it; for a network name the `model` of a recipe"
        raise NoModelError([Diagnostic("E0203", f"the file declares {what}", span, hint=hint)])
    stem = Path(scope.source.name).stem
    chosen = scope.models.get(stem) or list(scope.models.values())[-1]
    return chosen[0]


def override(name: str, value: object, scope: Scope) -> Setting:
    """Return a setting from the command line or from Python, in the words of the language."""
    source = Source(f"--set {name}", value if isinstance(value, str) else _spell(value))
    expr = parse_value(source)
    return Setting(expr, scope, expr.span, "field")


def _spell(value: object) -> str:
    """Write a Python value as the language would: sizes and lists from sequences."""
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return value
        case list() | tuple():
            return f"[{', '.join(map(_spell, value))}]"
        case dict():
            return "{ " + "  ".join(f"{name}: {_spell(item)}" for name, item in value.items()) + " }"
        case _:
            raise UsageError(f"a setting cannot be a {type(value).__name__}")
