"""The graph: the list of ops of a network, under their full names, in order of execution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

from resnet_dsl.diagnostics.model import Span
from resnet_dsl.ir.network import INPUT as INPUT
from resnet_dsl.ir.network import Network
from resnet_dsl.ir.ops import Op, Role, TensorSpec
from resnet_dsl.ir.shapes import Shape
from resnet_dsl.records import dataclass, field


@dataclass(frozen=True)
class GraphNode:
    """One op; its result has its name, `inputs` are names of earlier results or `input`.

    `span` is where the step stands, `author` what the author wrote that led there, `given` where the
    author gave the op itself, if he did. `owner` is the op whose tensors it uses, where it is a shared
    one that is applied again. `times` is how many ops of blocks alike it stands for.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    input_shapes: tuple[Shape, ...]
    shape: Shape
    part: str
    span: Span = field(compare=False, repr=False)
    author: Span = field(compare=False, repr=False)
    given: Span | None = field(default=None, compare=False, repr=False)
    owner: GraphNode | None = field(default=None, compare=False, repr=False)
    times: int = 1

    @property
    def home(self) -> GraphNode:
        """The op that owns the tensors: this one, or the one that was applied first."""
        return self.owner or self

    def parameters(self) -> tuple[tuple[str, TensorSpec], ...]:
        """Return the full name and the declaration of each tensor the op uses."""
        return self._parameters

    @cached_property
    def _parameters(self) -> tuple[tuple[str, TensorSpec], ...]:
        """Kept, since whoever matches weights or asks for a role goes through them again and again."""
        found = self.op.parameters(*self.input_shapes)
        return tuple([(f"{self.home.name}.{parameter.name}", parameter) for parameter in found])

    def tensor(self, role: Role) -> str | None:
        """Return the full name of the tensor in a role, such as its bias; None if the op has none."""
        return next((name for name, tensor in self.parameters() if tensor.role == role), None)


class Repeated(NamedTuple):
    """What blocks alike in a row take, and how many they are, where the first stands for all."""

    start: str
    times: int


@dataclass(frozen=True)
class Graph:
    """The ops of a network. `outputs` maps each output's name to the result it is.

    Flat, it has all of them; else `repeated` has, by their result, the blocks that stand for more: what
    takes the result of the last of these takes that of the first.
    """

    network: Network
    nodes: tuple[GraphNode, ...]
    outputs: tuple[tuple[str, str], ...]
    parts: tuple[tuple[str, str], ...]
    repeated: Mapping[str, Repeated] = field(default_factory=dict, compare=False)

    @cached_property
    def inference(self) -> Graph:
        """The graph without what exists in training only; itself where nothing does."""
        if not self.network.auxiliary:
            return self
        outputs = tuple((name, result) for name, result in self.outputs if name not in self.network.auxiliary)
        needed = {INPUT, *(result for _, result in outputs)}
        for node in reversed(self.nodes):
            if node.name in needed:
                needed.update(node.inputs)
        nodes = tuple(node for node in self.nodes if node.name in needed)
        parts = tuple((part, result) for part, result in self.parts if result in needed)
        return Graph(self.network, nodes, outputs, parts, self.repeated)

    def parameters(self) -> Iterator[tuple[str, TensorSpec]]:
        """Yield every tensor of the model once, by its canonical name, in execution order."""
        seen: set[str] = set()
        for node in self.nodes:  # which of those with common tensors comes first: its owner may be left out
            if node.home.name not in seen:
                seen.add(node.home.name)
                yield from node.parameters()

    def shape_of(self, name: str) -> Shape:
        """Return the shape of a result, or of the input."""
        if name == INPUT:
            return self.network.input
        return next(node.shape for node in self.nodes if node.name == name)

    def is_frozen(self, node: GraphNode) -> bool:
        """Whether the spec freezes the op."""
        norms = self.network.frozen_norms and node.op.normalises
        return norms or node.op.stays or self.network.freezes(node.home.part, node.home.name)
