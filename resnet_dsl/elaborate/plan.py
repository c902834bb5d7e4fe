"""A model being elaborated: its settings, the shape reached so far, and the names taken."""

from __future__ import annotations

from dataclasses import dataclass, field

from resnet_dsl.diagnostics import Findings, Span
from resnet_dsl.elaborate.context import Context
from resnet_dsl.elaborate.settings import Settings
from resnet_dsl.elaborate.values import Bad
from resnet_dsl.ir.shapes import Shape
from resnet_dsl.syntax import ast


@dataclass
class Plan:
    """A model being elaborated: its settings and the parts made so far."""

    model: ast.Model
    settings: Settings
    findings: Findings
    context: Context
    overridden: bool
    shape: Shape = field(default_factory=lambda: Shape(1))
    features: dict[str, Shape] = field(default_factory=dict)
    names: dict[str, Span] = field(default_factory=dict)
    head_features: tuple[str, ...] = ()

    def error(self, code: str, message: str, span: Span, hint: str = "") -> Bad:
        """Report an error of the model."""
        return self.context.error(code, message, span, hint)

    def span(self, name: str) -> Span:
        """Return where a setting was made, or where the model is if it was not."""
        setting = self.settings.find(name)
        return self.model.span if setting is None or setting.scope.source.ours else setting.span
