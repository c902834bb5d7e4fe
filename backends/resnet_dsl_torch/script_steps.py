"""Steps by a script for PyTorch, in double precision; run as a program with a folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from resnet_dsl.backend.script_steps import ScriptAsked, asked_in, batch_digest, leave, rate_of
from resnet_dsl_torch.runtime import load_state, read_state


def take_steps(asked: ScriptAsked) -> None:
    """Take all steps that are asked for, on this process's part of each batch."""
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    torch.set_num_threads(1)
    if world > 1:
        dist.init_process_group("gloo")
    script, file = asked.modules()
    data, parts = file.load(asked.data), getattr(script, "ACCUMULATE", 1)
    per_epoch = len(file.TrainBatches(data, 0))
    model = load_state(script.network().double(), asked.state())
    phase, optimiser, learner = -1, None, model
    for step in asked.steps(per_epoch):
        if step.phase != phase:
            phase = step.phase
            optimiser = script.begin(model, script.PHASES[phase])
            learner = in_hands_of_ddp(model) if world > 1 else model
        lr = rate_of(file, step, per_epoch)
        x, y = file.TrainBatches(data, step.epoch, rank, world, "float64", parts)[step.batch]
        loss, _ = script.step(learner, optimiser, images(x, model), torch.from_numpy(y), lr)
        found = {n: w.grad.numpy() for n, w in model.named_parameters() if w.grad is not None}
        leave(asked, rank, step.number, batch_digest(x, y), float(loss), found, read_state(model))
    if world > 1:
        dist.destroy_process_group()


def in_hands_of_ddp(model: torch.nn.Module) -> torch.nn.Module:
    """Return the network as the processes train it together."""
    return DistributedDataParallel(model, broadcast_buffers=False, find_unused_parameters=True)


def images(x: Any, model: torch.nn.Module) -> torch.Tensor:
    """Return images (N, H, W, C) as the network takes them."""
    return torch.from_numpy(x).permute(0, 3, 1, 2).contiguous()


if __name__ == "__main__":
    take_steps(asked_in(Path(sys.argv[1])))
