"""Expressions as text, lines broken as `ruff format` breaks them at 88 columns."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence as Several
from enum import IntEnum
from typing import TypeGuard

from resnet_dsl.codegen.provenance import escaped, plain
from resnet_dsl.codegen.python import (
    Attribute,
    Binary,
    Call,
    Conditional,
    Dictionary,
    Expression,
    Joined,
    Literal,
    Name,
    Negative,
    Plain,
    Sequence,
    Slice,
    Spread,
    Subscript,
)
from resnet_dsl.records import replace

WIDTH = 88
INDENT = "    "
FEW_LINKS = 2  # a chain of methods this long is broken as any call is


class Binding(IntEnum):
    """How tightly an expression holds together, the loosest first."""

    CONDITIONAL = 0
    SUM = 1
    PRODUCT = 2
    NEGATIVE = 3
    POWER = 4
    WHOLE = 5


BINDING = {"+": Binding.SUM, "-": Binding.SUM, "*": Binding.PRODUCT, "/": Binding.PRODUCT}
BINDING |= {"//": Binding.PRODUCT, "%": Binding.PRODUCT, "**": Binding.POWER}


def binding(tree: Expression) -> Binding:
    """Return how tightly an expression holds together."""
    match tree:
        case Conditional():
            return Binding.CONDITIONAL
        case Binary():
            return BINDING[tree.sign]
        case Negative():
            return Binding.NEGATIVE
        case Literal(int() | float() as value) if value < 0:
            return Binding.NEGATIVE
        case _:
            return Binding.WHOLE


def text(tree: Expression) -> str:
    """Return an expression on one line."""
    match tree:
        case Name():
            return tree.path
        case Literal():
            return quoted(tree.value)
        case Joined():
            return f'f"{tree.before}{{{tree.variable}}}{tree.text}"'
        case Attribute():
            value = _within(tree.value, Binding.WHOLE)
            return f"({value}).{tree.name}" if isinstance(tree.value, Literal) else f"{value}.{tree.name}"
        case Call():
            return f"{_within(tree.callee, Binding.WHOLE)}({', '.join(_arguments(tree))})"
        case Subscript():
            return f"{_within(tree.value, Binding.WHOLE)}[{', '.join(map(text, tree.index))}]"
        case Slice():
            first, end, step = (
                "" if part is None else text(part) for part in (tree.first, tree.end, tree.step)
            )
            return f"{first}:{end}" + (f":{step}" if step else "")
        case Negative():
            return f"-{_within(tree.value, Binding.WHOLE)}"
        case Binary():
            return _binary(tree)
        case Conditional():
            test, no = text(tree.test), text(tree.no)
            return f"{_within(tree.yes, Binding.SUM)} if {test} else {no}"
        case Sequence():
            return f"{tree.brackets[0]}{', '.join(map(text, tree.items))}{_comma(tree)}{tree.brackets[1]}"
        case Dictionary():
            return f"{{{', '.join(_items(tree))}}}"
        case Spread():
            return f"*({text(tree.item)} for {tree.variable} in range({tree.count}))"
        case _:
            raise TypeError(f"{type(tree).__name__} stands for something else and has no text")


def _within(tree: Expression, wanted: Binding) -> str:
    """An expression inside another that needs it to hold together so tightly."""
    written = text(tree)
    return written if binding(tree) >= wanted else f"({written})"


def _binary(tree: Binary) -> str:
    own = BINDING[tree.sign]
    if own == Binding.POWER:
        return _power(tree)
    if tree.sign == "+" and isinstance(tree.right, Negative):  # the same number: a + -b is a - b
        return _binary(Binary(tree.left, "-", tree.right.value))
    if tree.sign == "+" and isinstance(tree.right, Literal) and _is_negative(tree.right.value):
        return _binary(Binary(tree.left, "-", Literal(-tree.right.value)))
    # Operands keep their order of computation: what stands on the right is never regrouped.
    tighter = Binding.WHOLE if binding(tree.right) == Binding.NEGATIVE else Binding(own + 1)
    return f"{_within(tree.left, own)} {tree.sign} {_within(tree.right, tighter)}"


def _power(tree: Binary) -> str:
    """A power, close together where both sides are names or numbers, as `ruff format` has it."""
    left, right = _within(tree.left, Binding.WHOLE), _within(tree.right, Binding.NEGATIVE)
    close = isinstance(tree.left, Name | Attribute) and isinstance(tree.right, Name | Attribute | Literal)
    return f"{left}**{right}" if close else f"{left} ** {right}"


def _is_negative(value: Plain) -> TypeGuard[float]:
    return isinstance(value, int | float) and value < 0


def _arguments(tree: Call) -> list[str]:
    return [*map(text, tree.arguments), *(f"{name}={text(value)}" for name, value in tree.keywords)]


def _items(tree: Dictionary) -> list[str]:
    return [f"{text(key)}: {text(value)}" for key, value in tree.items]


def _comma(tree: Sequence) -> str:
    return "," if tree.brackets == "()" and len(tree.items) == 1 else ""


def quoted(value: Plain) -> str:
    """Return a plain value as Python writes it, strings in double quotes."""
    if isinstance(value, str):
        inner = escaped(value.replace("\\", "\\\\")).replace('"', "\\x22")
        return f'"{inner}"'
    return repr(value)


# --- lines -------------------------------------------------------------------------------------


def statement(prefix: str, tree: Expression, indent: int, suffix: str = "") -> str:
    """Return `prefix + expression + suffix`, broken from the outside in where it does not fit."""
    margin = " " * indent
    flat = f"{margin}{prefix}{text(tree)}{suffix}"
    if len(flat) <= WIDTH:
        return flat
    chain = _chain(tree)
    if len(chain) > FEW_LINKS:
        return _broken_chain(prefix, chain, indent, suffix)
    match tree:
        case Call() if tree.arguments or tree.keywords:
            return _broken_call(prefix, tree, indent, suffix)
        case Subscript(Call() as taken, index):
            return _broken_call(prefix, taken, indent, f"[{', '.join(map(text, index))}]{suffix}")
        case Sequence() | Dictionary() if tree.items:
            return _broken_items(prefix, tree, indent, suffix)
        case Spread():
            made = statement("", tree.item, indent + 4)
            end = f"{margin}{INDENT}for {tree.variable} in range({tree.count})\n{margin}){suffix}"
            return f"{margin}{prefix}*(\n{made}\n{end}"
        case Conditional():
            return _in_parentheses(prefix, _conditional_lines(tree, indent + 4), tree, indent, suffix)
        case Binary() if tree.sign != "**":
            return _in_parentheses(prefix, _operand_lines(tree, indent + 4), tree, indent, suffix)
        case _:
            return _in_parentheses(prefix, [], tree, indent, suffix)


def assignment(targets: Several[str], value: Expression, indent: int) -> str:
    """Return `targets = value`; several targets are broken where nothing else helps."""
    found = statement(f"{', '.join(targets)} = ", value, indent)
    if len(targets) == 1 or max(map(len, found.splitlines())) <= WIDTH:
        return found
    margin = " " * indent
    lines = "".join(f"{margin}{INDENT}{target},\n" for target in targets)
    return f"{margin}(\n{lines}{statement(') = ', value, indent)}"


def _broken_call(prefix: str, tree: Call, indent: int, suffix: str) -> str:
    margin = " " * indent
    opening = f"{margin}{prefix}{_within(tree.callee, Binding.WHOLE)}("
    if len(opening) > WIDTH:
        if isinstance(tree.callee, Call):  # `layers.Dense(…)(x)`: what is made is what is long
            return _broken_call(prefix, tree.callee, indent, f"({', '.join(_arguments(tree))}){suffix}")
        return _in_parentheses(prefix, [], tree, indent, suffix)
    inner = f"{margin}{INDENT}{', '.join(_arguments(tree))}"
    if len(inner) <= WIDTH:
        return f"{opening}\n{inner}\n{margin}){suffix}"
    # A chain that stands alone in a call has no comma after it.
    alone = len(tree.arguments) == 1 and not tree.keywords and len(_chain(tree.arguments[0])) > FEW_LINKS
    comma = "" if alone else ","
    lines = [statement("", argument, indent + 4, comma) for argument in tree.arguments]
    lines += [statement(f"{name}=", value, indent + 4, ",") for name, value in tree.keywords]
    return "\n".join([opening, *lines, f"{margin}){suffix}"])


def _chain(tree: Expression) -> list[Expression]:
    """What a chain of methods begins with, and each `.method(…)` that is asked of what a call returns."""
    match tree:
        case Call(callee):
            *before, last = _chain(callee)
            return [*before, replace(tree, callee=last)]
        case Subscript(value):
            *before, last = _chain(value)
            return [*before, replace(tree, value=last)]
        case Attribute(Call() | Subscript() as value, name):
            return [*_chain(value), Name(f".{name}")]
        case Attribute(value, name) if binding(value) < Binding.WHOLE:
            return [Name(_within(value, Binding.WHOLE)), Name(f".{name}")]
        case _:
            return [tree]


def _broken_chain(prefix: str, chain: Several[Expression], indent: int, suffix: str) -> str:
    """A link a line, between parentheses of their own where no brackets are around."""
    if not prefix:
        first, *links, last = chain
        lines = [statement("", first, indent), *(statement("", link, indent) for link in links)]
        return "\n".join([*lines, statement("", last, indent, suffix)])
    margin, flat = " " * indent, f"{' ' * (indent + 4)}{''.join(map(text, chain))}"
    inner = flat if len(flat) <= WIDTH else _broken_chain("", chain, indent + 4, "")
    return f"{margin}{prefix}(\n{inner}\n{margin}){suffix}"


def _broken_items(prefix: str, tree: Sequence | Dictionary, indent: int, suffix: str) -> str:
    margin = " " * indent
    if isinstance(tree, Sequence):
        opening, closing = tree.brackets[0], tree.brackets[1]
        lines = [statement("", item, indent + 4, ",") for item in tree.items]
    else:
        opening, closing = "{", "}"
        lines = [statement(f"{text(key)}: ", value, indent + 4, ",") for key, value in tree.items]
    return "\n".join([f"{margin}{prefix}{opening}", *lines, f"{margin}{closing}{suffix}"])


def _conditional_lines(tree: Conditional, indent: int) -> list[str]:
    margin = " " * indent
    return [statement("", tree.yes, indent), f"{margin}if {text(tree.test)}", f"{margin}else {text(tree.no)}"]


def _operand_lines(tree: Binary, indent: int) -> list[str]:
    """An operand a line, those of the loosest sign."""
    level = BINDING[tree.sign]
    chain: list[tuple[str, Expression]] = []
    node: Expression = tree
    while isinstance(node, Binary) and BINDING[node.sign] == level:
        chain.insert(0, (f"{node.sign} ", node.right))
        node = node.left
    margin = " " * indent
    first = f"{margin}{_within(node, level)}"
    return [first, *(f"{margin}{sign}{_within(part, Binding(level + 1))}" for sign, part in chain)]


def _in_parentheses(prefix: str, lines: Several[str], tree: Expression, indent: int, suffix: str) -> str:
    """What cannot be broken at its own brackets: whole on a line of its own, or on several."""
    margin, flat = " " * indent, f"{' ' * (indent + 4)}{text(tree)}"
    if len(flat) <= WIDTH:
        lines = [flat]
    if not lines:
        return f"{margin}{prefix}{text(tree)}{suffix}"
    return "\n".join([f"{margin}{prefix}(", *lines, f"{margin}){suffix}"])


def signature(prefix: str, parameters: Several[str], suffix: str, indent: int) -> str:
    """Return the line or lines that open a function."""
    margin, inner = " " * indent, ", ".join(parameters)
    if len(f"{margin}{prefix}({inner}){suffix}") <= WIDTH:
        return f"{margin}{prefix}({inner}){suffix}"
    lines = [f"{margin}{INDENT}{inner}"]
    if len(lines[0]) > WIDTH or len(parameters) == 1:
        lines = [f"{margin}{INDENT}{parameter}," for parameter in parameters]
    return "\n".join([f"{margin}{prefix}(", *lines, f"{margin}){suffix}"])


def docstring(text: str, indent: int) -> str:
    """Return text as a docstring, its first sentence apart, filled and unable to end early."""
    text = plain(" ".join(text.split())).replace("\\", "/").replace('"', "'")
    text = text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
    if len(text) + indent + 6 <= WIDTH:
        return f'"""{text}"""'
    margin = " " * indent
    summary, *rest = re.split(r"(?<=[.!?]) (?=[A-Z`])", text, maxsplit=1)
    lines = textwrap.wrap(summary, WIDTH - indent - 3)
    if rest:
        lines += ["", *textwrap.wrap(rest[0], WIDTH - indent)]
    elif len(lines) == 1:
        lines = textwrap.wrap(summary, WIDTH - indent - 6)
    filled = [lines[0], *(f"{margin}{line}".rstrip() for line in lines[1:])]
    return '"""' + "\n".join([*filled, f'{margin}"""'])
