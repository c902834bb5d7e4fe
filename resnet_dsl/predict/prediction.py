"""Probabilities of classes: of every view of a picture, of which the mean is taken."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.graph import Graph
from resnet_dsl.ir.ops import Op
from resnet_dsl.predict.engines import Engine
from resnet_dsl.predict.preparation import Preparation
from resnet_dsl.recipe.recipe import Recipe
from resnet_dsl.recipe.recipe_referee import criterion_of
from resnet_dsl.records import dataclass
from resnet_dsl.reference import BinaryEntropy, CategoricalEntropy, Criterion, Objective, OpCall, forward
from resnet_dsl.training.images import BrokenPicture

BATCH = 16  # views that are run at once


@dataclass(frozen=True)
class ClassOutput:
    """An output of a network as probabilities; `activation` makes them of it, None where they are there.

    Of a single logit there are two classes: what it speaks for is the second.
    """

    output: str
    classes: int
    activation: Op | None

    def probabilities(self, values: Array) -> Array:
        """Return the probabilities (N, classes) of values (N, K) of the output."""
        found = np.asarray(values, np.float64)
        if self.activation is not None:
            found = forward(self.activation, OpCall((found,)))
        return np.concatenate([1.0 - found, found], axis=1) if found.shape[1] == 1 else found


@dataclass(frozen=True)
class Prediction:
    """The best classes of a picture, each with its probability; or why the picture cannot be used."""

    image: str
    best: tuple[tuple[str, float], ...] = ()
    problem: str = ""


def classifier_of(graph: Graph, output: str | None = None, criterion: Criterion | None = None) -> ClassOutput:
    """Return how an output is read, the first without a name: as its criterion says, or its last op.

    Raises UsageError where it is no row of classes.
    """
    output = output or graph.inference.outputs[0][0]
    result = dict(graph.outputs)[output]
    channels, *pixels = graph.shape_of(result).at(graph.network.extent)
    if pixels or channels is None:
        what = f"{graph.network.name} gives a map, `{output}`"
        raise UsageError(f"{what}; `predict` is for networks that end in a row of classes")
    given = criterion or _criterion(graph, output, channels)
    there = Objective(output, given).result(graph) != result
    return ClassOutput(output, max(channels, 2), None if there else given.activation)


def classifier_of_recipe(recipe: Recipe) -> ClassOutput:
    """Return how the output is read that a recipe has its first loss on."""
    first = recipe.losses[0]
    return classifier_of(recipe.program.graph, first.output, criterion_of(first.loss))


def _criterion(graph: Graph, output: str, channels: int) -> Criterion:
    """Of one logit, or where it is there already, the sigmoid; else the softmax."""
    binary = BinaryEntropy()
    ends_so = Objective(output, binary).result(graph) != dict(graph.outputs)[output]
    return binary if ends_so or channels == 1 else CategoricalEntropy()


def predictions(
    paths: Iterable[str], preparation: Preparation, engine: Engine, classifier: ClassOutput,
    names: Sequence[str], top: int,
) -> Iterator[Prediction]:  # fmt: skip
    """Yield what each picture shows; one that cannot be read has a problem, and the others go on."""
    waiting: list[tuple[str, list[Array] | str]] = []
    for path in paths:
        try:
            waiting.append((path, preparation.views(path)))
        except BrokenPicture as why:
            there = os.path.exists(path)
            waiting.append((path, f"{why}" if there else f"{path}: there is no such picture"))
        if sum(len(views) for _, views in waiting if isinstance(views, list)) >= BATCH:
            yield from _answered(waiting, engine, classifier, names, top)
            waiting = []
    yield from _answered(waiting, engine, classifier, names, top)


def _answered(
    waiting: list[tuple[str, list[Array] | str]], engine: Engine, classifier: ClassOutput,
    names: Sequence[str], top: int,
) -> Iterator[Prediction]:  # fmt: skip
    views = [view for _, found in waiting if isinstance(found, list) for view in found]
    scores = iter(_scores(views, engine, classifier))
    for path, found in waiting:
        if isinstance(found, str):
            yield Prediction(path, problem=found)
            continue
        mean = np.mean([next(scores) for _ in found], axis=0)
        best = np.argsort(-mean, kind="stable")[:top]
        yield Prediction(path, tuple((names[index], float(mean[index])) for index in best))


def _scores(views: Sequence[Array], engine: Engine, classifier: ClassOutput) -> list[Array]:
    """The probabilities of each view; those of one size are run together."""
    found: dict[int, Array] = {}
    for shape in dict.fromkeys(view.shape for view in views):
        places = [place for place, view in enumerate(views) if view.shape == shape]
        for start in range(0, len(places), BATCH):
            some = places[start : start + BATCH]
            outputs = engine.run(np.stack([views[place] for place in some]))
            found |= dict(zip(some, classifier.probabilities(outputs[classifier.output]), strict=True))
    return [found[place] for place in range(len(views))]
