"""What a step does where it stands: shapes before and after, in numbers and symbols, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from resnet_dsl.elaborate.watching import Applied
from resnet_dsl.ir.formulas import Fixed, Formula, Named, Operation
from resnet_dsl.ir.network import BlockCall, Body, Node
from resnet_dsl.ir.ops import Op
from resnet_dsl.ir.shapes import Extent, Shape

BETWEEN = {"min", "max"}  # operations that are written as calls


class StepFacts(NamedTuple):
    """A step at one place of a network: shapes as texts, parameters, multiply-adds if they are known."""

    before: tuple[str, ...]
    after: str
    symbols: tuple[str, str]
    params: int
    macs: int | None
    within: str


def facts_of(applied: Applied) -> StepFacts:
    """Return what a step did where it was applied."""
    builder, extent = applied.builder, applied.extent
    cost = [_cost(builder.nodes[index], builder.shape_of, extent) for index in applied.nodes]
    return StepFacts(
        before=tuple(builder.shape_of(value).text(extent) for value in applied.inputs),
        after=builder.shape_of(applied.result).text(extent),
        symbols=(_in_symbols(applied, applied.inputs[0]), _in_symbols(applied, applied.result)),
        params=sum(params for params, _ in cost),
        macs=_total(macs for _, macs in cost),
        within=applied.within,
    )


def facts_of_body(body: Body, extent: Extent) -> StepFacts:
    """Return what a block does on one input."""
    cost = [_cost(node, body.shape_of, extent) for node in body.steps()]
    before = tuple(shape.text(extent) for shape in body.inputs)
    params, macs = sum(params for params, _ in cost), _total(macs for _, macs in cost)
    return StepFacts(before, body.output.text(extent), ("", ""), params, macs, body.definition)


def _cost(node: Node, shape_of: Callable[[int], Shape], extent: Extent) -> tuple[int, int | None]:
    """The parameters and multiply-adds of a node; those of tensors that it shares are their owner's."""
    if isinstance(node.what, BlockCall):
        inner = [_cost(step, node.what.body.shape_of, extent) for step in node.what.body.steps()]
        params, macs = sum(params for params, _ in inner), _total(macs for _, macs in inner)
    elif isinstance(node.what, Op):
        shapes = tuple(map(shape_of, node.inputs))
        params = sum(tensor.size for tensor in node.what.parameters(*shapes) if tensor.learned)
        macs = _macs(node.what, shapes, node.shape, extent)
    else:
        return 0, 0
    return (params if node.owner is None else 0), macs


def _macs(op: Op, shapes: tuple[Shape, ...], result: Shape, extent: Extent) -> int | None:
    if type(op).macs is Op.macs:
        return 0
    sizes = [size for size in result.at(extent) if size is not None]
    return op.macs(shapes, tuple(sizes)) if len(sizes) == len(result.spatial) + 1 else None


def _total(numbers: Iterable[int | None]) -> int | None:
    found = list(numbers)
    known = [number for number in found if number is not None]
    return sum(known) if len(known) == len(found) else None


# --- symbols -------------------------------------------------------------------------------------


def _in_symbols(applied: Applied, value: int) -> str:
    """A shape by the parameters around and the `H` and `W` of the model's input."""
    shape = applied.builder.shape_of(value)
    formula = applied.builder.channels(value)
    channels = str(shape.channels) if formula is None else formula_text(formula)
    return " x ".join([channels, *(size.formula for size in shape.spatial)])


def formula_text(formula: Formula, inner: bool = False) -> str:
    """Return a formula as the language writes it."""
    match formula:
        case Named():
            return formula.name
        case Fixed():
            return str(formula.value)
        case Operation():
            left, right = formula_text(formula.left, True), formula_text(formula.right, True)
            if formula.sign in BETWEEN:
                return f"{formula.sign}({left}, {right})"
            text = f"{left} {formula.sign} {right}"
            return f"({text})" if inner else text
