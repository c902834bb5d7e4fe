"""A recipe in the referee's terms."""

import numpy as np

from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.initial.seeded import random_state
from resnet_dsl.recipe.losses import BinaryCrossEntropy, CrossEntropy, Loss, WeightedLoss
from resnet_dsl.recipe.optimisers import LAMB, SGD, Adam, AdamW, Optimiser, RMSprop
from resnet_dsl.recipe.recipe import ImageData, Phase, Recipe
from resnet_dsl.recipe.recipe_referee import criterion_of, graph_of, optimisation_of, rule_of
from resnet_dsl.recipe.schedules import ConstantRate
from resnet_dsl.reference import (
    AdaptiveMoments,
    BinaryEntropy,
    CategoricalEntropy,
    Division,
    HeavyBall,
    LayerwiseMoments,
    RatedBatch,
    RootMeanSquare,
    optimise,
)

TEXT = "model m { input: 2x8x8  stages: [1]  widths: [4]  block: basic  classes: 3  freeze: conv1 }"


def recipe_of(phase: Phase, **fields: object) -> Recipe:
    losses = (WeightedLoss("output", CrossEntropy(0.1)),)
    program = compile_source(Source("t.resnet", TEXT))
    return Recipe("r", program, "", ImageData("."), (), (), 8, (phase,), losses, ("top1",), **fields)


def phase_of(*frozen: str) -> Phase:
    return Phase("", 1, SGD(0.1, 0.9), ConstantRate(), frozen=frozen)


def test_every_optimiser_and_every_loss_has_its_numbers_in_the_right_places():
    assert rule_of(SGD(0.1, 0.9, True, 1e-4)) == HeavyBall(0.9, True, 1e-4)
    assert rule_of(Adam(0.1, 0.8, 0.99, 1e-5, 1e-3)) == AdaptiveMoments(0.8, 0.99, 1e-5, 1e-3)
    assert rule_of(AdamW(0.1, 0.8, 0.99, 1e-5, 1e-3)) == AdaptiveMoments(0.8, 0.99, 1e-5, 1e-3, True)
    assert rule_of(RMSprop(0.1, 0.8, 1e-5, 0.7, 1e-3)) == RootMeanSquare(0.8, 1e-5, 0.7, 1e-3)
    assert rule_of(LAMB(0.1, 0.8, 0.99, 1e-5, 1e-3)) == LayerwiseMoments(0.8, 0.99, 1e-5, 1e-3)
    assert criterion_of(CrossEntropy(0.2)) == CategoricalEntropy(0.2)
    assert criterion_of(BinaryCrossEntropy(0.2)) == BinaryEntropy(0.2)
    assert set(Optimiser.__subclasses__()) <= set(rule_of.registry)
    assert set(Loss.__subclasses__()) <= set(criterion_of.registry)


def test_a_recipe_divides_its_batches_as_it_says():
    phase = phase_of()
    recipe = recipe_of(phase, clip=1.0, accumulate=2, bn_batch=2)
    how = optimisation_of(recipe, phase, processes=2, unbiased=False)
    assert (how.clip, how.division, how.unbiased) == (1.0, Division(2, 2, 2), False)
    assert optimisation_of(recipe, phase, parts=1).division.parts == 1


def test_what_a_phase_freezes_stays_on_top_of_what_the_model_freezes():
    phase = phase_of("layer1")
    recipe = recipe_of(phase)
    graph = graph_of(recipe, phase)
    batch = RatedBatch(np.ones((4, 2, 8, 8)), np.array([0, 1, 2, 0]), 0.1)
    (step,) = optimise(graph, random_state(graph, 0), [batch], optimisation_of(recipe, phase))
    assert set(step.gradients) == {"bn1.weight", "bn1.bias", "fc.weight", "fc.bias"}
