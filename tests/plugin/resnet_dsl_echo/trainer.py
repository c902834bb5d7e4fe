"""Steps of training by the referee."""

from __future__ import annotations

from collections.abc import Sequence

from resnet_dsl.backend.interface import Sgd, Statistics, Training
from resnet_dsl.backend.ir import Array
from resnet_dsl.backend.referee import Batch
from resnet_dsl.backend.referee import train as steps
from resnet_dsl_echo.runtime import EchoModel

STATISTICS = Statistics(unbiased=True, momentum=float)


def train(model: EchoModel, batches: Sequence[tuple[Array, Array]], sgd: Sgd) -> Training:
    given = [Batch(x, labels) for x, labels in batches]
    result = steps(model.program.graph, model.state, given, *sgd)
    return Training(result.losses, result.gradients, result.state)
