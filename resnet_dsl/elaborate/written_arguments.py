"""The arguments of a call as they are written: what a function takes, what `...` stands for, choices."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator

from resnet_dsl.elaborate.argument_reports import not_a_choice, wanted_choice
from resnet_dsl.elaborate.elaborator import Elaborator, Env, Parameter
from resnet_dsl.elaborate.passing_on import passed_on
from resnet_dsl.elaborate.values import Definition, Function, Value
from resnet_dsl.records import MISSING, replace
from resnet_dsl.syntax import ast


def signature(ctx: Elaborator, function: Function) -> list[Parameter]:
    """Return the parameters of a function, in order."""
    if isinstance(function.target, Definition):
        return [Parameter(p.name, p.default is None, p.choices) for p in function.target.block.parameters]
    own = [
        Parameter(name, default is MISSING, rule.choices)
        for name, rule, default in function.target.arguments()
    ]
    return [*own, *(Parameter(name, False, ()) for name in function.target.operands)]


def written_out(
    ctx: Elaborator, function: Function, expr: ast.Call, env: Env, takes: Iterable[str], given: Container[str]
) -> Iterator[ast.Argument]:
    """Yield the arguments of a call, for `...` what it passes on: what is not `given` by then."""
    for argument in expr.arguments:
        if not isinstance(argument.value, ast.Rest):
            yield argument
            continue
        passed = list(passed_on(argument, takes, given, env.parameters))
        if not passed:
            message = f"`...` passes nothing on to {function.name}: no other parameter has the same name"
            ctx.error("E0202", message, argument.span, "delete it")
        yield from passed


def argument_value(
    ctx: Elaborator, function: Function, name: str | None, value: ast.Expr, choices: tuple[str, ...], env: Env
) -> Value:
    """The value of an argument; a lone name that means nothing was to be one of the choices."""
    if not choices:
        return ctx.evaluate(value, env)
    if isinstance(value, ast.Name) and value.id not in choices and not _means_something(env, value):
        return not_a_choice(
            ctx, f"`{name}` of {function.name}", value, choices, wanted_choice(function, name)
        )
    return ctx.evaluate(value, replace(env, choices=(*env.choices, *choices)))


def _means_something(env: Env, name: ast.Name) -> bool:
    """Whether a name is known; to the head of a model, so are its parts."""
    return env.knows(name.id) or (env.setting is not None and env.setting(name.id, name.span) is not MISSING)
