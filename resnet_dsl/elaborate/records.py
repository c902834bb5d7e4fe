"""Records of tensors: what blocks and heads return under names."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from resnet_dsl.diagnostics.model import Span
from resnet_dsl.elaborate.body_builder import BodyBuilder
from resnet_dsl.elaborate.elaborator import Elaborator
from resnet_dsl.elaborate.values import BAD, Bad, Record, Tensor, Value
from resnet_dsl.ir.network import BlockCall, FurtherResult, Node
from resnet_dsl.records import replace
from resnet_dsl.syntax import ast

Made = Callable[[Value, ast.Expr], Tensor | Bad]


def tensors_of(record: Record) -> dict[str, Tensor]:
    """Return the fields that are tensors."""
    return {name: value for name, value in record if isinstance(value, Tensor)}


def of_tensors(ctx: Elaborator, record: Record, expr: ast.Expr, made: Made) -> Record | Bad:
    """Return a record of what each field makes, each one tensor; a field that is `none` is left out."""
    record = Record((name, value) for name, value in record if value is not None)
    if not record:
        hint = "name a tensor in it, `{ near: x }`, or return one: `return x`"
        return ctx.error("E0206", "a record that is returned has a field at least", expr.span, hint)
    written = {item.name: item.value for item in expr.fields} if isinstance(expr, ast.Record) else {}
    fields: dict[str, Value] = {}
    for name, value in record:
        fields[name] = made(value, written.get(name, expr))
    bad = any(isinstance(value, Bad) for value in fields.values())
    return BAD if bad else Record(fields.items())


def for_a_tensor(ctx: Elaborator, record: Record, span: Span) -> Bad:
    """Report a record where one tensor is meant."""
    return ctx.error("E0206", "one tensor belongs here, and this is a record", span, naming(record))


def naming(record: Iterable[tuple[str, Value]]) -> str:
    """A hint that says to name one field of a record."""
    names = [name for name, _ in record]
    return f"name one of its fields: {', '.join(f'`.{name}`' for name in names)}" if names else ""


def unknown_field(ctx: Elaborator, record: Iterable[str], name: str, span: Span) -> Bad:
    """Report a field that a record does not have."""
    known = list(record)
    hint = ctx.suggest(name, known) or f"it has {', '.join(f'`.{field}`' for field in known)}"
    return ctx.error("E0201", f"the record has no `.{name}`", span, hint)


def results_of_call(builder: BodyBuilder, first: Tensor, span: Span) -> Record:
    """Return what a call of a block gives that returns a record; its first result is the call itself."""
    call = builder.nodes[first.value]
    assert isinstance(call.what, BlockCall)
    body = call.what.body
    fields: dict[str, Value] = {body.fields[0]: first}
    builder.nodes[first.value] = replace(call, variable=body.fields[0])
    for position, name in enumerate(body.fields[1:], 1):
        shape = body.shape_of(body.results[position])
        what = FurtherResult(position)
        node = Node(f"{call.name}:{name}", what, (first.value,), shape, name, span, call.author)
        builder.nodes.append(node)
        builder.result_channels.append(None)
        fields[name] = Tensor(len(builder.nodes) - 1, shape, f"`{name}` of {call.name}")
    return Record(fields.items())
