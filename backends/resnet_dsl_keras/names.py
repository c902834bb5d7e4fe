"""Names in a generated file: what it uses itself, and what a step cannot be called in Keras."""

from __future__ import annotations

import re
from collections.abc import Iterator

from resnet_dsl.diagnostics import Diagnostic, Findings
from resnet_dsl.ir.graph import INPUT
from resnet_dsl.ir.network import Network, Node
from resnet_dsl.rendering.constants import CONSTANTS
from resnet_dsl_keras.helpers import HELPERS

# What the file's own names are: no parameter, function or variable takes them.
RESERVED = frozenset(
    {"keras", "layers", "ops", "sys", "name", "build", "inputs", "last", "model", "layer", "part", "i"}
    | {*HELPERS, *CONSTANTS}
)

# Keras numbers its own operations under these names, and all names of a model have to differ.
OPERATIONS = ("pad", "get_item", "ones_like", "average_pool", "depthwise_conv", "divide", "true_divide")


def check_names(network: Network) -> None:
    """Raise CompileError for every step of the model's own level that Keras needs the name of."""
    findings = Findings()
    taken = re.compile(rf"{INPUT}|(?:{'|'.join(OPERATIONS)})(?:_\d+)?")
    for step in _named(network):
        if taken.fullmatch(step.name):
            message = f"`{step.name}` cannot be the name of a layer in Keras: an operation has it"
            findings.add(Diagnostic("E0601", message, step.span, hint="take another name"))
    findings.check()


def _named(network: Network) -> Iterator[Node]:
    """Yield the steps whose bare names are those of layers: of blocks they have the path before."""
    for part in (network.stem, network.head):
        yield from part.nodes if part is not None else ()
