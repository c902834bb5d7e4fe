"""A graph as a file has it: nodes, constants, and who uses which value; plain data, no framework."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from resnet_dsl.records import dataclass, field, replace

IDENTITY = "Identity"
NORM_ROLES = ("weight", "bias", "running_mean", "running_var")
ROLES = {
    "BatchNormalization": NORM_ROLES,
    "Conv": ("weight", "bias"),
    "Gemm": ("weight", "bias"),
    "PRelu": ("weight",),
}
"""What the tensors of a layer are, in the order of the inputs behind the value that it takes."""


@dataclass(frozen=True)
class ForeignConstant:
    """A constant; of a large one `values` is a digest."""

    kind: str
    shape: tuple[int, ...]
    values: tuple[float, ...] | str

    @property
    def numbers(self) -> tuple[float, ...]:
        """The values, none of a large one."""
        return () if isinstance(self.values, str) else self.values


@dataclass(frozen=True)
class ForeignNode:
    """One node; the names of its inputs are of values, weights or constants, or empty.

    `attributes` are all that it has, `implied` those of them that could be left out.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    implied: frozenset[str] = frozenset()

    @property
    def result(self) -> str:
        """The first value it gives."""
        return self.outputs[0]


@dataclass(frozen=True)
class ForeignGraph:
    """A graph. `sizes` are the input's without the batch, letters where they are open."""

    input: str
    sizes: tuple[int | str, ...]
    nodes: tuple[ForeignNode, ...]
    outputs: tuple[tuple[str, str], ...]
    """The name of each output and the value that it is."""
    constants: Mapping[str, ForeignConstant] = field(default_factory=dict)
    weights: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """The shapes of the other tensors."""

    @cached_property
    def _makers(self) -> dict[str, ForeignNode]:
        return {output: node for node in self.nodes for output in node.outputs}

    @cached_property
    def _users(self) -> dict[str, list[ForeignNode]]:
        found: dict[str, list[ForeignNode]] = {}
        for node in self.nodes:
            for given in dict.fromkeys(node.inputs):
                found.setdefault(given, []).append(node)
        return found

    @cached_property
    def _tensors(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self.weights:
            found.setdefault(name.rpartition(".")[0], []).append(name)
        return found

    @cached_property
    def _computed(self) -> set[str]:
        """The values that depend on the input."""
        found = {self.input}
        for node in self.nodes:
            if not found.isdisjoint(node.inputs):
                found.update(node.outputs)
        return found

    def tensors_of(self, layer: str) -> list[str]:
        """Return the names of a layer's tensors."""
        return self._tensors.get(layer, [])

    def maker(self, value: str) -> ForeignNode | None:
        """Return the node that gives a value."""
        return self._makers.get(value)

    def origin(self, value: str) -> str:
        """Return the value that a chain of identities passes on."""
        while (node := self._makers.get(value)) is not None and node.op == IDENTITY:
            value = node.inputs[0]
        return value

    def fixed_shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a weight or constant, nothing for what is computed."""
        return self.constants[name].shape if name in self.constants else self.weights.get(name, ())

    def is_fixed(self, name: str) -> bool:
        """Whether a value is made of weights and constants alone, whatever the input."""
        return name not in self._computed

    def is_constant(self, names: Iterable[str]) -> bool:
        """Whether all of these are constants."""
        return all(name in self.constants for name in names)

    def users(self, value: str) -> list[ForeignNode]:
        """Return the nodes that take a value; what an identity passes on counts as the value."""
        found: list[ForeignNode] = []
        waiting = [value]
        for each in waiting:
            for node in self._users.get(each, ()):
                if node.op == IDENTITY:
                    waiting.append(node.result)
                else:
                    found.append(node)
        return found

    def owner(self, path: str) -> ForeignNode | None:
        """Return the node that takes a layer's weight, or what it has of tensors where it has no weight."""
        name = f"{path}.weight"
        if name not in self._users:
            name = next((each for each in self.weights if each.rpartition(".")[0] == path), name)
        return next(iter(self._users.get(name, ())), None)

    def layers(self, node: ForeignNode) -> list[str]:
        """Return the paths of the layers whose weights a node takes."""
        return [name.rpartition(".")[0] for name in node.inputs if name in self.weights]

    def extents(self, node: ForeignNode) -> tuple[int, ...]:
        """Return the shape of the first weight that a node takes."""
        return next((self.weights[name] for name in node.inputs if name in self.weights), ())

    def numbers(self, node: ForeignNode, place: int) -> tuple[float, ...]:
        """Return the values of a constant input, none where it is no constant."""
        name = node.inputs[place] if place < len(node.inputs) else ""
        return self.constants[name].numbers if name in self.constants else ()

    def renamed(self, names: Mapping[str, str]) -> ForeignGraph:
        """Return the graph with its weights called otherwise."""
        nodes = tuple(
            replace(node, inputs=tuple(names.get(name, name) for name in node.inputs)) for node in self.nodes
        )
        weights = {names.get(name, name): shape for name, shape in self.weights.items()}
        return replace(self, nodes=nodes, weights=weights)

    def before(self, value: str, steps: int) -> Iterator[str]:
        """Yield a value and those that it comes from by first inputs, so many steps back."""
        yield value
        for _ in range(steps):
            node = self._makers.get(value)
            if node is None:
                return
            value = node.inputs[0]
            yield value

    def behind(self, value: str, steps: int) -> Iterator[ForeignNode]:
        """Yield the nodes that a value reaches within so many steps."""
        values = [value]
        for _ in range(steps):
            found = {node.result: node for each in values for node in self.users(each)}
            yield from found.values()
            values = list(found)


def single(value: float) -> float:
    """Return a number as single precision has it, in which ONNX keeps attributes."""
    result: float = struct.unpack("f", struct.pack("f", value))[0]
    return result


def decimal(value: float) -> float:
    """Return the shortest decimal that is this number in single precision: what was written once."""
    candidates = (float(f"{value:.{digits}g}") for digits in range(1, 10))
    return next((each for each in candidates if single(each) == single(value)), value)
