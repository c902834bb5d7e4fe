"""Weights under the names of another library as ours, and back; what nothing is done to keeps every bit."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np

from resnet_dsl.backend.contents import COUNTER, FLOATS, Contents, Stored
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.wording import counted
from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.graph import Graph
from resnet_dsl.records import replace
from resnet_dsl.zoo.candidates import NamedLayer
from resnet_dsl.zoo.fold import NEGATIVE, NO_NORM, eps_differences, eps_note, fold_biases, shifted
from resnet_dsl.zoo.layouts import Layout, laid_out, layout_of, layout_of_length
from resnet_dsl.zoo.model_names import ModelNames

BIAS = "bias"
"""What a layer's bias is called in every library, the layer's own name aside."""


# --- from there --------------------------------------------------------------------------------


def from_library(contents: Contents, names: ModelNames, graph: Graph) -> Contents:
    """Return the contents of a file of that library under our names, in our layouts.

    What has no place among ours is `unplaced`, what cannot be converted is `refused`.
    """
    given = contents.tensors
    called = names.tensors()
    found = {
        name: _as_ours(given[theirs], names.layers[name.rpartition(".")[0]], name, graph)
        for name, theirs in called.items()
        if theirs in given
    }
    added = _added_biases(names, found)
    biases = _extra_biases(names, given)
    folded = fold_biases(biases, graph)
    eps = eps_differences(names)
    refused = {names.bias(path): NO_NORM for path in folded.lost}
    for name, mean in folded.means.items():
        _shift(found, name, mean)
    for name, difference in eps.items():
        variance = _shift(found, name, difference)
        if variance is not None and (variance <= 0).any():
            refused[name] = NEGATIVE
    taken = {*called.values(), *map(names.bias, biases)}
    left = {name: stored for name, stored in given.items() if name not in taken}
    counters = {name: stored for name, stored in left.items() if name.endswith(COUNTER)}
    ignored = [name for name in left if names.ignores(name)]
    fitting = f"{len(found)} of {len(called)}"
    titles = " and of ".join((names.title, *names.others))
    notes = [f"names of {titles}; {fitting}", *folded.notes("the model")]
    notes += eps_note(names, eps)
    if added:
        notes.append(f"{counted(len(added), 'tensor')} of zeros for the biases that {names.library} has not")
    if ignored:
        without = f"{counted(len(ignored), 'tensor')} of what the model is without"
        notes.append(f"{without} left aside, such as {ignored[0]}")
    return replace(
        contents,
        tensors=found | added | counters,
        notes=(*contents.notes, *notes),
        called={name: theirs for name, theirs in called.items() if name != theirs},
        unplaced={n: s.shape for n, s in left.items() if n not in counters and n not in ignored},
        refused=refused,
    )


def _as_ours(stored: Stored, layer: NamedLayer, name: str, graph: Graph) -> Stored:
    """A tensor in our layout; one of another shape than it should have there fits nothing."""
    if layer.layout is None or name != laid_out(layer.node):
        return stored
    layout = layout_of(layer.layout, layer.node, graph)
    stored = stored.of_shape(layout.theirs)
    if tuple(stored.shape) != layout.theirs:
        longer = layout_of_length(layer.layout, layer.node, graph, tuple(stored.shape))
        return replace(stored, wanted=layout.theirs, otherwise=longer and _in_layout(stored, longer))
    return _in_layout(stored, layout)


def _in_layout(stored: Stored, layout: Layout) -> Stored:
    return replace(stored, shape=layout.ours, load=lambda: layout.to_ours(stored.load()), otherwise=None)


def _added_biases(names: ModelNames, found: Mapping[str, Stored]) -> dict[str, Stored]:
    """Zeros for the biases that the model has and that library has not."""
    wanted = (
        (name, parameter.shape)
        for layer in names.layers.values()
        if layer.bias is False
        for name, parameter in layer.node.parameters()
        if parameter.role == "bias" and name not in found
    )
    zeros = functools.partial(np.zeros, dtype=np.float32)
    return {name: Stored(shape, "float32", functools.partial(zeros, shape)) for name, shape in wanted}


def _extra_biases(names: ModelNames, given: Mapping[str, Stored]) -> dict[str, Array]:
    """The biases that the model has no place for, by layer; what is no sound vector is no bias."""
    found: dict[str, Array] = {}
    for path, layer in names.layers.items():
        stored = given.get(names.bias(path))
        if layer.bias and stored is not None and layer.node.tensor("bias") is None:
            value = _vector(stored, layer.node.shape.channels)
            found |= {} if value is None else {path: value}
    return found


def _vector(stored: Stored, size: int) -> Array | None:
    """The values of a vector, unless they are such as a match reports as wrong."""
    if tuple(stored.shape) != (size,) or stored.dtype not in FLOATS:
        return None
    value = stored.load()
    return value if np.isfinite(value).all() else None


def _shift(found: dict[str, Stored], name: str, amount: Array | float) -> Array | None:
    """Add to statistics that are there and sound; return what they become."""
    stored = found.get(name)
    value = None if stored is None else _vector(stored, stored.shape[0] if stored.shape else 0)
    if stored is None or value is None or np.shape(amount) not in ((), value.shape):
        return None
    result = shifted(value, amount)
    found[name] = replace(stored, load=lambda: result)
    return result


# --- to there ----------------------------------------------------------------------------------


def to_library(
    state: Mapping[str, Array], names: ModelNames, graph: Graph
) -> tuple[dict[str, Array], list[str]]:
    """Return the tensors of that library in the order of its layers, and what was done, a sentence each.

    Raises UsageError for what cannot be converted.
    """
    lost_biases = {
        path: np.asarray(state[bias])
        for path, layer in names.layers.items()
        if layer.bias is False and (bias := layer.node.tensor("bias"))
    }
    folded = fold_biases(lost_biases, graph)
    eps = eps_differences(names)
    problems = [f"{path}.{BIAS}: {NO_NORM}" for path in folded.lost]
    result: dict[str, Array] = {}
    zeros = 0
    for path, layer in names.layers.items():
        for name, parameter in layer.node.parameters():
            if parameter.role == "bias" and path in lost_biases:
                continue
            value = np.asarray(state[name])
            if name in folded.means:
                value = shifted(value, folded.means[name])
            if name in eps:
                value = shifted(value, -eps[name])
                problems += [f"{name}: {NEGATIVE}"] if (value <= 0).any() else []
            if layer.layout is not None and name == laid_out(layer.node):
                value = layout_of(layer.layout, layer.node, graph).to_theirs(value)
            result[names.tensor(path, parameter)] = value
        if layer.bias and layer.node.tensor("bias") is None:
            result[names.bias(path)] = np.zeros(layer.node.shape.channels, np.float32)
            zeros += 1
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise UsageError(f"the weights cannot be those of {names.library}:\n{listed}")
    notes = [*names.remarks(), *folded.notes(names.library), *eps_note(names, eps)]
    if zeros:
        notes.append(f"{counted(zeros, 'tensor')} of zeros for the biases that the model has not")
    return result, notes
