"""What an evaluation counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from resnet_dsl.training.images import Array, Labels, Numbers


def softmax(logits: Array) -> Numbers:
    """Return probabilities, in double precision."""
    numbers = logits.astype(np.float64)
    powers: Numbers = np.exp(numbers - numbers.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def mean_of_views(views: Sequence[Array]) -> Numbers:
    """Return the mean of the probabilities of all views, each array of which holds logits."""
    mean: Numbers = np.mean([softmax(logits) for logits in views], axis=0)
    return mean


def right_among(scores: Array, labels: Labels, k: int = 1) -> int:
    """Return how many images have their class among the `k` highest scores; of equal ones the first."""
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    earlier = np.arange(scores.shape[1]) < labels[:, None]
    ahead = (scores > own) | ((scores == own) & earlier)
    return int((ahead.sum(axis=1) < k).sum())
