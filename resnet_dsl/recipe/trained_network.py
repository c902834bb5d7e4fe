"""The network of a recipe: its `model`, by name or with settings, compiled as any model is."""

from __future__ import annotations

from resnet_dsl.diagnostics.errors import CompileError, Findings
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_model, declared
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.settings import Setting
from resnet_dsl.elaborate.values import Bad, show
from resnet_dsl.program import Program
from resnet_dsl.recipe.reader import RecipeReader, listed
from resnet_dsl.shipped import file_of, known
from resnet_dsl.sources import DISK
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.parser import parse_value

EXAMPLE = "`model: NAME`, or with settings, `model: NAME(classes=10)`"


def trained_network(
    reader: RecipeReader, item: ast.Field, overrides: dict[str, Setting], max_work: int
) -> Program | None:
    """Return the network that a recipe trains, or None after an error."""
    value = item.value
    callee = value.callee if isinstance(value, ast.Call) else value
    if not isinstance(callee, ast.Name):
        reader.error("E0204", "`model` must be the name of a model", value.span, EXAMPLE)
        return None
    scope = reader.lineage.scope_at(callee.span)
    found = _declared(scope, callee.id)
    if found is None:
        hint = reader.elaborator.suggest(callee.id, (*scope.model_names(), *known()))
        reader.error("E0201", f"there is no model `{callee.id}`", callee.span, hint)
        return None
    model, home = found
    given = _settings(reader, model, value) if isinstance(value, ast.Call) else {}
    if given is None:
        return None
    try:
        return compile_model(model, home, {**given, **overrides}, Findings(), max_work=max_work)
    except CompileError as error:
        for diagnostic in error.diagnostics:
            reader.findings.add(diagnostic)
        return None


def _declared(scope: Scope, name: str) -> tuple[ast.Model, Scope] | None:
    """The model of a name: of the file, of one it uses, or shipped."""
    found = scope.find_model(name)
    if found is not None and not found[1].source.ours:
        return found
    path = file_of(name)
    if path is None:
        return None
    shelf, findings = declared(DISK.read(path, path.name), path.parent)
    findings.check()
    return shelf.models.get(name) or next(reversed(list(shelf.models.values())), None)


def _settings(reader: RecipeReader, model: ast.Model, call: ast.Call) -> dict[str, Setting] | None:
    """What the call of a model sets: its parameters by place, and those and fields by name."""
    names = [parameter.name for parameter in model.parameters]
    named = [argument.name for argument in call.arguments if argument.name is not None]
    places = [argument for argument in call.arguments if argument.name is None]
    if len(places) > len(names) and not isinstance(places[len(names)].value, ast.Rest):
        known = listed(names) or "none"
        message = f"too many arguments: model `{model.name}` takes {known} by their places"
        reader.error("E0202", message, places[len(names)].span)
        return None
    takes = tuple(dict.fromkeys((*names, *named)))  # what is no field of the model, it says itself
    settings: dict[str, Setting] = {}
    for name, argument in reader.arguments(f"model `{model.name}`", takes, call.arguments):
        if name is None:
            return None
        at = argument.name_at if argument.name else argument.span
        value = _with_constants(reader, argument.value)
        settings[name] = Setting(value, reader.lineage.scope_at(value.span), value.span, "field", name_at=at)
    return settings


def _with_constants(reader: RecipeReader, value: ast.Expr) -> ast.Expr:
    """What is computed from constants of the recipe's file, as a literal: the model may have such names."""
    names = set(ast.names(value))
    found = (reader.lineage.scope_at(value.span).declared(name) for name in names)
    if not names or not all(each is not None and isinstance(each[1], ast.Const) for each in found):
        return value
    computed = reader.value(value)
    text = value.span.source.text[value.span.start : value.span.end]
    return value if isinstance(computed, Bad) else parse_value(Source(text, show(computed)))
