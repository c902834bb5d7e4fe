"""Initial weights of a seed, for a backend whose framework has none of its own; they need NumPy."""

from resnet_dsl.initial.seeded import initial_state

__all__ = ["initial_state"]
