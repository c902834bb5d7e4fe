"""A backend of somebody else's, with every part but a graph reader. Nothing in the project names it.

Its artefact lists a network's ops as JSON; its framework is the referee, its live model the program.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from resnet_dsl.backend.artefacts import origin
from resnet_dsl.backend.interface import (
    Backend,
    Capability,
    Runtime,
    SelfTest,
    Trainer,
    WeightFile,
    WeightFormat,
)
from resnet_dsl.backend.ir import CATALOGUE, Array, Program

PACKAGES = ("numpy",)


def render(program: Program, state: Mapping[str, Array] | None) -> str:
    artefact = {
        "origin": list(origin(program)),
        "spec": program.network.source.text,
        "settings": dict(program.network.settings),
        "ops": [{"name": n.name, "op": n.op.kind, **asdict(n.op)} for n in program.graph.nodes],
    }
    return json.dumps(artefact, indent=1) + "\n"


def _runtime() -> Runtime:
    from resnet_dsl_echo import runtime

    return runtime


def _trainer() -> Trainer:
    from resnet_dsl_echo import trainer

    return trainer


def _weight_files() -> WeightFile:
    from resnet_dsl_echo import weight_files

    return weight_files


SELF_TEST = """\
def echo_shapes(path):
    graph = _echo_model(path).program.graph
    return {name: tensor.shape for name, tensor in graph.parameters()}


def echo_outputs(path, state, x):
    outputs = _echo_model(path).run(x, state)
    return {name: value.astype(x.dtype) for name, value in outputs.items()}


def _echo_model(path):
    import json

    resnet_dsl = pytest.importorskip("resnet_dsl")
    artefact = json.loads(path.read_text())
    return resnet_dsl.loads(artefact["spec"], **artefact["settings"])
"""

BACKEND = Backend(
    name="echo",
    suffix=".json",
    rules=frozenset(CATALOGUE.values()),
    render=render,
    weights=".npz",
    runtime=Capability(PACKAGES, _runtime),
    trainer=Capability(PACKAGES, _trainer),
    weight_formats={".npz": WeightFormat("an archive of NumPy", PACKAGES, PACKAGES, _weight_files)},
    self_test=SelfTest(SELF_TEST, "echo_shapes", "echo_outputs"),
)
