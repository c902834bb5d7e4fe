"""The PyTorch backend: one standalone, typed file whose model has torchvision's `state_dict` keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from resnet_dsl.backend.contents import Format
from resnet_dsl.backend.interface import Statistics
from resnet_dsl.program import Program
from resnet_dsl_torch.rules import lower

if TYPE_CHECKING:
    from resnet_dsl.backend.interface import Backend, Sgd, Training
    from resnet_dsl.ir.arrays import Array

NAME = "torch"
SUFFIX = "_torch.py"
REQUIRES: tuple[str, ...] = ("torch",)
RULES: Mapping[type, Any] = {kind: rule for kind, rule in lower.registry.items() if kind is not object}

STATISTICS: Statistics | None = Statistics(unbiased=True, momentum=float)

# Beside the source lies the canonical file, whose names are torch's: it takes no unpickling.
WEIGHTS = ".safetensors"
_STATE_DICT = Format("a state_dict of torch", "resnet_dsl_torch.weight_files", NAME, ("torch",), ("torch",))
FILES: Mapping[str, Format] = {".pth": _STATE_DICT, ".pt": _STATE_DICT}


def render(program: Program, state: Mapping[str, Array] | None = None) -> str:
    """Return the source of the model's file; weights are not part of it."""
    from resnet_dsl_torch import layout

    return layout.render(program)


def build(program: Program, dtype: str = "float32") -> Any:
    """Return the live `torch.nn.Module`: the rendered source, executed as a module."""
    from resnet_dsl_torch import live

    return live.build(program, render(program), dtype)


def load_state(model: Any, state: Mapping[str, Array]) -> Any:
    """Load weights under canonical names, which are the model's own; every tensor, none more."""
    from resnet_dsl_torch import live

    return live.load_state(model, state)


def read_state(model: Any) -> dict[str, Array]:
    """Return the weights under canonical names."""
    from resnet_dsl_torch import live

    return live.read_state(model)


def run(model: Any, x: Array) -> dict[str, Array]:
    """Return the outputs by name for one NCHW batch, in evaluation mode and the batch's dtype."""
    from resnet_dsl_torch import live

    return live.run(model, x)


def trace(model: Any, program: Program, x: Array) -> dict[str, Array]:
    """Return results by op, as many as the framework shows."""
    from resnet_dsl_torch import probe

    return probe.trace(model, program, x)


def train(model: Any, batches: Sequence[tuple[Array, Array]], sgd: Sgd) -> Training:
    """Take one step of SGD on the cross-entropy for each batch."""
    from resnet_dsl_torch import probe

    return probe.train(model, batches, sgd)


if TYPE_CHECKING:
    import resnet_dsl_torch

    _: Backend = resnet_dsl_torch
