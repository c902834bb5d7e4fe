"""Looking into a live PyTorch model: the result of every module, and steps of training."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F

from resnet_dsl.backend.interface import Sgd, Training
from resnet_dsl.ir.arrays import Array
from resnet_dsl.program import Program
from resnet_dsl_torch.live import read_state


def trace(model: torch.nn.Module, program: Program, x: Array) -> dict[str, Array]:
    """Return results by op as far as modules show them, in evaluation mode and the batch's dtype.

    A module shows its result and its input, which is the result of the op before; what lies
    between two modules (activations, sums) shows as the next one's input, unless it is padded before.
    """
    nodes = {node.name: node for node in program.graph.nodes}
    blocks = dict(program.graph.parts)
    found: dict[str, Array] = {}

    def look(name: str, _: torch.nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if name in nodes:
            if getattr(nodes[name].op, "pad", None) != "same":
                found.setdefault(nodes[name].inputs[0], inputs[0].numpy())
            found[name] = output.numpy()
        elif name in blocks and isinstance(output, torch.Tensor):
            found[blocks[name]] = output.numpy()

    hooks = [m.register_forward_hook(partial(look, name)) for name, m in model.named_modules()]
    tensor = torch.from_numpy(x)
    model.eval().to(tensor.dtype)
    with torch.no_grad():
        model(tensor)
    for hook in hooks:
        hook.remove()
    return found


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
