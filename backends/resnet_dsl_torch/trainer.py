"""Steps of training of a live PyTorch model, by its own SGD."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from resnet_dsl.backend.interface import Sgd, Statistics, Training
from resnet_dsl.backend.ir import Array
from resnet_dsl_torch.runtime import read_state

STATISTICS = Statistics(unbiased=True, momentum=float)


def train(model: torch.nn.Module, batches: Sequence[tuple[Array, Array]], sgd: Sgd) -> Training:
    """Take one step of torch's SGD on the cross-entropy for each batch, in the batch's dtype."""
    model.to(torch.from_numpy(batches[0][0]).dtype).train()
    optimizer = torch.optim.SGD(
        [p for p in model.parameters() if p.requires_grad],
        lr=sgd.lr,
        momentum=sgd.momentum,
        weight_decay=sgd.weight_decay,
    )
    losses = []
    gradients: dict[str, Array] = {}
    for x, labels in batches:
        optimizer.zero_grad()
        result = model(torch.from_numpy(x))
        logits = next(iter(result.values())) if isinstance(result, dict) else result
        loss = F.cross_entropy(logits, torch.from_numpy(labels))
        loss.backward()
        gradients = {
            name: p.grad.numpy().copy() for name, p in model.named_parameters() if p.grad is not None
        }
        optimizer.step()
        losses.append(float(loss.detach()))
    return Training(tuple(losses), gradients, read_state(model))
