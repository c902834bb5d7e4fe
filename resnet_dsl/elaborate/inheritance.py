"""The layers of settings of a model: its own, and those of the models it is based on."""

from __future__ import annotations

from resnet_dsl.diagnostics.model import Label
from resnet_dsl.diagnostics.suggest import close_names
from resnet_dsl.elaborate.model_state import ModelState
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.settings import Setting, layer_of
from resnet_dsl.limits import BASES
from resnet_dsl.shipped import known as on_shelf
from resnet_dsl.syntax import ast


def layers(
    state: ModelState, model: ast.Model, scope: Scope, overrides: dict[str, Setting]
) -> list[dict[str, Setting]]:
    """The layers of a model and of those it is based on, nearest first."""
    layers, seen = [], [model]
    while True:
        layer = layer_of(model, scope)
        layers.append(layer)
        base = layer.pop("base", None)
        if base is None or base.value is None:
            return layers
        state.settings.read.add("base")
        callee = base.value.callee if isinstance(base.value, ast.Call) else base.value
        found = scope.find_model(callee.id) if isinstance(callee, ast.Name) else None
        if found is None:
            _unknown_base(state, model, callee, scope)
            state.findings.check()  # whatever else is missing may be the base's to set
            return layers
        model, home = found
        if len(seen) >= BASES.most:
            message = f"models are based on each other more than {BASES.most} levels deep"
            state.error(BASES.code, message, base.value_at)
            state.findings.check()
        if any(model is other for other in seen):
            names = [other.name for other in (*seen, model)]
            way = " -> ".join(names[names.index(model.name) :])
            state.error("E0209", f"model `{model.name}` is based on itself: {way}", base.value_at)
            state.findings.check()
            return layers
        seen.append(model)
        if isinstance(base.value, ast.Call):
            layers.append(_base_arguments(state, base.value, model, scope))
        scope = home


def _unknown_base(state: ModelState, model: ast.Model, callee: ast.Expr, scope: Scope) -> None:
    what, hint = "`base`", "`base: name_of_a_model`"
    if isinstance(model, ast.Row):
        what, hint = f"`{model.name}`", f"`model {model.name} = name_of_a_model(…)`"
    if not isinstance(callee, ast.Name):
        state.error("E0204", f"{what} must be the name of a model", callee.span, hint)
        return
    name = callee.id
    if name in scope.names():
        state.error("E0206", f"{what} must be a model; `{name}` is none", callee.span)
        return
    hint = state.elaborator.suggest(name, scope.model_names())
    if not hint and (shelf := close_names(name, on_shelf())):
        hint = f"write `use {shelf[0]}` above" + (f", and `{shelf[0]}` here" if shelf[0] != name else "")
    hint = hint or "`use` the file that declares it"
    state.error("E0201", f"no model `{name}` is known here", callee.span, hint)


def _base_arguments(state: ModelState, call: ast.Call, model: ast.Model, scope: Scope) -> dict[str, Setting]:
    """The settings that `base: name(arguments)` makes."""
    names = [parameter.name for parameter in model.parameters]
    layer: dict[str, Setting] = {}
    for index, argument in enumerate(call.arguments):
        if isinstance(argument.value, ast.Rest):
            hint = "delete it: a base takes what this model sets by itself"
            state.error("E0202", "`...` passes on parameters to blocks, not to a base", argument.span, hint)
            continue
        name = argument.name or (names[index] if index < len(names) else None)
        if name is None:
            takes = ", ".join(f"`{name}`" for name in names) or "none"
            message = f"too many arguments: model `{model.name}` takes {takes}"
            state.error("E0202", message, argument.span)
            continue
        at = argument.name_at if argument.name else argument.span
        if name in layer:
            labels = (Label(layer[name].span, "given here first"),)
            state.error("E0202", f"`{name}` is given twice", at, labels=labels)
            continue
        layer[name] = Setting(argument.value, scope, argument.span, "field", name_at=at)
    return layer
