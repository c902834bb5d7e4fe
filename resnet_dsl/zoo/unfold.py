"""Norms that were folded into the layers before them: files without them, and norms that do nothing instead.

Such a norm gives back what it takes: a scale of 1, no shift, a variance that is 1 with eps. The bias of the
layer before it becomes its running mean, less than nothing, as other biases before norms do. That is what the
folded network computes in evaluation, to a rounding; the statistics are none that were ever measured.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from resnet_dsl.backend.contents import FLOATS, Contents, Stored
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.graph import Graph, GraphNode
from resnet_dsl.records import replace
from resnet_dsl.zoo.fold import means_behind
from resnet_dsl.zoo.model_names import ModelNames

ADVICE = (
    "a norm was folded into the layer before it: --unfold (in Python, unfold=True) gives weights with norms, "
    "exact in evaluation alone"
)
NOTHING_FOLDED = (
    "--unfold is for files whose norms were folded into the layers before them; this has its norms"
)
FILLINGS = {"scale": 1.0, "shift": 0.0, "mean": 0.0}
"""What the tensors of a norm that does nothing are filled with, by their roles."""


def norms_behind(graph: Graph) -> dict[str, GraphNode]:
    """Return the norm with running statistics behind each layer whose result goes nowhere else."""
    nodes = {mean: node.home for node in graph.nodes if (mean := node.tensor("mean"))}
    weighted = {node.name for node in graph.nodes if node.tensor("weight")}
    return {path: nodes[mean] for path, mean in means_behind(graph).items() if path in weighted}


def within(contents: Contents, graph: Graph) -> dict[str, str]:
    """Return the tensors of layers that lack the norm behind them in a file, and why they are not ours.

    Of a graph the absence of the norm tells; of tensors alone, a bias that the layer has not here.
    """
    found: dict[str, str] = {}
    norms = norms_behind(graph)
    for node in graph.nodes:
        norm, bias = norms.get(node.name), f"{node.name}.bias"
        has_other_bias = bias in contents.tensors and node.tensor("bias") is None
        if norm is not None and norm.tensor("mean") in contents.tensors:
            continue
        why = ""
        if norm is not None and (contents.folded or has_other_bias):
            why = f"`{norm.name}` is not behind it, but in it"
        elif norm is None and contents.folded and has_other_bias and node.tensor("weight"):
            why = f"a norm may be in it, of which the bias {bias} is the rest"
        if why:
            found |= {name: why for name, _ in node.parameters()}
    return found


def without_norms(names: ModelNames, graph: Graph) -> ModelNames:
    """Return the names of a model whose norms are folded."""
    gone = {norm.name for norm in norms_behind(graph).values()}
    return replace(names, layers={path: layer for path, layer in names.layers.items() if path not in gone})


def with_norms(tensors: Mapping[str, Stored], names: ModelNames, graph: Graph) -> dict[str, Stored]:
    """Return the tensors of a file, under its names, with norms that do nothing where there are none.

    Raises UsageError where there is none to add.
    """
    added: dict[str, Stored] = {}
    for norm in norms_behind(graph).values():
        own = {names.tensor(norm.name, each): (each.role, each.shape) for _, each in norm.parameters()}
        if not own.keys() & tensors.keys():
            added |= {name: _filled(norm, role, shape) for name, (role, shape) in own.items()}
    if not added:
        raise UsageError(NOTHING_FOLDED)
    return {**tensors, **added}


def with_biases_in_means(contents: Contents, graph: Graph) -> Contents:
    """Return contents under our names with the biases that our layers have not in the means behind them."""
    tensors = dict(contents.tensors)
    for path, norm in norms_behind(graph).items():
        node = next(node for node in graph.nodes if node.name == path)
        mean, bias = norm.tensor("mean"), tensors.get(f"{path}.bias")
        if bias is None or mean is None or node.tensor("bias") is not None:
            continue
        tensors[mean] = replace(bias, load=functools.partial(_negative, bias))
        del tensors[f"{path}.bias"]
    note = "norms that do nothing stand where they were folded: exact in evaluation alone"
    return replace(contents, tensors=tensors, notes=(*contents.notes, note))


def _filled(norm: GraphNode, role: str, shape: tuple[int, ...]) -> Stored:
    op: Any = norm.op
    value = np.float32(FILLINGS[role] if role in FILLINGS else 1.0 - op.eps)
    return Stored(shape, "float32", lambda: np.full(shape, value))


def _negative(stored: Stored) -> Array:
    value = stored.load()
    return -(value if stored.dtype in FLOATS else value.astype(np.float32))
