"""Names in a generated file: what it uses itself, and what a step cannot be called in Keras."""

from __future__ import annotations

import re
from collections.abc import Iterator

from resnet_dsl.backend.ir import INPUT, Graph, Network, Node, Program
from resnet_dsl.backend.python_source import CONSTANTS
from resnet_dsl.backend.refusals import Diagnostic, Findings
from resnet_dsl_keras.helpers import HELPERS
from resnet_dsl_keras.rules import lowered_node

# What the file's own names are: no parameter, function or variable takes them.
RESERVED = frozenset(
    {"keras", "layers", "ops", "sys", "name", "build", "input_shape", "inputs", "outputs"}
    | {"last", "model", "layer", "part", "i", *HELPERS, *CONSTANTS}
)


def check_names(program: Program) -> None:
    """Raise CompileError for every step of the model's own level that Keras needs the name of."""
    findings = Findings()
    taken = re.compile(rf"(?:{'|'.join([INPUT, *sorted(operations(program.graph))])})(?:_\d+)?")
    for step in _named(program.network):
        if taken.fullmatch(step.name):
            message = f"`{step.name}` cannot be the name of a layer in Keras: an operation has it"
            findings.add(Diagnostic("E0601", message, step.author, hint="take another name"))
    findings.check()


def operations(graph: Graph) -> set[str]:
    """Return the names under which Keras numbers operations of this model by itself."""
    return {name for node in graph.nodes for name in lowered_node(node).operations}


def _named(network: Network) -> Iterator[Node]:
    """Yield the steps whose bare names are those of layers: of blocks they have the path before."""
    for part in (network.stem, network.head):
        yield from part.nodes if part is not None else ()
