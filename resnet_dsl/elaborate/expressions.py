"""Expressions to values: arithmetic at compile time, and ops applied into a body being built.

Shapes are inferred as each step is made, since a block may ask for the channels of its input.
A mistake is reported once with its place; what depends on it is bad and stays silent.
"""

from __future__ import annotations

from collections.abc import Callable

from resnet_dsl.diagnostics.model import Label
from resnet_dsl.elaborate.arithmetic import FUNCTIONS, ArithmeticProblem, compare, compute, function
from resnet_dsl.elaborate.blocks import apply, bind, complete, made, on_x
from resnet_dsl.elaborate.derived import (
    derived,
    is_number,
    is_whole,
    plain_number,
)
from resnet_dsl.elaborate.earlier_parts import pipeline_of_blocks
from resnet_dsl.elaborate.elaborator import Elaborator, Env
from resnet_dsl.elaborate.records import for_a_tensor, tensors_of, unknown_field
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.sharing import SHARE, share
from resnet_dsl.elaborate.tensor_arithmetic import SIGNS, join, negative, of_tensors
from resnet_dsl.elaborate.unknown_names import unknown_member, unknown_name
from resnet_dsl.elaborate.values import (
    BAD,
    Bad,
    Definition,
    EarlierPart,
    Function,
    Record,
    Repeat,
    Staged,
    Tag,
    Tensor,
    Value,
    is_list,
    show,
)
from resnet_dsl.ir.arguments import Dims, Symbol
from resnet_dsl.ir.ops import CATALOGUE
from resnet_dsl.ir.shapes import Shape
from resnet_dsl.limits import CHAIN
from resnet_dsl.records import MISSING, replace
from resnet_dsl.syntax import ast

NUMERIC: dict[str, Callable[..., int | float]] = {"min": min, "max": max, **FUNCTIONS}

NOTHING = Tensor(-1, Shape(1))  # stands for the input of a step that has none, as the one before failed


def evaluate(ctx: Elaborator, expr: ast.Expr, env: Env, label: Tag | None = None) -> Value:
    """Return the value of an expression; `label` names the step it makes."""
    ctx.charge(expr.span)
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
            if any(isinstance(item, Bad) for item in items):
                return BAD
            if env.setting is None:  # in a block a list keeps no formulas: its uses have no names for them
                ctx.decide(*items)
                items = tuple(map(ctx.stripped, items))
            return ctx.listed(items, expr.span)
        case ast.Record():
            return _record(ctx, expr, env)
        case ast.Attribute():
            return _attribute(ctx, expr, env)
        case ast.Index():
            return _index(ctx, expr, env)
        case ast.Unary():
            return _unary(ctx, expr, env)
        case ast.Binary():
            return _binary(ctx, expr, env, label)
        case ast.If():
            return _if(ctx, expr, env, label)
        case ast.Labelled():
            return _labelled(ctx, expr, env)
        case ast.Pipe():
            return _pipe(ctx, expr, env)
        case ast.Call():
            return _call(ctx, expr, env, None, label)
        case _:
            raise AssertionError(f"{type(expr).__name__} stands in calls alone")


def _name(ctx: Elaborator, expr: ast.Name, env: Env) -> Value:
    if expr.id in env.choices:
        return Symbol(expr.id)
    if expr.id in env.names:
        env.read.add(expr.id)
        return _placed(env.names[expr.id], expr.id, env)
    if env.setting is not None:
        value = env.setting(expr.id, expr.span)
        if value is not MISSING:
            return _placed(value, expr.id, env)
    found = env.scope.find(expr.id)
    if found is None and expr.id in env.counted:
        env.read.add(expr.id)
        return env.counted[expr.id]
    if found is None:
        part = MISSING if env.part is None else env.part(expr.id, expr.span)
        return unknown_name(ctx, expr, env) if part is MISSING else part
    scope, what = found
    if isinstance(what, ast.Const):
        return _constant(ctx, what, scope)
    return Function(what)


def _placed(value: Value, name: str, env: Env) -> Value:
    """A function that the author gave for a parameter remembers where."""
    if isinstance(value, Function) and value.origin is None and name in env.origins:
        return replace(value, origin=env.origins[name])
    return value


def _constant(ctx: Elaborator, const: ast.Const, scope: Scope) -> Value:
    key = (scope, const.name)
    if key in ctx.deriving:
        way = [name for _, name in (*ctx.deriving[ctx.deriving.index(key) :], key)]
        return ctx.error("E0209", f"`{const.name}` needs itself: {' -> '.join(way)}", const.name_at)
    if len(ctx.deriving) > CHAIN.most:
        message = f"constants depend on each other more than {CHAIN.most} levels deep"
        return ctx.error("E0209", message, const.name_at)
    if key not in ctx.constants:
        ctx.deriving.append(key)
        with ctx.without_frames():
            ctx.constants[key] = evaluate(ctx, const.value, Env(scope))
        ctx.deriving.pop()
    return ctx.constants[key]


