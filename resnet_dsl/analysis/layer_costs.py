"""What each op of a flat graph costs, and its receptive field: the pixels of the input that it sees."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from resnet_dsl.analysis.cost import OpCost, op_costs
from resnet_dsl.ir.graph import INPUT, Graph, GraphNode
from resnet_dsl.ir.ops import Window
from resnet_dsl.limits import VALUE
from resnet_dsl.records import dataclass, replace

Pixels = int | Fraction
ONE_PIXEL = (1, 1)
PIXEL = Window()
FAR = VALUE.most  # of a receptive field that is larger nobody wants to know


def layers_of(graph: Graph) -> tuple[OpCost, ...]:
    """Return what each op costs, its receptive field included."""
    fields = _receptive_fields(graph)
    return tuple(replace(cost, field=fields[cost.node.name]) for cost in op_costs(graph))


def _receptive_fields(graph: Graph) -> dict[str, tuple[int, int] | None]:
    """The height and width that the result of each op sees, None for the whole map."""
    fields: dict[str, _Field | None] = {INPUT: _Field(ONE_PIXEL, ONE_PIXEL)}
    windows: dict[tuple[int, ...], Window | None] = {}  # those of uses of one body are the same
    for node in graph.nodes:
        key = id(node.op), id(node.shape), id(node.input_shapes[0])
        if key not in windows:
            whole = node.op.sees_whole_map(node.input_shapes[0], node.shape)
            windows[key] = None if whole else node.op.window
        fields[node.name] = _of(node, windows[key], [fields[name] for name in node.inputs])
    return {name: None if field is None else field.size for name, field in fields.items()}


def _of(node: GraphNode, window: Window | None, before: list[_Field | None]) -> _Field | None:
    return _measured(window, before) if node.op.measures else _field(window, before)


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
    return whole // factor if whole % factor == 0 else Fraction(whole) / factor
