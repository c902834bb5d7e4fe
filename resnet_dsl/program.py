"""A checked model in all its forms: what the compiler's stages make and backends take."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from resnet_dsl.analysis.cost import Cost, OpCost
from resnet_dsl.analysis.lower import Lowered
from resnet_dsl.diagnostics.model import Diagnostic
from resnet_dsl.ir.graph import Graph
from resnet_dsl.ir.network import Network
from resnet_dsl.records import dataclass, field, replace

if TYPE_CHECKING:
    from resnet_dsl.ir.folds import Fold

Value = TypeVar("Value")


@dataclass(frozen=True)
class Original:
    """The program that one for inference was made of, and what becomes of its tensors, in this order."""

    program: Program
    folds: tuple[Fold, ...]


@dataclass(frozen=True)
class Program:
    """A model after every stage; `warnings` are what the check remarked on without refusing.

    `names` are what backends call layers and blocks, by path, where those are not the paths. `original`
    is the program of which this is the form for inference.
    """

    network: Network
    lowered: Lowered
    cost: Cost
    warnings: tuple[Diagnostic, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    original: Original | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.network.name

    @property
    def graph(self) -> Graph:
        """The flat graph."""
        return self.lowered.flat

    def with_graph(self, graph: Graph) -> Program:
        """Return the program with another graph, such as one that passes made of its own."""
        return replace(self, lowered=Lowered(self.network, graph))

    @cached_property
    def layers(self) -> tuple[OpCost, ...]:
        """What each op costs."""
        from resnet_dsl.analysis.layer_costs import layers_of  # a check asks for the whole alone

        return layers_of(self.graph)

    def tensor_name(self, canonical: str) -> str:
        """Return what a tensor is to be called."""
        path, _, tensor = canonical.rpartition(".")
        return f"{self.names.get(path, path)}.{tensor}"

    def renamed(self, state: Mapping[str, Value]) -> dict[str, Value]:
        """Return tensors, or what goes for them, under the names that backends are to call them."""
        return {self.tensor_name(name): value for name, value in state.items()}
