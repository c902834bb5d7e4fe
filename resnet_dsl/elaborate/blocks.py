"""Functions put to use: arguments bound to parameters, blocks run, equal blocks elaborated once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from resnet_dsl.diagnostics.model import Label, Span
from resnet_dsl.elaborate.argument_reports import given_twice, unknown_argument
from resnet_dsl.elaborate.body_builder import BodyBuilder
from resnet_dsl.elaborate.calls import is_mistaken, of_thousands, report_label, taken_as_input, written_call
from resnet_dsl.elaborate.carried import Carried
from resnet_dsl.elaborate.derived import derived, formulas_of, plain
from resnet_dsl.elaborate.elaborator import Elaborator, Env, origin_of
from resnet_dsl.elaborate.records import for_a_tensor, of_tensors, results_of_call, tensors_of
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.sharing import applied, check_inside, noting_shares
from resnet_dsl.elaborate.steps import NO_BODY, add, step
from resnet_dsl.elaborate.values import (
    BAD,
    Bad,
    Definition,
    Function,
    Origin,
    Record,
    Staged,
    Tag,
    Tensor,
    Value,
    show,
)
from resnet_dsl.elaborate.written_arguments import argument_value, signature, written_out
from resnet_dsl.ir.arguments import ArgumentError, Symbol
from resnet_dsl.ir.formulas import Named
from resnet_dsl.ir.network import BlockCall, Body
from resnet_dsl.ir.ops import Op
from resnet_dsl.ir.shapes import Shape
from resnet_dsl.limits import CALLS
from resnet_dsl.records import MISSING, replace
from resnet_dsl.syntax import ast

COST_OF_A_CALL = 25


def bind(
    ctx: Elaborator, function: Function, expr: ast.Call, env: Env, inputs: list[Tensor | Record]
) -> Function | None:
    """Return the function with its arguments evaluated; leading tensors go to `inputs`."""
    parameters = {p.name: p for p in signature(ctx, function)}
    given = dict(function.bound)
    origins, spans = dict(function.origins), dict(function.spans)
    operands = () if isinstance(function.target, Definition) else function.target.operands
    free = [name for name in parameters if name not in given and name not in operands]
    operands_alone = all(name in operands for name in parameters)
    direct, fine = not inputs, True
    takes_many = not isinstance(function.target, Definition)
    for argument in written_out(ctx, function, expr, env, parameters, given):
        name = argument.name or (free[0] if free else None)
        choices = parameters[name].choices if name in parameters else ()
        value = argument_value(ctx, function, name, argument.value, choices, env)
        if takes_many and operands_alone and isinstance(value, Function) and env.x is not None:
            value = apply(ctx, value, env.x, env, argument.value.span)  # as an operand of a sum would be
        if takes_many and isinstance(value, Record) and tensors_of(value):
            value = for_a_tensor(ctx, value, argument.value.span)
        if argument.name is None and isinstance(value, Staged) and is_mistaken(function, value, parameters):
            report_label(ctx, function, expr, value, parameters)
            return None
        if isinstance(value, Bad):
            fine = False
            if argument.name is None:
                continue  # it may have been a tensor, so nothing can be said of its origin
        elif argument.name is None and isinstance(value, Tensor) and (takes_many or (direct and not inputs)):
            inputs.append(replace(value, at=argument.value.span))
            continue
        if name not in parameters:
            unknown_argument(ctx, function, argument, parameters)
            fine = False
            continue
        if name in operands:
            value = _operand(ctx, function, name, value, argument, env)
            fine = fine and not isinstance(value, Bad)
        if name in spans:
            given_twice(ctx, name, argument, expr, spans[name])
            fine = False
            continue
        free = [other for other in free if other != name]
        given[name], spans[name] = value, argument.value.span
        if (origin := origin_of(argument.value, env)) is not None:
            origins[name] = origin
    bound = tuple(given.items())
    return replace(function, bound=bound, origins=origins, spans=spans, call=expr) if fine else None


def _operand(
    ctx: Elaborator, function: Function, name: str, value: Value, argument: ast.Argument, env: Env
) -> Tensor | Bad:
    """The tensor that is given to an op by name; a function makes it of the input."""
    span = argument.value.span
    if isinstance(value, Function) and env.x is not None:
        value = apply(ctx, value, env.x, env, span)
    if isinstance(value, Tensor):
        return replace(value, at=span)
    if isinstance(value, Bad):
        return BAD
    message = f"`{name}` of {function.name} must be a tensor, not {show(value)}"
    return ctx.error("E0206", message, span, "give it a step, or a parameter that stands for one")


def tensor(ctx: Elaborator, expr: ast.Expr, env: Env) -> Tensor | Bad:
    """Return the tensor an expression makes; a function is applied to the input `x`."""
    return made(ctx, ctx.evaluate(expr, env), expr, env)


def made(ctx: Elaborator, value: Value, expr: ast.Expr, env: Env) -> Tensor | Bad:
    """Return the tensor that the value of an expression is or makes."""
    value = on_x(ctx, value, expr, env)
    if isinstance(value, Tensor | Bad):
        return value
    if isinstance(value, Record):
        return for_a_tensor(ctx, value, expr.span)
    hint = "start with a tensor such as `x`, or with a block or op, which then takes `x`"
    return ctx.error("E0206", f"a tensor should be made here, not {show(value)}", expr.span, hint)


def on_x(ctx: Elaborator, value: Value, expr: ast.Expr, env: Env) -> Value:
    """Return what a function that waits for its input makes of `x`; any other value as it is."""
    if isinstance(value, Function):
        return apply(ctx, value, env.x, env, expr.span)
    if isinstance(value, Staged) and isinstance(value.value, Function):
        return apply(ctx, value.value, env.x, env, expr.span, value.label)
    return value


def apply(
    ctx: Elaborator,
    function: Function,
    inputs: list[Tensor | Record] | Tensor | Record | None,
    env: Env,
    span: Span,
    label: Tag | None = None,
) -> Tensor | Record | Bad:
    """Apply a function to its input: a step for an op, the steps of its body for a block.

    A block may take a record, which is `x` in it then.
    """
    if inputs is None and isinstance(x := env.names.get("x"), Record):
        inputs = x
    tensors = [inputs] if isinstance(inputs, Tensor | Record) else inputs
    if tensors and isinstance(tensors[0], Record) and not isinstance(function.target, Definition):
        return for_a_tensor(ctx, tensors[0], span)
    if tensors is None or env.builder is None:
        hint = NO_BODY if env.builder is None else ""
        return ctx.error("E0206", f"`{function.name}` has no input here", span, hint)
    if (share := function.share) is not None:
        own = function.shared(None)
        return applied(ctx, share, partial(apply, ctx, own, tensors, env, span), env.builder, span, label)
    op = complete(ctx, function, env, span, tensors)
    if isinstance(op, Bad):
        return BAD
    if isinstance(op, Definition):
        result: Tensor | Record | Bad = _apply_block(ctx, function, op, tensors, env, span, label)
    else:
        result = _apply_op(ctx, function, op, tensors, env, span, label)
    if function.origin is not None and isinstance(result, Tensor):
        return replace(result, maker=function.origin)
    return result


def complete(
    ctx: Elaborator, function: Function, env: Env, span: Span, inputs: Sequence[Tensor | Record] = ()
) -> Definition | Op | Bad:
    """Return the block, or the op with its arguments; report what is missing or refused."""
    missing = [p.name for p in signature(ctx, function) if p.required and p.name not in dict(function.bound)]
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        hint = taken_as_input(function, inputs) or f"write `{written_call(function, missing, env)}`"
        return ctx.error("E0203", f"{function.name} needs {names}", span, hint, origin=function.origin)
    if isinstance(function.target, Definition):
        return function.target
    try:
        return function.target.make({name: plain(value) for name, value in function.bound})
    except ArgumentError as error:
        return _bad_value(ctx, function, error, span)


def _apply_op(
    ctx: Elaborator,
    function: Function,
    op: Op,
    inputs: list[Tensor | Record],
    env: Env,
    span: Span,
    label: Tag | None,
) -> Tensor | Bad:
    tensors = [value for value in inputs if isinstance(value, Tensor)]
    if op.inputs != 1 and function.call is not None:
        span = function.call.callee.span  # its operands have marks of their own
    derived = formulas_of(function.bound)
    named = {name: value for name, value in function.bound if name in op.operands}
    others = iter(tensors[1:])
    places = (named.get(name) or next(others, None) for name in op.operands)
    found = [tensors[0], *(value for value in places if isinstance(value, Tensor)), *others]
    return step(ctx, op, tuple(found), env, span, label, function.origins, derived, function.origin)


def _bad_value(ctx: Elaborator, function: Function, error: ArgumentError, span: Span) -> Bad:
    """Report the argument that an op refused, marked where it was given."""
    name = error.argument
    value = dict(function.bound).get(name)
    suffix = "" if value is None else f", not {show(value)}"
    at, origin = function.spans.get(name, span), function.origins.get(name)
    labels: tuple[Label, ...] = ()
    if origin is not None and origin.span != at and not at.source.ours:
        labels = (Label(origin.span, f"{show(value)} is given here"),)
    return ctx.error("E0204", f"{error}{suffix}", at, of_thousands(at), labels, origin)


def _apply_block(
    ctx: Elaborator,
    function: Function,
    definition: Definition,
    inputs: list[Tensor | Record],
    env: Env,
    span: Span,
    label: Tag | None,
) -> Tensor | Record | Bad:
    assert env.builder is not None
    given, origin, origins = dict(function.bound), function.origin, function.origins
    x = inputs[0]
    if label is None:
        before = len(env.builder.nodes)
        with ctx.within(f"in block `{definition.block.name}`", span, origin, origins):
            result = run_block(ctx, definition, given, x, env.builder, span)
        if isinstance(result, Tensor) and isinstance(x, Tensor):
            ctx.applied(span, env.builder, (x.value,), result.value, before)
        return result
    carried = Carried(definition, given, x)
    with ctx.within(f"in `{label.name}`, block `{definition.block.name}`", span, origin, origins):
        body = body_of(ctx, definition, given, x, span)
    if isinstance(body, Bad):
        return BAD
    tensors = (carried.first, *carried.direct, *carried.inputs.values())
    if body.fields and not body.nodes:
        return Record(zip(body.fields, (tensors[-1 - value] for value in body.results), strict=True))
    if body.result < 0 and not body.fields:
        return tensors[-1 - body.result]
    first = add(ctx, BlockCall(body), tensors, body.output, env.builder, span, label, formulas_of(given))
    return results_of_call(env.builder, first, span) if body.fields and isinstance(first, Tensor) else first


def body_of(
    ctx: Elaborator,
    definition: Definition,
    given: dict[str, Value],
    x: Tensor | Record,
    span: Span,
    at: Span | None = None,
) -> Body | Bad:
    """Return the body of a block for these arguments; equal uses are elaborated once, counted `at`."""
    carried = Carried(definition, given, x)
    shapes = [value.shape for value in (carried.first, *carried.direct, *carried.inputs.values())]
    given = {name: ctx.stripped(value) for name, value in carried.given.items()}
    parts = ((n, v.shape if isinstance(v, Tensor) else v) for n, v in given.items())
    key = (definition, tuple((n, type(v), v) for n, v in parts), tuple(shapes), carried.input)
    if key not in ctx.bodies:
        with noting_shares(ctx, key, given.values()):
            ctx.bodies[key] = _elaborate_body(ctx, definition, given, shapes, span, carried)
    elif not check_inside(ctx, key, at or span):
        return BAD
    elif isinstance(found := ctx.bodies[key], Body):
        ctx.count(found.count, at or span)
    return ctx.bodies[key]


def _elaborate_body(
    ctx: Elaborator,
    definition: Definition,
    given: dict[str, Value],
    shapes: list[Shape],
    span: Span,
    carried: Carried,
) -> Body | Bad:
    tensors = [name for name, value in given.items() if isinstance(value, Tensor)]
    builder = BodyBuilder(shapes, input_names=["x", *tensors, *carried.inputs])
    names = iter(range(1, len(shapes)))
    values = {
        name: Tensor(-1 - next(names), value.shape, f"the parameter `{name}`")
        if isinstance(value, Tensor)
        else value
        for name, value in given.items()
    }
    arguments: dict[str, Value] = {}
    outer, ctx.structural = ctx.structural, set()
    try:
        result = run_block(ctx, definition, values, carried.input, builder, span, arguments)
        if isinstance(result, Bad):
            return BAD
        fields = tensors_of(result) if isinstance(result, Record) else {"": result}
        first, *more = (tensor.value for tensor in fields.values())
        return Body(
            definition=definition.block.name,
            arguments=tuple((n, plain(v)) for n, v in arguments.items() if not isinstance(v, Tensor)),
            inputs=tuple(shapes),
            nodes=tuple(builder.nodes),
            result=first,
            doc=definition.doc,
            names=tuple(builder.input_names),
            structural=frozenset(ctx.structural),
            more=tuple(more),
            fields=tuple(fields) if isinstance(result, Record) else (),
        )
    finally:
        ctx.structural = outer


def run_block(
    ctx: Elaborator,
    definition: Definition,
    given: dict[str, Value],
    x: Tensor | Record,
    builder: BodyBuilder,
    span: Span,
    arguments: dict[str, Value] | None = None,
) -> Tensor | Record | Bad:
    """Run a block's statements into `builder` and return its result, or its results as a record."""
    block = definition.block
    if definition in ctx.active or len(ctx.active) >= CALLS.most:
        return _endless(ctx, definition, span)
    ctx.count(1, span)
    ctx.charge(span, COST_OF_A_CALL)
    outer, ctx.active = ctx.active, [*ctx.active, definition]
    variable = builder.variable
    try:
        env = _parameters(ctx, definition, given, x, builder, own_level=arguments is not None)
        if env is None:
            return BAD
        if arguments is not None:
            arguments.update((p.name, env.names[p.name]) for p in block.parameters)
        return _statements(ctx, block, env, builder, variable)
    finally:
        ctx.active, builder.variable = outer, variable


