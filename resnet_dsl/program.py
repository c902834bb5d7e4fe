"""A checked model in all its forms: what the compiler's stages make and backends take."""

from __future__ import annotations

from dataclasses import dataclass

from resnet_dsl.diagnostics import Diagnostic
from resnet_dsl.ir.graph import Graph
from resnet_dsl.ir.network import Network
from resnet_dsl.passes.figures import Figures


@dataclass(frozen=True)
class Program:
    """A model after every stage; `warnings` are what the check remarked on without refusing."""

    network: Network
    graph: Graph
    figures: Figures
    warnings: tuple[Diagnostic, ...]

    @property
    def name(self) -> str:
        """The model's name."""
        return self.network.name