def _record(ctx: Elaborator, expr: ast.Record, env: Env) -> Value:
    record: dict[str, Value] = {}
    origins: dict[str, Label] = {}
    for item in expr.fields:
        if item.name in record:
            message = f"`{item.name}` is given twice in this record"
            ctx.error("E0208", message, item.name_at, "keep one of them", (origins[item.name],))
        origins.setdefault(item.name, Label(item.name_at, "given here first"))
        record[item.name] = evaluate(ctx, item.value, env)
    bad = len(record) < len(expr.fields) or any(isinstance(value, Bad) for value in record.values())
    return BAD if bad else Record(record.items())


def _attribute(ctx: Elaborator, expr: ast.Attribute, env: Env) -> Value:
    if (unknown := unknown_member(ctx, expr, env)) is not None:
        return unknown
    value = evaluate(ctx, expr.value, env)
    if isinstance(value, Bad):
        return BAD
    if isinstance(value, EarlierPart):
        return EarlierPart(f"{value.path}.{expr.name}", expr.span)
    if isinstance(value, Record):
        fields = dict(value)
        at = replace(expr.span, start=expr.span.end - len(expr.name))
        return fields[expr.name] if expr.name in fields else unknown_field(ctx, fields, expr.name, at)
    if not isinstance(value, Tensor):
        hint = "tensors have `.channels`, `.height` and `.width`"
        return ctx.error("E0206", f"{show(value)} has no `.{expr.name}`", expr.span, hint)
    if ctx.recovering:
        return BAD  # the shape is a guess
    sizes = dict(zip(("channels", "height", "width"), value.shape.at(ctx.extent), strict=False))
    if expr.name not in sizes:
        known = ", ".join(f"`{name}`" for name in sizes)
        hint = ctx.suggest(expr.name, sizes)
        at = replace(expr.span, start=expr.span.end - len(expr.name))
        return ctx.error("E0201", f"no `.{expr.name}` here; there is {known}", at, hint)
    if sizes[expr.name] is None:
        message = f"`.{expr.name}` is not known: it depends on the input's size"
        return ctx.error("E0307", message, expr.span, "write numbers in `input:`")
    if expr.name == "channels" and env.builder is not None:
        return derived(sizes[expr.name], env.builder.channels(value.value))
    return sizes[expr.name]


def _index(ctx: Elaborator, expr: ast.Index, env: Env) -> Value:
    """An item of a list, counted from 0."""
    value, index = evaluate(ctx, expr.value, env), evaluate(ctx, expr.index, env)
    if isinstance(value, Bad) or isinstance(index, Bad):
        return BAD
    if not is_list(value):
        hint = "" if isinstance(value, int | float) else "`,` stands between the items of a list"
        if isinstance(value, Tensor):
            hint = "it has `.channels`, `.height` and `.width`; `part` cuts its channels"
        return ctx.error("E0206", f"{show(value)} is no list, and has no items", expr.value.span, hint)
    if not is_whole(index):
        message = f"an item of a list has a whole number, not {show(index)}"
        return ctx.error("E0206", message, expr.index.span, "the first is `[0]`")
    ctx.decide(index)
    if 0 <= index < len(value):
        return value[index]
    items = f"{len(value)} item{'s' * (len(value) != 1)}"
    hint = f"they are `[0]` to `[{len(value) - 1}]`" if len(value) > 1 else "it is `[0]`" if value else ""
    message = f"the list has {items}, and none of number {show(index)}"
    return ctx.error("E0204", message, expr.index.span, hint)


def _unary(ctx: Elaborator, expr: ast.Unary, env: Env) -> Value:
    value = evaluate(ctx, expr.value, env)
    if isinstance(value, Bad):
        return BAD
    if expr.operator == "not" and isinstance(value, bool):
        return not value
    if expr.operator == "-" and isinstance(value, int | float) and not isinstance(value, bool):
        return ctx.combined("-", 0, value, -plain_number(value))
    if expr.operator == "-" and isinstance(value, Tensor):
        return negative(ctx, value, env, expr.span)
    return ctx.error("E0206", f"`{expr.operator}` does not apply to {show(value)}", expr.span)


