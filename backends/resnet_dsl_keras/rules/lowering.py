"""What a rule makes of an op in Keras, and how rules make it."""

from __future__ import annotations

from functools import lru_cache, singledispatch

from resnet_dsl.backend.ir import GraphNode, Node, ops
from resnet_dsl.backend.python_source import (
    Argument,
    Call,
    Lowering,
    Operand,
    Site,
    StepName,
    Unpacked,
    call,
)
from resnet_dsl.backend.records import dataclass, field

X = Operand(0)


@dataclass(frozen=True)
class KerasLowering(Lowering):
    """An op in Keras: beside what is written, all that the rest of the backend has to know of it.

    `cases` are branches that the op needs of the helpers it calls, by helper. The op becomes at most
    `depth` operations of Keras one behind the other, among them some that Keras itself names after
    `operations`. Its result is that of the layer `name-ending`, or else of the layer which has its
    name; an ending of None says that no layer has it. `computed` is what Keras computes where that
    is more than the op, `parts` what gives this result and others at once; `by_channels` says that the
    layer is for inputs of as many channels as this one has. `norm` is the class of a norm with weights.
    """

    cases: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    depth: int = field(default=1, compare=False)
    operations: tuple[str, ...] = field(default=(), compare=False)
    ending: str | None = field(default="", compare=False)
    computed: ops.Op | None = field(default=None, compare=False)
    parts: Unpacked | None = None
    by_channels: bool = field(default=False, compare=False)
    norm: str = field(default="", compare=False)


@singledispatch
def lower(op: ops.Op, site: Site) -> KerasLowering:
    """Return how an op is written; raises for an op without a rule."""
    raise TypeError(f"the keras backend has no rule for {type(op).__name__}")


def lowered(site: Site) -> KerasLowering:
    """Return how a step is written where it is used."""
    return lower(site.op, site)


def lowered_node(node: GraphNode) -> KerasLowering:
    """Return how an op of the graph is written: what there is to know of it beside the class it is in.

    Several parts of a file ask for it, of many ops that are alike: without a name these are one.
    """
    step = Node("", node.op, (), node.shape, "", node.span, node.author)
    return _lowered_once(Site(step, node.input_shapes))


_lowered_once = lru_cache(maxsize=512)(lowered)


def layer(kind: str, *arguments: Argument, **settings: Argument) -> Call:
    """A layer of Keras on the op's one operand, under the op's name."""
    return call(call(f"layers.{kind}", *arguments, **settings, name=StepName()), X)


def helper_call(name: str, *arguments: Argument, **settings: Argument) -> Call:
    """A helper of the file that makes the layer of the op's name from the op's one operand."""
    return call(name, X, StepName(), *arguments, **settings)


def channel_axis(site: Site) -> Argument:
    """Return the axis of the channels, which of a map is known when the file runs."""
    return -1 if site.vector else call("channel_axis")


DIVISION = ("divide", "true_divide")  # one or the other, by Keras' version
