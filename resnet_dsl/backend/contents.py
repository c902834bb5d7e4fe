"""What a weight file holds: tensors, which are read when asked for, and what it says of itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

from resnet_dsl.backend.foreign_graph import ForeignGraph
from resnet_dsl.ir.arrays import Array
from resnet_dsl.limits import NESTING
from resnet_dsl.records import dataclass, field

COUNTER = ".num_batches_tracked"
"""torch's batch counters: no part of a model's meaning."""
FLOATS = ("float32", "float16", "bfloat16", "float64")
Metadata = Mapping[str, Any]
"""Values of JSON, by key."""
KEY = "resnet-dsl"
"""Under this key a file of ours holds all its metadata, as one JSON value."""


@dataclass(frozen=True)
class Stored:
    """A tensor as a file holds it, in torch's layout; `load` reads it, `dtype` is as it lies there.

    `wanted` is the shape it should have in the library whose names the file has, if it has another;
    `otherwise` is how else the file may be read, where only the model tells what a tensor is; `among`
    are the names of which it has one in its layer, where only the model tells which. `refused` says
    why it cannot be taken as it lies there.
    """

    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], Array]
    wanted: tuple[int, ...] | None = None
    otherwise: Stored | None = None
    refused: str = ""
    among: tuple[str, ...] = ()

    def of_shape(self, shape: tuple[int, ...]) -> Stored:
        """Return this, or what it is otherwise if that alone has the shape."""
        other = self.otherwise
        fits = other is not None and tuple(self.shape) != shape and tuple(other.shape) == shape
        return other if other is not None and fits else self


@dataclass(frozen=True)
class Contents:
    """What a file holds, under the names it gives; `notes` say what was done to get at them.

    A file that holds several dictionaries of tensors has no tensors of its own, but `entries` by key.

    Of a file with the names of another library there is more: `called` has its names by ours,
    `unplaced` the shapes of tensors for which ours have no place. `refused` says why tensors, under
    whichever name, cannot be converted.
    """

    format: str
    tensors: Mapping[str, Stored]
    metadata: Metadata = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    called: Mapping[str, str] = field(default_factory=dict)
    unplaced: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    folded: str = ""
    """Of a graph by others: what to do where it lacks a norm. An export may have put that into the layer
    before it, whose tensors are no longer those of ours then, whatever they are called."""
    by_place: Mapping[str, str] = field(default_factory=dict)
    """Of a graph by others: its names by those that our layers have in such places."""
    graph: ForeignGraph | None = None
    """Of a graph by others: what `import` reads, with the same tensors."""
    entries: Mapping[str, Contents] = field(default_factory=dict)
    ways: tuple[str, ...] = ()
    """How its tensors were got at, as a sentence has it: "from its `model`", "without the prefix `net.`"."""
    beside: tuple[str, ...] = ()
    """What else a checkpoint has."""


def metadata_value(text: str) -> Any:
    """Return a value of a file's metadata: JSON where it is that and not nested too deep, else the text."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return found if _depth_within(found, NESTING.most) else text


def _depth_within(value: object, depth: int) -> bool:
    """Whether lists and objects nest at most so deep."""
    level = [value]
    for _ in range(depth + 1):
        objects = (each.values() for each in level if isinstance(each, dict))
        lists = (each for each in level if isinstance(each, list))
        level = list(chain.from_iterable((*objects, *lists)))
        if not level:
            return True
    return False
