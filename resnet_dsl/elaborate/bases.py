"""The layers of settings of a model: its own, and those of the models it is based on."""

from __future__ import annotations

from resnet_dsl.elaborate.plan import Plan
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.settings import Setting, layer_of
from resnet_dsl.syntax import ast

MAX_BASES = 16


def layers(
    plan: Plan, model: ast.Model, scope: Scope, overrides: dict[str, Setting]
) -> list[dict[str, Setting]]:
    """The layers of a model and of those it is based on, nearest first."""
    layers, seen = [], [model]
    while True:
        _no_duplicates(plan, model)
        layer = layer_of(model, scope)
        layers.append(layer)
        base = layer.pop("base", None)
        if base is None or base.value is None:
            return layers
        plan.settings.read.add("base")
        callee = base.value.callee if isinstance(base.value, ast.Call) else base.value
        found = scope.find_model(callee.id) if isinstance(callee, ast.Name) else None
        if found is None:
            hint = "`use` the file that declares it; `use resnet50` for a shipped model"
            plan.error("E0201", "`base` names no known model", base.span, hint)
            return layers
        model, home = found
        if any(model is other for other in seen) or len(seen) >= MAX_BASES:
            plan.error("E0209", f"model `{model.name}` is based on itself", base.span)
            return layers
        seen.append(model)
        if isinstance(base.value, ast.Call):
            layers.append(_base_arguments(plan, base.value, model, scope))
        scope = home


def _no_duplicates(plan: Plan, model: ast.Model) -> None:
    seen: set[str] = set()
    items: tuple[ast.Parameter | ast.Field, ...] = (*model.parameters, *model.fields)
    for item in items:
        if item.name in seen:
            plan.error("E0208", f"`{item.name}` is given twice", item.span)
        seen.add(item.name)


def _base_arguments(plan: Plan, call: ast.Call, model: ast.Model, scope: Scope) -> dict[str, Setting]:
    """The settings that `base: name(arguments)` makes."""
    names = [parameter.name for parameter in model.parameters]
    layer = {}
    for index, argument in enumerate(call.arguments):
        name = argument.name or (names[index] if index < len(names) else None)
        if name is None:
            plan.error("E0202", f"too many arguments for model `{model.name}`", argument.span)
            continue
        layer[name] = Setting(argument.value, scope, argument.span, "field")
    return layer
