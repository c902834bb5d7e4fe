"""How far a network's own results move where its weights move in the last bit.

An engine rounds after every operation, which moves results at least as far as weights that are
rounded otherwise. What a network makes of that is its own doing: the referee, held against itself
with each weight one unit in the last place up or down, tells how much.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.graph import Graph

RUNS = 3
MARGIN = 32  # in the runs of docs/exactness.md an engine differs by at most 6 times as much


def moved(graph: Graph, state: Mapping[str, Array], run: int, dtype: str = "float64") -> dict[str, Array]:
    """Return the state with each learned value moved to a neighbour in `dtype`, by signs of a run."""
    found = dict(state)
    generator = np.random.Generator(np.random.Philox(run))
    for name, parameter in graph.parameters():
        if parameter.learned:
            value = np.asarray(state[name], dtype)
            towards = generator.choice(np.array((-np.inf, np.inf), dtype), value.shape)
            found[name] = np.nextafter(value, towards).astype(np.float64)
    return found


def allowed(sensitivity: float | None, bar: float) -> float:
    """Return the largest error that rounding explains; the sensitivity is None where it was not needed."""
    return bar if sensitivity is None else max(bar, MARGIN * sensitivity)
