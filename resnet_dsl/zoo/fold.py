"""What two libraries differ in and evaluation can make up for: biases before batch norms, and their eps.

A bias before a norm with running statistics is as much off its running mean; another eps is as much
on its running variance. Both are added in double and rounded to single precision once. Which ops have
such statistics, the roles of their tensors tell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from resnet_dsl.diagnostics.wording import counted
from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.graph import Graph
from resnet_dsl.records import dataclass
from resnet_dsl.zoo.model_names import ModelNames

NO_NORM = "a bias that the other side has not, and no batch norm alone takes the result to make up for it"
NEGATIVE = "would not be positive with the difference of eps in it"


@dataclass(frozen=True)
class FoldedBiases:
    """Biases that one side has not: what they add to running means, by tensor, and those that are lost."""

    means: Mapping[str, Array]
    lost: tuple[str, ...]
    zeros: int

    def notes(self, side: str) -> list[str]:
        """Return what was done, a sentence each; `side` has no such biases."""
        found = []
        if self.means:
            what = counted(len(self.means), "bias", "biases")
            found.append(f"{what} that {side} has not taken into running_mean: exact in evaluation alone")
        if self.zeros:
            found.append(f"{counted(self.zeros, 'bias', 'biases')} of zeros that {side} has not left out")
        return found


def fold_biases(biases: Mapping[str, Array], graph: Graph) -> FoldedBiases:
    """Find a running mean for each bias, by the path of its layer; one of zeros needs none."""
    behind = means_behind(graph)
    given = {path: bias for path, bias in biases.items() if bias.any()}
    means = {behind[path]: -bias.astype(np.float64) for path, bias in given.items() if path in behind}
    lost = tuple(path for path in given if path not in behind)
    return FoldedBiases(means, lost, len(biases) - len(given))


def eps_differences(names: ModelNames) -> dict[str, float]:
    """Return by how much eps is larger there than here, for each running variance where it differs."""
    theirs = names.map.eps
    if theirs is None:
        return {}
    ops = {layer.node.tensor("variance"): layer.node.op for layer in names.layers.values()}
    here: dict[str, float] = {name: getattr(op, "eps", theirs) for name, op in ops.items() if name}
    return {name: theirs - eps for name, eps in here.items() if eps != theirs}


def eps_note(names: ModelNames, differences: Mapping[str, float]) -> list[str]:
    """Return the sentence on another eps, if it is one."""
    if not differences:
        return []
    norms = counted(len(differences), "batch norm")
    eps = f"eps is {names.map.eps:g} in {names.library}"
    return [f"{eps}: the difference is taken into running_var of {norms}: exact in evaluation alone"]


def shifted(value: Array, amount: Array | float) -> Array:
    """Return statistics with something added."""
    return (value.astype(np.float64) + amount).astype(np.float32)


def means_behind(graph: Graph) -> dict[str, str]:
    """Return the running mean of the norm behind each layer whose result goes nowhere else.

    Of a layer or a norm that is applied more than once that has to be so each time.
    """
    takers: dict[str, list[str]] = defaultdict(list)
    for node in graph.nodes:
        for given in node.inputs:
            takers[given].append(node.name)
    for _, result in graph.outputs:
        takers[result].append("")
    means = {node.name: mean for node in graph.nodes if (mean := node.tensor("mean"))}
    homes = {node.name: node.home.name for node in graph.nodes}
    behind, before = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for path, names in takers.items():
        home = homes.get(path, path)
        behind[home].add(means.get(names[0], "") if len(names) == 1 else "")
        for mean in (means[name] for name in names if name in means):
            before[mean].add(home)
    alone = {path: next(iter(found)) for path, found in behind.items() if len(found) == 1}
    return {path: mean for path, mean in alone.items() if before[mean] == {path}}
