"""Steps of training of a live PyTorch model, by its own SGD."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import torch
import torch.nn.functional as F

from resnet_dsl.backend.interface import Lesson, Sgd, Statistics, TrainedStep, TrainingState
from resnet_dsl.backend.ir import Array
from resnet_dsl_torch.runtime import load_state, read_state

STATISTICS = Statistics(unbiased=True, momentum=float)
VELOCITY = "momentum_buffer"  # as torch's SGD calls it in its state


def steps(model: torch.nn.Module, lessons: Iterable[Lesson], sgd: Sgd) -> Iterator[TrainedStep]:
    """Yield each step of torch's SGD on the cross-entropy, in the precision of the images."""
    optimizer: torch.optim.Optimizer | None = None
    for lesson in lessons:
        x = torch.from_numpy(lesson.x)
        if optimizer is None:
            model.to(x.dtype).train()
            learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
            optimizer = torch.optim.SGD(learned, *sgd[:2], weight_decay=sgd.weight_decay)
        if lesson.start is not None:
            load_state(model, lesson.start.state)
            _set_velocity(model, optimizer, lesson.start.velocity)
        optimizer.zero_grad()
        result = model(x)
        logits = next(iter(result.values())) if isinstance(result, dict) else result
        loss = F.cross_entropy(logits, torch.from_numpy(lesson.labels))
        for name in lesson.auxiliary:
            loss = loss + result[name].square().mean() / 2
        loss.backward()
        parameters = dict(model.named_parameters())
        gradients = {n: p.grad.numpy().copy() for n, p in parameters.items() if p.grad is not None}
        optimizer.step()
        kept = {name: optimizer.state[p].get(VELOCITY) for name, p in parameters.items()}
        velocity = {name: value.numpy().copy() for name, value in kept.items() if value is not None}
        yield TrainedStep(float(loss.detach()), gradients, TrainingState(read_state(model), velocity))


def _set_velocity(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer, velocity: Mapping[str, Array]
) -> None:
    for name, parameter in model.named_parameters():
        value = velocity.get(name)
        buffer = None if value is None else torch.from_numpy(np.array(value)).to(parameter.dtype)
        optimizer.state[parameter][VELOCITY] = buffer
