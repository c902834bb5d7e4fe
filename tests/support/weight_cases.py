"""What the tests of weights share: a small net with every kind of tensor, and files to spoil."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.initial.seeded import random_state
from resnet_dsl.program import Program
from resnet_dsl.weights.formats.registry import encode

TEXT = """\
model net(classes = 5) {
    input: 3x8x8
    stem: conv(4, 3x3, bias=true) -> bn -> relu
    stages: [1, 1]  widths: [4, 8]
    block: basic
    head: gap -> dropout(0.5) -> fc(classes)
}
"""
SUFFIXES = (".safetensors", ".pth", ".pt", ".weights.h5", ".h5", ".onnx")
State = dict[str, Any]


def program(**settings: str) -> Program:
    return compile_source(Source("net.resnet", TEXT), overrides=settings)


def state(seed: int = 3) -> State:
    """Weights of which no two tensors are alike."""
    return dict(random_state(program().graph, seed))


def written(path: Path, weights: State | None = None) -> Path:
    """Write weights to `path` in the format it is called after."""
    path.write_bytes(b"".join(encode(program(), state() if weights is None else weights, {"seed": 3}, path)))
    return path


def as_torch(weights: State, front: str = "") -> State:
    """A state_dict of torch, with a batch counter for each norm."""
    import torch

    found: State = {f"{front}{name}": torch.from_numpy(np.array(value)) for name, value in weights.items()}
    means = [name for name in found if name.endswith(".running_mean")]
    return found | {name.replace("running_mean", "num_batches_tracked"): torch.tensor(0) for name in means}


def same(one: State, other: State) -> bool:
    """Whether two states are the same to the last bit, whatever their order."""
    return _bits(one) == _bits(other)


def _bits(weights: State) -> dict[str, tuple[tuple[int, ...], bytes]]:
    return {name: (np.shape(value), np.asarray(value).tobytes()) for name, value in weights.items()}
