"""One step of a body: an op or call on tensors, its shape inferred, its place in any message."""

from __future__ import annotations

from typing import Any

from resnet_dsl.diagnostics import Diagnostic, Label, Span
from resnet_dsl.elaborate.context import Builder, Context, Env, line_of
from resnet_dsl.elaborate.joins import conflict, projection_hint
from resnet_dsl.elaborate.values import Tensor
from resnet_dsl.ir.network import Call, Node
from resnet_dsl.ir.ops import Add, Concat, Multiply, Op
from resnet_dsl.ir.shapes import Shape, ShapeError


def step(
    ctx: Context,
    op: Op,
    tensors: tuple[Tensor, ...],
    env: Env,
    span: Span,
    label: str | None = None,
    operands: tuple[Span, ...] = (),
) -> Any:
    """Add one op to the body under construction and return its result."""
    builder = env.builder
    assert builder is not None
    if op.inputs is not None and len(tensors) != op.inputs:
        return ctx.error("E0202", f"{op.kind} takes {op.inputs} tensors, not {len(tensors)}", span)
    if op.inputs is None and len(tensors) < 2:
        return ctx.error("E0202", f"{op.kind} takes two tensors or more", span)
    shapes = [tensor.shape for tensor in tensors]
    labels = _operand_labels(ctx, tensors, operands)
    try:
        shape = op.shape(*shapes, extent=ctx.extent)
        if isinstance(op, Add | Multiply | Concat):
            _check_join(ctx, op, tensors, span, labels)
    except ShapeError as error:
        hint = error.hint or (projection_hint(tensors) if error.operands else "")
        return ctx.error(error.code, error.message, span, hint, labels if error.operands else ())
    if op.does_nothing(*shapes):
        return tensors[0]
    ctx.count(1, span)
    return add(ctx, op, tensors, shape, builder, span, label)


def _check_join(
    ctx: Context, op: Op, tensors: tuple[Tensor, ...], span: Span, labels: tuple[Label, ...]
) -> None:
    """Heights and widths must agree for every size; at a given size, warn about the others."""
    shapes = [tensor.shape for tensor in tensors]
    if isinstance(op, Multiply) and any(shape.is_pixel for shape in shapes):
        return
    found = conflict(shapes, ctx.extent)
    if found is None:
        return
    names = {Add: ("E0301", "residual addition"), Multiply: ("E0302", "product")}
    code, what = names.get(type(op), ("E0303", "concatenation"))
    if found.here:
        note = f"; {found.when}" if found.when else ""
        raise ShapeError(code, f"{what} of different shapes{note}", operands=True)
    place = Shape(0, shapes[0].spatial).text(ctx.extent).removeprefix("0x")
    message = f"{what} holds at {place} here, but {found.when}"
    ctx.report(Diagnostic("W0601", message, span, labels, severity="warning"))


def _operand_labels(ctx: Context, tensors: tuple[Tensor, ...], spans: tuple[Span, ...]) -> tuple[Label, ...]:
    pairs = zip(tensors, spans, strict=False)
    return tuple(Label(s, f"{t.shape.text(ctx.extent)}: {t.origin}") for t, s in pairs)


def add(
    ctx: Context,
    what: Op | Call,
    tensors: tuple[Tensor, ...],
    shape: Shape,
    builder: Builder,
    span: Span,
    label: str | None,
) -> Any:
    """Append a node to the body under construction, under its label or the next number of its kind."""
    kind = what.kind if isinstance(what, Op) else what.body.definition
    name = label if label is not None else builder.numbered(kind)
    if name in builder.names:
        line = builder.names[name].place[0]
        message = f"two steps are named `{name}`, the first at line {line}"
        return ctx.error("E0211", message, span, "name one of them: `-> name: step`")
    builder.names[name] = span
    inputs = tuple(tensor.value for tensor in tensors)
    builder.nodes.append(Node(name, what, inputs, shape, builder.variable, span))
    return Tensor(len(builder.nodes) - 1, shape, f"from {kind} at {line_of(span)}")
