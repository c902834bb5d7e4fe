"""Compile-time values: what an expression of the language can be before there is a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeGuard

from resnet_dsl.diagnostics.model import Span
from resnet_dsl.ir.arguments import Dims, Symbol
from resnet_dsl.ir.ops import Op
from resnet_dsl.ir.shapes import Shape
from resnet_dsl.records import dataclass, field, replace
from resnet_dsl.syntax import ast

Value = object
"""What an expression of the language gives: asked what it is before it is used."""


class Origin(NamedTuple):
    """Where the author gave something; `field` names the field of the model whose value it is."""

    span: Span
    field: str = ""


class NameScope(Protocol):
    """What names mean where a block was written; `scope.py` has it, which knows blocks."""

    def find(self, name: str) -> tuple[Any, Any] | None:
        """Return the scope that declares a name and what it means there."""


class Tag(NamedTuple):
    """The name that the author gave to a step or stage, and its place."""

    name: str
    span: Span


@dataclass(frozen=True, eq=False)
class Definition:
    """A block with the scope it was written in; compared by identity."""

    block: ast.Block
    scope: NameScope

    @property
    def doc(self) -> str:
        """The comment right above the block."""
        before = self.block.span.source.text[: self.block.span.start].rstrip(" \t").split("\n")[:-1]
        lines: list[str] = []
        while before and before[-1].strip().startswith("#"):
            lines.insert(0, before.pop().strip().lstrip("#").strip())
        return " ".join(line for line in lines if not line.startswith("resnet-dsl:"))


@dataclass(frozen=True, eq=False)
class Share:
    """What `share(…)` at `span` made, compared by identity: all applications use one set of tensors."""

    span: Span


@dataclass(frozen=True)
class Function:
    """A block or op, perhaps with some arguments given, that waits for its input.

    `share` says that all its applications are one. `origin` is where the author gave it for a
    parameter; `origins` where its arguments were given, `spans` their text in the call, and `call` the
    call as it is written.
    """

    target: Definition | type[Op]
    bound: tuple[tuple[str, Value], ...] = ()
    share: Share | None = None
    origin: Origin | None = field(compare=False, repr=False, default=None)
    origins: Mapping[str, Origin] = field(compare=False, repr=False, default_factory=dict)
    spans: Mapping[str, Span] = field(compare=False, repr=False, default_factory=dict)
    call: ast.Call | None = field(compare=False, repr=False, default=None)

    @property
    def name(self) -> str:
        """The name it is defined under."""
        target = self.target
        return target.block.name if isinstance(target, Definition) else target.kind

    def shared(self, share: Share | None) -> Function:
        """Return the function with all its applications as one, or each as its own."""
        return replace(self, share=share)


@dataclass(frozen=True)
class Repeat:
    """`count * block` in a stage that is written out."""

    count: int
    function: Function


@dataclass(frozen=True)
class Staged:
    """A stage or step with a name: `label: value`."""

    label: Tag
    value: Value


@dataclass(frozen=True)
class Tensor:
    """A value of the network under construction, with a word about where it comes from.

    `maker` is where the author gave the function that made it, `at` the text that stands for it.
    `size` is what the model's input is given as, which its name means in a comparison.
    """

    value: int
    shape: Shape
    description: str = field(compare=False, default="")
    maker: Origin | None = field(compare=False, repr=False, default=None)
    at: Span | None = field(compare=False, repr=False, default=None)
    size: Value = field(compare=False, repr=False, default=None)


@dataclass(frozen=True)
class EarlierPart:
    """A part of the model by its path, in what is given to stages: it becomes a tensor of each block."""

    path: str
    span: Span = field(compare=False, repr=False)
    size: Value = field(compare=False, repr=False, default=None)


@dataclass(frozen=True)
class PartPipeline:
    """Blocks of a stage behind an earlier part: `layer2 -> lateral(256)`."""

    start: EarlierPart
    blocks: tuple[Function | Repeat, ...]


class Record(tuple[tuple[str, Value], ...]):
    """The fields of `{ name: value }`, in their order."""

    def changed(self, change: Callable[[Value], Value]) -> Record:
        """Return the record with its values changed."""
        return Record((name, change(value)) for name, value in self)


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
        case Record():
            return f"{{ {'  '.join(f'{name}: {_inner(item)}' for name, item in value)} }}"
        case tuple():
            return f"[{', '.join(map(_inner, value))}]"
        case Function(share=Share()):
            return f"share({show(value.shared(None))})"
        case Function(bound=()):
            return value.name
        case Function():
            arguments = ", ".join(f"{name}={_inner(item)}" for name, item in value.bound)
            return f"{value.name}({arguments})"
        case Repeat():
            return f"{value.count} * {show(value.function)}"
        case EarlierPart():
            return f"the part {value.path}"
        case PartPipeline():
            return " -> ".join([value.start.path, *map(show, value.blocks)])
        case Staged():
            return f"{value.label.name}: {show(value.value)}"
        case _:
            return str(value)


def _inner(value: object) -> str:
    """A value within another; a tensor has no text of its own."""
    return "…" if isinstance(value, Tensor) else show(value)


def is_list(value: object) -> TypeGuard[tuple[Value, ...]]:
    """Whether a value is a list: no size, and no record."""
    return isinstance(value, tuple) and not isinstance(value, Dims | Record)
