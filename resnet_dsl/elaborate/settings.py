"""Settings of a model: parameters and fields, each from the nearest of override, model, base, library.

All share one namespace and bind late: a field that a base wrote sees what a derived model or the
command line set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Literal

from resnet_dsl.diagnostics.model import Span
from resnet_dsl.elaborate.argument_reports import not_a_choice
from resnet_dsl.elaborate.derived import derived, is_number
from resnet_dsl.elaborate.elaborator import Elaborator, Env, PartLookup
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.unknown_names import is_activation
from resnet_dsl.elaborate.values import BAD, EarlierPart, Origin, Value, show
from resnet_dsl.ir.arguments import Symbol
from resnet_dsl.ir.formulas import Named
from resnet_dsl.ir.network import INPUT
from resnet_dsl.limits import CHAIN
from resnet_dsl.records import MISSING, dataclass, field
from resnet_dsl.syntax import ast

# What a value of a field serves: the whole model, each block of a stage, or the first of each.
Reach = Literal["model", "stage", "first block"]

# The fields of models. Value other is a parameter of the block, given once or once a stage.
FIELDS: dict[str, Reach] = {
    "input": "model",
    "stem": "model",
    "stages": "model",
    "block": "stage",
    "strides": "first block",
    "head": "model",
    "base": "model",
    "outputs": "model",
    "auxiliary": "model",
    "freeze": "model",
    "preprocess": "model",
    "expect": "model",
}


# What fields may call the number of a block over all stages, and the number of all. Names of one's own,
# which they may have been before, hide these.
COUNTED = (BLOCK_NUMBER, BLOCKS) = ("block_number", "blocks")


@dataclass(frozen=True)
class Setting:
    """What one name is set to, and by whom: `override`, `field`, `parameter` or `library`."""

    value: ast.Expr | None
    scope: Scope
    span: Span
    by: str
    choices: tuple[str, ...] = ()
    name_at: Span | None = None
    is_parameter: bool = False

    @property
    def value_at(self) -> Span:
        """The place of the value alone."""
        return self.span if self.value is None else self.value.span


@dataclass
class Settings:
    """The layers of settings of one model, nearest first; they are complete before any is read."""

    elaborator: Elaborator
    layers: list[dict[str, Setting]]
    read: set[str] = field(default_factory=set)
    active: list[str] = field(default_factory=list)
    endless: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)  # of what is given by place: `stage`, `index`
    everywhere: dict[tuple[str, tuple[str, ...]], Value] = field(default_factory=dict)  # asking for neither
    by_stage: set[tuple[str, tuple[str, ...]]] = field(default_factory=set)  # of lists, an item asks for one
    part: PartLookup | None = None  # set once there are parts
    numbers: dict[str, int | float] = field(default_factory=dict)  # what parameters of the model are

    def find(self, name: str) -> Setting | None:
        """Return the nearest setting of `name` without counting it as read."""
        for layer in self.layers:  # asked for each block: a loop is fast
            if name in layer:
                return layer[name]
        return None

    def all(self) -> Iterator[tuple[str, Setting]]:
        """Yield every setting with its name, nearest layers first."""
        return (item for layer in self.layers for item in layer.items())

    def choices(self, name: str) -> tuple[str, ...]:
        """Return the choices that any layer declares for `name`."""
        return self._choices.get(name, ())

    @cached_property
    def _choices(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, dict[str, None]] = {}
        for name, setting in self.all():
            found.setdefault(name, {}).update(dict.fromkeys(setting.choices))
        return {name: tuple(choices) for name, choices in found.items()}

    @cached_property
    def _symbols(self) -> dict[str, Symbol]:
        return {choice: Symbol(choice) for choices in self._choices.values() for choice in choices}

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(name for name, _ in self.all())

    @cached_property
    def _places(self) -> dict[str, Origin]:
        nearest = {name: self.find(name) for name in self._names}
        return {
            name: Origin(setting.value_at, name)
            for name, setting in nearest.items()
            if setting is not None and not setting.span.source.ours
        }

    def env(self, setting: Setting, **names: Value) -> Env:
        """Return the environment a setting is evaluated in: its own scope, all settings."""

        def lookup(name: str, span: Span) -> Value:
            # Where a part may stand, these names are the part and not the text of the field.
            is_part = name in ("stem", INPUT) and env.part is not None
            part = env.part(name, span) if is_part and env.part is not None else MISSING
            if part is not MISSING:
                return part
            value = self.value(name, span, names=names)
            return value.size if isinstance(value, EarlierPart) and value.size is not None else value

        own = {name: value for name, value in names.items() if name not in COUNTED}
        env = Env(
            setting.scope,
            names={**self._symbols, **own},
            setting=lookup,
            known=lambda: self._names.difference(self.active),
            read=self.asked,
            origins=self._places,
            parameters=self._names,
            counted={name: names[name] for name in COUNTED if name in names},
        )
        return env

    def value(
        self,
        name: str,
        span: Span | None = None,
        choices: tuple[str, ...] = (),
        names: Mapping[str, Value] | None = None,
        item: int | None = None,
    ) -> Value:
        """Return the value of a setting, MISSING if nobody set it, bad after an error.

        With `item` it is that of one item of the list that the setting is written as.
        """
        setting = self.find(name)
        if setting is None:
            return MISSING
        self.read.add(name)
        if setting.value is None:
            where = f"model parameter `{name}` has no value"
            hint = f"`--set {name}=…`, or give it a default"
            return self.elaborator.error("E0203", where, setting.span, hint)
        if name in self.endless:
            return BAD
        if name in self.active:
            return self._endless(name, span or setting.span)
        if len(self.active) > CHAIN.most:
            message = f"settings depend on each other more than {CHAIN.most} levels deep"
            return self.elaborator.error("E0209", message, span or setting.span)
        env = self.env(setting, **(names or {}))
        env.choices = tuple(dict.fromkeys((*self.choices(name), *choices)))
        if self.part is not None and (name == "stages" or FIELDS.get(name) != "model"):
            env.part = self.part
        self.active.append(name)
        try:
            if setting.span.source.ours:
                return self._evaluated(name, setting, env, item)
            with self.elaborator.without_frames():
                return self._evaluated(name, setting, env, item)
        finally:
            self.active.pop()

    def items(self, name: str) -> tuple[ast.Expr, ...]:
        """Return the items of a setting that is written as a list."""
        setting = self.find(name)
        return setting.value.items if setting is not None and isinstance(setting.value, ast.List) else ()

    def _evaluated(self, name: str, setting: Setting, env: Env, item: int | None) -> Value:
        if item is not None:
            return self.elaborator.evaluate(self.items(name)[item], env)
        assert setting.value is not None
        return self._named(name, self._value(name, setting, setting.value, env))

    def _named(self, name: str, value: Value) -> Value:
        """A number that a parameter of the model is: what is computed from it is derived from the name."""
        if not self.is_parameter(name) or not is_number(value):
            return value
        self.elaborator.decide(value)  # another parameter that it was computed from
        self.numbers[name] = int(value) if isinstance(value, int) else float(value)
        return derived(value, Named(name))

    def is_parameter(self, name: str) -> bool:
        """Return whether a model declares `name` as its parameter."""
        return name in self._parameters

    @cached_property
    def _parameters(self) -> frozenset[str]:
        return frozenset(name for name, setting in self.all() if setting.is_parameter)

    def _value(self, name: str, setting: Setting, expr: ast.Expr, env: Env) -> Value:
        if env.choices and isinstance(expr, ast.Name) and not env.knows(expr.id):
            return not_a_choice(self.elaborator, f"`{name}`", expr, env.choices)
        value = self.elaborator.evaluate(expr, env)
        several = isinstance(value, tuple) and not self.choices(name)  # one a stage: checked by the block
        if value is BAD or not env.choices or value in env.choices or several:
            return value
        wanted = ", ".join(f"`{choice}`" for choice in env.choices)
        message = f"`{name}` must be one of {wanted}, not {show(value)}"
        hint = f"`act: {show(value)}` says which activation" if is_activation(value) else ""
        return self.elaborator.error("E0204", message, setting.value_at, hint)

    def _endless(self, name: str, span: Span) -> Value:
        way = [*self.active[self.active.index(name) :], name]
        self.endless |= set(way)
        return self.elaborator.error("E0209", f"`{name}` needs itself: {' -> '.join(way)}", span)


def layer_of(model: ast.Model, scope: Scope) -> dict[str, Setting]:
    """Return the settings a model's text makes: fields, and parameters with their defaults."""
    by, given = ("library", "library") if scope.source.ours else ("field", "parameter")
    layer = {
        p.name: Setting(p.default, scope, p.span, given, p.choices, p.name_at, is_parameter=True)
        for p in model.parameters
    }
    for item in model.fields:
        layer[item.name] = Setting(item.value, scope, item.span, by, name_at=item.name_at)
    return layer
