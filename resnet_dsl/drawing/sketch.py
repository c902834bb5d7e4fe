"""One block as boxes and wires: small blocks it calls are written out, what belongs together is one box.

A sketch is of one body; bodies whose sketches differ in numbers alone are one drawing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from resnet_dsl.drawing.labels import attends, label_of, look_of, sign
from resnet_dsl.drawing.picture import LAST, Box, Caption, Wire
from resnet_dsl.ir.network import AGAIN, BlockCall, Body, FurtherResult, Node
from resnet_dsl.ir.ops import Op
from resnet_dsl.ir.shapes import Shape
from resnet_dsl.records import dataclass, field, replace

Value = tuple[int, int]  # a step by its place, or an input by -1, -2, …; and which of its results
WRITTEN_OUT = 4  # boxes of a block in a row that is not worth a drawing of its own
BESIDE = 5  # steps that may belong to a layer
IN_A_ROW = 3  # equal boxes that are drawn as one


@dataclass(frozen=True)
class Step:
    """An op or a call of a body, the calls of small blocks written out; `path` is relative to the body.

    `again` are the paths of steps that do the same once more, with nothing of their own.
    """

    path: str
    what: Op | Body
    inputs: tuple[Value, ...]
    shapes: tuple[Shape, ...]
    shape: Shape
    again: tuple[str, ...] = ()

    def through(self) -> tuple[int, ...]:
        """Which inputs the way through the network goes through."""
        return self.what.through(*self.shapes) if isinstance(self.what, Op) else (*range(len(self.inputs)),)

    @property
    def weighs(self) -> bool:
        """Whether it has weights of its own: a layer, or a block."""
        return self.what.weighted if isinstance(self.what, Op) else True


@dataclass(frozen=True)
class Sketch:
    """A body drawn: `called` has the body of each box that stands for a block."""

    definition: str
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]
    main: tuple[int, ...]
    called: tuple[Body | None, ...]
    doc: str = ""


@dataclass
class Sketcher:
    """Makes the sketch of each body once."""

    made: dict[int, Sketch] = field(default_factory=dict)
    kept: list[Body] = field(default_factory=list)  # so that no other body gets the identity of one

    def sketch(self, body: Body) -> Sketch:
        """Return the sketch of a body."""
        if id(body) not in self.made:
            self.kept.append(body)
            self.made[id(body)] = self._sketch(body)
        return self.made[id(body)]

    def _sketch(self, body: Body) -> Sketch:
        flat = _Flat(self)
        results = flat.add(body, "", [(-1 - i, 0) for i in range(len(body.inputs))])
        return _Boxes(body, tuple(flat.steps), tuple(results)).sketch()

    def is_small(self, body: Body) -> bool:
        """Whether a block that is called is written out where it is called."""
        if len(body.nodes) == 1:
            return True
        if len(body.inputs) > 1 or body.more:
            return False
        sketch = self.sketch(body)
        straight = all(wire.target == wire.source + 1 for wire in sketch.wires)
        return straight and len(sketch.boxes) <= WRITTEN_OUT + 1


@dataclass
class _Flat:
    """The steps of a body, in order, those of small blocks under the path of their call."""

    sketcher: Sketcher
    steps: list[Step] = field(default_factory=list)
    known: dict[tuple[Op, tuple[Value, ...]], int] = field(default_factory=dict)

    def add(self, body: Body, prefix: str, inputs: list[Value]) -> list[Value]:
        """Append the steps of a body and return its results."""
        values: list[Value] = []
        several: dict[int, list[Value]] = {}

        def value(index: int) -> Value:
            return inputs[-1 - index] if index < 0 else values[index]

        for number, node in enumerate(body.nodes):
            if isinstance(node.what, FurtherResult):
                values.append(several[node.inputs[0]][node.what.position])
                continue
            several[number] = self._step(body, node, prefix, [value(index) for index in node.inputs])
            values.append(several[number][0])
        return [value(index) for index in body.results]

    def _step(self, body: Body, node: Node, prefix: str, inputs: list[Value]) -> list[Value]:
        path = f"{prefix}{node.name}"
        shapes = tuple(body.shape_of(index) for index in node.inputs)
        if isinstance(node.what, BlockCall):
            if self.sketcher.is_small(node.what.body):
                return self.add(node.what.body, f"{path}.", inputs)
            self.steps.append(Step(path, node.what.body, tuple(inputs), shapes, node.shape))
            return [(len(self.steps) - 1, i) for i in range(len(node.what.body.results))]
        assert isinstance(node.what, Op)
        if node.what.does_nothing(*shapes):
            return [inputs[0]]
        if node.what.random or node.what.parameters(*shapes):
            place = len(self.steps)
        else:
            place = self.known.setdefault((node.what, tuple(inputs)), len(self.steps))
        if place == len(self.steps):
            self.steps.append(Step(path, node.what, tuple(inputs), shapes, node.shape))
        else:
            self.steps[place] = replace(self.steps[place], again=(*self.steps[place].again, path))
        return [(place, 0)]


class Bundle(NamedTuple):
    """Equal groups of steps, one behind the other, that are drawn as one box; most often it is one group."""

    steps: list[int]
    times: int


@dataclass
class _Boxes:
    """The boxes of a body's steps, and what is wired to what."""

    body: Body
    steps: tuple[Step, ...]
    results: tuple[Value, ...]
    rows: list[Bundle] = field(default_factory=list)

    def sketch(self) -> Sketch:
        """Return the sketch."""
        self.rows = self._in_rows(list(self._fused()))
        entries = {value: i for i, value in enumerate(self._inputs_used())}
        home = {step: len(entries) + i for i, row in enumerate(self.rows) for step in row.steps}
        boxes = [*map(self._entry, entries), *map(self._box, self.rows)]
        called = [*(None for _ in entries), *map(self._called, self.rows)]
        # One wire is enough from a box to another: a block may take the same map twice.
        first = {(w.source, w.target, w.label): w for w in reversed([*self._wires(entries, home)])}
        wires = [*reversed(first.values())]
        main = self._main(home, entries)
        if len(self.results) > 1:
            for position, (source, which) in enumerate(self.results):
                start = home[source] if source >= 0 else entries[source]
                wires.append(Wire(start, len(boxes), label=self._wire_label(source, which)))
                boxes.append(Box("end", (Caption(self._result_name(position)),), (), ""))
                called.append(None)
        return Sketch(self.body.definition, tuple(boxes), tuple(wires), main, tuple(called), self.body.doc)

    # --- what belongs together -----------------------------------------------------------------

    def _fused(self) -> Iterator[list[int]]:
        """Yield steps that are drawn as one box: a layer with the norms and activations beside it."""
        group: list[int] = []
        for index in range(len(self.steps)):
            if group and not self._belongs(group, index):
                yield group
                group = []
            if not group or self._belongs(group, index):
                group.append(index)
        if group:
            yield group

    def _belongs(self, group: list[int], index: int) -> bool:
        """Whether a step goes into the box of those right before it."""
        step, last = self.steps[index], group[-1]
        if (
            len(group) > BESIDE
            or step.inputs != ((last, 0),)
            or self._uses[(last, 0)] > 1
            or not isinstance(step.what, Op)
        ):
            return False
        ops = [self.steps[i].what for i in group]
        layers = [op for op in ops if isinstance(op, Op) and op.weighted]
        if not all(isinstance(op, Op) and (op.weighted or attends(op)) for op in ops):
            return False
        if step.what.weighted:
            return not layers and self._norms_first
        return attends(step.what) and not (layers and self._norms_first and self._leads(index))

    def _leads(self, index: int) -> bool:
        """Whether a norm or activation is followed by a layer, to which it belongs."""
        for place in range(index, min(index + BESIDE, len(self.steps))):
            step = self.steps[place]
            if place > index and step.inputs != ((place - 1, 0),):
                return False
            if not isinstance(step.what, Op) or not attends(step.what):
                return isinstance(step.what, Op) and step.what.weighted
        return False

    @cached_property
    def _norms_first(self) -> bool:
        """Whether norms and activations go with the layer behind them, as in a preactivated block."""
        way = [self.steps[i] for i in self._way if i >= 0]
        before = [a.what for a, b in pairwise(way) if isinstance(b.what, Op) and b.what.weighted]
        first = bool(way) and isinstance(way[0].what, Op) and attends(way[0].what)
        return first and all(isinstance(what, Op) and attends(what) for what in before)

    @cached_property
    def _uses(self) -> Counter[Value]:
        return Counter(value for step in self.steps for value in step.inputs) + Counter(self.results)

    def _in_rows(self, groups: list[list[int]]) -> list[Bundle]:
        """Join equal boxes in a row: each takes the one before it, and looks as that does."""
        runs: list[list[list[int]]] = []
        for group in groups:
            if runs and self._repeats(runs[-1], group):
                runs[-1].append(group)
            else:
                runs.append([group])
        rows = []
        for run in runs:
            enough = 2 if isinstance(self.steps[run[0][0]].what, Body) else IN_A_ROW
            joined = [Bundle([i for group in run for i in group], len(run))]
            rows += joined if len(run) >= enough else [Bundle(group, 1) for group in run]
        return rows

    def _repeats(self, row: list[list[int]], group: list[int]) -> bool:
        last, first = (row[-1][-1], 0), self.steps[group[0]]
        if first.inputs != (last,) or self._uses[last] > 1:
            return False
        before, now = ([self.steps[i] for i in g] for g in (row[0], group))
        return len(before) == len(now) and all(map(_alike, before, now))

    # --- boxes ---------------------------------------------------------------------------------

    def _inputs_used(self) -> list[int]:
        """The inputs of the body that something takes, by their negative places."""
        used = {value for step in self.steps for value, _ in step.inputs if value < 0}
        return sorted(used | {value for value, _ in self.results if value < 0}, reverse=True)

    def _entry(self, value: int) -> Box:
        name, shape = self.body.names[-1 - value], self.body.inputs[-1 - value]
        return Box("end", (Caption(f"{name}: {{}}", ((shape.channels,),)),), (), "")

    def _result_name(self, position: int) -> str:
        return self.body.fields[position] if self.body.fields else f"result {position}"

    def _called(self, row: Bundle) -> Body | None:
        what = self.steps[row.steps[0]].what
        return what if isinstance(what, Body) else None

    def _box(self, row: Bundle) -> Box:
        steps = [self.steps[i] for i in row.steps]
        names = tuple(path for step in steps for path in (step.path, *step.again))
        if isinstance(steps[0].what, Body):
            return Box("block", (Caption(steps[0].what.definition),), names, names[0], times=row.times)
        chief = next((step for step in steps if step.weighs), steps[0])
        assert isinstance(chief.what, Op)
        lines = tuple(_lines(steps[: len(steps) // row.times]))
        lines += (Caption("shared weights", minor=True),) if chief.weighs and AGAIN in chief.path else ()
        look = look_of(chief.what, chief.shapes, chief.shape)
        return Box(look, lines, names, chief.path, times=row.times)

    # --- wires ---------------------------------------------------------------------------------

    def _wires(self, entries: dict[int, int], home: dict[int, int]) -> Iterator[Wire]:
        for index, step in enumerate(self.steps):
            for port, (source, position) in enumerate(step.inputs):
                start = entries[source] if source < 0 else home[source]
                if start != home[index]:
                    size_only = isinstance(step.what, Op) and step.what.measures and port > 0
                    yield Wire(start, home[index], port, size_only, self._wire_label(source, position))

    def _wire_label(self, source: int, position: int) -> str:
        """Which of several results a wire carries."""
        what = self.steps[source].what if source >= 0 else None
        return what.fields[position] if isinstance(what, Body) and what.fields else ""

    def _main(self, home: dict[int, int], entries: dict[int, int]) -> tuple[int, ...]:
        """The boxes on the way straight through."""
        return tuple(dict.fromkeys(home[i] if i >= 0 else entries[i] for i in self._way))

    @cached_property
    def _way(self) -> tuple[int, ...]:
        """The way straight through: from the result back along the inputs with the most layers."""
        depth = {-1 - i: (0, 0) for i in range(len(self.body.inputs))}
        before: dict[int, int] = {}
        for index, step in enumerate(self.steps):
            sources = [step.inputs[i][0] for i in step.through()]
            before[index] = max(sources, key=lambda source: depth[source])
            layers, length = depth[before[index]]
            depth[index] = layers + step.weighs, length + 1
        way = [max((value for value, _ in self.results), key=lambda value: depth[value])]
        while way[-1] >= 0:
            way.append(before[way[-1]])
        return tuple(reversed(way))


def _alike(a: Step, b: Step) -> bool:
    """Whether two steps are drawn alike."""
    if isinstance(a.what, Op) and isinstance(b.what, Op):
        return type(a.what) is type(b.what) and label_of(a.what, a.shapes) == label_of(b.what, b.shapes)
    return a.what is b.what


def _lines(steps: list[Step]) -> Iterator[Caption]:
    """The lines of a box: a layer's own, those before and behind it on a line together."""
    beside: list[str] = []
    for step in steps:
        assert isinstance(step.what, Op)
        if attends(step.what):
            beside.append(step.what.kind)
            continue
        if beside:
            yield Caption(", ".join(beside), minor=len(beside) < len(steps))
            beside = []
        yield _own_line(step, step.what)
    if beside:
        yield Caption(", ".join(beside), minor=len(beside) < len(steps))


def _own_line(step: Step, op: Op) -> Caption:
    look = look_of(op, step.shapes, step.shape)
    if look == "sign":
        return Caption(sign(op))
    return (
        Caption(f"{op.kind}{LAST}", ((step.shape.channels,),)) if look == "bar" else label_of(op, step.shapes)
    )


def same_text(sketch: Sketch) -> Sketch:
    """Return the sketch without its numbers, to compare it with others."""
    bare = tuple(
        replace(box, lines=tuple(replace(line, numbers=()) for line in box.lines), steps=())
        for box in sketch.boxes
    )
    return replace(sketch, boxes=bare, called=())
