"""Steps of training by the referee."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from resnet_dsl.backend.interface import Lesson, Sgd, Statistics, TrainedStep, TrainingState
from resnet_dsl.backend.referee import Batch
from resnet_dsl.backend.referee import steps as referee_steps
from resnet_dsl_echo.runtime import EchoModel

STATISTICS = Statistics(unbiased=True, momentum=float)


def steps(model: EchoModel, lessons: Iterable[Lesson], sgd: Sgd) -> Iterator[TrainedStep]:
    now = TrainingState(model.state, {})
    for x, labels, start, _ in lessons:
        state, velocity = start or now
        (step,) = referee_steps(model.program.graph, state, [Batch(x, labels)], *sgd, velocity=velocity)
        now = TrainingState(step.state, step.velocity)
        yield TrainedStep(step.loss, step.gradients, now)
