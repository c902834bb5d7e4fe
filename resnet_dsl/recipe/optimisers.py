"""Optimisers, each by the formula of PyTorch's or of its paper; every framework is brought to it.

g is the gradient (averaged over the batch, clipped if asked for), w a weight, lr the rate of the step.
All learned tensors take part, biases and norms too, unless a recipe says otherwise.
"""

from __future__ import annotations

from typing import ClassVar

from resnet_dsl.ir.arguments import FLAG, argument
from resnet_dsl.recipe.terms import BELOW_ONE, FROM_ZERO, POSITIVE, Term, term


class Optimiser(Term):
    """How weights follow gradients; each has a rate `lr`, which the schedule changes."""

    lr: float


@term
class SGD(Optimiser):
    """G = g + weight_decay w; v = momentum v + G; w -= lr v, with `nesterov` w -= lr (G + momentum v).

    L2 as in the papers, part of the gradient; v holds no rate, so that a change of rate counts at once.
    """

    kind: ClassVar[str] = "sgd"
    lr: float = argument(POSITIVE)
    momentum: float = argument(BELOW_ONE, 0.0)
    nesterov: bool = argument(FLAG, False)
    weight_decay: float = argument(FROM_ZERO, 0.0)

    def problem(self) -> tuple[str, str, str] | None:
        """Return what is wrong: Nesterov's step is one of momentum."""
        if self.nesterov and not self.momentum:
            return "nesterov", "`nesterov` is a form of momentum, and there is none", "`momentum=0.9`"
        return None


@term
class Adam(Optimiser):
    """Kingma & Ba 2014 as torch.optim.Adam: eps outside the root of the corrected second moment; L2 in g."""

    kind: ClassVar[str] = "adam"
    lr: float = argument(POSITIVE, 1e-3)
    beta1: float = argument(BELOW_ONE, 0.9)
    beta2: float = argument(BELOW_ONE, 0.999)
    eps: float = argument(POSITIVE, 1e-8)
    weight_decay: float = argument(FROM_ZERO, 0.0)


@term
class AdamW(Optimiser):
    """Loshchilov & Hutter 2017 as torch.optim.AdamW: w -= lr weight_decay w before Adam's step."""

    kind: ClassVar[str] = "adamw"
    lr: float = argument(POSITIVE, 1e-3)
    beta1: float = argument(BELOW_ONE, 0.9)
    beta2: float = argument(BELOW_ONE, 0.999)
    eps: float = argument(POSITIVE, 1e-8)
    weight_decay: float = argument(FROM_ZERO, 1e-2)


@term
class RMSprop(Optimiser):
    """As torch.optim.RMSprop, not centred: s = alpha s + (1 - alpha) g²; w -= lr v.

    v = momentum v + g / (sqrt(s) + eps), where g holds the L2.
    """

    kind: ClassVar[str] = "rmsprop"
    lr: float = argument(POSITIVE, 1e-2)
    alpha: float = argument(BELOW_ONE, 0.99)
    eps: float = argument(POSITIVE, 1e-8)
    momentum: float = argument(BELOW_ONE, 0.0)
    weight_decay: float = argument(FROM_ZERO, 0.0)


@term
class LAMB(Optimiser):
    """You et al. 2019, algorithm 2: Adam's direction u + weight_decay w, scaled per tensor by |w| / |…|.

    The factor is 1 where either norm is 0; moments are bias-corrected.
    """

    kind: ClassVar[str] = "lamb"
    lr: float = argument(POSITIVE, 1e-3)
    beta1: float = argument(BELOW_ONE, 0.9)
    beta2: float = argument(BELOW_ONE, 0.999)
    eps: float = argument(POSITIVE, 1e-6)
    weight_decay: float = argument(FROM_ZERO, 1e-2)
