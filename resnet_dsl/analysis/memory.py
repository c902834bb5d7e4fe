"""What a model needs of memory, in inference and in training, as its graph tells.

Inference holds the weights and, at each op, the results that are still needed; training holds weights,
gradients, the optimiser's state and what the backward pass reads: what each op declares as `keeps`. An
activation that overwrites its input, or a step that does nothing, has no memory of its own. What a
framework's kernels take while they work is not counted.
"""

from __future__ import annotations

from collections import Counter
from math import prod

from resnet_dsl.ir.graph import INPUT, Graph, GraphNode
from resnet_dsl.ir.shapes import Extent, Shape
from resnet_dsl.records import dataclass

DTYPES = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}
"""Bytes of a number by the name of its kind."""
OPTIMIZERS = {"sgd": 0, "momentum": 1, "adam": 2}
"""By optimiser, the numbers that it keeps for each trainable one."""
INDEX = 8
"""Bytes of a place within a map, which a pool keeps of each maximum."""


@dataclass(frozen=True)
class Memory:
    """Bytes by what they are of; `live` and `kept` are None where the input's size is open."""

    weights: int
    gradients: int
    optimizer: int
    live: int | None
    kept: int | None

    @property
    def inference(self) -> int | None:
        """The peak of a forward pass: weights, and the results that are needed at once."""
        return None if self.live is None else self.weights + self.live

    @property
    def training(self) -> int | None:
        """The peak of a step of training: with all that is kept when the backward pass begins."""
        if self.kept is None:
            return None
        return self.weights + self.gradients + self.optimizer + self.kept


def memory_of(graph: Graph, batch: int = 1, dtype: str = "float32", optimizer: str = "momentum") -> Memory:
    """Return what a flat graph needs at a batch size, with all numbers of one kind."""
    size = DTYPES[dtype]
    tensors = [tensor for _, tensor in graph.parameters()]
    trained = size * sum(
        tensor.size
        for node in graph.nodes
        if node.owner is None and not graph.is_frozen(node)
        for _, tensor in node.parameters()
        if tensor.learned
    )
    return Memory(
        weights=size * sum(tensor.size for tensor in tensors),
        gradients=trained,
        optimizer=OPTIMIZERS[optimizer] * trained,
        live=_live(graph.inference, batch * size),
        kept=_kept(graph, batch, size),
    )


def _live(graph: Graph, size: int) -> int | None:
    """The most that results take which are needed at once; the input is held to the end."""
    places = _places(graph, training=False)
    sizes = _elements(graph)
    if sizes is None:
        return None
    last = {places[name]: number for number, node in enumerate(graph.nodes) for name in _touched(node)}
    held = {INPUT, *(places[result] for _, result in graph.outputs)}
    now = peak = sizes[INPUT]
    for number, node in enumerate(graph.nodes):
        own = {places[name] for name in _touched(node)}
        now += sizes[node.name] if places[node.name] == node.name else 0
        peak = max(peak, now)
        now -= sum(sizes[place] for place in own - held if last[place] == number)
    return size * peak


def _kept(graph: Graph, batch: int, size: int) -> int | None:
    """What the backward pass reads, each result once; nothing of what comes before all that is trained."""
    places = _places(graph, training=True)
    sizes = _elements(graph)
    if sizes is None:
        return None
    reached: set[str] = set()
    kept: set[str] = set()
    more = 0
    for node in graph.nodes:
        if not (reached.intersection(node.inputs) or _is_trained(graph, node)):
            continue
        reached.add(node.name)
        if node.op.does_nothing(*node.input_shapes):
            continue
        taken = node.inputs[:1] if node.op.measures else node.inputs
        kept.update(places[name] for name in taken if "inputs" in node.op.keeps)
        kept.update([places[node.name]] if "result" in node.op.keeps else [])
        more += sizes[node.name] * (size * ("mask" in node.op.keeps) + INDEX * ("indices" in node.op.keeps))
    return batch * (size * sum(sizes[place] for place in kept) + more)


def _touched(node: GraphNode) -> tuple[str, ...]:
    return (*node.inputs, node.name)


def _is_trained(graph: Graph, node: GraphNode) -> bool:
    return not graph.is_frozen(node) and any(tensor.learned for _, tensor in node.parameters())


def _places(graph: Graph, training: bool) -> dict[str, str]:
    """Return by each result the one whose memory it has: mostly its own."""
    nodes = {node.name: node for node in graph.nodes}
    taken = Counter(name for node in graph.nodes for name in node.inputs)
    taken.update(result for _, result in graph.outputs)
    places = {INPUT: INPUT}
    for node in graph.nodes:
        first = node.inputs[0]
        nothing = (
            node.op.within or node.op.does_nothing(*node.input_shapes) or (node.op.random and not training)
        )
        fresh = first in nodes and nodes[first].op.fresh and taken[first] == 1
        over = fresh and node.op.activation and node.op.keeps == ("result",)
        places[node.name] = places[first] if nothing or over else node.name
    return places


def _elements(graph: Graph) -> dict[str, int] | None:
    """Return the values of each result at batch 1, None if the input's size is open."""
    shapes = {INPUT: graph.network.input, **{node.name: node.shape for node in graph.nodes}}
    found = {name: _count(shape, graph.network.extent) for name, shape in shapes.items()}
    known = {name: count for name, count in found.items() if count is not None}
    return known if len(known) == len(found) else None


def _count(shape: Shape, extent: Extent) -> int | None:
    sizes = [size for size in shape.at(extent) if size is not None]
    return prod(sizes) if len(sizes) == 1 + len(shape.spatial) else None