def _endless(ctx: Elaborator, definition: Definition, span: Span) -> Bad:
    """Report a block that uses itself, with the way round, or one below too many others."""
    names = [outer.block.name for outer in ctx.active]
    if definition not in ctx.active:
        return ctx.error("E0209", f"blocks use each other more than {CALLS.most} levels deep", span)
    way = " -> ".join([*names[ctx.active.index(definition) :], definition.block.name])
    shown = f": {way}" if way.count("->") > 1 else ""
    hint = "blocks do not repeat themselves; write how often in `stages:`"
    return ctx.error("E0209", f"block `{definition.block.name}` uses itself{shown}", span, hint)


def _parameters(
    ctx: Elaborator,
    definition: Definition,
    given: dict[str, Value],
    x: Tensor | Record,
    builder: BodyBuilder,
    own_level: bool,
) -> Env | None:
    block = definition.block
    choices = {choice: Symbol(choice) for p in block.parameters for choice in p.choices}
    origins = ctx.frames[-1].origins if ctx.frames else {}
    own = tuple(p.name for p in block.parameters)
    assert isinstance(definition.scope, Scope)
    env = Env(definition.scope, builder, {**choices, "x": x}, origins=dict(origins), parameters=own)
    fine = True
    for parameter in block.parameters:
        value = given.get(parameter.name, MISSING)
        if value is MISSING and parameter.default is not None:
            chosen = replace(env, choices=parameter.choices) if parameter.choices else env
            value = ctx.evaluate(parameter.default, chosen)
        if parameter.choices and not isinstance(value, Bad) and value not in parameter.choices:
            _no_choice(ctx, block, parameter, value, origins)
            fine = False
        fine = fine and not isinstance(value, Bad)
        # In a body of its own the block's parameters are what all numbers are derived from.
        env.names[parameter.name] = derived(value, Named(parameter.name)) if own_level else value
    return env if fine else None


