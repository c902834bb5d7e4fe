"""Compile-time values: what an expression of the language can be before there is a network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from resnet_dsl.ir.arguments import Dims, Symbol
from resnet_dsl.ir.ops import Op
from resnet_dsl.ir.shapes import Shape
from resnet_dsl.syntax import ast


@dataclass(frozen=True, eq=False)
class Definition:
    """A block with the scope it was written in; compared by identity."""

    block: ast.Block
    scope: Any

    @property
    def doc(self) -> str:
        """The comment right above the block."""
        before = self.block.span.source.text[: self.block.span.start].rstrip(" \t").split("\n")[:-1]
        lines: list[str] = []
        while before and before[-1].strip().startswith("#"):
            lines.insert(0, before.pop().strip().lstrip("#").strip())
        return " ".join(lines)


@dataclass(frozen=True)
class Function:
    """A block or op, perhaps with some arguments given, that waits for its input."""

    target: Definition | type[Op]
    bound: tuple[tuple[str, Any], ...] = ()

    @property
    def name(self) -> str:
        """The name it is defined under."""
        target = self.target
        return target.block.name if isinstance(target, Definition) else target.kind


@dataclass(frozen=True)
class Repeat:
    """`count * block` in a stage that is written out."""

    count: int
    function: Function


@dataclass(frozen=True)
class Staged:
    """A stage or step with a name: `label: value`."""

    label: str
    value: Any


@dataclass(frozen=True)
class Tensor:
    """A value of the network under construction, with a word about where it comes from."""

    value: int
    shape: Shape
    origin: str = field(compare=False, default="")


class Bad:
    """Stands for the result of something already reported; everything made of it is bad too."""


BAD = Bad()


def show(value: object) -> str:
    """Return a value as it would be written in a spec."""
    match value:
        case Bad():
            return "an error"
        case Tensor():
            return "a tensor"
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case Symbol():
            return str(value)
        case str():
            return f'"{value}"'
        case Dims():
            return "x".join(map(str, value))
        case tuple():
            return f"[{', '.join(map(show, value))}]"
        case Function(bound=()):
            return value.name
        case Function():
            arguments = ", ".join(f"{name}={show(item)}" for name, item in value.bound)
            return f"{value.name}({arguments})"
        case Repeat():
            return f"{value.count} * {show(value.function)}"
        case Staged():
            return f"{value.label}: {show(value.value)}"
        case _:
            return str(value)
