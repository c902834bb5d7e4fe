"""What a graph costs: parameters, multiply-adds, activation memory, receptive field.

Counting is torchvision's: `params` are learned elements, `buffers` those of running statistics,
`macs` the multiply-adds of convolutions and fully connected layers at batch 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, prod

from resnet_dsl.ir.graph import INPUT, Graph, GraphNode
from resnet_dsl.ir.ops import Op

Known = tuple[int | None, ...]
ONE_PIXEL = (Fraction(1), Fraction(1))


@dataclass(frozen=True)
class OpCost:
    """What one op costs; `field` is the receptive field (height, width) in input pixels."""

    node: GraphNode
    output: Known
    params: int
    trainable: int
    buffers: int
    macs: int | None
    field: tuple[int, int] | None


@dataclass(frozen=True)
class Cost:
    """What a model costs; what depends on an input size that is not given is None."""

    layers: tuple[OpCost, ...]
    params: int
    trainable: int
    buffers: int
    macs: int | None
    activations: int | None
    depth: int
    output: dict[str, Known]


def cost_of(graph: Graph) -> Cost:
    """Return what a graph costs."""
    fields: dict[str, _Field | None] = {INPUT: _Field(ONE_PIXEL, ONE_PIXEL)}
    layers = []
    for node in graph.nodes:
        fields[node.name] = _field(node, [fields[name] for name in node.inputs])
        layers.append(_layer(graph, node, fields[node.name]))
    shapes = {INPUT: graph.network.input, **{node.name: node.shape for node in graph.nodes}}
    extent = graph.network.extent
    return Cost(
        layers=tuple(layers),
        params=sum(layer.params for layer in layers),
        trainable=sum(layer.trainable for layer in layers),
        buffers=sum(layer.buffers for layer in layers),
        macs=_total([layer.macs for layer in layers]),
        activations=_total([_elements(layer.output) for layer in layers]),
        depth=_depth(graph),
        output={name: shapes[result].at(extent) for name, result in graph.outputs},
    )


def _layer(graph: Graph, node: GraphNode, field: _Field | None) -> OpCost:
    extent = graph.network.extent
    output = node.shape.at(extent)
    parameters = [parameter for _, parameter in node.parameters()]
    params = sum(p.size for p in parameters if p.learned)
    macs: int | None = 0
    if type(node.op).macs is not Op.macs:
        sizes = [size for size in output if size is not None]
        macs = node.op.macs(node.input_shapes, tuple(sizes)) if len(sizes) == len(output) else None
    return OpCost(
        node=node,
        output=output,
        params=params,
        trainable=0 if graph.is_frozen(node) else params,
        buffers=sum(p.size for p in parameters if not p.learned),
        macs=macs,
        field=None if field is None else field.size,
    )


def _total(numbers: list[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


def _elements(output: Known) -> int | None:
    sizes = [size for size in output if size is not None]
    return prod(sizes) if len(sizes) == len(output) else None


def _depth(graph: Graph) -> int:
    """The most weight layers on one way through: the number in a network's name."""
    depths = {INPUT: 0}
    for node in graph.nodes:
        through = [node.inputs[i] for i in node.op.through(*node.input_shapes)]
        depths[node.name] = max(depths[name] for name in through) + node.op.weighted
    return max(depths[result] for _, result in graph.outputs)


@dataclass(frozen=True)
class _Field:
    """Receptive field and step between neighbours, in input pixels, by axis."""

    extent: tuple[Fraction, Fraction]
    step: tuple[Fraction, Fraction]

    @property
    def size(self) -> tuple[int, int]:
        """The input pixels that are seen, in part or whole."""
        return ceil(self.extent[0]), ceil(self.extent[1])


def _field(node: GraphNode, inputs: list[_Field | None]) -> _Field | None:
    """The field of a result; None once an op has seen the whole map."""
    known = [field for field in inputs if field is not None]
    if len(known) < len(inputs) or node.op.sees_whole_map(node.input_shapes[0], node.shape):
        return None
    extent = (max(f.extent[0] for f in known), max(f.extent[1] for f in known))
    step = (max(f.step[0] for f in known), max(f.step[1] for f in known))
    window = node.op.window
    grown = [extent[i] + (window.kernel[i] - 1) * window.dilation[i] * step[i] for i in (0, 1)]
    steps = [step[i] * window.stride[i] / window.factor[i] for i in (0, 1)]
    return _Field((grown[0], grown[1]), (steps[0], steps[1]))
