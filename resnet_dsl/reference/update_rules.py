"""How an optimiser moves a weight by its gradient, one tensor at a time, in float64.

Every rule keeps *slots* of each tensor from step to step (a velocity, moments), zeros before the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from resnet_dsl.records import dataclass
from resnet_dsl.reference.meaning import Array

Slots = Mapping[str, Array]


class UpdateRule(Protocol):
    """One formula with its numbers, all but the rate, which each step has of its own."""

    def moved(
        self, weight: Array, gradient: Array, slots: Slots, lr: float, count: int
    ) -> tuple[Array, Slots]:
        """Return the weight and the slots after step `count`, the first of which is 1."""
        ...


@dataclass(frozen=True)
class HeavyBall:
    """SGD with momentum, plain or Nesterov's; the velocity has no rate in it, the gradient has the decay."""

    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def moved(
        self, weight: Array, gradient: Array, slots: Slots, lr: float, count: int
    ) -> tuple[Array, Slots]:
        """f = g + weight_decay w, v = momentum v + f, w -= lr v, or Nesterov's w -= lr (f + momentum v)."""
        force = gradient + self.weight_decay * weight
        velocity = self.momentum * slots.get("velocity", 0.0) + force
        walk = force + self.momentum * velocity if self.nesterov else velocity
        return weight - lr * walk, {"velocity": velocity}


@dataclass(frozen=True)
class AdaptiveMoments:
    """Adam; with `decoupled` the decay acts on the weight before the step (AdamW), else on the gradient."""

    beta1: float
    beta2: float
    eps: float
    weight_decay: float = 0.0
    decoupled: bool = False

    def moved(
        self, weight: Array, gradient: Array, slots: Slots, lr: float, count: int
    ) -> tuple[Array, Slots]:
        """w -= lr m / (sqrt(v) + eps), both moments corrected for their zeros at the start."""
        if self.decoupled:
            weight = weight * (1.0 - lr * self.weight_decay)
        else:
            gradient = gradient + self.weight_decay * weight
        first, second = _moments(self.beta1, self.beta2, gradient, slots)
        direction = _direction(self.beta1, self.beta2, self.eps, first, second, count)
        return weight - lr * direction, {"first": first, "second": second}


@dataclass(frozen=True)
class RootMeanSquare:
    """RMSprop, not centred: eps outside the root, the momentum's velocity holds no rate."""

    alpha: float
    eps: float
    momentum: float = 0.0
    weight_decay: float = 0.0

    def moved(
        self, weight: Array, gradient: Array, slots: Slots, lr: float, count: int
    ) -> tuple[Array, Slots]:
        """s = alpha s + (1 - alpha) g g, v = momentum v + g / (sqrt(s) + eps), w -= lr v."""
        force = gradient + self.weight_decay * weight
        square = self.alpha * slots.get("square", 0.0) + (1.0 - self.alpha) * force * force
        velocity = self.momentum * slots.get("velocity", 0.0) + force / (np.sqrt(square) + self.eps)
        return weight - lr * velocity, {"square": square, "velocity": velocity}


@dataclass(frozen=True)
class LayerwiseMoments:
    """LAMB: Adam's direction and the decay, their sum as long as the weight itself, tensor by tensor."""

    beta1: float
    beta2: float
    eps: float
    weight_decay: float = 0.0

    def moved(
        self, weight: Array, gradient: Array, slots: Slots, lr: float, count: int
    ) -> tuple[Array, Slots]:
        """w -= lr (|w| / |u|) u, u Adam's direction and weight_decay w; the factor is 1 where a norm is 0."""
        first, second = _moments(self.beta1, self.beta2, gradient, slots)
        direction = _direction(self.beta1, self.beta2, self.eps, first, second, count)
        walk = direction + self.weight_decay * weight
        size, length = float(np.sqrt(np.square(weight).sum())), float(np.sqrt(np.square(walk).sum()))
        trust = size / length if size > 0.0 and length > 0.0 else 1.0
        return weight - lr * trust * walk, {"first": first, "second": second}


def _moments(beta1: float, beta2: float, gradient: Array, slots: Slots) -> tuple[Array, Array]:
    first = beta1 * slots.get("first", 0.0) + (1.0 - beta1) * gradient
    second = beta2 * slots.get("second", 0.0) + (1.0 - beta2) * gradient * gradient
    return first, second


def _direction(beta1: float, beta2: float, eps: float, first: Array, second: Array, count: int) -> Array:
    """The first moment over the root of the second, both rid of the zeros that they started from."""
    mean, square = first / (1.0 - beta1**count), second / (1.0 - beta2**count)
    result: Array = mean / (np.sqrt(square) + eps)
    return result


def clipped(gradients: Mapping[str, Array], most: float) -> dict[str, Array]:
    """Return the gradients, together no longer than `most` (0 for any length).

    As torch.nn.utils.clip_grad_norm_: times most / (norm + 1e-6) where that is below 1.
    """
    if not most:
        return dict(gradients)
    norm = float(np.sqrt(sum(np.square(gradient).sum() for gradient in gradients.values())))
    factor = min(1.0, most / (norm + 1e-6))
    return {name: gradient * factor for name, gradient in gradients.items()}


def averaged(mean: Mapping[str, Array], state: Mapping[str, Array], decay: float) -> dict[str, Array]:
    """Return the moving mean (EMA) after a step that left `state`: decay mean + (1 - decay) state."""
    return {name: decay * value + (1.0 - decay) * state[name] for name, value in mean.items()}
