"""Which input sizes a network takes: the smallest, and whether larger ones.

What a spec leaves open is proved for every size that the windows fit on; how small that may be follows
from the ops. A network of a given size may hold at that alone, where it flattens a map, say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from resnet_dsl.ir.graph import Graph, GraphNode
from resnet_dsl.ir.shapes import Extent, ShapeError
from resnet_dsl.records import dataclass

LARGEST_TRIED = 1 << 16

Larger = Literal["all", "some", "none"]


@dataclass(frozen=True)
class InputSizes:
    """The smallest height and width on which every window fits, and which of the larger are taken."""

    height: int
    width: int
    larger: Larger

    @property
    def text(self) -> str:
        """The smallest size as the language writes it."""
        return f"{self.height}x{self.width}"

    @property
    def needs(self) -> str:
        """What an input has to have, in words: `H >= 8, W >= 8`; empty where a pixel is enough."""
        needed = (("H", self.height), ("W", self.width))
        return ", ".join(f"{axis} >= {size}" for axis, size in needed if size > 1)

    def take(self, height: int, width: int) -> bool:
        """Whether every window fits on an input of this size."""
        return height >= self.height and width >= self.width


def input_sizes(graph: Graph) -> InputSizes | None:
    """Return the input sizes that a network takes; None where its input is a vector, or none was found."""
    if graph.network.input.is_vector:
        return None
    steps = list({(node.op, node.input_shapes): node for node in graph.nodes}.values())
    if any(node.op.flattens and not node.input_shapes[0].is_constant for node in steps):
        return _own(graph)
    alone = [node for node in steps if node.op.inputs == 1 and not _holds_here_only(node, graph)]

    def fits(height: int, width: int) -> bool:
        return all(_fits(node, Extent(height, width)) for node in alone)

    enough = 1
    while not fits(enough, enough):
        enough *= 2
        if enough > LARGEST_TRIED:
            return _own(graph)
    height = _first(enough, lambda size: fits(size, enough))
    width = _first(enough, lambda size: fits(enough, size))
    if not fits(height, width):  # one of them has to be larger, either
        height = width = _first(enough, lambda size: fits(size, size))
    everywhere = all(_fits(node, Extent()) for node in steps)
    return InputSizes(height, width, "all" if everywhere else "some")


def _own(graph: Graph) -> InputSizes | None:
    """A network that takes its own size only: it flattens a map, so that a larger one gives more values."""
    height, width = graph.network.extent.height, graph.network.extent.width
    return None if height is None or width is None else InputSizes(height, width, "none")


def _holds_here_only(node: GraphNode, graph: Graph) -> bool:
    """Whether a step takes its input at some sizes that do not follow one another, one pixel say."""
    return bool(node.op.fails_for(*node.input_shapes, extent=graph.network.extent))


def _fits(node: GraphNode, extent: Extent) -> bool:
    """Whether an op takes its inputs, and leaves a row and a column, at a size of the model's input."""
    try:
        node.op.shape(*node.input_shapes, extent=extent)
    except ShapeError:
        return False
    return all(size is None or size > 0 for size in node.shape.at(extent)[1:])


def _first(enough: int, fits: Callable[[int], bool]) -> int:
    """The first size that fits, of those up to `enough`; all that are larger fit as well."""
    low, high = 1, enough
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle + 1, high)
    return low
