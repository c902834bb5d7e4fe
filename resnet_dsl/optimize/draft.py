"""A body being rewritten: steps are replaced or left out, and values keep track of what they became."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from resnet_dsl.ir.folds import Fold
from resnet_dsl.ir.network import BlockCall, Body, Node
from resnet_dsl.ir.ops import Op
from resnet_dsl.records import dataclass, replace


@dataclass(frozen=True, eq=False)
class Rewritten:
    """A body that computes the same in evaluation, and what becomes of the tensors of the one before."""

    body: Body
    folds: tuple[Fold, ...] = ()


Pass = Callable[[Body], Rewritten]
"""Returns the body itself where there is nothing to do."""


class Draft:
    """A body in which a pass changes steps; `rewritten` numbers what is left anew.

    Steps that are applied again, and those that apply them, stay as they are: one tensor is in both.
    """

    def __init__(self, body: Body) -> None:
        self.body = body
        self.nodes = list(body.nodes)
        self.folds: list[Fold] = []
        self._instead: dict[int, int] = {}
        self._readers = Counter(value for node in body.nodes for value in node.inputs)
        self._results = set(body.results)
        self._shared = body.shared()

    def ops(self) -> Iterator[tuple[int, Node, Op]]:
        """Yield every step that is an op of its own, as it is by then."""
        for index in range(len(self.nodes)):
            node = self.nodes[index]
            if index not in self._instead and isinstance(node.what, Op) and node.name not in self._shared:
                yield index, node, node.what

    def source(self, node: Node) -> int:
        """Return the value that a step of one input takes."""
        return self._now(node.inputs[0])

    def own(self, value: int) -> Node | None:
        """Return the step that makes a value; None for an input, and for a step that shares its tensors."""
        node = self.nodes[value] if value >= 0 else None
        return None if node is None or node.name in self._shared else node

    def op_of(self, value: int) -> Op | None:
        """Return the op that makes a value, if an op of its own does."""
        node = self.own(value)
        return node.what if node is not None and isinstance(node.what, Op) else None

    def is_read(self, value: int) -> bool:
        """Whether a step takes a value."""
        return self._readers[value] > 0

    def is_result(self, value: int) -> bool:
        """Whether the body returns a value."""
        return value in self._results

    def has_one_reader(self, value: int) -> bool:
        """Whether one step alone takes a value, and the body does not return it."""
        return self._readers[value] == 1 and value not in self._results

    def leave_out(self, index: int) -> None:
        """Leave out a step: who takes its result takes its input."""
        value = self.source(self.nodes[index])
        self._readers[value] += self._readers[index] - 1
        if index in self._results:
            self._results.add(value)
        self._instead[index] = value

    def put(self, index: int, what: Op | BlockCall, variable: str | None = None) -> None:
        """Put another op or call in the place of a step's; numbers that changed have no formula any more."""
        node = self.nodes[index]
        derived = node.derived
        if isinstance(what, Op):
            derived = tuple((n, f) for n, f in derived if getattr(what, n) == getattr(node.what, n))
        self.nodes[index] = replace(node, what=what, derived=derived, variable=variable or node.variable)

    def rewritten(self) -> Rewritten:
        """Return the body as it has become."""
        if (
            all(new is old for new, old in zip(self.nodes, self.body.nodes, strict=True))
            and not self._instead
        ):
            return Rewritten(self.body)
        left = [index for index in range(len(self.nodes)) if index not in self._instead]
        numbers = {old: new for new, old in enumerate(left)}

        def value(old: int) -> int:
            now = self._now(old)
            return numbers.get(now, now)

        nodes = tuple(
            replace(self.nodes[index], inputs=tuple(map(value, self.nodes[index].inputs))) for index in left
        )
        result, *more = map(value, self.body.results)
        body = replace(self.body, nodes=nodes, result=result, more=tuple(more))
        return Rewritten(body, tuple(self.folds))

    def _now(self, value: int) -> int:
        """The value that a value has become."""
        while value in self._instead:
            value = self._instead[value]
        return value
