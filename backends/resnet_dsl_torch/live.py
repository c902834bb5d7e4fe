"""The live PyTorch model: built from its own source, loaded, read and run with NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from resnet_dsl.codegen.live import module_of
from resnet_dsl.ir.arrays import Array
from resnet_dsl.program import Program

COUNTER = "num_batches_tracked"


def build(program: Program, source: str, dtype: str) -> torch.nn.Module:
    """Execute the source and return an instance of its model, which is its last class."""
    module = module_of(source, program.name)
    classes = [value for value in vars(module).values() if _is_own_class(value, module.__name__)]
    model: torch.nn.Module = classes[-1]()
    return model.to(getattr(torch, dtype))


def _is_own_class(value: Any, module: str) -> bool:
    return isinstance(value, type) and value.__module__ == module


def load_state(model: torch.nn.Module, state: Mapping[str, Array]) -> torch.nn.Module:
    """Load every tensor of `state` strictly; batch counters are torch's own and start at 0."""
    tensors = {name: torch.from_numpy(np.array(value)) for name, value in state.items()}
    for name, value in model.state_dict().items():
        if name.endswith(COUNTER):
            tensors.setdefault(name, torch.zeros_like(value))
    model.load_state_dict(tensors, strict=True)
    return model


def read_state(model: torch.nn.Module) -> dict[str, Array]:
    """Return the state without the batch counters."""
    items = model.state_dict().items()
    return {name: value.cpu().numpy().copy() for name, value in items if not name.endswith(COUNTER)}


def run(model: torch.nn.Module, x: Array) -> dict[str, Array]:
    """Evaluate one batch in its own dtype and leave the model as it was."""
    training, dtype = model.training, next((p.dtype for p in model.parameters()), torch.float32)
    tensor = torch.from_numpy(x)
    model.eval().to(tensor.dtype)
    with torch.no_grad():
        result = model(tensor)
    model.to(dtype).train(training)
    outputs = result if isinstance(result, dict) else {"output": result}
    return {name: value.numpy() for name, value in outputs.items()}
