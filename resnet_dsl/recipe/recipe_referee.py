"""A recipe in the referee's terms: its losses, its optimisers, and the network as a phase freezes it."""

from __future__ import annotations

from functools import singledispatch

from resnet_dsl.ir.graph import Graph
from resnet_dsl.recipe.losses import BinaryCrossEntropy, CrossEntropy, Loss
from resnet_dsl.recipe.optimisers import LAMB, SGD, Adam, AdamW, Optimiser, RMSprop
from resnet_dsl.recipe.recipe import Phase, Recipe
from resnet_dsl.records import replace
from resnet_dsl.reference import (
    AdaptiveMoments,
    BinaryEntropy,
    CategoricalEntropy,
    Criterion,
    Division,
    HeavyBall,
    LayerwiseMoments,
    Objective,
    Optimisation,
    RootMeanSquare,
    UpdateRule,
)


def optimisation_of(
    recipe: Recipe, phase: Phase, processes: int = 1, unbiased: bool = True, parts: int = 0
) -> Optimisation:
    """Return how the referee takes the steps of a phase; 0 parts are as many as the recipe says."""
    return Optimisation(
        tuple(Objective(each.output, criterion_of(each.loss), each.weight) for each in recipe.losses),
        rule_of(phase.optimiser),
        recipe.clip,
        Division(processes, parts or recipe.accumulate, recipe.bn_batch),
        unbiased,
    )


def graph_of(recipe: Recipe, phase: Phase) -> Graph:
    """Return the network in a phase: what that freezes is frozen on top of what the model freezes."""
    graph = recipe.program.graph
    frozen = (*graph.network.frozen, *phase.frozen)
    return replace(graph, network=replace(graph.network, frozen=frozen))


@singledispatch
def rule_of(optimiser: Optimiser) -> UpdateRule:
    """Return the update rule of an optimiser."""
    raise NotImplementedError(f"the referee has no update rule for `{optimiser.kind}`")


@rule_of.register
def _sgd(optimiser: SGD) -> UpdateRule:
    return HeavyBall(optimiser.momentum, optimiser.nesterov, optimiser.weight_decay)


@rule_of.register(Adam)
@rule_of.register(AdamW)
def _adam(optimiser: Adam | AdamW) -> UpdateRule:
    decoupled = isinstance(optimiser, AdamW)
    moments = optimiser.beta1, optimiser.beta2, optimiser.eps
    return AdaptiveMoments(*moments, optimiser.weight_decay, decoupled)


@rule_of.register
def _rmsprop(optimiser: RMSprop) -> UpdateRule:
    return RootMeanSquare(optimiser.alpha, optimiser.eps, optimiser.momentum, optimiser.weight_decay)


@rule_of.register
def _lamb(optimiser: LAMB) -> UpdateRule:
    return LayerwiseMoments(optimiser.beta1, optimiser.beta2, optimiser.eps, optimiser.weight_decay)


@singledispatch
def criterion_of(loss: Loss) -> Criterion:
    """Return the criterion of a loss."""
    raise NotImplementedError(f"the referee has no criterion for `{loss.kind}`")


@criterion_of.register
def _cross_entropy(loss: CrossEntropy) -> Criterion:
    return CategoricalEntropy(loss.smoothing)


@criterion_of.register
def _binary_cross_entropy(loss: BinaryCrossEntropy) -> Criterion:
    return BinaryEntropy(loss.smoothing)
