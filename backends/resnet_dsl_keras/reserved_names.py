"""Names in a generated file: what it uses itself, and those that Keras gives to operations by itself."""

from __future__ import annotations

import re

from resnet_dsl.backend.ir import INPUT, Graph
from resnet_dsl.backend.python_source import CONSTANTS
from resnet_dsl_keras.helpers import HELPERS
from resnet_dsl_keras.rules import lowered_node

# What the file's own names are: no parameter, function or variable takes them.
RESERVED = frozenset(
    {"keras", "layers", "ops", "sys", "name", "build", "input_shape", "inputs", "outputs"}
    | {"last", "shape", "dtype", "before", "model", "layer", "part", "i", *HELPERS, *CONSTANTS}
)


def operation_names(graph: Graph) -> re.Pattern[str]:
    """Return the names that operations of this model may have, and no layer beside them."""
    return re.compile(rf"(?:{'|'.join([INPUT, *sorted(operations(graph))])})(?:_\d+)?")


def operations(graph: Graph) -> set[str]:
    """Return the names under which Keras numbers operations of this model by itself."""
    return {name for node in graph.nodes for name in lowered_node(node).operations}