def _no_choice(
    ctx: Elaborator, block: ast.Block, parameter: ast.Parameter, value: Value, origins: Mapping[str, Origin]
) -> None:
    wanted = ", ".join(f"`{choice}`" for choice in parameter.choices)
    message = f"`{parameter.name}` of {block.name} must be one of {wanted}, not {show(value)}"
    origin = origins.get(parameter.name)
    span = origin.span if origin else ctx.frames[-1].span if ctx.frames else parameter.span
    ctx.error("E0204", message, span, ctx.suggest(show(value), parameter.choices))


def _statements(
    ctx: Elaborator, block: ast.Block, env: Env, builder: BodyBuilder, variable: str
) -> Tensor | Record | Bad:
    for statement in block.statements:
        builder.variable = statement.name
        value = ctx.evaluate(statement.value, env)
        if isinstance(value, Staged):
            hint = f"start with a tensor: `{statement.name} = x -> {value.label.name}: …`"
            value = ctx.error("E0212", f"`{value.label.name}:` names no step", value.label.span, hint)
        env.names[statement.name] = value
        if block.span.source.ours and (origin := origin_of(statement.value, env)) is not None:
            env.origins = {**env.origins, statement.name: origin}
    builder.variable = variable
    result = _returned(ctx, block.result, env)
    if isinstance(result, Bad):
        return BAD
    return BAD if _something_unused(ctx, block, env) else result


def _returned(ctx: Elaborator, expr: ast.Expr, env: Env) -> Tensor | Record | Bad:
    """What a block returns: a tensor, or tensors under names."""
    value = on_x(ctx, ctx.evaluate(expr, env), expr, env)
    if not isinstance(value, Record):
        return made(ctx, value, expr, env)
    return of_tensors(ctx, value, expr, lambda item, at: made(ctx, item, at, env))


def _something_unused(ctx: Elaborator, block: ast.Block, env: Env) -> bool:
    """Report steps that do not reach the block's result."""
    unread = [statement for statement in block.statements if statement.name not in env.read]
    found = False
    for statement in unread:
        value = env.names[statement.name]
        tensors = tensors_of(value) if isinstance(value, Record) else {"": value}
        steps = any(isinstance(tensor, Tensor) and tensor.value >= 0 for tensor in tensors.values())
        if steps and not ast.mentions(block.result, statement.name):
            hint = "use it in what the block returns, or delete it"
            ctx.error("E0213", f"`{statement.name}` is not used", statement.name_at, hint)
            found = True
    return found
