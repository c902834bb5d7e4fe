"""The referee, for a backend whose models are run by it; it needs NumPy."""

from resnet_dsl.reference import Batch, evaluate, steps, train
from resnet_dsl.reference.evaluation import evaluate_all

__all__ = ["Batch", "evaluate", "evaluate_all", "steps", "train"]
