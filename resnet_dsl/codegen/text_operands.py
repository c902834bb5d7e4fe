"""Expressions put into expressions, in parentheses where Python would read them otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import IntEnum

PLACE = re.compile(r"\{(\d+)\}")


class Binding(IntEnum):
    """How tightly an expression holds together."""

    SUM = 1
    PRODUCT = 2
    SIGNED = 3
    WHOLE = 4


def place(template: str, operands: Sequence[str], names: Mapping[str, str]) -> str:
    """Return the template with operands for `{0}`, `{1}` … and names for `{name}`.

    Operands keep their order of computation; `a + -b` becomes `a - b`, which is the same number.
    """
    text, end = "", 0
    for found in PLACE.finditer(template):
        operand, after = operands[int(found[1])], template[found.end() :]
        text += template[end : found.start()]
        if text.endswith(" + ") and operand.startswith("-") and binding(operand) != Binding.SUM:
            text, operand = f"{text.removesuffix('+ ')}- ", _bare(operand[1:])
        apart = binding(operand) < _needed(text, after) or (text.endswith("- ") and operand[0] == "-")
        text += f"({operand})" if apart else operand
        end = found.end()
    text += template[end:]
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def binding(text: str) -> Binding:
    """Return how tightly an expression holds together."""
    outside = _outside_brackets(text)
    if re.search(r" [-+] ", outside):
        return Binding.SUM
    if " * " in outside:
        return Binding.PRODUCT
    return Binding.SIGNED if text.startswith("-") else Binding.WHOLE


def _needed(before: str, after: str) -> Binding:
    """How tightly an operand has to hold together between these two pieces of text."""
    if after.startswith((".", "[", "(")):
        return Binding.WHOLE
    if before.endswith(("* ", "-")):
        return Binding.WHOLE
    if before.endswith((" + ", " - ")):
        return Binding.PRODUCT
    return Binding.PRODUCT if after.startswith(" *") else Binding.SUM


def _bare(text: str) -> str:
    """An expression without parentheses around the whole of it."""
    return text[1:-1] if text.startswith("(") and _outside_brackets(text) == "()" else text


def _outside_brackets(text: str) -> str:
    """What stands in no brackets."""
    found, depth = [], 0
    for char in text:
        depth -= char in ")]}"
        if not depth:
            found.append(char)
        depth += char in "([{"
    return "".join(found)
