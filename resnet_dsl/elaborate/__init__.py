"""Syntax tree to network: a model's settings become stem, stages and head, every shape known."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_dsl.diagnostics.errors import CompileError, Findings
from resnet_dsl.elaborate.elaborator import Elaborator
from resnet_dsl.elaborate.expressions import evaluate
from resnet_dsl.elaborate.follow_ups import arrow_left_over
from resnet_dsl.elaborate.freezing import with_frozen_parts
from resnet_dsl.elaborate.inheritance import layers
from resnet_dsl.elaborate.layer_names import check_kept_names
from resnet_dsl.elaborate.model_state import IN_CHANNELS, ModelState
from resnet_dsl.elaborate.outputs import only_needed, paths, preprocess, with_auxiliary, with_fields
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.settings import Setting, Settings, layer_of
from resnet_dsl.elaborate.sharing import check_shares
from resnet_dsl.elaborate.stages import all_stages
from resnet_dsl.elaborate.stem_and_head import input_shape, part
from resnet_dsl.elaborate.unused_settings import check_names, check_use
from resnet_dsl.elaborate.values import Bad
from resnet_dsl.elaborate.watching import Watch
from resnet_dsl.ir.network import INPUT, Body, ModelParameter, Network
from resnet_dsl.ir.shapes import Extent, Shape
from resnet_dsl.ir.sizes import Size
from resnet_dsl.limits import EVALUATIONS
from resnet_dsl.syntax import ast


def elaborate(
    model: ast.Model,
    scope: Scope,
    overrides: dict[str, Setting],
    defaults: Scope,
    findings: Findings,
    max_work: int = EVALUATIONS.most,
    watch: Watch | None = None,
) -> tuple[Network, ModelState]:
    """Return the network of a model and the state it came from; errors go to `findings`.

    `watch` is told of each step that the author wrote, also where an error leaves no network.
    """
    context = Elaborator(findings, Extent(), evaluate, model.name_at, max_work=max_work, watch=watch)
    settings = Settings(context, [])
    state = ModelState(model, settings, findings, context, bool(overrides))
    settings.layers = [overrides, *layers(state, model, scope, overrides)]
    settings.layers += [layer_of(default, home) for default, home in defaults.models.values()]
    whole = _network(state, scope, overrides)
    network = with_fields(only_needed(state, with_fields(whole) if whole.outputs else whole))
    network = with_auxiliary(state, network)
    network = with_frozen_parts(state, whole, network)
    check_kept_names(state, network)
    check_use(state)
    check_shares(context)
    findings.check()
    return network, state


def _network(state: ModelState, scope: Scope, overrides: dict[str, Setting]) -> Network:
    """Elaborate every part; what fails leaves a guess for the next, so that all errors are found."""
    shape = input_shape(state)
    state.elaborator.recovering = shape is None
    state.shape = start = shape or Shape(3, (Size("H"), Size("W")))
    if state.settings.is_parameter(IN_CHANNELS):
        state.channels = None  # formulas cannot say which of the two they mean
    start_channels = state.channels
    stem = part(state, "stem")
    state.features[INPUT], state.feature_channels[INPUT] = start, start_channels
    if isinstance(stem, Body):
        state.features["stem"], state.feature_channels["stem"] = stem.output, state.channels
    state.elaborator.recovering |= isinstance(stem, Bad)
    stages = all_stages(state)
    head = part(state, "head")
    outputs, frozen, about = paths(state, "outputs"), paths(state, "freeze"), preprocess(state)
    if state.elaborator.recovering or isinstance(stem, Bad) or isinstance(head, Bad):
        if (arrow := arrow_left_over(state)) is not None:
            raise CompileError([arrow])
        check_names(state)
        raise CompileError(state.findings.shown)
    return Network(
        name=state.model.name,
        input=start,
        extent=state.elaborator.extent,
        stem=stem,
        stages=stages,
        head=head,
        features=state.head_features,
        outputs=outputs,
        frozen=frozen,
        preprocess=about,
        settings=tuple((name, _text(setting)) for name, setting in overrides.items()),
        source=scope.source,
        used=scope.used(),
        parameters=tuple(_parameters(state, start)),
    )


def _parameters(state: ModelState, start: Shape) -> Iterator[ModelParameter]:
    """What may change without another structure: numbers of the model, and its input's channels."""
    numbers = state.settings.numbers
    structural = set(state.elaborator.structural)
    for name, setting in state.settings.all():
        if name == "expect" and setting.value is not None:
            structural.update(ast.names(setting.value))
    if state.settings.is_parameter(IN_CHANNELS):
        structural.add(IN_CHANNELS)  # in generated code these are the input's
    for name, value in numbers.items():
        if name in state.used and name not in structural:
            yield ModelParameter(name, value)
    if IN_CHANNELS not in structural:
        yield ModelParameter(IN_CHANNELS, start.channels)


def _text(setting: Setting) -> str:
    return setting.span.source.text[setting.span.start : setting.span.end]
