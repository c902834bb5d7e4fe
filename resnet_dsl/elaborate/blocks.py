"""Functions put to use: arguments bound to parameters, blocks run, equal blocks elaborated once."""

from __future__ import annotations

from dataclasses import MISSING, replace
from typing import Any

from resnet_dsl.diagnostics import Span, did_you_mean
from resnet_dsl.elaborate.context import Builder, Context, Env, Parameter
from resnet_dsl.elaborate.steps import add, step
from resnet_dsl.elaborate.values import BAD, Bad, Definition, Function, Staged, Tensor, show
from resnet_dsl.ir.arguments import Symbol
from resnet_dsl.ir.network import Body, Call
from resnet_dsl.ir.shapes import Shape
from resnet_dsl.syntax import ast

MAX_CALLS = 32


def signature(ctx: Context, function: Function) -> list[Parameter]:
    """Return the parameters of a function, in order."""
    if isinstance(function.target, Definition):
        return [Parameter(p.name, p.default is None, p.choices) for p in function.target.block.parameters]
    return [
        Parameter(name, default is MISSING, rule.choices)
        for name, rule, default in function.target.arguments()
    ]


def bind(
    ctx: Context, function: Function, expr: ast.Call, env: Env, inputs: list[Tensor]
) -> tuple[tuple[str, Any], ...] | None:
    """Evaluate arguments against the signature; leading tensors go to `inputs`."""
    parameters = {p.name: p for p in signature(ctx, function)}
    given = dict(function.bound)
    free = [p for p in parameters.values() if p.name not in given]
    direct, fine = not inputs, True
    takes_many = not isinstance(function.target, Definition)
    for argument in expr.arguments:
        name = argument.name or (free[0].name if free else None)
        choices = parameters[name].choices if name in parameters else ()
        value = ctx.evaluate(ctx, argument.value, replace(env, choices=(*env.choices, *choices)))
        if isinstance(value, Bad):
            fine = False
            if argument.name is None:
                continue  # it may have been a tensor, so nothing can be said of its place
        elif argument.name is None and isinstance(value, Tensor) and (takes_many or (direct and not inputs)):
            inputs.append(value)
            continue
        if name not in parameters:
            _unknown_argument(ctx, function, argument, parameters)
            fine = False
            continue
        if argument.name is not None and any(a is not argument and a.name == name for a in expr.arguments):
            ctx.error("E0202", f"`{name}` is given twice", argument.span)
            fine = False
        free = [p for p in free if p.name != name]
        given[name] = value
    return tuple(given.items()) if fine else None


def _unknown_argument(
    ctx: Context, function: Function, argument: ast.Argument, parameters: dict[str, Parameter]
) -> None:
    takes = ", ".join(f"`{name}`" for name in parameters) or "no arguments"
    if argument.name is None:
        message = f"too many arguments: {function.name} takes {takes}"
        ctx.error("E0202", message, argument.span)
        return
    message = f"{function.name} has no argument `{argument.name}`; it takes {takes}"
    ctx.error("E0202", message, argument.span, did_you_mean(argument.name, parameters))


def tensor(ctx: Context, expr: ast.Expr, env: Env) -> Any:
    """Return the tensor an expression makes; a function is applied to the input `x`."""
    value = ctx.evaluate(ctx, expr, env)
    if isinstance(value, Function):
        return apply(ctx, value, env.x, env, expr.span)
    if isinstance(value, Staged) and isinstance(value.value, Function):
        return apply(ctx, value.value, env.x, env, expr.span, value.label)
    if isinstance(value, Tensor | Bad):
        return value
    return ctx.error("E0206", f"a tensor should be made here, not {show(value)}", expr.span)


def apply(
    ctx: Context,
    function: Function,
    inputs: list[Tensor] | Tensor | None,
    env: Env,
    span: Span,
    label: str | None = None,
) -> Any:
    """Apply a function to its input: a step for an op, the steps of its body for a block."""
    tensors = [inputs] if isinstance(inputs, Tensor) else inputs
    if tensors is None or env.builder is None:
        return ctx.error("E0206", f"`{function.name}` has no input here", span)
    missing = [p.name for p in signature(ctx, function) if p.required and p.name not in dict(function.bound)]
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        return ctx.error("E0203", f"{function.name} needs {names}", span)
    if isinstance(function.target, Definition):
        return _apply_block(ctx, function.target, dict(function.bound), tensors, env, span, label)
    try:
        op = function.target.make(dict(function.bound))
    except ValueError as error:
        value = next((v for n, v in function.bound if f"`{n}` " in str(error)), None)
        suffix = f", not {show(value)}" if "must be" in str(error) and value is not None else ""
        return ctx.error("E0204", f"{error}{suffix}", span)
    return step(ctx, op, tuple(tensors), env, span, label)


