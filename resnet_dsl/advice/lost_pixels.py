"""Pixels that are lost without a word, and images that a network of one size cannot take."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_dsl.diagnostics.model import Diagnostic
from resnet_dsl.diagnostics.wording import counted
from resnet_dsl.elaborate.model_state import ModelState
from resnet_dsl.ir.graph import Graph, GraphNode

SHARE = 8  # a row in so many; less is what every strided window leaves now and then


def rows_that_nothing_reads(graph: Graph) -> Iterator[Diagnostic]:
    """Yield a warning for a window that stops so early that an eighth of the map and more is not read."""
    for node in graph.nodes:
        lost = node.op.unread(*node.input_shapes, extent=graph.network.extent)
        sizes = node.input_shapes[0].at(graph.network.extent)[1:]
        for (count, size), axis in zip(zip(lost, sizes, strict=False), ("row", "column"), strict=False):
            if size is not None and count * SHARE >= size and count:
                yield _unread(graph, node, axis if count == 1 else counted(count, axis), size)
                break


def _unread(graph: Graph, node: GraphNode, lost: str, size: int) -> Diagnostic:
    shape = node.input_shapes[0].text(graph.network.extent)
    message = f"{node.op.kind} does not read the last {lost} of {size}: its windows end before, on {shape}"
    hint = "`gap` reads a whole map, `ceil=true` makes a last window of what is left, padding adds to it"
    return Diagnostic("W0618", message, node.author, hint=hint, severity="warning")


def images_of_another_size(state: ModelState, graph: Graph) -> Iterator[Diagnostic]:
    """Yield a warning where `preprocess` makes images of a size that the network cannot take."""
    extent = graph.network.extent
    said = _image(dict(graph.network.preprocess))
    own = (extent.height, extent.width)
    flat = next((node for node in graph.nodes if _ties(node)), None)
    if said is None or None in own or said == own or flat is None:
        return
    images, size = (f"{height}x{width}" for height, width in (said, own))
    line = flat.author.place[0]
    message = (
        f"`preprocess` makes images of {images}, and {flat.op.kind} at line {line} takes those of {size} only"
    )
    hint = "`gap` in its place takes any size; or set `input` and `size` alike"
    yield Diagnostic("W0617", message, state.value_at("preprocess"), hint=hint, severity="warning")


def _ties(node: GraphNode) -> bool:
    """Whether an op makes a vector of a map whose size is that of the input."""
    return bool(node.op.flattens) and any(size.axis is not None for size in node.input_shapes[0].spatial)


def _image(preprocess: dict[str, object]) -> tuple[int, int] | None:
    """The size that images have in the end: of the crop, which may be a share of `size`, or `size` itself."""
    size, crop = preprocess.get("size"), preprocess.get("crop")
    whole = _pair(crop) or _pair(size)
    if whole is not None and isinstance(crop, float):
        return round(whole[0] * crop), round(whole[1] * crop)
    return whole


def _pair(value: object) -> tuple[int, int] | None:
    match value:
        case bool():
            return None
        case int():
            return value, value
        case (int(height), int(width)):
            return height, width
    return None
