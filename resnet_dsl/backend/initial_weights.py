"""Initial weights of a seed, for a backend whose framework has none of its own; they need NumPy."""

from __future__ import annotations

from resnet_dsl.initial.seeded import initial_state
from resnet_dsl.ir.arrays import Array
from resnet_dsl.program import Program


def initial_weights(program: Program, seed: int) -> dict[str, Array]:
    """Return every tensor of a program as it starts; of one for inference, those of the original folded."""
    original = program.original
    if original is None:
        return initial_state(program.graph, seed)
    from resnet_dsl.optimize.fold_numbers import folded

    return folded(initial_weights(original.program, seed), original.folds, program.graph)