def _apply_block(
    ctx: Context,
    definition: Definition,
    given: dict[str, Any],
    tensors: list[Tensor],
    env: Env,
    span: Span,
    label: str | None,
) -> Any:
    assert env.builder is not None
    if label is None:
        with ctx.within(f"in block `{definition.block.name}`", span):
            return run_block(ctx, definition, given, tensors[0], env.builder, span)
    extra = {name: value for name, value in given.items() if isinstance(value, Tensor)}
    with ctx.within(f"in `{label}`, block `{definition.block.name}`", span):
        body = body_of(ctx, definition, given, tensors[0].shape, span)
    if isinstance(body, Bad):
        return BAD
    if body.result < 0:
        return [tensors[0], *extra.values()][-1 - body.result]
    inputs = (tensors[0], *extra.values())
    return add(ctx, Call(body), inputs, body.output, env.builder, span, label)


def body_of(ctx: Context, definition: Definition, given: dict[str, Any], x: Shape, span: Span) -> Body | Bad:
    """Return the body of a block for these arguments; equal uses are elaborated once."""
    shapes = [x, *(value.shape for value in given.values() if isinstance(value, Tensor))]
    plain = ((n, v.shape if isinstance(v, Tensor) else v) for n, v in given.items())
    key = (definition, tuple((n, type(v), v) for n, v in plain), tuple(shapes))
    if key not in ctx.bodies:
        ctx.bodies[key] = _elaborate_body(ctx, definition, given, shapes, span)
    elif isinstance(found := ctx.bodies[key], Body):
        ctx.count(found.count, span)
    return ctx.bodies[key]


def _elaborate_body(
    ctx: Context, definition: Definition, given: dict[str, Any], shapes: list[Shape], span: Span
) -> Body | Bad:
    builder = Builder(shapes)
    names = iter(range(1, len(shapes)))
    values = {
        name: Tensor(-1 - next(names), value.shape, f"the parameter `{name}`")
        if isinstance(value, Tensor)
        else value
        for name, value in given.items()
    }
    x = Tensor(-1, shapes[0], "the block's input")
    settled: dict[str, Any] = {}
    result = run_block(ctx, definition, values, x, builder, span, settled)
    if isinstance(result, Bad):
        return BAD
    name = definition.block.name
    arguments = tuple((n, v) for n, v in settled.items() if not isinstance(v, Tensor))
    return Body(name, arguments, tuple(shapes), tuple(builder.nodes), result.value, definition.doc)


def run_block(
    ctx: Context,
    definition: Definition,
    given: dict[str, Any],
    x: Tensor,
    builder: Builder,
    span: Span,
    settled: dict[str, Any] | None = None,
) -> Any:
    """Run a block's statements into `builder` and return its result."""
    block = definition.block
    if definition in ctx.active or len(ctx.active) >= MAX_CALLS:
        return ctx.error("E0209", f"block `{block.name}` uses itself", span)
    ctx.count(1, span)
    outer, ctx.active = ctx.active, [*ctx.active, definition]
    variable = builder.variable
    try:
        env = _parameters(ctx, definition, given, x, builder)
        if env is None:
            return BAD
        if settled is not None:
            settled.update((p.name, env.names[p.name]) for p in block.parameters)
        return _statements(ctx, block, env, builder, variable)
    finally:
        ctx.active, builder.variable = outer, variable


def _parameters(
    ctx: Context, definition: Definition, given: dict[str, Any], x: Tensor, builder: Builder
) -> Env | None:
    block = definition.block
    choices = {choice: Symbol(choice) for p in block.parameters for choice in p.choices}
    env = Env(definition.scope, builder, {**choices, "x": x})
    fine = True
    for parameter in block.parameters:
        if parameter.name == "x":
            ctx.error("E0208", "`x` is the block's input", parameter.span)
            fine = False
        value = given.get(parameter.name, MISSING)
        if value is MISSING and parameter.default is not None:
            value = ctx.evaluate(ctx, parameter.default, replace(env, choices=parameter.choices))
        if parameter.choices and not isinstance(value, Bad) and value not in parameter.choices:
            wanted = ", ".join(f"`{choice}`" for choice in parameter.choices)
            message = f"`{parameter.name}` of {block.name} must be one of {wanted}, not {show(value)}"
            span = ctx.frames[-1].span if ctx.frames else parameter.span
            ctx.error("E0204", message, span, did_you_mean(show(value), parameter.choices))
            fine = False
        fine = fine and not isinstance(value, Bad)
        env.names[parameter.name] = value
    return env if fine else None


def _statements(ctx: Context, block: ast.Block, env: Env, builder: Builder, variable: str) -> Any:
    taken = {p.name for p in block.parameters} | {"x"}
    for statement in block.statements:
        if statement.name in taken:
            message = f"`{statement.name}` has a value already"
            return ctx.error("E0208", message, statement.span, "take another name")
        taken.add(statement.name)
        builder.variable = statement.name
        value = ctx.evaluate(ctx, statement.value, env)
        if isinstance(value, Staged):
            value = value.value
        env.names[statement.name] = value
    builder.variable = variable
    result = tensor(ctx, block.result, env)
    if isinstance(result, Bad):
        return BAD
    for statement in block.statements:
        if statement.name not in env.read and not ast.mentions(block.result, statement.name):
            value = env.names[statement.name]
            if isinstance(value, Tensor) and value.value >= 0:
                hint = "use it in what the block returns, or delete it"
                return ctx.error("E0213", f"`{statement.name}` is not used", statement.span, hint)
    return result
