"""A model being elaborated: its settings, the shape reached so far, and the names taken."""

from __future__ import annotations

from typing import NamedTuple

from resnet_dsl.diagnostics.errors import Findings
from resnet_dsl.diagnostics.model import Label, Span
from resnet_dsl.elaborate.elaborator import Elaborator
from resnet_dsl.elaborate.settings import Setting, Settings
from resnet_dsl.elaborate.values import Bad, Definition, Origin, Share
from resnet_dsl.ir.formulas import Formula, Named, names_of
from resnet_dsl.ir.network import INPUT, Body
from resnet_dsl.ir.shapes import Shape
from resnet_dsl.records import dataclass, field
from resnet_dsl.syntax import ast

MAX_LINKS = 8

IN_CHANNELS = "in_channels"  # what formulas call the channels of the model's input

RESERVED = (INPUT,)  # what backends call the model's own


class SharedBlock(NamedTuple):
    """A shared block of the stages: the path of its first application, the body of that, and its place."""

    path: str
    body: Body
    span: Span


class RecordField(NamedTuple):
    """A field of what a block left: its name, the path of the result, and its shape."""

    name: str
    path: str
    shape: Shape


@dataclass
class ModelState:
    """A model being elaborated: its settings and the parts made so far."""

    model: ast.Model
    settings: Settings
    findings: Findings
    elaborator: Elaborator
    overridden: bool
    shape: Shape = field(default_factory=lambda: Shape(1))
    channels: Formula | None = field(default_factory=lambda: Named(IN_CHANNELS))
    features: dict[str, Shape] = field(default_factory=dict)
    feature_channels: dict[str, Formula | None] = field(default_factory=dict)
    stage_names: tuple[str, ...] = ()
    records: dict[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # stages whose result is one: its fields
    record: str = ""  # the stage before, if its result is a record
    fields: tuple[RecordField, ...] = ()  # and what it has, as a block behind it takes it
    failed: set[str] = field(default_factory=set)  # stages of which nothing is known
    names: dict[str, Span] = field(default_factory=dict)
    blocks: dict[Definition, None] = field(default_factory=dict)
    head_features: tuple[str, ...] = ()
    result_channels: tuple[Formula | None, ...] = ()  # of all results of the block before
    derived: list[Formula] = field(default_factory=list)
    shared: dict[Share, SharedBlock] = field(default_factory=dict)

    @property
    def used(self) -> set[str]:
        """The model's parameters that some number of stem, blocks or head was derived from."""
        return {name for formula in self.derived for name in names_of(formula)}

    @property
    def own_layers(self) -> list[dict[str, Setting]]:
        """What the model itself says: its fields and parameters, then what it gives its base."""
        base = next((field.value for field in self.model.fields if field.name == "base"), None)
        return self.settings.layers[1 : 3 if isinstance(base, ast.Call) else 2]

    def error(
        self, code: str, message: str, span: Span, hint: str = "", labels: tuple[Label, ...] = ()
    ) -> Bad:
        """Report an error of the model."""
        return self.elaborator.error(code, message, span, hint, labels)

    def span(self, name: str) -> Span:
        """Return where a setting was made, or the model's name if the author did not make it."""
        setting = self.settings.find(name)
        return self.model.name_at if setting is None or setting.scope.source.ours else setting.span

    def value_at(self, name: str, *indices: int) -> Span:
        """Return the place of a setting's value, or of an item of the list it is written as."""
        setting = self.settings.find(name)
        if setting is None or setting.scope.source.ours or setting.value is None:
            return self.span(name)
        value = setting.value
        for index in indices:
            if not isinstance(value, ast.List) or index >= len(value.items):
                break
            value = value.items[index]
        return self._given(value).span

    def _given(self, value: ast.Expr) -> ast.Expr:
        """Where a value is another setting's name, what that was set to."""
        for _ in range(MAX_LINKS):
            other = self.settings.find(value.id) if isinstance(value, ast.Name) else None
            if other is None or other.value is None or other.value.span.source.ours:
                break
            value = other.value
        return value

    def origin(self, name: str, *indices: int) -> Origin | None:
        """Return where the author gave a setting, or None where the library did."""
        setting = self.settings.find(name)
        if setting is None or setting.scope.source.ours:
            return None
        return Origin(self.value_at(name, *indices), name)
