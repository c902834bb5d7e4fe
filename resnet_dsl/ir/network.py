"""The network: what the author wrote, checked: stem, stages of blocks that share bodies, head.

A body is a small dataflow over values. Value `i >= 0` is the result of node `i`, value `-1` the
body's input, `-2`, `-3` … further inputs. Equal blocks on equal shapes are one `Body` object.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from resnet_dsl.diagnostics.model import Source, Span
from resnet_dsl.ir.formulas import Formula, Scalar
from resnet_dsl.ir.ops import Op
from resnet_dsl.ir.shapes import Extent, Shape

# By argument, or by `x.channels`; a pair of numbers has one formula if that gives both.
Derivation = Mapping[str, Formula | tuple[Formula, ...]]


@dataclass(frozen=True)
class Call:
    """A named use of a block inside a body: a level of its own in every parameter's name."""

    body: Body


@dataclass(frozen=True)
class Node:
    """One step: an op or a call applied to earlier values; `variable` is the author's name.

    `derived` says how the op's numeric arguments, or those of the called block, follow from what the
    names in its body stand for, and `channels` how those of the result do. `author_span` is what the
    author wrote that led to the step: `span` itself, unless that is in the library.
    """

    name: str
    what: Op | Call
    inputs: tuple[int, ...]
    shape: Shape
    variable: str
    span: Span = field(compare=False, repr=False)
    author_span: Span = field(compare=False, repr=False)
    derived: Derivation = field(compare=False, repr=False)
    channels: Formula = field(compare=False, repr=False)


@dataclass(frozen=True, eq=False)
class Body:
    """A block after elaboration, with the arguments it was elaborated for.

    `input_names` are the author's: `x`, then each parameter that is a tensor. `input_channels` are the
    formulas of their channels: `x.channels` in a block, in a stem or head whatever the model derives.
    """

    definition: str
    arguments: tuple[tuple[str, Any], ...]
    inputs: tuple[Shape, ...]
    input_names: tuple[str, ...]
    input_channels: tuple[Formula, ...]
    nodes: tuple[Node, ...]
    result: int
    doc: str = ""

    def shape_of(self, value: int) -> Shape:
        """Return the shape of a value of this body."""
        return self.inputs[-1 - value] if value < 0 else self.nodes[value].shape

    def channels_formula(self, value: int) -> Formula:
        """Return how the channels of a value of this body were derived."""
        return self.input_channels[-1 - value] if value < 0 else self.nodes[value].channels

    @property
    def names(self) -> dict[str, Scalar]:
        """What each name in the formulas of a block's body stands for."""
        numbers = {n: v for n, v in self.arguments if isinstance(v, int | float) and not isinstance(v, bool)}
        inputs = zip(self.input_names, self.inputs, strict=True)
        return numbers | {f"{name}.channels": shape.channels for name, shape in inputs}

    @property
    def output(self) -> Shape:
        """The shape of the body's result."""
        return self.shape_of(self.result)

    @property
    def count(self) -> int:
        """The number of ops, those of calls included."""
        return sum(n.what.body.count if isinstance(n.what, Call) else 1 for n in self.nodes)

    def bodies(self) -> Iterator[Body]:
        """Yield the bodies of the calls below, inner ones first, then this one."""
        for node in self.nodes:
            if isinstance(node.what, Call):
                yield from node.what.body.bodies()
        yield self


@dataclass(frozen=True)
class Stage:
    """Blocks in a row; block `i` of stage `layer1` has the path `layer1.i`.

    `derived` says for each block how its arguments and `x.channels` follow from the model's parameters.
    """

    name: str
    blocks: tuple[Body, ...]
    derived: tuple[Derivation, ...] = field(compare=False, repr=False)

    def first(self, count: int) -> Stage:
        """Return the stage with its first blocks alone."""
        return replace(self, blocks=self.blocks[:count], derived=self.derived[:count])


@dataclass(frozen=True)
class ModelParameter:
    """A number of the model that can have any other value without another structure.

    It is a parameter of the model's text, or `in_channels`: the channels of its input.
    """

    name: str
    value: Scalar


@dataclass(frozen=True)
class Network:
    """A checked model, before it is flattened to a graph.

    `features` are the earlier parts a head takes beside its input; `outputs` the names of what
    the model returns, or empty for the result of its last part; `frozen` the parts not trained;
    `parameters` the numbers that may vary, in which the formulas of stem, head and stages are.
    """

    name: str
    input: Shape
    extent: Extent
    stem: Body | None
    stages: tuple[Stage, ...]
    head: Body | None
    features: tuple[str, ...]
    outputs: tuple[str, ...]
    frozen: tuple[str, ...]
    preprocess: tuple[tuple[str, Any], ...]
    settings: tuple[tuple[str, str], ...]
    source: Source
    used: tuple[Source, ...] = ()
    parameters: tuple[ModelParameter, ...] = ()

    def parts(self) -> Iterator[tuple[str, str, Body]]:
        """Yield (part, path, body) in order: part is `stem`, a stage's name or `head`.

        The steps of stem and head are the model's own: their path is empty.
        """
        if self.stem is not None:
            yield "stem", "", self.stem
        for stage in self.stages:
            for index, body in enumerate(stage.blocks):
                yield stage.name, f"{stage.name}.{index}", body
        if self.head is not None:
            yield "head", "", self.head

    @property
    def output(self) -> Shape:
        """The shape of the last part's result."""
        last = [body for _, _, body in self.parts()]
        return last[-1].output if last else self.input


def renamed(body: Body, names: dict[str, str]) -> Body:
    """Return the body with steps renamed."""
    nodes = (replace(node, name=names.get(node.name, node.name)) for node in body.nodes)
    return replace(body, nodes=tuple(nodes))
