"""Rows of a classifier cut or put in another order: the classes that the model has of those of a file."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain

import numpy as np

from resnet_dsl.backend.contents import Contents
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.wording import counted, printable
from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.graph import Graph, GraphNode
from resnet_dsl.limits import CHOSEN
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass, replace
from resnet_dsl.weights.arithmetic.reading import along, computed
from resnet_dsl.zoo.asked import Classes, shown
from resnet_dsl.zoo.candidates import HEAD

OPTION = "--classes"
FORM = "takes rows such as 1: or 1:1001 or 3,1,2"


@dataclass(frozen=True)
class HeadLayer:
    """A layer that gives an output, and its tensors that have a row for each class."""

    name: str
    rows: int
    tensors: dict[str, tuple[int, ...]]


def with_classes(contents: Contents, program: Program, classes: Classes) -> Contents:
    """Return contents whose classifier has the rows asked for, in their order.

    Of several classifiers those are meant that have not as many rows as the model's, or all if each has.
    Raises UsageError for rows that are not there, or not as many as the model's.
    """
    layers = head_layers(program.graph)
    if not layers:
        raise UsageError(
            f"{OPTION}: the outputs of {program.name} are not, row by row, those of layers of its head"
        )
    there = [(layer, rows_there(contents, layer)) for layer in layers]
    found = [(layer, rows) for layer, rows in there if rows]
    meant = [(layer, rows) for layer, rows in found if set(rows.values()) != {layer.rows}] or found
    wanted = _selection(classes)
    tensors, notes = dict(contents.tensors), list(contents.notes)
    for layer, rows in meant:
        for name, count in rows.items():
            chosen = _chosen(wanted, count, layer.rows, f"{OPTION} {shown(classes)}", name)
            stored = along(tensors[name], layer.tensors[name], 0)
            assert stored is not None
            tensors[name] = computed(stored, layer.tensors[name], partial(_taken, rows=chosen), name, CHOSEN)
        counts = " and ".join(map(str, dict.fromkeys(rows.values())))
        notes.append(f"{layer.name}: rows {shown(classes)} of {counts} ({OPTION})")
    if not meant:
        notes.append(f"no classifier to take rows of ({OPTION})")
    return replace(contents, tensors=tensors, notes=tuple(notes))


def rows_there(contents: Contents, layer: HeadLayer) -> dict[str, int]:
    """Return how many rows the tensors of a classifier have, of those that are there and else fit."""
    found = {name: along(contents.tensors.get(name), shape, 0) for name, shape in layer.tensors.items()}
    return {name: stored.shape[0] for name, stored in found.items() if stored is not None}


# --- which layers ------------------------------------------------------------------------------


def head_layers(graph: Graph) -> list[HeadLayer]:
    """Find the layers of the head whose rows are the channels of an output."""
    nodes = {node.name: node for node in graph.nodes}
    found: dict[str, HeadLayer] = {}
    for _, result in graph.outputs:
        if result in nodes:
            layers = _before(nodes[result], nodes, nodes[result].shape.channels)
            found |= {layer.name: layer for layer in layers or ()}
    return list(found.values())


def _before(node: GraphNode, nodes: dict[str, GraphNode], rows: int) -> list[HeadLayer] | None:
    """The layers that a result is of, row by row; None if another order of rows would be another result."""
    shapes = {name: tensor.shape for name, tensor in node.parameters()}
    by_row = {name: shape for name, shape in shapes.items() if shape[:1] == (rows,)}
    own = [HeadLayer(node.home.name, rows, by_row)] if by_row else []
    if node.part != HEAD or node.shape.channels != rows or by_row.keys() != shapes.keys():
        return None
    if weight := node.tensor("weight"):
        whole = len(shapes[weight]) > 1 and shapes[weight][1] == node.input_shapes[0].channels
        return own if whole else None
    if node.op.normalises and not node.tensor("mean"):
        return None  # of all rows, or of groups of them
    above = [_before(nodes[name], nodes, rows) if name in nodes else None for name in node.inputs]
    if any(each is None for each in above):
        return None
    return [*chain.from_iterable(each for each in above if each), *own]


# --- which rows --------------------------------------------------------------------------------


def _selection(classes: Classes) -> list[int | slice]:
    """The parts of what is asked for: rows and slices of them."""
    if isinstance(classes, slice):
        return [classes]
    if not isinstance(classes, str):
        try:
            return [int(row) for row in classes]
        except (TypeError, ValueError, OverflowError):
            raise UsageError(f"{OPTION} (in Python, classes=) {FORM}") from None
    try:
        return [_part(text) for text in classes.split(",")]
    except ValueError:
        raise UsageError(f"{OPTION} {FORM}, not {printable(classes) if classes else 'nothing'}") from None


def _part(text: str) -> int | slice:
    ends = [int(end) if end.strip() else None for end in text.split(":")]
    if len(ends) == 1 and ends[0] is not None:
        return ends[0]
    if not 2 <= len(ends) <= 3:
        raise ValueError
    return slice(*ends)


def _chosen(wanted: list[int | slice], there: int, here: int, said: str, name: str) -> Array:
    """The rows asked for, by number; those at the end may be counted from there, as -1."""
    ranges = [_range(part, there, said, name) for part in wanted]
    count = sum(map(len, ranges))
    if count != here:
        raise UsageError(
            f"{said} is {counted(count, 'row')} of the {there:,} of {name}, and the model has {here:,}"
        )
    rows = list(chain.from_iterable(ranges))
    if twice := next(_repeated(rows), None):
        raise UsageError(f"{said} has row {twice[0]} of {name} more than once")
    return np.array(rows, np.int64)


def _taken(value: Array, rows: Array) -> Array:
    return np.asarray(value)[rows]


def _range(part: int | slice, there: int, said: str, name: str) -> range:
    """The rows of a part, none of which is past the last."""
    ends = [part] if isinstance(part, int) else [part.start, part.stop]
    past = [end for end in ends if end is not None and not -there <= end < there + isinstance(part, slice)]
    if past:
        raise UsageError(f"{said} goes past the {there:,} rows of {name}, which are 0 to {there - 1:,}")
    if isinstance(part, int):
        row = part % there
        return range(row, row + 1)
    if part.step == 0:
        raise UsageError(f"{said}: a step is not 0")
    return range(there)[part]


def _repeated(rows: list[int]) -> Iterator[tuple[int]]:
    seen = set[int]()
    for row in rows:
        if row in seen:
            yield (row,)
        seen.add(row)
