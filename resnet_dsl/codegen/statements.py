"""A body's steps as assignments and a result: what stands in one expression, and what is called how."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, count
from typing import NamedTuple

from resnet_dsl.codegen.classes import BlockStep
from resnet_dsl.codegen.names import PYTHON
from resnet_dsl.codegen.printer import assignment, text
from resnet_dsl.codegen.python import Expression, Name
from resnet_dsl.ir.network import FurtherResult
from resnet_dsl.records import dataclass, field

INLINE = 60
OPERAND = 28  # so that a sum of two stays on its line

Express = Callable[[BlockStep, list[Expression]], Expression]


@dataclass(frozen=True)
class Assignment:
    """`targets = value`; several targets where parts of a value are taken apart at once."""

    targets: tuple[str, ...]
    value: Expression

    def written(self, indent: int) -> str:
        """Return it as lines of a function."""
        return assignment(self.targets, self.value, indent)


@dataclass(frozen=True)
class Unpacked:
    """One of the parts that an expression gives at once: `near, far = x.chunk(2, dim=1)`."""

    whole: Expression
    index: int
    count: int


def nothing(step: BlockStep, operands: list[Expression]) -> list[Assignment]:
    """What stands before a step as a rule."""
    return []


class Written(NamedTuple):
    """Steps as assignments, the expressions of their results, and the assignments that come later."""

    lines: list[Assignment]
    results: list[Expression]
    later: list[Assignment]


@dataclass
class Statements:
    """Steps written as assignments, names reused once they are free.

    `express` writes a step on its operands, `inline` says whether a step may stand inside the one
    that takes it, `unpack` whether it is one of several parts of a value, `before` what has to stand
    before the step. `given` are names that values have to have. The steps from the number `later` on are
    written apart. A step for which `makes` is true, as it makes a map, has nothing inside it that reads a
    variable last: that would hold its map meanwhile, where a statement before gives the name to a new one.
    An input is held by whoever calls in any case, but for those that are named in `dropped`.
    """

    steps: Sequence[BlockStep]
    results: Sequence[int]
    express: Express
    inline: Callable[[BlockStep], bool]
    reserved: frozenset[str] = frozenset()
    default: str = "x"
    unpack: Callable[[BlockStep, list[Expression]], Unpacked | None] = lambda step, operands: None
    before: Callable[[BlockStep, list[Expression]], list[Assignment]] = nothing
    given: Mapping[int, str] = field(default_factory=dict)
    later: int | None = None
    makes: Callable[[BlockStep], bool] = lambda step: False
    dropped: frozenset[str] = frozenset()
    lines: list[Assignment] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Count who needs each value."""
        self.further: dict[int, list[int]] = {}  # by call, the steps that are further results of it
        for index, step in enumerate(self.steps):
            if isinstance(step.what, FurtherResult):
                self.further.setdefault(step.inputs[0], []).append(index)
        taking = [step for step in self.steps if not isinstance(step.what, FurtherResult)]
        self.pending = Counter(value for step in taking for value in step.inputs)
        self.pending.update(self.results)
        self.takers = {value: step for step in taking for value in step.inputs if self.pending[value] == 1}
        self.names: dict[int, str] = {}
        self.held: Counter[str] = Counter()  # by name, the values still needed that have it
        self.trees: dict[int, Expression] = {}

    def write(self, inputs: Sequence[str]) -> Written:
        """Return the assignments and the expressions of the results."""
        for index, name in enumerate(inputs):
            self._hold(-1 - index, name)
        before: int | None = None
        for index, step in enumerate(self.steps):
            before = len(self.lines) if index == self.later else before
            if index in self.names or isinstance(step.what, FurtherResult):
                continue  # taken apart together with another part, or with the call
            operands = [self._tree(value) for value in step.inputs]
            if (parts := self._parts(index, step, operands)) is not None:
                self._take_apart(parts, operands)
                continue
            self.lines += self.before(step, operands)
            tree = self.express(step, operands)
            if step.results > 1:
                self._take_results(index, step, tree)
                continue
            self.trees[index] = tree
            if not self._stays_inline(index, step, tree):
                self._commit(index)
                name = self.given.get(index) or self._name(step.variable or self.default)
                self._hold(index, name)
                self.lines.append(Assignment((name,), tree))
        results = list(map(self._tree, self.results))
        before = len(self.lines) if before is None else before
        return Written(self.lines[:before], results, self.lines[before:])

    def _take_results(self, index: int, call: BlockStep, tree: Expression) -> None:
        """Give each result of a call a name, or `_` where nothing needs it."""
        values: dict[int, list[int]] = {0: [index]}
        for other in self.further.get(index, ()):
            what = self.steps[other].what
            assert isinstance(what, FurtherResult)
            values.setdefault(what.position, []).append(other)
        self._commit(index)
        names: list[str] = []
        for position in range(call.results):
            needed = [value for value in values.get(position, ()) if self.pending[value]]
            wanted = [self.given[value] for value in needed if value in self.given]
            if needed and not wanted:
                variable = self.steps[needed[0]].variable or self.default
                wanted = [self._name(variable, frozenset(names))]
            names.append(wanted[0] if wanted else "_")
            for value in needed:
                self._hold(value, names[-1])
        self.lines.append(Assignment(tuple(names), tree))

    def _tree(self, value: int) -> Expression:
        return Name(self.names[value]) if value in self.names else self.trees[value]

    def _parts(self, index: int, step: BlockStep, operands: list[Expression]) -> list[tuple[int, ...]] | None:
        """For each part of one value the steps that take it, if every part is taken."""
        own = self.unpack(step, operands)
        if own is None or own.count < 2 or not isinstance(operands[0], Name):
            return None
        found: dict[int, tuple[int, ...]] = {}
        for other in range(index, len(self.steps)):
            same = self.steps[other].inputs == step.inputs
            part = self.unpack(self.steps[other], operands) if same else None
            if part is not None and part.whole == own.whole:
                found[part.index] = (*found.get(part.index, ()), other)
        return [found[i] for i in range(own.count)] if len(found) == own.count else None

    def _take_apart(self, parts: list[tuple[int, ...]], operands: list[Expression]) -> None:
        """Write every part once, whoever takes it how often."""
        for index in chain.from_iterable(parts):
            self._read(index)
        names: list[str] = []
        for same in parts:
            name = self._name(self.steps[same[0]].variable or self.default, frozenset(names))
            for index in same:
                self._hold(index, name)
            names.append(name)
        whole = self.unpack(self.steps[parts[0][0]], operands)
        assert whole is not None
        self.lines.append(Assignment(tuple(names), whole.whole))

    def _stays_inline(self, index: int, step: BlockStep, tree: Expression) -> bool:
        """A value used once may stand inside its taker, unless the author named it or it holds a map."""
        if index in self.results:
            return self.pending[index] == 1 and len(self.results) == 1 and index not in self.given
        taker = self.takers.get(index)
        if self.pending[index] != 1 or taker is None:
            return False
        # Applications of one thing stay in their order if it keeps statistics, which move with each.
        if step.shared is not None and step.shared.statistics:
            return False
        if taker.shared is not None and self.before is not nothing:
            return False
        if len(text(tree)) > (OPERAND if taker.is_arithmetic else INLINE):
            return False
        formula = step.is_arithmetic and taker.is_arithmetic
        if not formula and self.makes(taker) and self._is_last_reader(step):
            return False
        return (self.inline(step) or taker.is_arithmetic) and taker.variable == step.variable

    def _is_last_reader(self, step: BlockStep) -> bool:
        """Whether a step, with what stands inside it, is the last that needs what a variable holds."""
        reads = Counter(self._names_read(step))
        return any(
            self.pending[value] == count and (value >= 0 or self.names[value] in self.dropped)
            for value, count in reads.items()
        )

    def _names_read(self, step: BlockStep) -> Iterator[int]:
        """The values with a name that a step reads, itself or through what stands inside it."""
        for value in step.inputs:
            if value in self.names:
                yield value
            else:
                yield from self._names_read(self.steps[value])

    def _commit(self, index: int) -> None:
        """The statement of this value is written: what it reads, through inlined values too, is read."""
        self._read(index)
        for value in self.steps[index].inputs:
            if value >= 0 and value not in self.names:
                self._commit(value)

    def _read(self, index: int) -> None:
        """A step reads its operands: a name is free when nothing needs the values that have it."""
        for value in self.steps[index].inputs:
            self.pending[value] -= 1
            if self.pending[value] == 0 and value in self.names:
                self.held[self.names[value]] -= 1

    def _hold(self, value: int, name: str) -> None:
        """Give a value a name."""
        self.names[value] = name
        if self.pending.get(value, 0) > 0:
            self.held[name] += 1

    def _name(self, wanted: str, others: frozenset[str] = frozenset()) -> str:
        """The wanted name, or the next that means nothing else and holds nothing still needed."""
        near = ("y", "z") if wanted == self.default else ()
        tries: Iterator[str] = chain((wanted, *near), (f"{wanted}{n}" for n in count(2)))
        taken = self.reserved | PYTHON | others
        return next(name for name in tries if name not in taken and not self.held[name])
