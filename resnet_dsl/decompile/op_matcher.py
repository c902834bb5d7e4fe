"""Ops of the catalogue found in a foreign graph: by what the file's backend would write for them.

No op is known here. Each op of one input that can be called without arguments is written out by its rule and
laid over the graph; where only numbers differ, those of the graph are tried as its arguments. So an
op that is in the catalogue and has a rule is found, with all its nodes and tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import product
from math import copysign
from typing import Any

from resnet_dsl.backend.foreign_graph import ForeignGraph, ForeignNode, decimal
from resnet_dsl.decompile.comparison import COMMUTATIVE, attributes
from resnet_dsl.decompile.syntax_nodes import NOWHERE
from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.ir.arguments import BOUND, FLAG, PAIR, PAIR_OR_NONE, ArgumentError, ArgumentRule
from resnet_dsl.ir.graph import INPUT, GraphNode
from resnet_dsl.ir.ops import CATALOGUE, Op
from resnet_dsl.ir.shapes import Extent, Shape, ShapeError
from resnet_dsl.ir.sizes import Size
from resnet_dsl.records import MISSING, dataclass

WriteOp = Callable[[GraphNode], ForeignGraph]
# Of an op: its arguments, the value it would take, what a backend cannot express or has no rule for.
REFUSALS = (ArgumentError, ShapeError, CompileError, NotImplementedError)
# A file can claim any shape, and what is guessed is written out: constants of so many channels.
MOST_CHANNELS, MOST_GUESSES = 65_536, 8
SOME_PAIR = (2, 3)  # what stands for a pair that an op may have, until the graph's is known
FAR = 1e9  # a bound that no number of a graph is beyond
WITHIN_OP = 12  # nodes from the value that an op takes to the last tensor that it has


@dataclass(frozen=True)
class FoundOp:
    """An op of the language in a graph: the value it gives, and the layer whose tensors it has."""

    op: Op
    result: str
    path: str


class OpMatcher:
    """Finds ops in one graph; `write_op` says what an op is written as."""

    def __init__(self, graph: ForeignGraph, write_op: WriteOp) -> None:
        self.graph = graph
        self.written = cache(lambda op, x: write_op(_node_of(op, x)))

    def at(self, value: str, alone: bool = True) -> FoundOp | None:
        """Return the op that takes a value; `alone` if nothing else may take it.

        Of several the one with the fewest numbers that are not the graph's is taken: the comparison
        of whole graphs will name them.
        """
        users = self.graph.users(value)
        found = (each for each in self._overlays(value) if not alone or each.covers(users))
        best = min(_to_the_first_perfect(found), key=lambda each: len(each.differences), default=None)
        return None if best is None else FoundOp(best.op, best.result, best.path)

    def _overlays(self, value: str) -> Iterator[_Overlay]:
        for channels in self._channels(value):
            for op in _callable_ops():
                for x in (Shape(channels, (Size("H"), Size("W"))), Shape(channels)):
                    found = self._fitted(op, x, value)
                    if found is not None:
                        yield found

    def _channels(self, value: str) -> list[int]:
        """How many channels a value may have: as the last layer gives, or as many as a tensor near it has."""
        found: dict[int, None] = {}
        maker = self.graph.maker(value)
        while maker is not None and not found:
            extents = self.graph.extents(maker)
            found = dict.fromkeys(extents[:1] if len(extents) in (2, 4) else ())
            maker = self.graph.maker(maker.inputs[0])
        for node in self.graph.behind(value, WITHIN_OP):
            for name in node.inputs:
                source = self.graph.maker(name)
                for each in (name, *(source.inputs if source is not None else ())):
                    found |= dict.fromkeys(self.graph.fixed_shape(each)[:1])
        plausible = [count for count in {**found, 1: None} if 0 < count <= MOST_CHANNELS]
        return plausible[:MOST_GUESSES]

    def _fitted(self, op: Op, x: Shape, value: str) -> _Overlay | None:
        """Lay an op over the graph, with the graph's numbers as its arguments where that fits better."""
        best = self._laid(op, x, value)
        for name, rule, _ in op.arguments():
            if best is None or not best.differences:
                break
            for number in _candidates(rule, best.differences):
                other = self._laid(best.op.having(name, number), x, value)
                if other is not None and len(other.differences) < len(best.differences):
                    best = other
                    break
        return best

    def _laid(self, op: Op, x: Shape, value: str) -> _Overlay | None:
        try:
            written = self.written(op.normalised(), x)
        except REFUSALS:
            return None
        overlay = _Overlay(op, written, self.graph, value)
        return overlay if overlay.fits() else None


