"""Settings of a model: parameters and fields, each from the nearest of override, model, base, library.

All share one namespace and bind late: a field that a base wrote sees what a derived model or the
command line set.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field
from typing import Any

from resnet_dsl.diagnostics import Span
from resnet_dsl.elaborate.context import Context, Env
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.values import BAD
from resnet_dsl.ir.arguments import Symbol
from resnet_dsl.syntax import ast


@dataclass(frozen=True)
class Setting:
    """What one name is set to, and by whom: `override`, `field`, `parameter` or `library`."""

    value: ast.Expr | None
    scope: Scope
    span: Span
    by: str
    choices: tuple[str, ...] = ()


@dataclass
class Settings:
    """The layers of settings of one model, nearest first."""

    context: Context
    layers: list[dict[str, Setting]]
    read: set[str] = field(default_factory=set)
    active: list[str] = field(default_factory=list)

    def find(self, name: str) -> Setting | None:
        """Return the nearest setting of `name` without counting it as read."""
        return next((layer[name] for layer in self.layers if name in layer), None)

    def names(self) -> set[str]:
        """Return every name that is set."""
        return {name for layer in self.layers for name in layer}

    def choices(self, name: str) -> tuple[str, ...]:
        """Return the choices that any layer declares for `name`."""
        found = [layer[name].choices for layer in self.layers if name in layer]
        return tuple(choice for choices in found for choice in choices)

    def env(self, setting: Setting, **names: Any) -> Env:
        """Return the environment a setting is evaluated in: its own scope, all settings."""
        declared = {
            choice: Symbol(choice)
            for layer in self.layers
            for other in layer.values()
            for choice in other.choices
        }

        def lookup(name: str, span: Span) -> Any:
            return self.value(name, span, **names)

        return Env(
            setting.scope, None, {**declared, **names}, setting=lookup, known=lambda: iter(self.names())
        )

    def value(self, name: str, span: Span | None = None, choices: tuple[str, ...] = (), **names: Any) -> Any:
        """Return the value of a setting, MISSING if nobody set it, bad after an error."""
        setting = self.find(name)
        if setting is None:
            return MISSING
        self.read.add(name)
        if setting.value is None:
            where = f"model parameter `{name}` has no value"
            return self.context.error("E0203", where, setting.span, f"set it: --set {name}=…")
        if name in self.active:
            return self.context.error("E0209", f"`{name}` needs itself", span or setting.span)
        self.active.append(name)
        try:
            env = self.env(setting, **names)
            env.choices = (*self.choices(name), *choices)
            value = self.context.evaluate(self.context, setting.value, env)
        finally:
            self.active.pop()
        return self._checked(name, value, setting)

    def _checked(self, name: str, value: Any, setting: Setting) -> Any:
        allowed = self.choices(name)
        if value is BAD or not allowed or value in allowed:
            return value
        wanted = ", ".join(f"`{choice}`" for choice in allowed)
        return self.context.error("E0204", f"`{name}` must be one of {wanted}", setting.span)


def layer_of(model: ast.Model, scope: Scope) -> dict[str, Setting]:
    """Return the settings a model's text makes: fields, and parameters with their defaults."""
    by = "library" if scope.source.ours else "field"
    layer = {
        p.name: Setting(p.default, scope, p.span, "parameter" if by == "field" else by, p.choices)
        for p in model.parameters
    }
    for item in model.fields:
        layer[item.name] = Setting(item.value, scope, item.span, by)
    return layer
