"""What a graph costs: parameters, multiply-adds, activation memory.

Counting is torchvision's: `params` are learned elements, `buffers` those of running statistics,
`macs` the multiply-adds of convolutions and fully connected layers at batch 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from resnet_dsl.ir.graph import INPUT, Graph, GraphNode
from resnet_dsl.ir.ops import Op
from resnet_dsl.records import dataclass

Known = tuple[int | None, ...]


@dataclass(frozen=True)
class OpCost:
    """What one op costs; `field` is the receptive field (height, width) in input pixels."""

    node: GraphNode
    output: Known
    params: int
    trainable: int
    buffers: int
    macs: int | None
    field: tuple[int, int] | None = None


@dataclass(frozen=True)
class Cost:
    """What a model costs; what depends on an input size that is not given is None.

    What exists in training only counts among the tensors, and not in what a pass computes. `largest` is the
    op with the most parameters.
    """

    params: int
    trainable: int
    buffers: int
    macs: int | None
    activations: int | None
    depth: int
    output: dict[str, Known]
    auxiliary: dict[str, Known]
    largest: str


def cost_of(graph: Graph) -> Cost:
    """Return what a graph costs, whether it is flat or has blocks that are alike once."""
    layers = tuple(op_costs(graph))
    inference = graph.inference
    names = {node.name for node in inference.nodes}
    used = layers if inference is graph else [layer for layer in layers if layer.node.name in names]
    shapes = {INPUT: graph.network.input, **{node.name: node.shape for node in graph.nodes}}
    extent = graph.network.extent
    return Cost(
        params=sum(layer.params * layer.node.times for layer in layers),
        trainable=sum(layer.trainable * layer.node.times for layer in layers),
        buffers=sum(layer.buffers * layer.node.times for layer in layers),
        macs=_total([(layer.macs, layer.node.times) for layer in used]),
        activations=_total([(_elements(layer.output), layer.node.times) for layer in used]),
        depth=_depth(inference),
        output={name: shapes[result].at(extent) for name, result in inference.outputs},
        auxiliary={
            n: shapes[result].at(extent) for n, result in graph.outputs if n in graph.network.auxiliary
        },
        largest=max(layers, key=lambda layer: layer.params).node.name if layers else "",
    )


def op_costs(graph: Graph) -> Iterator[OpCost]:
    """Yield what each op costs, but for its receptive field; uses of one body cost the same."""
    alike: dict[tuple[int, ...], OpCost] = {}
    for node in graph.nodes:
        key = id(node.op), id(node.shape), *map(id, node.input_shapes)
        if key not in alike:
            alike[key] = _layer(graph, node)
        cost = alike[key]
        params, buffers = (cost.params, cost.buffers) if node.owner is None else (0, 0)
        trainable = 0 if graph.is_frozen(node) else params
        yield OpCost(node, cost.output, params, trainable, buffers, cost.macs)


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
    )


def _total(numbers: list[tuple[int | None, int]]) -> int | None:
    """Add up so many times each number, where all are known."""
    known = [number * times for number, times in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


def _elements(output: Known) -> int | None:
    sizes = [size for size in output if size is not None]
    return prod(sizes) if len(sizes) == len(output) else None


def _depth(graph: Graph) -> int:
    """The most weight layers on one way through: the number in a network's name."""
    depths = {INPUT: 0}
    for node in graph.nodes:
        through = [node.inputs[i] for i in node.op.through(*node.input_shapes)]
        depth = max(depths[name] for name in through) + node.op.weighted
        if node.name in graph.repeated:
            start, times = graph.repeated[node.name]
            depth += (times - 1) * (depth - depths[start])
        depths[node.name] = depth
    return max(depths[result] for _, result in graph.outputs)
