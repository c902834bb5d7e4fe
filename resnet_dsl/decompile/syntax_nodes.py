"""Syntax nodes that are made, not parsed: the one place where what was recognised becomes language."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any, TypeAlias

from resnet_dsl.decompile.tensors import NotExpressibleError
from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Source, Span
from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.ir.ops import Op
from resnet_dsl.records import MISSING, fields
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.parser import parse_value

STEP_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
NOWHERE = Span(Source("", ""), 0, 0)

Written: TypeAlias = "ast.Expr | str | bool | int | float | tuple[int | str, ...] | Sequence[Written] | None"
"""A node, or what one is made of: a name, a flag, a number, extents (a tuple), a list, or `none`."""


def expression(value: Written) -> ast.Expr:
    """Return the node of a value."""
    match value:
        case bool() | None:
            return ast.Constant(NOWHERE, value)
        case "none":
            return ast.Constant(NOWHERE, None)
        case int() | float():
            number = ast.Number(NOWHERE, abs(value), str(abs(value)))
            return number if value >= 0 else ast.Unary(NOWHERE, "-", number)
        case str():
            return ast.Name(NOWHERE, value)
        case tuple():
            return ast.Dims(NOWHERE, value)
        case list():
            return ast.List(NOWHERE, tuple(map(expression, value)))
    assert isinstance(value, ast.Node)
    return value


def call(callee: str, *values: Written, **named: Written) -> ast.Expr:
    """Return `callee(values, name=value)`, or the bare name where there is nothing to give."""
    if not values and not named:
        return ast.Name(NOWHERE, callee)
    given = [ast.Argument(NOWHERE, None, expression(value)) for value in values]
    given += [ast.Argument(NOWHERE, name, expression(value)) for name, value in named.items()]
    return ast.Call(NOWHERE, ast.Name(NOWHERE, callee), tuple(given))


def call_of_op(op: Op) -> ast.Expr:
    """Return the call that makes an op, with the arguments that are not its defaults."""
    named = {spec.name: _argument(getattr(op, spec.name)) for spec in fields(op) if _is_unusual(op, spec)}
    return call(op.kind, **named)


def _is_unusual(op: Op, spec: Any) -> bool:
    return spec.default is MISSING or getattr(op, spec.name) != spec.default


def _argument(value: Any) -> Written:
    return amounts(value) if isinstance(value, tuple) else value


def amounts(around: tuple[Any, ...]) -> Written:
    """Return a size, or four amounts around a map, `[[above, below], [left, right]]`."""
    return extents(around) if isinstance(around[0], int) else [*map(list, around)]


def extents(pair: tuple[int, ...]) -> Written:
    """Return a size for rows and columns: one number where both are the same."""
    return pair[0] if len(set(pair)) == 1 else pair


def others_than(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that are not the defaults."""
    return {name: value for name, value in values.items() if value != defaults[name]}


def each(values: Iterable[Written]) -> ast.Expr:
    """Return one value for all stages where they have the same, else a list."""
    found = [expression(value) for value in values]
    return found[0] if all(value == found[0] for value in found) else expression(found)


def pipeline(steps: Sequence[ast.Expr]) -> ast.Expr:
    """Return steps joined by arrows; `none` for no steps."""
    if len(steps) < 2:
        return steps[0] if steps else expression(None)
    return ast.Pipe(NOWHERE, steps[0], tuple(steps[1:]))


def labelled(path: str, step: ast.Expr, expected: str) -> ast.Expr:
    """Return a step, with a label where it is not called as it would be."""
    return step if path == expected else ast.Labelled(NOWHERE, path, step)


def step_kind(step: ast.Expr) -> str:
    """Return the name of what a step calls, by which steps are numbered."""
    match step:
        case ast.Call(callee=ast.Name(id=name)) | ast.Name(id=name):
            return name
        case _:
            return ""


def written_by_hand(what: str, text: str) -> ast.Expr:
    """Return the node of a text that a person gave as `what`; raises CompileError if it is none."""
    return parse_value(Source(what, text))


def of_json(value: Any) -> ast.Expr:
    """Return the node of a value of JSON; a text becomes a name or path where it is one."""
    match value:
        case dict() if all(NAME.fullmatch(name) for name in value):
            return ast.Record(NOWHERE, tuple(ast.Field(NOWHERE, k, of_json(v)) for k, v in value.items()))
        case list() | tuple():
            return ast.List(NOWHERE, tuple(map(of_json, value)))
        case bool() | int():
            return expression(value)
        case float() if isfinite(value):
            return expression(value)
        case str() if value.isprintable() and '"' not in value:
            return _path(value) or ast.String(NOWHERE, value)
    raise NotExpressibleError(
        f"its metadata has {printable(ascii(value))}, which is no value of the language"
    )


def _path(text: str) -> ast.Expr | None:
    """A name, or one with a number such as `layer1.0`; nothing for any other text or a reserved word."""
    name, dot, number = text.partition(".")
    if not NAME.fullmatch(name) or (dot and not number.isdecimal()):
        return None
    found = ast.Name(NOWHERE, name)
    try:
        if parse_value(Source("", name)) != found:
            return None
    except CompileError:
        return None
    return ast.Attribute(NOWHERE, found, number) if dot else found
