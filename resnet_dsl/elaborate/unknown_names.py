"""Names that mean nothing here: what they mean elsewhere, and what is written in their stead."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from resnet_dsl.diagnostics.model import Span
from resnet_dsl.diagnostics.suggest import bare_name
from resnet_dsl.elaborate.elaborator import Elaborator, Env
from resnet_dsl.elaborate.values import Bad, Function
from resnet_dsl.ir.ops import CATALOGUE, Op
from resnet_dsl.ir.ops.absent import ABSENT_ACTIVATIONS, ABSENT_ARGUMENTS, ABSENT_OPS
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.words import FOREIGN

# What the modules of other libraries are called where their layers are used.
MODULES = frozenset(
    ("nn", "F", "torch", "tf", "tfl", "keras", "layers", "functional", "L", "jax", "jnp", "np")
)


def unknown_name(ctx: Elaborator, expr: ast.Name, env: Env) -> Bad:
    """Report a name that nothing declares."""
    return _unknown(ctx, expr.id, expr.span, env)


def unknown_member(ctx: Elaborator, expr: ast.Attribute, env: Env) -> Bad | None:
    """Report `nn.Conv2d` and its like as one name, or return None where it is no other library's."""
    root: ast.Expr = expr
    while isinstance(root, ast.Attribute):
        root = root.value
    if not isinstance(root, ast.Name) or root.id not in (*MODULES, "self") or env.knows(root.id):
        return None
    text = expr.span.source.text[expr.span.start : expr.span.end]
    if root.id == "self":
        return ctx.error("E0201", f"unknown name `{text}`", expr.span, ABSENT_OPS["self"])
    return _unknown(ctx, expr.name, expr.span, env, text)


def _unknown(ctx: Elaborator, name: str, span: Span, env: Env, text: str = "") -> Bad:
    bare, message = bare_name(name), f"unknown name `{text or name}`"
    if env.knows(name):
        return ctx.error("E0201", message, span, f"write `{name}`")
    if bare in ABSENT_ACTIVATIONS:
        return ctx.error("E0201", f"there is no activation `{name}`", span, f"there are {_activations()}")
    hint = _elsewhere(name, span) or ABSENT_OPS.get(name.lower(), "") or ABSENT_OPS.get(bare, "")
    return ctx.error("E0201", message, span, hint or ctx.suggest(name, env.all_names(), op_aliases()))


def _elsewhere(name: str, span: Span) -> str:
    """What a word of another language is, and a comment that looks like a division."""
    if name in FOREIGN:
        return f"write `{FOREIGN[name]}`"
    line, column = span.place
    before = span.source.line(line)[: column - 1]
    return "a comment starts with `#`: `//` divides" if re.search(r"//\s*\Z", before) else ""


def unknown_argument_hint(ctx: Elaborator, function: Function, name: str, known: Iterable[str]) -> str:
    """Say what an argument that is not taken is here."""
    bare, takes = bare_name(name), list(known)
    target = function.target
    if not isinstance(target, type):
        return ctx.suggest(name, takes)
    aliases = tuple(target.argument_aliases())
    absent = "" if bare in dict(aliases) else target.absent.get(bare, ABSENT_ARGUMENTS.get(bare, ""))
    return absent or ctx.suggest(name, takes, aliases)


@cache
def op_aliases() -> tuple[tuple[str, str], ...]:
    """What other libraries call the ops of the catalogue, each with its name here."""
    return tuple((alias, kind) for kind, op in CATALOGUE.items() for alias in op.aliases)


def is_activation(function: object) -> bool:
    """Whether a value is an activation that waits for its input."""
    target = function.target if isinstance(function, Function) else None
    return isinstance(target, type) and issubclass(target, Op) and target.activation


def _activations() -> str:
    return ", ".join(f"`{kind}`" for kind, op in CATALOGUE.items() if op.activation)