def _logical(ctx: Elaborator, expr: ast.Binary, env: Env) -> Value:
    """`and` and `or` look at their right side only where the left does not decide."""
    value: Value = BAD
    for side in (expr.left, expr.right):
        value = evaluate(ctx, side, env)
        if isinstance(value, Bad):
            return BAD
        if not isinstance(value, bool):
            message = f"`{expr.operator}` needs `true` or `false`, not {show(value)}"
            return ctx.error("E0206", message, expr.at)
        if value == (expr.operator == "or"):
            return value
    return value


def _binary(ctx: Elaborator, expr: ast.Binary, env: Env, label: Tag | None) -> Value:
    if expr.operator in ("and", "or"):
        return _logical(ctx, expr, env)
    left = evaluate(ctx, expr.left, env)
    right = evaluate(ctx, expr.right, env)
    if isinstance(left, Bad) or isinstance(right, Bad):
        return BAD
    if expr.operator in SIGNS and (isinstance(left, Tensor) or isinstance(right, Tensor)):
        return join(ctx, expr, left, right, env, label)
    if expr.operator == "*" and isinstance(right, Function) and is_whole(left):
        ctx.decide(left)
        return Repeat(plain_number(left), right)
    try:
        if expr.operator in ("==", "!=", "<", "<=", ">", ">="):
            left, right = (_size(left), _size(right))
            ctx.decide(left, right)
            return compare(expr.operator, left, right)
        return ctx.combined(expr.operator, left, right, compute(expr.operator, left, right))
    except ArithmeticProblem as problem:
        return ctx.error(problem.code, problem.message, expr.at, problem.hint)


def _size(value: Value) -> Value:
    """What a comparison means by a value: by the model's input the size that it is given as."""
    return value.size if isinstance(value, Tensor | EarlierPart) and value.size is not None else value


def _if(ctx: Elaborator, expr: ast.If, env: Env, label: Tag | None) -> Value:
    condition = evaluate(ctx, expr.condition, env)
    if isinstance(condition, Bad):
        return BAD
    if not isinstance(condition, bool):
        message = f"`if` needs `true` or `false`, not {show(condition)}"
        return ctx.error("E0206", message, expr.condition.span)
    return evaluate(ctx, expr.yes if condition else expr.no, env, label)


def _labelled(ctx: Elaborator, expr: ast.Labelled, env: Env) -> Value:
    tag = Tag(expr.label, expr.name_at)
    makes = expr.value
    while isinstance(makes, ast.Group):
        makes = makes.value
    value = evaluate(ctx, expr.value, env, tag)
    if isinstance(value, Tensor) and isinstance(makes, ast.Pipe | ast.Name):
        hint = "put it before the step it should name: `x -> name: conv(64, 3x3)`"
        return ctx.error("E0212", f"`{expr.label}:` names no step", expr.name_at, hint)
    made_already = isinstance(value, Tensor | Bad) or (isinstance(value, Record) and tensors_of(value))
    return value if made_already else Staged(tag, value)


def _pipe(ctx: Elaborator, expr: ast.Pipe, env: Env) -> Value:
    first = evaluate(ctx, expr.first, env)
    if env.part is not None and (blocks := pipeline_of_blocks(ctx, expr, first, env)) is not None:
        return blocks
    first = on_x(ctx, first, expr.first, env)
    whole = first if isinstance(first, Record) and tensors_of(first) else None
    value: Tensor | Record | Bad = made(ctx, first, expr.first, env) if whole is None else whole
    before = expr.first.span
    for index, item in enumerate(expr.steps):
        if isinstance(value, Bad):
            for other in expr.steps[index:]:
                _check_step(ctx, other, env)
            return BAD
        if isinstance(value, Record) and not _is_block(ctx, item, env):
            return for_a_tensor(ctx, value, before)
        x = replace(value, at=before) if isinstance(value, Tensor) else value
        result = _step(ctx, item, x, env, None)
        assert isinstance(result, Tensor | Record | Bad)
        value = result
        before = expr.first.span.to(item.span)
    return value


def _check_step(ctx: Elaborator, step: ast.Expr, env: Env) -> None:
    """Report what is wrong with a step whatever its input is; nothing came of the steps before."""
    if isinstance(step, ast.Labelled):
        _check_step(ctx, step.value, env)
    elif not isinstance(step, ast.Call):
        evaluate(ctx, step, env)
    elif _is_share(step, env):
        share(ctx, step, env)
    elif not (isinstance(step.callee, ast.Name) and _is_numeric(ctx, step.callee.id, env)):
        function = evaluate(ctx, step.callee, env)
        bound = bind(ctx, function, step, env, [NOTHING]) if isinstance(function, Function) else None
        if bound is not None:
            complete(ctx, bound, env, step.span)


