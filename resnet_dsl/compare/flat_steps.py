"""A body or a graph as one row of steps, in an order that follows from what is computed, not from the text.

The way with the most weight layers comes first, so that a shortcut stands behind the main path wherever
its author wrote it. Steps that do nothing are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from resnet_dsl.ir.graph import Graph
from resnet_dsl.ir.network import INPUT, BlockCall, Body, FurtherResult
from resnet_dsl.ir.ops import Join, Op
from resnet_dsl.ir.shapes import Shape
from resnet_dsl.records import dataclass, replace

Value = int
"""The place of a step, or -1, -2 … for the inputs of the whole."""


@dataclass(frozen=True)
class FlatStep:
    """An op under its name within the whole; `owner` is the step whose tensors it uses, -1 for its own.

    `calls` are the blocks within the whole that it is a step of.
    """

    name: str
    op: Op
    inputs: tuple[Value, ...]
    shapes: tuple[Shape, ...]
    owner: int = -1
    calls: tuple[str, ...] = ()

    @property
    def has_tensors(self) -> bool:
        """Whether there are tensors of its own."""
        return self.owner < 0 and bool(self.op.parameters(*self.shapes))


@dataclass(frozen=True, eq=False)
class FlatSteps:
    """Steps in order, and which values are the results."""

    steps: tuple[FlatStep, ...]
    results: tuple[Value, ...]
    definition: str = ""

    @cached_property
    def depths(self) -> list[int]:
        """The most weight layers on a way up to each step, itself counted."""
        return depths_of(self.steps)

    @cached_property
    def weighted(self) -> list[Op]:
        """The weight layers that are on no shortcut."""
        return [s.op for i, s in enumerate(self.steps) if s.op.weighted and i not in self.shortcut]

    @cached_property
    def sum(self) -> int:
        """The last sum of two ways, -1 if there is none."""
        for place in range(len(self.steps) - 1, -1, -1):
            step = self.steps[place]
            if isinstance(step.op, Join) and step.op.agreement == "shape" and len(step.inputs) == 2:
                return place
        return -1

    @cached_property
    def shortcut(self) -> frozenset[int]:
        """The steps on the shallower of the two ways into the last sum alone, where one is shallower."""
        if self.sum < 0:
            return frozenset()
        ways = [(self.depths[value] if value >= 0 else 0, value) for value in self.steps[self.sum].inputs]
        (low, shallow), (high, deep) = sorted(ways)
        if low == high:
            return frozenset()
        return frozenset(self._before(shallow) - self._before(deep))

    def is_of_shortcut(self, place: int) -> bool:
        """Whether a step is on the shortcut, or joins it to the main path."""
        return place in self.shortcut or place == self.sum

    def _before(self, value: Value) -> set[int]:
        """The steps that a value depends on, its own included."""
        found: set[int] = set()
        open_values = [value]
        while open_values:
            current = open_values.pop()
            if current >= 0 and current not in found:
                found.add(current)
                open_values += self.steps[current].inputs
        return found


NOTHING = FlatSteps((), (-1,))


def depths_of(steps: Sequence[FlatStep]) -> list[int]:
    """Return the most weight layers on a way up to each step."""
    found: list[int] = []
    for step in steps:
        before = (found[value] for value in step.inputs if value >= 0)
        found.append(max(before, default=0) + step.op.weighted)
    return found


def flat_body(body: Body) -> FlatSteps:
    """Return a body with the steps of its calls in their places."""
    steps: list[FlatStep] = []
    inputs = [-1 - index for index in range(len(body.inputs))]
    results = _lower(body, _Within(), inputs, steps, {})
    return _in_order(steps, results, body.definition)


@dataclass(frozen=True)
class _Within:
    """Where a body stands: the start of its names, that of its tensors, and the blocks around its steps."""

    path: str = ""
    home: str = ""
    calls: tuple[str, ...] = ()


def _lower(
    body: Body, within: _Within, inputs: list[Value], steps: list[FlatStep], made: dict[str, int]
) -> list[Value]:
    """Append the steps of a body; `made` has their places by name."""
    values: list[Value] = []
    several: dict[int, list[Value]] = {}

    def value(index: int) -> Value:
        return inputs[-1 - index] if index < 0 else values[index]

    for number, node in enumerate(body.nodes):
        taken = [value(index) for index in node.inputs]
        name, owner = f"{within.path}{node.name}", f"{within.home}{node.owner or node.name}"
        if isinstance(node.what, FurtherResult):
            values.append(several[node.inputs[0]][node.what.position])
        elif isinstance(node.what, BlockCall):
            inner = _Within(f"{name}.", f"{owner}.", (*within.calls, node.what.body.definition))
            several[number] = _lower(node.what.body, inner, taken, steps, made)
            values.append(several[number][0])
        else:
            shapes = tuple(body.shape_of(index) for index in node.inputs)
            place = -1 if owner == name else made[owner]
            made[name] = len(steps)
            values.append(len(steps))
            steps.append(FlatStep(name, node.what, tuple(taken), shapes, place, within.calls))
    return [value(index) for index in body.results]


def flat_graph(graph: Graph) -> FlatSteps:
    """Return a whole graph; its outputs are in the order of their names."""
    places = {node.name: place for place, node in enumerate(graph.nodes)}
    places[INPUT] = -1
    steps = [
        FlatStep(
            node.name, node.op, tuple(places[name] for name in node.inputs), node.input_shapes,
            -1 if node.owner is None else places[node.owner.name],
        )
        for node in graph.nodes
    ]  # fmt: skip
    return _in_order(steps, [places[result] for _, result in sorted(graph.outputs)])


# --- the order -----------------------------------------------------------------------------------


def _in_order(steps: list[FlatStep], results: list[Value], definition: str = "") -> FlatSteps:
    """The steps that do something, each after what it takes, the deepest way first."""
    stands_for: list[Value] = []
    for place, step in enumerate(steps):
        idle = len(step.inputs) == 1 and step.op.does_nothing(*step.shapes)
        first = step.inputs[0] if idle else place
        stands_for.append(stands_for[first] if idle and first >= 0 else first)
    kept = [place for place, value in enumerate(stands_for) if value == place]
    values = {place: stands_for[place] for place in range(len(steps))}
    active = _renumbered(steps, kept, values)
    ends = [kept.index(value) if value >= 0 else value for value in (values.get(v, v) for v in results)]
    depths = depths_of(active)

    def ways(place: int) -> Sequence[Value]:
        step = active[place]
        if not step.op.commutes:
            return step.inputs
        return sorted(step.inputs, key=lambda value: (-depths[value] if value >= 0 else 1, value))

    order = walked(ends, ways, len(active))
    places = {old: new for new, old in enumerate(order)}
    ordered = _renumbered(active, order, {})
    return FlatSteps(tuple(ordered), tuple(places.get(end, end) for end in ends), definition)


def walked(ends: Sequence[Value], ways: Callable[[int], Sequence[Value]], count: int) -> list[int]:
    """Return the places of all steps, each after those on its ways; what leads to no end comes last."""
    order: list[int] = []
    seen: set[int] = set()
    for end in (*ends, *range(count)):
        stack = [(end, False)]
        while stack:
            place, is_done = stack.pop()
            if is_done:
                order.append(place)
            elif place >= 0 and place not in seen:
                seen.add(place)
                stack += [(place, True), *((value, False) for value in reversed(ways(place)))]
    return order


def _renumbered(
    steps: Sequence[FlatStep], order: Sequence[int], stands_for: Mapping[Value, Value]
) -> list[FlatStep]:
    """The steps in another order, with values for which others stand replaced by those."""
    places = {old: new for new, old in enumerate(order)}

    def now(value: Value) -> Value:
        value = stands_for.get(value, value)
        return places[value] if value >= 0 else value

    return [
        replace(
            steps[old],
            inputs=tuple(map(now, steps[old].inputs)),
            owner=places.get(steps[old].owner, -1),
        )
        for old in order
    ]


# --- equality ------------------------------------------------------------------------------------

Numbers = dict[tuple[object, ...], int]
"""A number for each value that is computed, the same in both of two networks."""


def settled_order(flat: FlatSteps, numbers: Numbers) -> list[int]:
    """Return the places in an order that is the same for all texts of one computation."""
    own: list[int] = []
    for step in flat.steps:
        taken = [own[value] if value >= 0 else value for value in step.inputs]
        key = step.op, tuple(sorted(taken) if step.op.commutes else taken)
        own.append(numbers.setdefault(key, len(numbers)))

    def ways(place: int) -> Sequence[Value]:
        step = flat.steps[place]
        if not step.op.commutes:
            return step.inputs
        return sorted(step.inputs, key=lambda value: own[value] if value >= 0 else value)

    return walked(flat.results, ways, len(flat.steps))


def settled(flat: FlatSteps, order: Sequence[int]) -> tuple[object, ...]:
    """Return what is computed, names left out: equal for networks that mean the same."""
    places = {old: new for new, old in enumerate(order)}
    rows: list[object] = []
    for old in order:
        step = flat.steps[old]
        taken = [places.get(value, value) for value in step.inputs]
        inputs = tuple(sorted(taken) if step.op.commutes else taken)
        rows.append((step.op, inputs, places.get(step.owner, -1)))
    return (*rows, tuple(places.get(value, value) for value in flat.results))
