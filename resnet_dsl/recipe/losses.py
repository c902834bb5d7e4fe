"""Losses: what an output is held against, each a mean over the batch."""

from __future__ import annotations

from typing import ClassVar

from resnet_dsl.ir.arguments import argument
from resnet_dsl.recipe.terms import BELOW_ONE, Term, term
from resnet_dsl.records import dataclass


class Loss(Term):
    """What is to become small; takes logits, or what a final softmax or sigmoid makes of them."""


@term
class CrossEntropy(Loss):
    """-sum(y log softmax(logits)); `smoothing` s makes y of the classes (1 - s) y + s / K."""

    kind: ClassVar[str] = "cross_entropy"
    smoothing: float = argument(BELOW_ONE, 0.0)


@term
class BinaryCrossEntropy(Loss):
    """The mean over classes of -(y log s + (1 - y) log(1 - s)), s the sigmoid of the logits; y is one-hot."""

    kind: ClassVar[str] = "binary_cross_entropy"
    smoothing: float = argument(BELOW_ONE, 0.0)


@dataclass(frozen=True)
class WeightedLoss:
    """The loss of one output and what it counts in the sum."""

    output: str
    loss: Loss
    weight: float = 1.0