def _is_block(ctx: Elaborator, step: ast.Expr, env: Env) -> bool:
    """Whether a step may take a record: it is no op. What it is made with is not looked at."""
    while isinstance(step, ast.Labelled | ast.Group):
        step = step.value
    if isinstance(step, ast.Call):
        own = isinstance(step.callee, ast.Name) and _is_numeric(ctx, step.callee.id, env)
        return not own and (_is_share(step, env) or _is_block(ctx, step.callee, env))
    value = evaluate(ctx, step, env) if isinstance(step, ast.Name) else None
    return not (isinstance(value, Function) and not isinstance(value.target, Definition))


def _step(ctx: Elaborator, step: ast.Expr, x: Tensor | Record, env: Env, label: Tag | None) -> Value:
    if isinstance(step, ast.Labelled):
        return _step(ctx, step.value, x, env, Tag(step.label, step.name_at))
    if isinstance(step, ast.Call):
        return _call(ctx, step, env, x, label)
    value = evaluate(ctx, step, env)
    if isinstance(value, Function):
        return apply(ctx, value, x, env, step.span, label)
    return _no_step(ctx, value, step, env)


def _no_step(ctx: Elaborator, value: Value, step: ast.Expr, env: Env) -> Value:
    """Report what is no block or op where a step stands."""
    if isinstance(value, Bad):
        return BAD
    hint = f"write `{value}`, without quotes" if isinstance(value, str) and env.knows(value) else ""
    return ctx.error("E0206", f"a step of a pipeline is a block or op, not {show(value)}", step.span, hint)


def _call(
    ctx: Elaborator, expr: ast.Call, env: Env, piped: Tensor | Record | None, label: Tag | None
) -> Value:
    if isinstance(expr.callee, ast.Name) and _is_numeric(ctx, expr.callee.id, env):
        number = _numeric(ctx, expr, env, None if isinstance(piped, Record) else piped, label)
        return number if piped is None or isinstance(number, Tensor) else _no_step(ctx, number, expr, env)
    if _is_share(expr, env):
        made = share(ctx, expr, env)
        if piped is None or isinstance(made, Bad):
            return made
        return apply(ctx, made, piped, env, expr.span, label)
    function = evaluate(ctx, expr.callee, env)
    if isinstance(function, Bad):
        return BAD
    if not isinstance(function, Function):
        return ctx.error("E0206", f"{show(function)} cannot be called", expr.callee.span)
    inputs: list[Tensor | Record] = [] if piped is None else [piped]
    bound = bind(ctx, function, expr, env, inputs)
    if bound is None:
        return BAD
    return apply(ctx, bound, inputs, env, expr.span, label) if inputs else bound


def _is_numeric(ctx: Elaborator, name: str, env: Env) -> bool:
    return name in NUMERIC and name not in env.names and env.scope.declared(name) is None


def _is_share(call: ast.Call, env: Env) -> bool:
    """Whether a call is that of the built-in function: any name of the author's own comes before it."""
    name = call.callee.id if isinstance(call.callee, ast.Name) else ""
    return name == SHARE and name not in env.names and env.scope.find(name) is None


def _numeric(
    ctx: Elaborator, expr: ast.Call, env: Env, piped: Tensor | None = None, label: Tag | None = None
) -> Value:
    """A function of numbers; of tensors it is the op of that name."""
    name = expr.callee.id if isinstance(expr.callee, ast.Name) else ""
    if isinstance(expr.arguments[-1].value if expr.arguments else None, ast.Rest):
        return ctx.error("E0202", f"`...` passes nothing on to `{name}`", expr.span, "write the numbers out")
    found = [evaluate(ctx, argument.value, env) for argument in expr.arguments]
    if any(isinstance(value, Bad) for value in found):
        return BAD
    if piped is not None:
        found.insert(0, piped)
    tensors = Tensor if env.x is None else Tensor | Function
    if any(isinstance(value, tensors) for value in found) and name in CATALOGUE:
        return of_tensors(ctx, CATALOGUE[name], found, expr, env, label)
    values = [value for value in found if is_number(value)]
    if not values or len(values) < len(found):
        return ctx.error("E0206", f"`{name}` takes numbers", expr.span)
    if name in FUNCTIONS and len(values) > 1:
        return ctx.error("E0202", f"`{name}` takes one number", expr.span)
    if name in FUNCTIONS:
        ctx.decide(values[0])
        try:
            return function(name, plain_number(values[0]))
        except ArithmeticProblem as problem:
            return ctx.error(problem.code, problem.message, expr.span, problem.hint)
    number = plain_number(values[0])
    result: Value = values[0]
    for value in values[1:]:
        number = NUMERIC[name](number, plain_number(value))
        result = ctx.combined(name, result, value, number)
    return result
