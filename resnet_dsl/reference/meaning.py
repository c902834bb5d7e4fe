"""What an op means: the rules it has, forward and backward, and what they are given.

A rule is a function registered for the op's class: `@forward.register` and `@backward.register`.
Maps are (N, C, H, W), vectors (N, C), all float64; weights have torch's layouts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from resnet_dsl.ir.ops import CATALOGUE, Op
from resnet_dsl.records import dataclass, field
from resnet_dsl.reference.standardising import Axes, channel_sums, standardised

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OpCall:
    """What an op is applied to: its inputs, and the tensors it owns by their own names.

    `training` matters to ops that behave differently there; an op that draws at random has its
    draw among `tensors`, since a referee draws nothing. Norms by the batch take each of its `groups`, equal
    and of neighbours, by itself. How far rounding moves a norm is looked at
    with other ways to `standardise` and to `add_channels`.
    """

    inputs: tuple[Array, ...]
    tensors: Mapping[str, Array] = field(default_factory=dict)
    training: bool = False
    groups: int = 1
    standardise: Callable[[Array, Axes, float], tuple[Array, Array]] = standardised
    add_channels: Callable[[Array, int], Array] = channel_sums

    @property
    def x(self) -> Array:
        """The first input, of most ops the only one."""
        return self.inputs[0]


@dataclass(frozen=True, eq=False)
class Gradients:
    """The loss by each input, in order, and by each learned tensor, by name; shapes are theirs."""

    inputs: tuple[Array, ...]
    tensors: Mapping[str, Array] = field(default_factory=dict)


@singledispatch
def forward(op: Op, call: OpCall) -> Array:
    """Return the result of an op."""
    raise NotImplementedError(f"the referee has no forward rule for `{op.kind}`")


@singledispatch
def backward(op: Op, call: OpCall, result: Array, gradient: Array) -> Gradients:
    """Return the gradients of a call that gave `result`, from the `gradient` of the loss by it."""
    raise NotImplementedError(f"the referee has no backward rule for `{op.kind}`")


@singledispatch
def weight_used(op: Op, tensors: Mapping[str, Array]) -> Array:
    """Return the weight that a layer multiplies by: of most layers its tensor as it is."""
    return tensors["weight"]


@singledispatch
def statistics(op: Op, call: OpCall, unbiased: bool) -> Mapping[str, Array]:
    """Return the buffers that a training call changes, with their new values: of most ops none.

    `unbiased` is torch's convention of a running variance, otherwise it is that of Keras and ONNX.
    """
    return {}


def missing_rules(ops: Iterable[type[Op]] = tuple(CATALOGUE.values())) -> tuple[str, ...]:
    """Return a line for each rule that an op lacks; one inherited from another op does not count."""
    rules = {"forward": forward.registry, "backward": backward.registry}
    return tuple(f"{op.kind}: no {rule} rule" for op in ops for rule in rules if op not in rules[rule])
