"""Python source as a person formats it: calls broken as ruff does, dataflow as short statements."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count

from resnet_dsl.codegen.provenance import escaped
from resnet_dsl.codegen.text_classes import PYTHON, Step
from resnet_dsl.ir.ops import Op

WIDTH = 88
INLINE = 60
OPERAND = 28  # so that a sum of two stays on its line


@dataclass(frozen=True)
class Code:
    """A call: `name(arguments)`, broken over lines where it does not fit."""

    name: str
    arguments: tuple[str | Code | Repeated, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.arguments))})"

    def keyword(self, name: str) -> Code:
        """Return the call as the value of a keyword argument."""
        return Code(f"{name}={self.name}", self.arguments)


@dataclass(frozen=True)
class Repeated:
    """`*(code for _ in range(count))`: equal neighbours made one after the other."""

    code: Code
    count: int

    def __str__(self) -> str:
        return f"*({self.code} for _ in range({self.count}))"


def statement(prefix: str, code: str | Code | Repeated, indent: int, suffix: str = "") -> str:
    """Return `prefix + code + suffix` as ruff would format it, each line indented."""
    margin = " " * indent
    flat = f"{margin}{prefix}{code}{suffix}"
    if len(flat) <= WIDTH:
        return flat
    if isinstance(code, str):
        return _in_parentheses(prefix, code, margin, suffix)
    if isinstance(code, Repeated):
        made = statement("", code.code, indent + 4)
        return f"{margin}*(\n{made}\n{margin}    for _ in range({code.count})\n{margin}){suffix}"
    if not code.arguments or len(f"{margin}{prefix}{code.name}(") > WIDTH:
        return _in_parentheses(prefix, str(code), margin, suffix)
    inner = f"{margin}    {', '.join(map(str, code.arguments))}"
    if len(inner) <= WIDTH:
        return f"{margin}{prefix}{code.name}(\n{inner}\n{margin}){suffix}"
    lines = [statement("", argument, indent + 4, ",") for argument in code.arguments]
    return "\n".join([f"{margin}{prefix}{code.name}(", *lines, f"{margin}){suffix}"])


def _in_parentheses(prefix: str, text: str, margin: str, suffix: str) -> str:
    """What cannot be broken at its own brackets: whole, or an operand a line."""
    whole, lines = f"{margin}    {text}", []
    if len(whole) <= WIDTH:
        lines = [whole]
    elif re.fullmatch(r"-?[\w.]+( [-+*] [\w.]+)+", text):
        loosest = "[-+]" if re.search(" [-+] ", text) else "[*]"
        lines = [f"{margin}    {operand}" for operand in re.split(f" (?={loosest} )", text)]
    if not lines:
        return f"{margin}{prefix}{text}{suffix}"
    opened = f"{margin}{prefix.rstrip()} (" if prefix.strip() else f"{margin}("
    return "\n".join([opened, *lines, f"{margin}){suffix}"])


def signature(prefix: str, parameters: Sequence[str], suffix: str, indent: int) -> str:
    """Return the line or lines that open a function, broken as ruff does."""
    margin, inner = " " * indent, ", ".join(parameters)
    if len(margin + prefix + inner + suffix) + 2 <= WIDTH:
        return f"{margin}{prefix}({inner}){suffix}"
    lines = [f"{margin}    {inner}"]
    if len(lines[0]) > WIDTH:
        lines = [f"{margin}    {parameter}," for parameter in parameters]
    return "\n".join([f"{margin}{prefix}(", *lines, f"{margin}){suffix}"])


def parsed(text: str) -> str | Code:
    """Return the text of one call as that call, so that it can be broken; other text as it is."""
    start = text.find("(")
    if text.endswith(")") and start > 0 and not _closes_last(text, start):
        start = text.find(")(") + 1  # a layer that is made and called at once
    if start < 1 or not text.endswith(")") or not _closes_last(text, start):
        return text
    inner = _split(text[start + 1 : -1])
    return Code(text[:start], tuple(parsed(part) for part in inner)) if inner else text


def _closes_last(text: str, start: int) -> bool:
    """Whether the bracket opened at `start` is the one that closes at the very end."""
    depth = 0
    for index in range(start, len(text)):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return index == len(text) - 1
    return False


def _split(text: str) -> list[str]:
    """The parts between commas that are in no brackets."""
    parts, depth, start = [], 0, 0
    for index, char in enumerate(text):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(char, 0)
        if char == "," and depth == 0:
            parts.append(text[start:index].strip())
            start = index + 1
    return [*parts, text[start:].strip()] if text.strip() else []


def literal(prefix: str, brackets: str, items: Sequence[str], indent: int) -> str:
    """Return a list, tuple or dict on one line, or with one item a line where it does not fit."""
    margin = " " * indent
    comma = "," if brackets == "()" and len(items) == 1 else ""
    flat = f"{margin}{prefix}{brackets[0]}{', '.join(items)}{comma}{brackets[1]}"
    if len(flat) <= WIDTH:
        return flat
    lines = [f"{margin}    {item}," for item in items]
    return "\n".join([f"{margin}{prefix}{brackets[0]}", *lines, f"{margin}{brackets[1]}"])


def conditional(prefix: str, yes: str, flag: str, no: str, indent: int) -> str:
    """Return `prefix yes if flag else no`, in parentheses and parts where it does not fit."""
    margin, inner = " " * indent, f"{yes} if {flag} else {no}"
    if len(margin + prefix + inner) <= WIDTH:
        return f"{margin}{prefix}{inner}"
    if len(margin) + 4 + len(inner) <= WIDTH:
        return f"{margin}{prefix}(\n{margin}    {inner}\n{margin})"
    first = statement("", parsed(yes), indent + 4)
    rest = f"{margin}    if {flag}\n{margin}    else {no}"
    return f"{margin}{prefix}(\n{first}\n{rest}\n{margin})"


def quoted(value: object) -> str:
    """Return a value of a spec as Python writes it, strings in double quotes."""
    match value:
        case tuple() | list():
            return f"[{', '.join(map(quoted, value))}]"
        case str():
            inner = escaped(value.replace("\\", "\\\\")).replace('"', "\\x22")
            return f'"{inner}"'
        case None | bool() | int() | float():
            return repr(value)
        case _:
            raise TypeError(f"no value that a file could hold: {value!r}")


@dataclass
class Statements:
    """A body's steps as assignments, and what it returns; names are reused once they are free."""

    steps: Sequence[Step]
    result: int
    express: Callable[[Step, list[str]], str]
    inline: Callable[[Step], bool]
    reserved: frozenset[str] = frozenset()
    default: str = "x"

    def __post_init__(self) -> None:
        """Count who needs each value."""
        self.lines: list[tuple[str, str]] = []
        self.pending: dict[int, int] = {}
        for step in self.steps:
            for value in step.inputs:
                self.pending[value] = self.pending.get(value, 0) + 1
        self.pending[self.result] = self.pending.get(self.result, 0) + 1
        self.takers = {
            value: step for step in self.steps for value in step.inputs if self.pending[value] == 1
        }
        self.names: dict[int, str] = {}
        self.texts: dict[int, str] = {}

    def write(self, inputs: Sequence[str]) -> tuple[list[tuple[str, str]], str]:
        """Return the assignments (name, expression) and the expression of the result."""
        self.names = {-1 - i: name for i, name in enumerate(inputs)}
        for index, step in enumerate(self.steps):
            text = self.express(step, [self._text(value) for value in step.inputs])
            self.texts[index] = text
            if not self._stays_inline(index, step, text):
                self._commit(index)
                name = self._name(step.variable or self.default)
                self.names[index] = name
                self.lines.append((name, text))
        return self.lines, self._text(self.result)

    def _text(self, value: int) -> str:
        return self.names[value] if value in self.names else self.texts[value]

    def _stays_inline(self, index: int, step: Step, text: str) -> bool:
        """A value used once may stand inside its taker, unless the author named it."""
        if index == self.result:
            return self.pending[index] == 1
        taker = self.takers.get(index)
        if self.pending[index] != 1 or taker is None:
            return False
        arithmetic = isinstance(taker.what, Op) and taker.what.arithmetic
        if len(text) > (OPERAND if arithmetic else INLINE):
            return False
        return self.inline(step) and taker.variable == step.variable

    def _commit(self, index: int) -> None:
        """The statement of this value is written: what it reads, through inlined values too, is read."""
        for value in self.steps[index].inputs:
            self.pending[value] -= 1
            if value >= 0 and value not in self.names:
                self._commit(value)

    def _name(self, wanted: str) -> str:
        """The wanted name, or the next that means nothing else and holds nothing still needed."""
        held = {name for value, name in self.names.items() if self.pending.get(value, 0) > 0}
        others = ("y", "z") if wanted == self.default else ()
        tries: Iterator[str] = chain((wanted, *others), (f"{wanted}{n}" for n in count(2)))
        taken = held | self.reserved | PYTHON
        return next(name for name in tries if name not in taken)
