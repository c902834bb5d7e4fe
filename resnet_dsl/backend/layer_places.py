"""What layers of a graph are called by their places, as in the library, whatever their own names are.

Values through which everything passes cut the graph in pieces. A piece of several branches that an
addition joins is a residual block; what comes before the first is the stem, behind the last the head.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import prod

from resnet_dsl.backend.foreign_graph import ROLES, ForeignGraph, ForeignNode
from resnet_dsl.records import dataclass, replace

JOIN, GATED, POOLED = "Add", "Mul", "GlobalAveragePool"
CONV, MATRIX, NORM, SLOPES = "Conv", "Gemm", "BatchNormalization", "PRelu"
BY_PLACE = "its layers have no names that are known; they are called by their places in the graph"
DEEP = 3
"""Convolutions of a stem whose layers have the numbers of ResNet-C's."""
Nodes = Sequence[ForeignNode]
Named = tuple[str, ForeignNode]


def names_by_place(graph: ForeignGraph) -> dict[str, str]:
    """Return the names that tensors have in a graph by those of their places; none without blocks."""
    pieces = list(_pieces(graph))
    places = [number for number, piece in enumerate(pieces) if _is_block(piece)]
    if not places:
        return {}
    found: dict[str, str] = {}
    for path, node in _named_layers(graph, pieces, places):
        for role, name in zip(ROLES[node.op], node.inputs[1:], strict=False):
            maker = graph.maker(name)
            tensor = name if maker is None else maker.inputs[0]
            if tensor in graph.weights:
                found.setdefault(f"{path}.{role}", tensor)
    return found


# --- pieces ------------------------------------------------------------------------------------


def _pieces(graph: ForeignGraph) -> Iterator[list[ForeignNode]]:
    """Yield the nodes between one value that everything passes through and the next."""
    nodes = _needed(graph)
    left = Counter(name for node in nodes for name in dict.fromkeys(node.inputs))
    computed = {graph.input}
    live = {graph.input}
    piece: list[ForeignNode] = []
    for node in nodes:
        piece.append(node)
        if computed.isdisjoint(node.inputs):
            continue
        for name in dict.fromkeys(node.inputs):
            left[name] -= 1
            if not left[name]:
                live.discard(name)
        computed.update(node.outputs)
        live.update(name for name in node.outputs if left[name])
        if not live or (len(live) == 1 and node.result in live):
            yield piece
            piece = []
    if piece:
        yield piece


def _needed(graph: ForeignGraph) -> list[ForeignNode]:
    """The nodes that the last output comes of; convolutions by constants, such as blurs, are no layers."""
    needed = {graph.outputs[-1][1]}
    found = []
    for node in reversed(graph.nodes):
        if not needed.isdisjoint(node.outputs):
            needed.update(node.inputs)
            fixed = node.op == CONV and graph.is_constant(node.inputs[1:2])
            found.append(replace(node, op="") if fixed else node)
    return found[::-1]


def _is_block(piece: Nodes) -> bool:
    return len(piece) > 1 and piece[-1].op == JOIN and any(node.op == CONV for node in piece)


@dataclass(frozen=True)
class _Branches:
    """The main branch of a block, the layers of its gate, and the other branch."""

    main: tuple[ForeignNode, ...]
    gate: tuple[ForeignNode, ...]
    other: tuple[ForeignNode, ...]

    def of(self, op: str) -> list[ForeignNode]:
        """Return the layers of a kind on the main branch."""
        return [node for node in self.main if node.op == op]


def _branches(piece: Nodes) -> _Branches:
    *inner, join = piece
    makers = {node.result: node for node in inner}
    sides = sorted((_behind(name, makers) for name in join.inputs[:2]), key=_weight)
    other, main = sides[0], sides[-1]
    gate = _gate(inner, main)
    return _Branches(
        tuple(node for node in inner if node.result in main and node.result not in gate),
        tuple(node for node in inner if node.result in gate and node.op in ROLES),
        tuple(node for node in inner if node.result in other and node.result not in main),
    )


def _behind(name: str, makers: Mapping[str, ForeignNode]) -> dict[str, ForeignNode]:
    """The nodes that a value comes of."""
    found: dict[str, ForeignNode] = {}
    waiting = [name]
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.result not in found:
            found[node.result] = node
            waiting += node.inputs
    return found


def _weight(side: Mapping[str, ForeignNode]) -> tuple[int, int]:
    return sum(node.op == CONV for node in side.values()), len(side)


def _gate(inner: Nodes, main: Mapping[str, ForeignNode]) -> set[str]:
    """What lies between the mean of a map and the product that it ends in."""
    reached: set[str] = set()
    for node in (node for node in inner if node.result in main):
        inside = not reached.isdisjoint(node.inputs) and node.op != GATED
        if node.op == POOLED or inside:
            reached.add(node.result)
    return reached


