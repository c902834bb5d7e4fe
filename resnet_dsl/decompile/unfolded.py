"""Folded norms taken out again: a file without them as the one with norms that it was made of."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from resnet_dsl.backend.foreign_graph import NORM_ROLES, ForeignGraph, ForeignNode
from resnet_dsl.backend.interface import GraphReader
from resnet_dsl.decompile.input_file import InputFile
from resnet_dsl.decompile.op_matcher import alone
from resnet_dsl.decompile.tensors import BN, NORMS, layers_of
from resnet_dsl.ir.ops import CATALOGUE
from resnet_dsl.records import replace

UNFOLDED = (
    "norms stand behind its convolutions, into which they were folded; `weights convert --unfold` gives "
    "weights with them, exact in evaluation alone"
)
NOTHING_FOLDED = "--unfold is for files without norms; there is no convolution here that may have had one"
NUMBERED = re.compile(r"(.*\.)?(conv|conv1\.|downsample\.)([0-9]{1,6})")
END_OF_STEM = ("conv1.6", "bn1")


def norm_behind(path: str, layers: Collection[str] = ()) -> str:
    """Return the path of the norm behind a convolution of a block or stem, empty if there is none.

    Where the first norm of a block comes before its convolutions, it cannot be folded, and is there.
    """
    found = NUMBERED.fullmatch(path)
    if path == END_OF_STEM[0]:
        return END_OF_STEM[1]
    if found is None:
        return ""
    front, kind, number = found[1] or "", found[2], int(found[3])
    if kind == "conv":
        comes_first = bool(front) and f"{front}bn1" in layers and f"{front}bn2" not in layers
        return f"{front}bn{number + comes_first}"
    return f"{front}{kind}{number + 1}"


def unfolded(file: InputFile) -> InputFile | None:
    """Return what a file holds with norms where they were folded; None where no layer may have had one."""
    layers = layers_of(file.shapes)
    bare = not any(layer.kind in NORMS for layer in layers.values())
    norms = {
        path: norm
        for path, layer in layers.items()
        if layer.kind == "conv" and (norm := norm_behind(path, layers)) and norm not in layers
        if bare or layer.has_bias
    }
    if not norms:
        return None
    shapes = {name: shape for name, shape in file.shapes.items() if name.removesuffix(".bias") not in norms}
    for path, norm in norms.items():
        shapes |= {f"{norm}.{role}": (layers[path].channels,) for role in NORM_ROLES}
    graph = file.graph
    if graph is not None and file.reader is not None:
        norm_node = _norm_node(file.reader)
        nodes = tuple(each for node in graph.nodes for each in _with_norm(graph, node, norms, norm_node))
        graph = replace(graph, nodes=nodes, weights=shapes)
    return replace(file, shapes=shapes, graph=graph, notes=(*file.notes, UNFOLDED))


def _with_norm(
    graph: ForeignGraph, node: ForeignNode, norms: dict[str, str], norm_node: ForeignNode
) -> Iterator[ForeignNode]:
    """A node, and the norm behind it if it is that of such a convolution."""
    path = next((path for path in graph.layers(node) if path in norms), None)
    if path is None:
        yield node
        return
    between = f"{node.result}/folded"
    yield replace(node, inputs=node.inputs[:2], outputs=(between,))
    tensors = (f"{norms[path]}.{role}" for role in NORM_ROLES)
    yield replace(norm_node, name=norms[path], inputs=(between, *tensors), outputs=(node.result,))


def _norm_node(reader: GraphReader) -> ForeignNode:
    """The node that a norm with its usual numbers is written as."""
    return reader.of_op(alone(CATALOGUE[BN]())).nodes[-1]
