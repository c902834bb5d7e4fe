"""Names in a generated file: what it uses itself, and what a step cannot be called in Keras."""

from __future__ import annotations

import re
from collections.abc import Iterator

from resnet_dsl.codegen.constants import CONSTANTS
from resnet_dsl.diagnostics.model import Diagnostic, Findings
from resnet_dsl.ir import ops
from resnet_dsl.ir.graph import INPUT, Graph
from resnet_dsl.ir.network import Network, Node
from resnet_dsl.program import Program
from resnet_dsl_keras.helpers import HELPERS

# What the file's own names are: no parameter, function or variable takes them.
RESERVED = frozenset(
    {"keras", "layers", "ops", "sys", "name", "build", "inputs", "last", "model", "layer", "part", "i"}
    | {*HELPERS, *CONSTANTS}
)

# Keras numbers its own operations under these names, and all names of a model have to differ.
OPERATIONS = ("pad", "get_item", "ones_like", "average_pool", "depthwise_conv", "divide", "true_divide")
# And under these where an op is written with such operations; no step has one of them by itself.
OPERATIONS_OF: dict[type[ops.Op], tuple[str, ...]] = {
    ops.Affine: ("multiply", "negative", "subtract"),
    ops.LeakyRelu: ("greater", "multiply", "where"),
    ops.Gelu: ("erf", "multiply", "square", "subtract"),
    ops.LocalResponseNorm: ("multiply", "power", "square", "subtract"),
    ops.AdaptiveAvgPool: (
        "cast", "cumsum", "einsum", "expand_dims", "greater", "less", "logical_and", "multiply",
        "subtract", "sum",
    ),
}  # fmt: skip


def check_names(program: Program) -> None:
    """Raise CompileError for every step of the model's own level that Keras needs the name of."""
    findings = Findings()
    taken = re.compile(rf"{INPUT}|(?:{'|'.join(operations(program.graph))})(?:_\d+)?")
    for step in _named(program.network):
        if taken.fullmatch(step.name):
            message = f"`{step.name}` cannot be the name of a layer in Keras: an operation has it"
            findings.add(Diagnostic("E0601", message, step.span, hint="take another name"))
    findings.check()


def operations(graph: Graph) -> Iterator[str]:
    """Yield the names that Keras may give operations of this model by itself."""
    yield from OPERATIONS
    yield from sorted({name for node in graph.nodes for name in OPERATIONS_OF.get(type(node.op), ())})
    found = [node.op for node in graph.nodes]
    affine = [op for op in found if isinstance(op, ops.Affine)]
    if any(op.shift != 0.0 for op in affine) and any(op.scale != -1.0 for op in affine):
        yield "add"  # else `shift - x`, or no sum at all
    if any(isinstance(op, ops.AvgPool | ops.Conv) and _sums_by_conv(op) for op in found):
        yield "conv"


def _sums_by_conv(op: ops.AvgPool | ops.Conv) -> bool:
    """Whether it is written as sums at strides that a depthwise convolution does not take."""
    summed = isinstance(op, ops.AvgPool) or op.dilation != (1, 1)
    return summed and op.pad == "same" and op.stride[0] != op.stride[1]


def _named(network: Network) -> Iterator[Node]:
    """Yield the steps whose bare names are those of layers: of blocks they have the path before."""
    for part in (network.stem, network.head):
        yield from part.nodes if part is not None else ()
