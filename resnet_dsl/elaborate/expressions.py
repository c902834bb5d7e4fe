"""Expressions to values: arithmetic at compile time, and ops applied into a body being built.

Shapes are inferred as each step is made, since a block may ask for the channels of its input.
A mistake is reported once with its place; what depends on it is bad and stays silent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, replace
from typing import Any

from resnet_dsl.diagnostics import did_you_mean
from resnet_dsl.elaborate.arithmetic import ArithmeticProblem, compare, compute
from resnet_dsl.elaborate.blocks import apply, bind, tensor
from resnet_dsl.elaborate.context import Context, Env
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.steps import step
from resnet_dsl.elaborate.values import BAD, Bad, Function, Repeat, Staged, Tensor, show
from resnet_dsl.ir.arguments import Dims, Symbol
from resnet_dsl.ir.ops import Add, Multiply
from resnet_dsl.syntax import ast

NUMERIC: dict[str, Callable[..., Any]] = {"min": min, "max": max, "round": round}


def evaluate(ctx: Context, expr: ast.Expr, env: Env, label: str | None = None) -> Any:
    """Return the value of an expression; `label` names the step it makes."""
    ctx.toil(expr.span)
    match expr:
        case ast.Number() | ast.String() | ast.Constant():
            return expr.value
        case ast.Dims():
            return Dims(expr.parts)
        case ast.Group():
            return evaluate(ctx, expr.value, env, label)
        case ast.Name():
            return _name(ctx, expr, env)
        case ast.List():
            items = tuple(evaluate(ctx, item, env) for item in expr.items)
            return BAD if any(isinstance(item, Bad) for item in items) else items
        case ast.Record():
            return _record(ctx, expr, env)
        case ast.Attribute():
            return _attribute(ctx, expr, env)
        case ast.Unary():
            return _unary(ctx, expr, env)
        case ast.Binary():
            return _binary(ctx, expr, env)
        case ast.If():
            return _if(ctx, expr, env, label)
        case ast.Labelled():
            return _labelled(ctx, expr, env)
        case ast.Pipe():
            return _pipe(ctx, expr, env)
        case ast.Call():
            return _call(ctx, expr, env, None, label)


def _name(ctx: Context, expr: ast.Name, env: Env) -> Any:
    if expr.id in env.choices:
        return Symbol(expr.id)
    if expr.id in env.names:
        env.read.add(expr.id)
        return env.names[expr.id]
    if env.setting is not None:
        value = env.setting(expr.id, expr.span)
        if value is not MISSING:
            return value
    found = env.scope.find(expr.id)
    if found is None:
        known = [*env.names, *env.choices, *env.scope.names(), *(env.known or tuple)()]
        hint = did_you_mean(expr.id, known)
        return ctx.error("E0201", f"unknown name `{expr.id}`", expr.span, hint)
    scope, what = found
    if isinstance(what, ast.Const):
        return _constant(ctx, what, scope)
    return Function(what)


def _constant(ctx: Context, const: ast.Const, scope: Scope) -> Any:
    if const not in ctx.constants:
        ctx.constants[const] = BAD  # a constant that needs itself is bad, not endless
        ctx.constants[const] = evaluate(ctx, const.value, Env(scope))
        if ctx.constants[const] is BAD:
            ctx.error("E0209", f"`{const.name}` has no value", const.span)
    return ctx.constants[const]


def _record(ctx: Context, expr: ast.Record, env: Env) -> Any:
    record = {item.name: evaluate(ctx, item.value, env) for item in expr.fields}
    if len(record) < len(expr.fields):
        return ctx.error("E0208", "a name is given twice in this record", expr.span)
    return tuple(record.items())


def _attribute(ctx: Context, expr: ast.Attribute, env: Env) -> Any:
    value = evaluate(ctx, expr.value, env)
    if isinstance(value, Bad):
        return BAD
    if not isinstance(value, Tensor):
        return ctx.error("E0206", f"{show(value)} has no `.{expr.name}`", expr.span)
    sizes = dict(zip(("channels", "height", "width"), value.shape.at(ctx.extent), strict=False))
    if expr.name not in sizes:
        known = ", ".join(f"`{name}`" for name in sizes)
        hint = did_you_mean(expr.name, sizes)
        return ctx.error("E0201", f"no `.{expr.name}` here; there is {known}", expr.span, hint)
    if sizes[expr.name] is None:
        message = f"`.{expr.name}` is not known: it depends on the input's size"
        return ctx.error("E0307", message, expr.span, "write numbers in `input:`")
    return sizes[expr.name]


def _unary(ctx: Context, expr: ast.Unary, env: Env) -> Any:
    value = evaluate(ctx, expr.value, env)
    if isinstance(value, Bad):
        return BAD
    if expr.operator == "not" and isinstance(value, bool):
        return not value
    if expr.operator == "-" and isinstance(value, int | float) and not isinstance(value, bool):
        return -value
    return ctx.error("E0206", f"`{expr.operator}` does not apply to {show(value)}", expr.span)


def _binary(ctx: Context, expr: ast.Binary, env: Env) -> Any:
    left = evaluate(ctx, expr.left, env)
    if expr.operator in ("and", "or") and isinstance(left, bool):
        if left == (expr.operator == "or"):
            return left
        right = evaluate(ctx, expr.right, env)
        if isinstance(right, bool | Bad):
            return right
        message = f"`{expr.operator}` needs `true` or `false`, not {show(right)}"
        return ctx.error("E0206", message, expr.at)
    right = evaluate(ctx, expr.right, env)
    if isinstance(left, Bad) or isinstance(right, Bad):
        return BAD
    if expr.operator in ("+", "*") and (isinstance(left, Tensor) or isinstance(right, Tensor)):
        return _join(ctx, expr, left, right, env)
    if expr.operator == "*" and isinstance(right, Function) and type(left) is int:
        return Repeat(left, right)
    try:
        if expr.operator in ("==", "!=", "<", "<=", ">", ">="):
            return compare(expr.operator, left, right)
        return compute(expr.operator, left, right)
    except ArithmeticProblem as problem:
        return ctx.error(problem.code, problem.message, expr.at, problem.hint)


def _join(ctx: Context, expr: ast.Binary, left: Any, right: Any, env: Env) -> Any:
    """A sum or product of tensors: a step of two inputs."""
    if isinstance(left, Function) and env.x is not None:
        left = apply(ctx, left, env.x, env, expr.left.span)
    if isinstance(right, Function) and env.x is not None:
        right = apply(ctx, right, env.x, env, expr.right.span)
    if isinstance(left, Bad) or isinstance(right, Bad):
        return BAD
    if not (isinstance(left, Tensor) and isinstance(right, Tensor)):
        other = right if isinstance(left, Tensor) else left
        message = f"`{expr.operator}` of a tensor and {show(other)}"
        return ctx.error("E0206", message, expr.at, "both sides must be tensors")
    op = Add() if expr.operator == "+" else Multiply()
    spans = (expr.left.span, expr.right.span)
    return step(ctx, op, (left, right), env, expr.at, operands=spans)


def _if(ctx: Context, expr: ast.If, env: Env, label: str | None) -> Any:
    condition = evaluate(ctx, expr.condition, env)
    if isinstance(condition, Bad):
        return BAD
    if not isinstance(condition, bool):
        message = f"`if` needs `true` or `false`, not {show(condition)}"
        return ctx.error("E0206", message, expr.condition.span)
    return evaluate(ctx, expr.yes if condition else expr.no, env, label)


def _labelled(ctx: Context, expr: ast.Labelled, env: Env) -> Any:
    value = evaluate(ctx, expr.value, env, expr.label)
    return value if isinstance(value, Tensor | Bad) else Staged(expr.label, value)


def _pipe(ctx: Context, expr: ast.Pipe, env: Env) -> Any:
    value = tensor(ctx, expr.first, env)
    for item in expr.steps:
        if isinstance(value, Bad):
            return BAD
        value = _step(ctx, item, value, env, None)
    return value


def _step(ctx: Context, step: ast.Expr, x: Tensor, env: Env, label: str | None) -> Any:
    if isinstance(step, ast.Labelled):
        return _step(ctx, step.value, x, env, step.label)
    if isinstance(step, ast.Call):
        return _call(ctx, step, env, x, label)
    value = evaluate(ctx, step, env)
    if isinstance(value, Function):
        return apply(ctx, value, x, env, step.span, label)
    if isinstance(value, Bad):
        return BAD
    return ctx.error("E0206", f"a step of a pipeline is a block or op, not {show(value)}", step.span)


def _call(ctx: Context, expr: ast.Call, env: Env, piped: Tensor | None, label: str | None) -> Any:
    if isinstance(expr.callee, ast.Name) and _is_numeric(ctx, expr.callee.id, env):
        return _numeric(ctx, expr, env)
    function = evaluate(ctx, expr.callee, env)
    if isinstance(function, Bad):
        return BAD
    if not isinstance(function, Function):
        return ctx.error("E0206", f"{show(function)} cannot be called", expr.callee.span)
    inputs = [] if piped is None else [piped]
    bound = bind(ctx, function, expr, env, inputs)
    if bound is None:
        return BAD
    function = replace(function, bound=bound)
    return apply(ctx, function, inputs, env, expr.span, label) if inputs else function


def _is_numeric(ctx: Context, name: str, env: Env) -> bool:
    return name in NUMERIC and name not in env.names and env.scope.find(name) is None


def _numeric(ctx: Context, expr: ast.Call, env: Env) -> Any:
    name = expr.callee.id if isinstance(expr.callee, ast.Name) else ""
    values = [evaluate(ctx, argument.value, env) for argument in expr.arguments]
    if any(isinstance(value, Bad) for value in values):
        return BAD
    if not values or any(type(value) not in (int, float) for value in values):
        return ctx.error("E0206", f"`{name}` takes numbers", expr.span)
    if name == "round" and len(values) > 1:
        return ctx.error("E0202", "`round` takes one number", expr.span)
    return NUMERIC[name](values) if name != "round" else round(values[0])
