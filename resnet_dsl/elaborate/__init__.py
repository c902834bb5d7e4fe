"""Syntax tree to network: a model's settings become stem, stages and head, every shape known."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_dsl.diagnostics.model import CompileError, Findings
from resnet_dsl.elaborate.context import Context
from resnet_dsl.elaborate.expressions import evaluate
from resnet_dsl.elaborate.inheritance import layers
from resnet_dsl.elaborate.model_state import IN_CHANNELS, Plan
from resnet_dsl.elaborate.outputs import check_frozen, only_needed, paths, preprocess
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.settings import Setting, Settings, layer_of
from resnet_dsl.elaborate.stages import all_stages
from resnet_dsl.elaborate.stem_and_head import input_shape, part
from resnet_dsl.elaborate.unused_settings import check_names, check_use
from resnet_dsl.elaborate.values import Bad
from resnet_dsl.ir.network import Body, ModelParameter, Network
from resnet_dsl.ir.shapes import Extent, Shape
from resnet_dsl.ir.sizes import Size
from resnet_dsl.syntax import ast


def elaborate(
    model: ast.Model, scope: Scope, overrides: dict[str, Setting], defaults: Scope, findings: Findings
) -> tuple[Network, Plan]:
    """Return the network of a model and the plan it came from; errors go to `findings`."""
    context = Context(findings, Extent(), evaluate, model.name_at)
    settings = Settings(context, [])
    plan = Plan(model, settings, findings, context, bool(overrides))
    settings.layers = [overrides, *layers(plan, model, scope, overrides)]
    settings.layers += [layer_of(default, home) for default, home in defaults.models.values()]
    network = _network(plan, scope, overrides)
    network = only_needed(plan, network)
    check_frozen(plan, network)
    check_use(plan)
    findings.check()
    return network, plan


def _network(plan: Plan, scope: Scope, overrides: dict[str, Setting]) -> Network:
    """Elaborate every part; what fails leaves a guess for the next, so that all errors are found."""
    shape = input_shape(plan)
    plan.context.unsure = shape is None
    plan.shape = start = shape or Shape(3, (Size("H"), Size("W")))
    stem = part(plan, "stem")
    if isinstance(stem, Body):
        plan.features["stem"], plan.feature_channels["stem"] = stem.output, plan.channels
    plan.context.unsure |= isinstance(stem, Bad)
    stages = all_stages(plan)
    head = part(plan, "head")
    outputs, frozen, about = paths(plan, "outputs"), paths(plan, "freeze"), preprocess(plan)
    if plan.context.unsure or isinstance(stem, Bad) or isinstance(head, Bad):
        check_names(plan)
        raise CompileError(plan.findings.shown)
    return Network(
        name=plan.model.name,
        input=start,
        extent=plan.context.extent,
        stem=stem,
        stages=stages,
        head=head,
        features=plan.head_features,
        outputs=outputs,
        frozen=frozen,
        preprocess=about,
        settings=tuple((name, _text(setting)) for name, setting in overrides.items()),
        source=scope.source,
        used=scope.used(),
        parameters=tuple(_parameters(plan, start)),
    )


def _parameters(plan: Plan, start: Shape) -> Iterator[ModelParameter]:
    """What may change without another structure: numbers of the model, and its input's channels."""
    numbers = plan.settings.numbers
    structural = set(plan.context.structural)
    for name, setting in plan.settings.all():
        if name == "expect" and setting.value is not None:
            structural.update(ast.names(setting.value))
    for name, value in numbers.items():
        if name in plan.used and name not in structural:
            yield ModelParameter(name, value)
    if IN_CHANNELS not in structural and IN_CHANNELS not in numbers:
        yield ModelParameter(IN_CHANNELS, start.channels)


def _text(setting: Setting) -> str:
    return setting.span.source.text[setting.span.start : setting.span.end]
