"""Parameters of the model: the numbers of its text that can vary while every decision stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from resnet_dsl.elaborate.model_state import Plan
from resnet_dsl.elaborate.settings import IN_CHANNELS
from resnet_dsl.ir.formulas import Formula, Number, names_of, substitute
from resnet_dsl.ir.network import Body, Derivation, ModelParameter, Network
from resnet_dsl.syntax import ast


def with_parameters(plan: Plan, network: Network) -> Network:
    """Return the network with its parameters; in formulas every other name is the number it stands for."""
    numbers, decisive = plan.settings.numbers, plan.settings.decisive
    for name, setting in plan.settings.all():
        if name == "expect" and setting.value is not None:
            decisive.update(ast.names(setting.value))
    fixed = {name: Number(numbers[name]) for name in decisive if name in numbers}

    def free(formula: Formula) -> Formula:
        return substitute(formula, fixed)

    stages = tuple(
        replace(stage, derived=tuple(_changed(derived, free) for derived in stage.derived))
        for stage in network.stages
    )
    network = replace(
        network, stem=_with_free(network.stem, free), stages=stages, head=_with_free(network.head, free)
    )
    found = dict.fromkeys(name for formula in _formulas(network) for name in names_of(formula))
    names = sorted(found, key=IN_CHANNELS.__eq__)  # the author's own come first
    return replace(network, parameters=tuple(ModelParameter(name, numbers[name]) for name in names))


def _with_free(body: Body | None, free: Callable[[Formula], Formula]) -> Body | None:
    if body is None:
        return None
    nodes = (
        replace(node, derived=_changed(node.derived, free), channels=free(node.channels))
        for node in body.nodes
    )
    return replace(body, nodes=tuple(nodes), input_channels=tuple(map(free, body.input_channels)))


def _changed(derived: Derivation, change: Callable[[Formula], Formula]) -> Derivation:
    """A derivation with its formulas changed, without those that are constants then."""
    found: dict[str, Formula | tuple[Formula, ...]] = {}
    for name, formula in derived.items():
        changed = tuple(map(change, formula)) if isinstance(formula, tuple) else change(formula)
        if any(not isinstance(part, Number) for part in _parts(changed)):
            found[name] = changed
    return found


def _formulas(network: Network) -> Iterator[Formula]:
    """Yield every formula over the model's parameters: of arguments, and of the channels that steps take."""
    for body in filter(None, (network.stem, network.head)):
        for node in body.nodes:
            yield from (body.channels_formula(value) for value in node.inputs)
            yield from (part for formula in node.derived.values() for part in _parts(formula))
    for stage in network.stages:
        for derived in stage.derived:
            yield from (part for formula in derived.values() for part in _parts(formula))


def _parts(formula: Formula | tuple[Formula, ...]) -> tuple[Formula, ...]:
    return formula if isinstance(formula, tuple) else (formula,)