class _Overlay:
    """What an op is written as, laid node by node over a graph from one value on."""

    def __init__(self, op: Op, ours: ForeignGraph, theirs: ForeignGraph, value: str) -> None:
        self.op, self.ours, self.theirs = op, ours, theirs
        self.values = {ours.input: theirs.origin(value)}
        self.nodes: set[str] = set()
        self.differences: list[tuple[Any, Any]] = []

    @property
    def result(self) -> str:
        """The value of the graph that is the op's result."""
        return self.values[self.ours.outputs[0][1]]

    @property
    def path(self) -> str:
        """The layer whose tensors the op has, empty where it has none."""
        return next((self.values[name].rpartition(".")[0] for name in self.ours.weights), "")

    def covers(self, users: Sequence[ForeignNode]) -> bool:
        """Whether these nodes are all of the op's."""
        return self.nodes >= {node.result for node in users}

    def fits(self) -> bool:
        """Lay all nodes over; false where the graph has others."""
        for node in self.ours.nodes:
            known = [name for name in node.inputs if name in self.values]
            if node.result in self.values or not known:
                continue  # one that makes something of a tensor is met when that is taken
            # Of several nodes of one kind, such as those that ask for a size, the one that is alike.
            likely = sorted(
                self.theirs.users(self.values[known[0]]), key=lambda each: self._likeness(node, each)
            )
            if not any(self._node(node, other) for other in likely):
                return False
        taken = {self.values.get(name, name) for name in self.ours.weights}
        layers = {name.rpartition(".")[0] for name in taken}
        # An op has all tensors of its layer: a scale alone is no norm with a scale and a shift.
        whole = all(taken.issuperset(self.theirs.tensors_of(layer)) for layer in layers)
        return len(layers) < 2 and whole and all(node.result in self.values for node in self.ours.nodes)

    def _likeness(self, ours: ForeignNode, theirs: ForeignNode) -> tuple[bool, bool]:
        return theirs.result in self.nodes, attributes(ours) != attributes(theirs)

    def _node(self, ours: ForeignNode, theirs: ForeignNode) -> bool:
        if ours.op != theirs.op:
            return False
        before = dict(self.values), list(self.differences)
        for inputs in (theirs.inputs, theirs.inputs[::-1])[: 2 if ours.op in COMMUTATIVE else 1]:
            blanks = [""] * (len(ours.inputs) - len(inputs))
            pairs = list(zip(ours.inputs, [*inputs, *blanks], strict=False))
            if len(inputs) <= len(ours.inputs) and all(self._value(a, b) for a, b in pairs):
                self._compare_attributes(ours, theirs)
                self.values[ours.result] = theirs.result
                self.nodes.add(theirs.result)
                return True
            self.values, self.differences = dict(before[0]), list(before[1])
        return False

    def _value(self, ours: str, theirs: str) -> bool:
        if not ours or not theirs:
            return ours == theirs
        if ours in self.values:
            return self.values[ours] == self.theirs.origin(theirs)
        if ours in self.ours.weights:
            self.values[ours] = theirs
            same_name = ours.rpartition(".")[2] == theirs.rpartition(".")[2]
            return same_name and self.ours.weights[ours] == self.theirs.weights.get(theirs)
        if ours in self.ours.constants:
            return self._constant(ours, theirs)
        makers = self.ours.maker(ours), self.theirs.maker(theirs)
        return makers[0] is not None and makers[1] is not None and self._node(makers[0], makers[1])

    def _constant(self, ours: str, theirs: str) -> bool:
        mine, other = self.ours.constants[ours], self.theirs.constants.get(theirs)
        if other is None or (mine.kind, mine.shape) != (other.kind, other.shape):
            return False
        if mine.values != other.values:
            self.differences.append((mine.values, other.values))
        return bool(mine.numbers and other.numbers) or mine.values == other.values

    def _compare_attributes(self, ours: ForeignNode, theirs: ForeignNode) -> None:
        mine, other = dict(attributes(ours)), dict(attributes(theirs))
        for name in {*mine, *other}:
            if mine.get(name) != other.get(name):
                self.differences.append((mine.get(name), other.get(name)))


