"""The tensors of a file as layers: names and shapes, never a value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from resnet_dsl.diagnostics.wording import dimensions, printable
from resnet_dsl.records import dataclass

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]

COUNTER = ".num_batches_tracked"
MOST_TENSORS = 400_000  # 100,000 ops of four tensors: past this no program of the language has them
LISTED = 8

BN = "bn"
GN = "gn"
NORMS = (BN, GN)
DIMENSIONS = {3: "three-dimensional", 1: "one-dimensional"}
QUANTISED = ("zero_point", "_packed_params")
STATISTICS = frozenset({"running_mean", "running_var"})
LEARNED = {"weight": "scale", "bias": "center"}
"""What a norm with statistics may be without, each with the argument that says so."""


class NotExpressibleError(Exception):
    """A file that no spec of the language's blocks produces, or none that can be told from it."""


@dataclass(frozen=True)
class FileLayer:
    """The tensors under one path, by their own names."""

    tensors: Shapes

    @cached_property
    def kind(self) -> str:
        """The op that owns such tensors: conv, fc, channel_conv, bn, gn (no statistics), or `other`."""
        names, extents = set(self.tensors), {len(shape) for shape in self.tensors.values()}
        if extents == {1} and len(set(self.tensors.values())) == 1:
            if STATISTICS <= names <= {*STATISTICS, *LEARNED}:
                return BN
            return GN if names == {"weight", "bias"} else "other"
        if names in ({"weight"}, {"weight", "bias"}):
            return {4: "conv", 3: "channel_conv", 2: "fc"}.get(len(self.weight), "other")
        return "other"

    @property
    def weight(self) -> Shape:
        """The shape of the weight."""
        return self.tensors["weight"]

    @property
    def has_bias(self) -> bool:
        """Whether there is a bias."""
        return "bias" in self.tensors

    @property
    def channels(self) -> int:
        """How many channels it gives."""
        return (self.tensors.get("weight") or next(iter(self.tensors.values())))[0]

    @property
    def lacks(self) -> tuple[str, ...]:
        """Which arguments say what a norm with statistics is without."""
        without = (argument for name, argument in LEARNED.items() if name not in self.tensors)
        return tuple(without) if self.kind == BN else ()


def without_counters(shapes: Shapes) -> dict[str, Shape]:
    """Return the tensors without torch's batch counters, which are no part of a model's meaning."""
    return {name: shape for name, shape in shapes.items() if not name.endswith(COUNTER)}


def check_kind(shapes: Shapes) -> None:
    """Raise NotExpressibleError for networks of other dimensions than two, and for quantised ones."""
    zero = next((name for name in shapes if name.rpartition(".")[2] in QUANTISED), None)
    if zero is not None:
        raise NotExpressibleError(
            f"a quantised model ({printable(zero)}): its weights are whole numbers with scales, its norms "
            "are in the convolutions; take the model that it was made from"
        )
    weights = {name: shape for name, shape in shapes.items() if name.endswith("weight")}
    kernels = {name: shape for name, shape in weights.items() if shape[1:2] > (1,) or len(shape) > 4}
    if any(len(shape) == 4 for shape in kernels.values()):
        return
    for count, word in DIMENSIONS.items():
        name = next((name for name, shape in kernels.items() if len(shape) == count + 2), None)
        if name is not None:
            raise NotExpressibleError(
                f"its convolutions are {word} ({printable(name)} is {dimensions(shapes[name])}); "
                "those of the language have two dimensions"
            )


def renamed(shapes: Shapes, layers: Mapping[str, str]) -> dict[str, Shape]:
    """Return the tensors with other names for some layers."""
    parts = ((name.rpartition("."), shape) for name, shape in shapes.items())
    return {f"{layers.get(path, path)}{dot}{tensor}": shape for (path, dot, tensor), shape in parts}


def layers_of(shapes: Shapes) -> dict[str, FileLayer]:
    """Return the layers by path; raises NotExpressibleError for more than any program has."""
    if len(shapes) > MOST_TENSORS:
        raise NotExpressibleError(f"{len(shapes):,} tensors; no program of the language has so many")
    if not shapes:
        raise NotExpressibleError("it holds no tensors")
    grouped: dict[str, dict[str, Shape]] = {}
    for name, shape in shapes.items():
        path, _, tensor = name.rpartition(".")
        grouped.setdefault(path, {})[tensor] = shape
    for path, found in grouped.items():
        if found.keys() > STATISTICS and len(found) == 3 and not found.keys() & LEARNED.keys():
            raise NotExpressibleError(
                f"{printable(path)} has one learned tensor beside its statistics, and the file does not tell "
                "whether it is the scale or the shift; a .h5, .safetensors or .pth does"
            )
    return {path: FileLayer(tensors) for path, tensors in grouped.items()}


def listed(names: Iterable[str]) -> str:
    """Return names out of a file in a row, not too many."""
    found = list(names)
    more = len(found) - LISTED
    text = ", ".join(map(printable, found[:LISTED]))
    return f"{text} and {more:,} more" if more > 0 else text
