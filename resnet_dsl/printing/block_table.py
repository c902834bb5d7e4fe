"""The distinct blocks of a network, with what each costs and where it is used: `summary --blocks`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from resnet_dsl.elaborate.values import show
from resnet_dsl.printing.table import headed
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass

NUMBERS = (1, 3, 4)
COLUMNS = ("block", "uses", "output", "parameters", "MACs", "where")


@dataclass(frozen=True)
class CountedBlock:
    """A block with its arguments by name, and what one use of it costs."""

    definition: str
    arguments: tuple[tuple[str, str], ...]
    output: str
    params: int
    macs: int | None


def blocks_text(program: Program) -> str:
    """Return the table of distinct blocks, in order of their first use."""
    places: dict[CountedBlock, list[tuple[str, int]]] = {}
    for stage, index, block in _blocks(program):
        places.setdefault(block, []).append((stage, index))
    rows = [COLUMNS]
    for block, uses in places.items():
        macs = "?" if block.macs is None else f"{block.macs:,}"
        called = _called(block, places)
        rows.append((called, f"{len(uses):,}", block.output, f"{block.params:,}", macs, _where(uses)))
    return "\n".join([*headed(rows, NUMBERS), ""])


def _blocks(program: Program) -> Iterator[tuple[str, int, CountedBlock]]:
    costs: dict[str, tuple[int, int | None]] = {}
    for layer in program.layers:
        path = ".".join(layer.node.name.split(".")[:2])
        params, macs = costs.get(path, (0, 0))
        known = None if macs is None or layer.macs is None else macs + layer.macs
        costs[path] = params + layer.params, known
    for stage in program.network.stages:
        for index, body in enumerate(stage.blocks):
            said = tuple((name, show(value)) for name, value in body.arguments)
            output = body.output.text(program.network.extent)
            cost = costs.get(f"{stage.name}.{index}", (0, 0))
            yield stage.name, index, CountedBlock(body.definition, said, output, *cost)


def _called(block: CountedBlock, others: Iterable[CountedBlock]) -> str:
    """A block with the arguments in which those of its definition differ."""
    same = [dict(other.arguments) for other in others if other.definition == block.definition]
    telling = [(n, v) for n, v in block.arguments if any(other.get(n) != v for other in same)]
    return f"{block.definition}({', '.join(f'{name}={value}' for name, value in telling)})"


def _where(uses: list[tuple[str, int]]) -> str:
    """Places in order, those in a row as one: `layer1.1–2`."""
    rows: list[tuple[str, int, int]] = []
    for stage, index in uses:
        if rows and rows[-1][0] == stage and rows[-1][2] == index - 1:
            rows[-1] = stage, rows[-1][1], index
        else:
            rows.append((stage, index, index))
    return ", ".join(f"{stage}.{a}" if a == b else f"{stage}.{a}–{b}" for stage, a, b in rows)
