"""What a graph costs: parameters, multiply-adds, activation memory, receptive field.

Counting is torchvision's: `params` are learned elements, `buffers` those of running statistics,
`macs` the multiply-adds of convolutions and fully connected layers at batch 1.
"""

from __future__ import annotations

from math import ceil, prod
from typing import TYPE_CHECKING, Union

from resnet_dsl.ir.graph import INPUT, Graph, GraphNode
from resnet_dsl.ir.ops import Op, Window
from resnet_dsl.limits import VALUE
from resnet_dsl.records import dataclass

if TYPE_CHECKING:
    from fractions import Fraction

Known = tuple[int | None, ...]
Pixels = Union[int, "Fraction"]
ONE_PIXEL = (1, 1)
PIXEL = Window()
FAR = VALUE.most  # of a receptive field that is larger nobody wants to know


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
    """What a model costs; what depends on an input size that is not given is None.

    What exists in training only counts among the tensors, and not in what a pass computes.
    """

    layers: tuple[OpCost, ...]
    params: int
    trainable: int
    buffers: int
    macs: int | None
    activations: int | None
    depth: int
    output: dict[str, Known]
    auxiliary: dict[str, Known]


def cost_of(graph: Graph) -> Cost:
    """Return what a graph costs."""
    fields: dict[str, _Field | None] = {INPUT: _Field(ONE_PIXEL, ONE_PIXEL)}
    layers = []
    alike: dict[tuple[int, ...], tuple[OpCost, Window | None]] = {}  # uses of one body cost the same
    for node in graph.nodes:
        key = id(node.op), id(node.shape), *map(id, node.input_shapes)
        if key not in alike:
            whole = node.op.sees_whole_map(node.input_shapes[0], node.shape)
            alike[key] = _layer(graph, node), None if whole else node.op.window
        cost, window = alike[key]
        before = [fields[name] for name in node.inputs]
        field = fields[node.name] = _measured(window, before) if node.op.measures else _field(window, before)
        params, buffers = (cost.params, cost.buffers) if node.owner is None else (0, 0)
        trainable = 0 if graph.is_frozen(node) else params
        size = None if field is None else field.size
        layers.append(OpCost(node, cost.output, params, trainable, buffers, cost.macs, size))
    shapes = {INPUT: graph.network.input, **{node.name: node.shape for node in graph.nodes}}
    extent = graph.network.extent
    inference = graph.inference
    if inference is graph:
        used = layers
    else:
        names = {node.name for node in inference.nodes}
        used = [layer for layer in layers if layer.node.name in names]
    return Cost(
        layers=tuple(layers),
        params=sum(layer.params for layer in layers),
        trainable=sum(layer.trainable for layer in layers),
        buffers=sum(layer.buffers for layer in layers),
        macs=_total([layer.macs for layer in used]),
        activations=_total([_elements(layer.output) for layer in used]),
        depth=_depth(inference),
        output={name: shapes[result].at(extent) for name, result in inference.outputs},
        auxiliary={
            n: shapes[result].at(extent) for n, result in graph.outputs if n in graph.network.auxiliary
        },
    )


def _layer(graph: Graph, node: GraphNode) -> OpCost:
    """What an op costs wherever it stands."""
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
        trainable=params,
        buffers=sum(p.size for p in parameters if not p.learned),
        macs=macs,
        field=None,
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

    extent: tuple[Pixels, Pixels]
    step: tuple[Pixels, Pixels]

    @property
    def size(self) -> tuple[int, int]:
        """The input pixels that are seen, in part or whole."""
        return ceil(self.extent[0]), ceil(self.extent[1])


def _field(window: Window | None, inputs: list[_Field | None]) -> _Field | None:
    """The field of a result; None once an op, which then has no window, has seen the whole map."""
    known = [field for field in inputs if field is not None]
    if window is None or len(known) < len(inputs):
        return None
    if window == PIXEL and len(known) == 1:
        return known[0]
    extent = (max(f.extent[0] for f in known), max(f.extent[1] for f in known))
    step = (max(f.step[0] for f in known), max(f.step[1] for f in known))
    grown = [min(extent[i] + (window.kernel[i] - 1) * window.dilation[i] * step[i], FAR) for i in (0, 1)]
    steps = [_part(min(step[i] * window.stride[i], FAR), window.factor[i]) for i in (0, 1)]
    return _Field((grown[0], grown[1]), (steps[0], steps[1]))


def _measured(window: Window | None, inputs: list[_Field | None]) -> _Field | None:
    """The field of a map at the size of another: its pixels are as far apart as those of that one."""
    field, like = _field(window, inputs[:1]), inputs[-1]
    return field if field is None or like is None else _Field(field.extent, like.step)


def _part(whole: Pixels, factor: int) -> Pixels:
    """Divide; most steps are whole, and whole numbers are fast."""
    if whole % factor == 0:
        return whole // factor
    from fractions import Fraction

    return Fraction(whole) / factor
