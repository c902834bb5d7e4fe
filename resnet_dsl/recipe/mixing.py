"""What is mixed of the images of a batch, and of their labels."""

from __future__ import annotations

from typing import ClassVar

from resnet_dsl.ir.arguments import argument
from resnet_dsl.recipe.terms import POSITIVE, Term, term


class Mix(Term):
    """Images 2k and 2k + 1 of a batch are partners, so that a process has both; a batch has one weight."""


@term
class MixUp(Mix):
    """Zhang et al. 2017: weight x + (1 - weight) partner, the labels too; weight from Beta(alpha, alpha)."""

    kind: ClassVar[str] = "mixup"
    alpha: float = argument(POSITIVE, 0.2)


@term
class CutMix(Mix):
    """Yun et al. 2019: a rectangle of the partner of 1 - weight of the area; labels by the true area."""

    kind: ClassVar[str] = "cutmix"
    alpha: float = argument(POSITIVE, 1.0)
