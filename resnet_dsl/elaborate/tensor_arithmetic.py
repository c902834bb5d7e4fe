"""Arithmetic of tensors: what a sign between two values is, and a function of numbers of a tensor."""

from __future__ import annotations

from collections.abc import Sequence

from resnet_dsl.diagnostics.model import Span
from resnet_dsl.elaborate.blocks import apply
from resnet_dsl.elaborate.derived import derived, formula_of, formulas_of, is_number, plain, plain_number
from resnet_dsl.elaborate.elaborator import Elaborator, Env
from resnet_dsl.elaborate.records import for_a_tensor, tensors_of
from resnet_dsl.elaborate.steps import step
from resnet_dsl.elaborate.values import BAD, Bad, Function, Record, Tag, Tensor, Value, show
from resnet_dsl.ir.arguments import ArgumentError
from resnet_dsl.ir.ops import OPERATORS, Op
from resnet_dsl.records import replace
from resnet_dsl.syntax import ast

SIGNS = ("+", "-", "*", "/", "**")
SCALED, POWER, BOUNDED = OPERATORS["scaled"], OPERATORS["**"], OPERATORS["bounded"]


def negative(ctx: Elaborator, x: Tensor, env: Env, span: Span) -> Tensor | Bad:
    """Return the step of `-x`."""
    return step(ctx, SCALED.make({"scale": -1.0}), (x,), env, span)


def join(ctx: Elaborator, expr: ast.Binary, left: Value, right: Value, env: Env, label: Tag | None) -> Value:
    """Return what a sign makes of two values: a step of two inputs, or of one input and a number."""
    if isinstance(left, Function) and env.x is not None:
        left = apply(ctx, left, env.x, env, expr.left.span)
    if isinstance(right, Function) and env.x is not None:
        right = apply(ctx, right, env.x, env, expr.right.span)
    if isinstance(left, Bad) or isinstance(right, Bad):
        return BAD
    for value, side in ((left, expr.left), (right, expr.right)):
        if isinstance(value, Record) and tensors_of(value):
            return for_a_tensor(ctx, value, side.span)
    if not (isinstance(left, Tensor) and isinstance(right, Tensor)):
        return _with_number(ctx, expr, left, right, env, label)
    if expr.operator == "**":
        return ctx.error("E0206", "`**` of two tensors", expr.at, "the power is a number: `x ** 2`")
    if expr.operator == "-":
        turned = negative(ctx, right, env, expr.at)
        if isinstance(turned, Bad):
            return BAD
        right = turned
    op = OPERATORS["+" if expr.operator == "-" else expr.operator]()
    operands = (replace(left, at=expr.left.span), replace(right, at=expr.right.span))
    return step(ctx, op, operands, env, expr.at, label)


def _with_number(
    ctx: Elaborator, expr: ast.Binary, left: Value, right: Value, env: Env, label: Tag | None
) -> Value:
    """A tensor and a number: `1 - x`, `0.5 * x`, `x ** 2`, `1 / x`."""
    x, other = (left, right) if isinstance(left, Tensor) else (right, left)
    assert isinstance(x, Tensor)
    if not is_number(other):
        message = f"`{expr.operator}` of a tensor and {show(other)}"
        return ctx.error("E0206", message, expr.at, "the other side must be a tensor or a number")
    plainly = float(other)
    number = derived(plainly, formula_of(other))
    match expr.operator:
        case "+":
            values = {"shift": number}
        case "-":
            turned = ctx.combined("-", 0.0, number, -plainly)
            values = {"shift": turned} if x is left else {"scale": -1.0, "shift": number}
        case "*":
            values = {"scale": number}
        case "**" if x is right:
            message = "the power of a number cannot be a tensor"
            return ctx.error("E0206", message, expr.at, "`exp(log(a) * x)` is `a ** x`, `log(a)` a number")
        case "**":
            return _made(ctx, POWER, {"exponent": number}, x, env, expr.at, label)
        case _ if x is right:
            reciprocal = plainly == 1.0
            inverse = _made(ctx, POWER, {"exponent": -1.0}, x, env, expr.at, label if reciprocal else None)
            if reciprocal or isinstance(inverse, Bad):
                return inverse
            x, values = inverse, {"scale": number}
        case _:
            if plainly == 0.0:
                return ctx.error("E0206", "`/` by zero", expr.at)
            values = {"scale": ctx.combined("/", 1.0, number, 1.0 / plainly)}
    return _made(ctx, SCALED, values, x, env, expr.at, label)


def _made(
    ctx: Elaborator,
    kind: type[Op],
    values: dict[str, Value],
    x: Tensor,
    env: Env,
    span: Span,
    label: Tag | None,
) -> Tensor | Bad:
    """The step of an op of one input with these numbers."""
    try:
        op = kind.make({name: plain(value) for name, value in values.items()})
    except ArgumentError as error:
        return ctx.error("E0204", str(error), span)
    return step(ctx, op, (x,), env, span, label, derived=formulas_of(values))


def of_tensors(
    ctx: Elaborator, kind: type[Op], values: Sequence[Value], call: ast.Call, env: Env, label: Tag | None
) -> Value:
    """Return what a function of numbers makes of tensors: the op of its name.

    A number among them bounds the result: that of `max` from below, that of `min` from above.
    """
    spans = [argument.value.span for argument in call.arguments]
    tensors: list[Tensor] = []
    numbers: list[int | float] = []
    for value, span in zip(values[::-1], [*spans[::-1], None], strict=False):
        made = apply(ctx, value, env.x, env, span or call.span) if isinstance(value, Function) else value
        if isinstance(made, Bad):
            return BAD
        if isinstance(made, Tensor):
            tensors.insert(0, replace(made, at=span or made.at))
        elif is_number(made) and kind.bound_by:
            numbers.insert(0, made)
        else:
            takes = "tensors and numbers" if kind.bound_by else "one tensor or one number"
            return ctx.error("E0206", f"`{kind.kind}` takes {takes}, not {show(made)}", span or call.span)
    at = call.span if kind.inputs == 1 else call.callee.span
    result: Tensor | Bad = tensors[0]
    if len(tensors) > 1 or not numbers:
        result = step(ctx, kind.make({}), tuple(tensors), env, at, None if numbers else label)
    if not numbers or isinstance(result, Bad):
        return result
    return _made(ctx, BOUNDED, {kind.bound_by: _bound(ctx, kind, numbers)}, result, env, call.span, label)


def _bound(ctx: Elaborator, kind: type[Op], numbers: Sequence[int | float]) -> Value:
    """The one of several numbers that bounds."""
    choose = max if kind.bound_by == "low" else min
    found: Value = numbers[0]
    plainly = plain_number(numbers[0])
    for number in numbers[1:]:
        plainly = choose(plainly, plain_number(number))
        found = ctx.combined(kind.kind, found, number, plainly)
    return found
