"""A backend of somebody else's, as small as one can be: it lists a network's ops as JSON.

Nothing in the project names it. Its model is the program itself, which the referee runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from resnet_dsl.ir.ops import CATALOGUE

NAME = "echo"
SUFFIX = ".json"
REQUIRES: tuple[str, ...] = ()
RULES: Mapping[type, Any] = dict.fromkeys(CATALOGUE.values(), asdict)
STATISTICS = None
FILES: Mapping[str, Any] = {}
WEIGHTS = ""


@dataclass(frozen=True)
class Model:
    program: Any
    dtype: str
    state: Mapping[str, Any]


def render(program: Any, state: Mapping[str, Any] | None = None) -> str:
    nodes = program.graph.nodes
    ops = [{"name": node.name, "op": node.op.kind, **RULES[type(node.op)](node.op)} for node in nodes]
    return json.dumps({"model": program.name, "ops": ops}, indent=1) + "\n"


def build(program: Any, dtype: str = "float32") -> Model:
    return Model(program, dtype, {})


def load_state(model: Model, state: Mapping[str, Any]) -> Model:
    return replace(model, state=dict(state))


def read_state(model: Model) -> dict[str, Any]:
    return dict(model.state)


def run(model: Model, x: Any) -> dict[str, Any]:
    from resnet_dsl.reference import evaluate

    outputs = evaluate(model.program.graph, model.state, x)
    return {name: value.astype(x.dtype) for name, value in outputs.items()}


def trace(model: Model, program: Any, x: Any) -> dict[str, Any]:
    return {}