def _node_of(op: Op, x: Shape) -> GraphNode:
    """A network of one op; raises ShapeError where it does not take such a value."""
    shape = op.shape(x, extent=Extent())
    return GraphNode("op", op, (INPUT,), (x,), shape, "", NOWHERE, NOWHERE)


def alone(op: Op) -> GraphNode:
    """Return a network of one op on maps of some channels."""
    return _node_of(op.normalised(), Shape(1, (Size("H"), Size("W"))))


def _to_the_first_perfect(found: Iterable[_Overlay]) -> Iterator[_Overlay]:
    for each in found:
        yield each
        if not each.differences:
            return


def _callable_ops() -> Iterator[Op]:
    """Yield each op that takes one value and can be called without arguments, by each of its choices."""
    for kind in CATALOGUE.values():
        if not kind.arithmetic:
            yield from (op for op in usual_calls(kind) if op.taken == 1)


def usual_calls(kind: type[Op]) -> Iterator[Op]:
    """Yield an op with its defaults, then with each of its choices; none if an argument must be given."""
    arguments = list(kind.arguments())
    if any(default is MISSING for _, _, default in arguments):
        return
    names = [name for name, _, _ in arguments]
    for values in product(*(_choices(rule, default) for _, rule, default in arguments)):
        yield kind(**dict(zip(names, values, strict=True)))


def _choices(rule: ArgumentRule, default: Any) -> list[Any]:
    """What an argument may be, its default first; of numbers the default alone, or one if it may be none."""
    if rule is FLAG:
        return [default, not default]
    if rule is PAIR_OR_NONE:
        return [default, SOME_PAIR]
    if rule is BOUND:  # none, or one whose number the graph has
        return [default, copysign(FAR, default)]
    return [default, *(choice for choice in rule.choices if choice != default)]


def _candidates(rule: ArgumentRule, differences: Sequence[tuple[Any, Any]]) -> Iterator[Any]:
    """Yield what an argument may be by the numbers of the graph: two, one, or what it lacks to 1."""
    others = dict.fromkeys(theirs for _, theirs in differences)
    every = [theirs if isinstance(theirs, tuple) else (theirs,) for theirs in others]
    for pair in (*(each[-2:] for each in every), tuple(each[0] for each in every if each)):
        whole = tuple(int(n) for n in pair if isinstance(n, int | float) and float(n).is_integer())
        if rule in (PAIR, PAIR_OR_NONE) and len(whole) == len(pair) == 2:
            try:
                yield rule.coerce(whole)
            except ValueError:
                continue
    for _, theirs in differences:
        for number in theirs if isinstance(theirs, tuple) else (theirs,):
            if isinstance(number, bool) or not isinstance(number, int | float):
                continue
            written = decimal(number) if isinstance(number, float) else number
            integers = [int(written)] if float(written).is_integer() else []
            for value in (written, *integers, round(1 - written, 12)):
                try:
                    yield rule.coerce(value)
                except ValueError:
                    continue
