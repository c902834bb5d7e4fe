"""Convolutions that take the input, of as many input channels as the model has.

One channel of them has the sum of all: on an image whose channels are equal the results are the same.
Otherwise channel `i` has that of `i mod n` there, times `n / m` for `n` channels there and `m` here. Each
is computed in double and rounded to single precision once.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from resnet_dsl.backend.contents import Contents
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.wording import counted
from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.graph import INPUT, Graph, GraphNode
from resnet_dsl.limits import ADAPTED
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass, replace
from resnet_dsl.weights.arithmetic.reading import along, computed

OPTION = "--adapt-input"
PART = 4096
"""Channels that are summed at a time."""


@dataclass(frozen=True)
class InputLayers:
    """The weights that are summed over the input's channels, with their shapes, and why others cannot be."""

    weights: Mapping[str, tuple[int, ...]]
    problems: tuple[str, ...]


def with_input_adapted(contents: Contents, program: Program) -> Contents:
    """Return contents whose first convolutions take as many channels as the model's.

    Raises UsageError if something else in the model depends on the number of channels.
    """
    found = input_layers(program.graph)
    if found.problems:
        raise UsageError(f"{OPTION}: {'; '.join(found.problems)}")
    there = channels_there(contents, found)
    if not there:
        return replace(contents, notes=(*contents.notes, f"nothing to adapt to the input ({OPTION})"))
    tensors, notes = dict(contents.tensors), list(contents.notes)
    for name, channels in there.items():
        shape = found.weights[name]
        stored = along(tensors[name], shape, 1)
        assert stored is not None
        tensors[name] = computed(stored, shape, partial(adapted, count=shape[1]), name, ADAPTED)
        notes.append(f"{name}: {what_is_done(channels, shape[1])} ({OPTION})")
    return replace(contents, tensors=tensors, notes=tuple(notes))


def what_is_done(there: int, here: int) -> str:
    """Return how so many input channels become so many others."""
    channels = counted(there, "input channel")
    if here == 1:
        return f"{channels} summed into 1"
    verb = "repeated to" if here > there else "cut to"
    return f"{channels} {verb} {here}, times {there}/{here}"


def channels_there(contents: Contents, layers: InputLayers) -> dict[str, int]:
    """Return of how many input channels weights are that are not of the model's, and else fit."""
    found = {}
    for name, shape in layers.weights.items():
        given = contents.tensors.get(name)
        stored = None if given is None or tuple(given.shape) == shape else along(given, shape, 1)
        if stored is not None and stored.shape[1] not in (0, shape[1]):
            found[name] = stored.shape[1]
    return found


def adapted(value: Array, count: int) -> Array:
    """Return a weight for so many input channels, in double; they are summed in their order."""
    there = value.shape[1]
    with np.errstate(invalid="ignore", over="ignore"):
        if count != 1:
            repeated: Array = value[:, np.arange(count) % there].astype(np.float64) * there / count
            return repeated
        total = np.zeros((len(value), 1, *value.shape[2:]), np.float64)
        for row, each in enumerate(value):  # in parts, which take little memory
            for start in range(0, there, PART):
                part = np.concatenate([total[row], each[start : start + PART]], dtype=np.float64)
                total[row] = np.cumsum(part, axis=0)[-1:]  # one by one; a sum of NumPy goes by pairs
        return total


def input_layers(graph: Graph) -> InputLayers:
    """Find the layers with weights that take the input, behind what acts on each channel by itself."""
    channels = graph.network.input.channels
    same = {INPUT}
    weights: dict[str, tuple[int, ...]] = {}
    problems: list[str] = []
    for node in graph.nodes:
        if same.isdisjoint(node.inputs):
            continue
        tensors = {tensor.role: (name, tensor.shape) for name, tensor in node.parameters()}
        if "weight" in tensors:
            name, shape = tensors["weight"]
            weights[name] = shape
            problems += _problems(node, shape, channels)
        elif _keeps_channels_apart(node, channels) and not tensors:
            same.add(node.name)
        else:
            problems.append(f"{node.name} acts on the channels of the input otherwise than a convolution")
    return InputLayers(weights, tuple(problems))


def _problems(node: GraphNode, shape: tuple[int, ...], channels: int) -> list[str]:
    if len(shape) < 2 or shape[1] != channels:
        return [f"{node.name} does not sum over all channels of the input: it is grouped"]
    if not node.op.linear_in_weight:
        return [f"{node.name} standardises its weights, so that a sum of them is not the layer's"]
    return []


def _keeps_channels_apart(node: GraphNode, channels: int) -> bool:
    return len(node.inputs) == 1 and node.shape.channels == channels and not node.op.mixes_channels
