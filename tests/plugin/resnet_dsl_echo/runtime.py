"""The program as a live model, which the referee runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from resnet_dsl.backend.initial_weights import initial_state
from resnet_dsl.backend.ir import Array, Program
from resnet_dsl.backend.referee import evaluate, evaluate_all


@dataclass(frozen=True, eq=False)
class EchoModel:
    program: Program
    dtype: str
    state: Mapping[str, Array]


def build(program: Program, dtype: str = "float32") -> EchoModel:
    return load_state(EchoModel(program, dtype, {}), initial_state(program.graph, 0))


def load_state(model: EchoModel, state: Mapping[str, Array]) -> EchoModel:
    wanted = {name: tensor.shape for name, tensor in model.program.graph.parameters()}
    if {name: value.shape for name, value in state.items()} != wanted:
        raise ValueError("the weights do not fit the model")
    return replace(model, state={name: np.array(value, model.dtype) for name, value in state.items()})


def read_state(model: EchoModel) -> dict[str, Array]:
    return dict(model.state)


def run(model: EchoModel, x: Array) -> dict[str, Array]:
    outputs = evaluate(model.program.graph, model.state, x)
    return {name: value.astype(x.dtype) for name, value in outputs.items()}


def trace(model: EchoModel, program: Program, x: Array) -> dict[str, Array]:
    results = evaluate_all(model.program.graph, model.state, x)
    return {name: value.astype(x.dtype) for name, value in results.items()}
