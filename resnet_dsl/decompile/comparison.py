"""What a restored spec compiles to, held against the file: every tensor, and every node of a graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from hashlib import sha256
from typing import Any

from resnet_dsl.backend.foreign_graph import (
    IDENTITY,
    ForeignConstant,
    ForeignGraph,
    ForeignNode,
    single,
)
from resnet_dsl.decompile.tensors import NotExpressibleError, Shapes
from resnet_dsl.diagnostics.wording import dimensions, printable
from resnet_dsl.ir.graph import INPUT, Graph
from resnet_dsl.program import Program
from resnet_dsl.weights.match_report import KINDS, MatchReport, Mismatch

LISTED = 4
# Where the order of the inputs changes no bit of the result.
COMMUTATIVE = ("Add", "Mul")


def computation(graph: Graph) -> Hashable:
    """What a network computes with weights of its own.

    Its names are no part of that, nor the order of branches and terms, the size of images, how weights start.
    """
    values = {INPUT: ""}
    for node in graph.nodes:
        shapes = [tensor.shape for _, tensor in node.parameters()]
        shared = values[node.home.name] if node.owner else ""
        inputs = [values[name] for name in node.inputs]
        what = (node.op.computation, shapes, sorted(inputs) if node.op.commutes else inputs, shared)
        values[node.name] = sha256(repr(what).encode()).hexdigest()
    found = Counter(values[node.name] for node in graph.nodes)
    outputs = tuple((name, values[result]) for name, result in graph.outputs)
    return frozenset(found.items()), outputs, graph.network.auxiliary, graph.network.freeze


def check_tensors(program: Program, shapes: Shapes, source: str) -> None:
    """Raise NotExpressibleError unless the program has exactly these tensors."""
    wanted = {name: parameter.shape for name, parameter in program.graph.parameters()}
    mismatches: dict[str, list[Mismatch]] = {kind: [] for kind in KINDS}
    mismatches["missing"] = [
        Mismatch(name, dimensions(shape)) for name, shape in wanted.items() if name not in shapes
    ]
    mismatches["unexpected"] = [
        Mismatch(name, dimensions(shape)) for name, shape in shapes.items() if name not in wanted
    ]
    mismatches["misshapen"] = [
        Mismatch(name, f"{dimensions(shapes[name])}, not {dimensions(shape)}")
        for name, shape in wanted.items()
        if name in shapes and shapes[name] != shape
    ]
    report = MatchReport(
        source, program.name, len(wanted), (), {kind: tuple(f) for kind, f in mismatches.items()}
    )
    if not report.fits:
        raise NotExpressibleError(f"closest is a net whose tensors differ from the file's:\n{report.text()}")


def check_graph(ours: ForeignGraph, theirs: ForeignGraph) -> None:
    """Raise NotExpressibleError unless both compute the same by the same nodes."""
    table: dict[Any, int] = {}
    mine, given = _Numbered(ours, table), _Numbered(theirs, table)
    odd = [node for node, number in given.numbers if number not in mine.known]
    lacking = [node for node, number in mine.numbers if number not in given.known]
    if odd or lacking:
        sentences = _differences(odd, lacking, mine, given)
        raise NotExpressibleError(
            "closest is a net whose graph differs from the file's:\n" + "\n".join(sentences)
        )
    single = len(mine.outputs) == len(given.outputs) == 1  # which may be called as it likes
    same = mine.outputs.values() if single else mine.outputs.items()
    if set(same) != set(given.outputs.values() if single else given.outputs.items()):
        names = ", ".join(printable(name) for name, _ in theirs.outputs)
        raise NotExpressibleError(
            f"its outputs ({names}) are not the results of stem, stages, blocks or head"
        )


class _Numbered:
    """A graph with a number for each value: the same wherever the same is computed."""

    def __init__(self, graph: ForeignGraph, table: dict[Any, int]) -> None:
        self.graph = graph
        self.table = table
        self.values: dict[str, int] = {graph.input: self._number(("input",))}
        self.numbers: list[tuple[ForeignNode, int]] = []
        for node in graph.nodes:
            self._add(node)
        self.known = {number for _, number in self.numbers}
        self.outputs = {name: self.of(value) for name, value in graph.outputs}

    def of(self, name: str) -> int:
        """Return the number of a value, a weight or a constant."""
        if name not in self.values:
            constant = self.graph.constants.get(name)
            self.values[name] = self._number(("weight", name) if constant is None else _rounded(constant))
        return self.values[name]

    def inputs(self, node: ForeignNode) -> tuple[int, ...]:
        """Return the numbers of a node's inputs, without those left out at the end."""
        names = list(node.inputs)
        while names and not names[-1]:
            names.pop()
        numbers = [self.of(name) for name in names]
        return tuple(sorted(numbers) if node.op in COMMUTATIVE else numbers)

    def _add(self, node: ForeignNode) -> None:
        if node.op == IDENTITY:
            self.values[node.result] = self.of(node.inputs[0])
            return
        number = self._number((node.op, attributes(node), self.inputs(node)))
        self.numbers.append((node, number))
        for place, output in enumerate(node.outputs):
            self.values[output] = number if place == 0 else self._number(("output", number, place))

    def _number(self, what: Any) -> int:
        return self.table.setdefault(what, len(self.table))


def attributes(node: ForeignNode) -> tuple[tuple[str, Any], ...]:
    """Return the attributes by name, their numbers as single precision has them."""
    return tuple((name, _single(value)) for name, value in sorted(node.attributes.items()))


def _single(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_single, value))
    return single(value) if isinstance(value, float) else value


def _rounded(constant: ForeignConstant) -> tuple[Any, ...]:
    return "constant", constant.kind, constant.shape, _single(constant.values)


# --- what differs ------------------------------------------------------------------------------


def _differences(
    odd: list[ForeignNode], lacking: list[ForeignNode], mine: _Numbered, given: _Numbered
) -> Iterator[str]:
    """Yield a line for the first nodes that differ; what follows from them would differ too."""
    shared = mine.known & given.known
    first, instead = _first(odd, given, shared), _first(lacking, mine, shared)
    for node in first[:LISTED]:
        other = next((each for each in instead if mine.inputs(each) == given.inputs(node)), None)
        against = f", not {_described(other, node)}" if other is not None else ""
        yield f"  {_described(node, other)} at {printable(node.name or node.result)}{against}"
    if not first:
        yield from (f"  no {_described(node)} as at {node.name}" for node in instead[:LISTED])
    if len(first) > LISTED:
        yield f"  and {len(first) - LISTED:,} more"


def _first(nodes: list[ForeignNode], numbered: _Numbered, shared: set[int]) -> list[ForeignNode]:
    """Those whose inputs both sides have."""
    own = {numbered.values[node.result] for node in nodes}
    return [node for node in nodes if not own & set(numbered.inputs(node))]


def _described(node: ForeignNode, other: ForeignNode | None = None) -> str:
    """A node with the attributes that the other lacks; all unusual ones where that is of another op."""
    if other is not None and other.op == node.op:
        same = dict(attributes(other))
    else:
        same = {name: value for name, value in attributes(node) if name in node.implied}
    words = [f"{name}={_word(value)}" for name, value in attributes(node) if same.get(name) != value]
    return f"{printable(node.op)}({', '.join(words)})" if words else printable(node.op)


def _word(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else printable(str(value))
