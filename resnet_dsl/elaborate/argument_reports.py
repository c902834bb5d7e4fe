"""What is wrong with the arguments of a call, in words."""

from __future__ import annotations

from resnet_dsl.diagnostics.model import Label, Span
from resnet_dsl.elaborate.elaborator import Elaborator, Parameter
from resnet_dsl.elaborate.unknown_names import unknown_argument_hint
from resnet_dsl.elaborate.values import Bad, Definition, Function
from resnet_dsl.syntax import ast


def wanted_choice(function: Function, name: str | None) -> str:
    """What an op says of one of its arguments; nothing for a block."""
    rules = (
        {} if isinstance(function.target, Definition) else {n: r for n, r, _ in function.target.arguments()}
    )
    return rules[name].what if name in rules else ""


def not_a_choice(
    ctx: Elaborator, what: str, name: ast.Name, choices: tuple[str, ...], wanted: str = ""
) -> Bad:
    """Report a name that is none of those offered."""
    wanted = wanted or f"one of {', '.join(f'`{choice}`' for choice in choices)}"
    message = f"{what} must be {wanted}, not `{name.id}`"
    return ctx.error("E0204", message, name.span, ctx.suggest(name.id, choices))


def given_twice(ctx: Elaborator, name: str, argument: ast.Argument, call: ast.Call, first: Span) -> None:
    """Report an argument that is given a second time."""
    before = next((other.span for other in call.arguments if other.value.span == first), first)
    labels = (Label(before, "given here first"),)
    ctx.error("E0202", f"`{name}` is given twice", argument.span, "keep one of them", labels)


def unknown_argument(
    ctx: Elaborator, function: Function, argument: ast.Argument, parameters: dict[str, Parameter]
) -> None:
    """Report an argument that a function does not take."""
    takes = ", ".join(f"`{name}`" for name in parameters) or "no arguments"
    if argument.name is None:
        message = f"too many arguments: {function.name} takes {takes}"
        ctx.error("E0202", message, argument.span, _wider(function, argument), origin=function.origin)
        return
    message = f"{function.name} has no argument `{argument.name}`; it takes {takes}"
    hint = unknown_argument_hint(ctx, function, argument.name, parameters)
    ctx.error("E0202", message, argument.name_at, hint, origin=function.origin)


def _wider(function: Function, argument: ast.Argument) -> str:
    """A block of the author's that the library calls has to take what it is given."""
    if function.origin is None or not isinstance(argument.value, ast.Name):
        return ""
    return f"give block `{function.name}` a parameter `{argument.value.id}`"
