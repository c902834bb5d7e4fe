"""What two worlds differ in and evaluation can make up for: biases before batch norms, and their eps.

A bias before a batch norm is as much off its running mean; another eps is as much on its running
variance. Both are added in double and rounded to single precision once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from resnet_dsl.ir.graph import Graph
from resnet_dsl.ir.ops import BatchNorm
from resnet_dsl.zoo.naming import Naming

Array = np.ndarray[Any, Any]

NO_NORM = "a bias that the other side has not, and no batch norm alone takes the result to make up for it"
NEGATIVE = "would not be positive with the difference of eps in it"


@dataclass(frozen=True)
class Carried:
    """Biases that one side has not: what they add to running means, by layer, and those that are lost."""

    means: Mapping[str, Array]
    lost: tuple[str, ...]
    zeros: int

    def notes(self, side: str) -> list[str]:
        """Return what was done, a sentence each; `side` has no such biases."""
        found = []
        if self.means:
            what = _counted(len(self.means), "bias", "biases")
            found.append(f"{what} that {side} has not taken into running_mean: exact in evaluation alone")
        if self.zeros:
            found.append(f"{_counted(self.zeros, 'bias', 'biases')} of zeros that {side} has not left out")
        return found


def carry(biases: Mapping[str, Array], graph: Graph) -> Carried:
    """Find a running mean for each bias, by the path of its layer; one of zeros needs none."""
    norms = _norms_after(graph)
    given = {path: bias for path, bias in biases.items() if bias.any()}
    means = {norms[path]: -bias.astype(np.float64) for path, bias in given.items() if path in norms}
    lost = tuple(path for path in given if path not in norms)
    return Carried(means, lost, len(biases) - len(given))


def eps_differences(naming: Naming) -> dict[str, float]:
    """Return by how much eps is larger there than here, for each batch norm where it differs."""
    if naming.map.eps is None:
        return {}
    norms = {p: layer.node.op for p, layer in naming.layers.items() if isinstance(layer.node.op, BatchNorm)}
    differences = {path: naming.map.eps - op.eps for path, op in norms.items()}
    return {path: difference for path, difference in differences.items() if difference}


def eps_note(naming: Naming, differences: Mapping[str, float]) -> list[str]:
    """Return the sentence on another eps, if it is one."""
    if not differences:
        return []
    norms = _counted(len(differences), "batch norm", "batch norms")
    eps = f"eps is {naming.map.eps:g} in {naming.world}"
    return [f"{eps}: the difference is taken into running_var of {norms}: exact in evaluation alone"]


def shifted(value: Array, amount: Array | float) -> Array:
    """Return statistics with something added."""
    return (value.astype(np.float64) + amount).astype(np.float32)


def _norms_after(graph: Graph) -> dict[str, str]:
    """The batch norm behind a layer whose result goes nowhere else."""
    takers: dict[str, list[str]] = defaultdict(list)
    for node in graph.nodes:
        for given in node.inputs:
            takers[given].append(node.name)
    for _, result in graph.outputs:
        takers[result].append("")
    norms = {node.name for node in graph.nodes if isinstance(node.op, BatchNorm)}
    return {path: names[0] for path, names in takers.items() if len(names) == 1 and names[0] in norms}


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
