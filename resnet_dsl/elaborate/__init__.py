"""Syntax tree to network: a model's settings become stem, stages and head, every shape known."""

from __future__ import annotations

from resnet_dsl.diagnostics import Findings
from resnet_dsl.elaborate.bases import layers
from resnet_dsl.elaborate.context import Context
from resnet_dsl.elaborate.expressions import evaluate
from resnet_dsl.elaborate.interface import check_frozen, check_use, only_needed, paths, preprocess
from resnet_dsl.elaborate.parts import input_shape, part
from resnet_dsl.elaborate.plan import Plan
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.settings import Setting, Settings, layer_of
from resnet_dsl.elaborate.stages import all_stages
from resnet_dsl.elaborate.values import Bad
from resnet_dsl.ir.network import Body, Network
from resnet_dsl.ir.shapes import Extent
from resnet_dsl.syntax import ast


def elaborate(
    model: ast.Model, scope: Scope, overrides: dict[str, Setting], defaults: Scope, findings: Findings
) -> tuple[Network, Plan]:
    """Return the network of a model and the plan it came from; errors go to `findings`."""
    context = Context(findings, Extent(), evaluate)
    settings = Settings(context, [])
    plan = Plan(model, settings, findings, context, bool(overrides))
    settings.layers = [overrides, *layers(plan, model, scope, overrides)]
    settings.layers += [layer_of(default, home) for default, home in defaults.models.values()]
    if (shape := input_shape(plan)) is None:
        findings.check()
    plan.shape = shape or plan.shape
    start = plan.shape
    stem = part(plan, "stem")
    if isinstance(stem, Body):
        plan.features["stem"] = stem.output
    stages = all_stages(plan)
    head = part(plan, "head")
    findings.check()
    assert not isinstance(stem, Bad)
    assert not isinstance(head, Bad)
    network = Network(
        name=model.name,
        input=start,
        extent=context.extent,
        stem=stem,
        stages=stages,
        head=head,
        features=plan.head_features,
        outputs=paths(plan, "outputs"),
        frozen=paths(plan, "freeze"),
        preprocess=preprocess(plan),
        settings=tuple((name, _text(setting)) for name, setting in overrides.items()),
        source=scope.source,
        used=scope.used(),
    )
    network = only_needed(plan, network)
    check_frozen(plan, network)
    check_use(plan)
    findings.check()
    return network, plan


def _text(setting: Setting) -> str:
    return setting.span.source.text[setting.span.start : setting.span.end]
