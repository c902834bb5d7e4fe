"""What an output is held against: losses on logits, each with its gradient, a mean over the batch.

Targets are classes, whole numbers without the axis of the classes, or shares of classes, floats with it.
Where a network ends in the activation of a loss, the loss is of what that is applied to: what no rounding of
probabilities near 0 spoils.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike

from resnet_dsl.ir.graph import Graph
from resnet_dsl.ir.ops import Op, Sigmoid, Softmax
from resnet_dsl.records import dataclass
from resnet_dsl.reference.meaning import Array


class Criterion(Protocol):
    """A loss of logits (N, K, ...) and targets."""

    @property
    def activation(self) -> Op:
        """What makes probabilities of the logits."""
        ...

    def of(self, logits: Array, targets: ArrayLike) -> tuple[float, Array]:
        """Return the loss and its gradient by the logits."""
        ...


@dataclass(frozen=True)
class CategoricalEntropy:
    """-sum(y log softmax(logits)), with y = (1 - smoothing) y + smoothing / K."""

    smoothing: float = 0.0
    activation: ClassVar[Op] = Softmax("channels", 1)

    def of(self, logits: Array, targets: ArrayLike) -> tuple[float, Array]:
        """Return the mean over images, and over pixels if there are any."""
        shares = shares_of(targets, logits)
        wanted = (1.0 - self.smoothing) * shares + self.smoothing / logits.shape[1]
        shifted = logits - logits.max(1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        count = logits.size // logits.shape[1]
        gradient = np.exp(logs) * wanted.sum(1, keepdims=True) - wanted
        return float(-(wanted * logs).sum() / count), gradient / count


@dataclass(frozen=True)
class BinaryEntropy:
    """-(y log s + (1 - y) log(1 - s)), a mean over classes too, s the sigmoid of a logit.

    Smoothing is towards the half, since each class has two outcomes: y = (1 - smoothing) y + smoothing / 2.
    """

    smoothing: float = 0.0
    activation: ClassVar[Op] = Sigmoid()

    def of(self, logits: Array, targets: ArrayLike) -> tuple[float, Array]:
        """Return the mean over images and classes."""
        wanted = (1.0 - self.smoothing) * shares_of(targets, logits) + self.smoothing / 2
        # log(1 + exp(x)) without an overflow, for either sign of x.
        softplus = np.maximum(logits, 0.0) + np.log1p(np.exp(-np.abs(logits)))
        sigmoid = 0.5 * (1.0 + np.tanh(0.5 * logits))
        return float((softplus - wanted * logits).mean()), (sigmoid - wanted) / logits.size


@dataclass(frozen=True)
class Objective:
    """A loss on an output, by its name, and what it counts in the sum."""

    output: str
    criterion: Criterion
    weight: float = 1.0

    def result(self, graph: Graph) -> str:
        """Return the name of the result that are its logits."""
        name = dict(graph.outputs)[self.output]
        last = next(node for node in graph.nodes if node.name == name)
        return last.inputs[0] if last.op == self.criterion.activation else name


def shares_of(targets: ArrayLike, logits: Array) -> Array:
    """Return targets as shares of classes, of the logits' shape.

    A single logit speaks for the second of two classes: its share counts, or the number of the class.
    """
    given = np.asarray(targets)
    if given.dtype.kind == "f" and given.ndim > 1 and (given.shape[1], logits.shape[1]) == (2, 1):
        given = given[:, 1:]
    if given.dtype.kind == "f":
        return np.asarray(given, np.float64).reshape(logits.shape)
    if logits.shape[1] == 1:
        return given.astype(np.float64).reshape(logits.shape)
    shares = np.zeros(logits.shape)
    np.put_along_axis(shares, np.expand_dims(given, 1), 1.0, 1)
    return shares
