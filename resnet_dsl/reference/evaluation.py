"""A graph evaluated op by op, in evaluation mode: outputs, or the result of every op."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from resnet_dsl.ir.graph import INPUT, Graph, GraphNode
from resnet_dsl.ir.shapes import Extent
from resnet_dsl.reference.meaning import Array, OpCall, forward

State = Mapping[str, NDArray[Any]]
Tensors = dict[str, dict[str, Array]]


def evaluate(graph: Graph, state: State, x: ArrayLike) -> dict[str, Array]:
    """Return the outputs by name for a batch (N, C, H, W); `state` holds every tensor, in torch's layouts."""
    tensors, values = tensors_of(graph, state), {INPUT: as_batch(graph, x)}
    graph = graph.inference
    kept = {result for _, result in graph.outputs}
    last_use = {name: node.name for node in graph.nodes for name in node.inputs}
    extent = Extent(*values[INPUT].shape[2:])
    for node in graph.nodes:
        values[node.name] = apply(node, called(node, tensors, values), extent)
        for name in node.inputs:
            if last_use[name] == node.name and name not in kept:
                values.pop(name, None)
    return {name: values[result] for name, result in graph.outputs}


def evaluate_all(graph: Graph, state: State, x: ArrayLike) -> dict[str, Array]:
    """Return the result of every op by the op's name, in order: where two engines part, it shows.

    As in `evaluate`, what exists in training only is left out.
    """
    tensors, values = tensors_of(graph, state), {INPUT: as_batch(graph, x)}
    extent = Extent(*values[INPUT].shape[2:])
    for node in graph.inference.nodes:
        values[node.name] = apply(node, called(node, tensors, values), extent)
    del values[INPUT]
    return values


def called(
    node: GraphNode, tensors: Tensors, values: Mapping[str, Array], training: bool = False, groups: int = 1
) -> OpCall:
    """Return an op's call on earlier results."""
    return OpCall(tuple(values[name] for name in node.inputs), tensors[node.name], training, groups)


def apply(node: GraphNode, call: OpCall, extent: Extent) -> Array:
    """Return an op's result, of the shape that the compiler proved for an input of this extent."""
    result = forward(node.op, call)
    if result.shape[1:] != node.shape.at(extent):
        raise ValueError(f"{node.name}: the result is {result.shape[1:]}, not {node.shape.at(extent)}")
    return result


def as_batch(graph: Graph, x: ArrayLike) -> Array:
    """Return a batch of inputs (N, C, H, W), or of vectors (N, C), as float64."""
    batch = np.asarray(x, dtype=np.float64)
    wanted = graph.network.input
    if batch.ndim != 2 + len(wanted.spatial) or batch.shape[1] != wanted.channels:
        size = f"Nx{wanted.channels}" + "xHxW" * (not wanted.is_vector)
        raise ValueError(f"a batch is {size}, not {batch.shape}")
    return batch


def tensors_of(graph: Graph, state: State) -> Tensors:
    """Return each op's tensors by their own names, as float64; every one must be given, none more."""
    declared = dict(graph.parameters())
    if missing := declared.keys() - state.keys():
        raise ValueError(f"the state has no {', '.join(sorted(missing)[:5])}")
    if unknown := state.keys() - declared.keys():
        raise ValueError(f"{graph.network.name} has no {', '.join(sorted(unknown)[:5])}")
    for name, parameter in declared.items():
        if state[name].shape != parameter.shape:
            raise ValueError(f"{name} is {state[name].shape}, not {parameter.shape}")
    found: Tensors = {}
    for node in graph.nodes:  # what is applied again has the same, not others alike
        found[node.name] = found.get(node.home.name) or _tensors(node, state)
        found.setdefault(node.home.name, found[node.name])
    return found


def _tensors(node: GraphNode, state: State) -> dict[str, Array]:
    return {p.name: np.asarray(state[name], dtype=np.float64) for name, p in node.parameters()}