# --- names -------------------------------------------------------------------------------------


def _named_layers(graph: ForeignGraph, pieces: Sequence[Nodes], places: Sequence[int]) -> Iterator[Named]:
    """Yield the path of each layer that has one by its place."""
    blocks = {place: _branches(pieces[place]) for place in places}
    pre = _norms_come_first(pieces, blocks)
    pooled = any(node.op == "AveragePool" for block in blocks.values() for node in block.other)
    taken: set[str] = set()
    for (stage, index), place in zip(_numbers(graph, blocks), places, strict=True):
        block = blocks[place]
        before = _before(pieces, place, block) if pre else []
        behind = [] if pre else [node for piece in pieces[place + 1 : place + 2] for node in piece]
        taken.update(node.result for node in (*before, *behind))
        for name, node in _in_block(block, before, behind, pre, pooled):
            yield f"layer{stage}.{index}.{name}", node
    rest = [[node for piece in part for node in piece if node.result not in taken]
            for part in (pieces[: places[0]], pieces[places[-1] + 1 :])]  # fmt: skip
    yield from _in_stem(rest[0])
    yield from _in_head(rest[1])


def _norms_come_first(pieces: Sequence[Nodes], blocks: Mapping[int, _Branches]) -> bool:
    """Whether the main branches begin with a norm; where all have projections, whether the head does."""
    bare = [block.main[0] for block in blocks.values() if block.main and not block.other]
    if bare:
        return all(node.op == NORM for node in bare)
    behind = [node for piece in pieces[max(blocks) + 1 : max(blocks) + 2] for node in piece]
    return bool(behind) and behind[0].op == NORM


def _before(pieces: Sequence[Nodes], place: int, block: _Branches) -> list[ForeignNode]:
    """The norm and activation before a block that both its branches take."""
    if block.main and block.main[0].op == NORM:
        return []
    found = [node for piece in pieces[max(0, place - 2) : place] for node in piece]
    return found if found and found[0].op == NORM else []


def _numbers(graph: ForeignGraph, blocks: Mapping[int, _Branches]) -> Iterator[tuple[int, int]]:
    """Yield stage and index of each block: stages begin where channels or sizes change."""
    stage, index, channels = 0, 0, 0
    for block in blocks.values():
        convs = block.of(CONV)
        after = graph.extents(convs[-1])[0] if convs else channels
        strides = [node.attributes.get("strides", (1,)) for node in (*block.main, *block.other)]
        strided = any(isinstance(each, tuple) and prod(each) > 1 for each in strides)
        index += 1
        if not stage or strided or after != channels:
            stage, index = stage + 1, 0
        channels = after
        yield stage, index


def _in_block(block: _Branches, before: Nodes, behind: Nodes, pre: bool, pooled: bool) -> Iterator[Named]:
    main = (*before, *block.main)
    for kind, prefix in ((CONV, "conv"), (NORM, "bn")):
        layers = [node for node in main if node.op == kind]
        yield from ((f"{prefix}{number + 1}", node) for number, node in enumerate(layers))
    slopes = [node for node in (*main, *behind) if node.op == SLOPES]
    yield from ((f"prelu{number + 1}", node) for number, node in enumerate(slopes))
    names = ["se.conv"] if len(block.gate) == 1 else ["se.fc1", "se.fc2"]
    yield from zip(names, block.gate, strict=False)
    other = [node for node in block.other if node.op in ROLES]
    if pre and len(other) == 1:
        yield "shortcut", other[0]
    else:
        first = 1 if pooled else 0
        yield from ((f"downsample.{first + number}", node) for number, node in enumerate(other))


def _in_stem(nodes: Nodes) -> Iterator[Named]:
    convs = [node for node in nodes if node.op == CONV]
    norms = [node for node in nodes if node.op == NORM]
    if len(convs) == DEEP and len(norms) in (0, DEEP):
        yield from zip(("conv1.0", "conv1.3", "conv1.6"), convs, strict=True)
        yield from zip(("conv1.1", "conv1.4", "bn1"), norms, strict=False)
    else:
        yield from ((f"conv{number + 1}", node) for number, node in enumerate(convs))
        yield from ((f"bn{number + 1}", node) for number, node in enumerate(norms))
    slopes = [node for node in nodes if node.op == SLOPES]
    yield from ((f"prelu{number + 1}", node) for number, node in enumerate(slopes))


def _in_head(nodes: Nodes) -> Iterator[Named]:
    for kind, name in {MATRIX: "fc", NORM: "bn", CONV: "conv", SLOPES: "prelu"}.items():
        found = [node for node in nodes if node.op == kind]
        names = [name] if len(found) == 1 else [f"{name}{number + 1}" for number in range(len(found))]
        yield from zip(names, found, strict=True)
