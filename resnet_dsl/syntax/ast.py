"""The syntax tree: what was written, node by node, each with its place in the text."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_dsl.diagnostics.model import Span
from resnet_dsl.records import dataclass, field


@dataclass(frozen=True)
class Node:
    """Anything written in a spec; places do not count when nodes are compared."""

    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Named(Node):
    """A node that gives something a name; `name_span` is the place of the name alone."""

    name_span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)

    @property
    def name_at(self) -> Span:
        """The place of the name, or of all of it where the parser did not say."""
        return self.name_span or self.span


@dataclass(frozen=True)
class Name(Node):
    """A bare name: `relu`, `width`."""

    id: str


@dataclass(frozen=True)
class Number(Node):
    """A whole or real number, with the text it was written as."""

    value: int | float
    text: str = field(compare=False)


@dataclass(frozen=True)
class String(Node):
    """Text in double quotes."""

    value: str


@dataclass(frozen=True)
class Constant(Node):
    """`true`, `false` or `none`."""

    value: bool | None


@dataclass(frozen=True)
class Dims(Node):
    """Extents joined by `x`: `3x3`, `3x224x224`, `3xHxW`."""

    parts: tuple[int | str, ...]


@dataclass(frozen=True)
class List(Node):
    """`[a, b, c]`."""

    items: tuple[Expr, ...]


@dataclass(frozen=True)
class Record(Node):
    """`{ name: value … }`."""

    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Group(Node):
    """An expression in parentheses."""

    value: Expr


@dataclass(frozen=True)
class Argument(Named):
    """One argument of a call; `name` is None for a positional one."""

    name: str | None
    value: Expr


@dataclass(frozen=True)
class Rest(Node):
    """`...`, last in a call: every parameter of the block around that the callee has too.

    Last in the parameters of a block: whatever parameters the calls in it take that end so.
    """


@dataclass(frozen=True)
class Call(Node):
    """`callee(arguments)`."""

    callee: Expr
    arguments: tuple[Argument, ...]


@dataclass(frozen=True)
class Attribute(Node):
    """`value.name`."""

    value: Expr
    name: str


@dataclass(frozen=True)
class Index(Node):
    """`value[index]`."""

    value: Expr
    index: Expr


@dataclass(frozen=True)
class Unary(Node):
    """`-value` or `not value`."""

    operator: str
    value: Expr


@dataclass(frozen=True)
class Binary(Node):
    """`left operator right`; `at` is the operator's own place."""

    operator: str
    left: Expr
    right: Expr
    at: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class If(Node):
    """`if condition then yes else no`."""

    condition: Expr
    yes: Expr
    no: Expr


@dataclass(frozen=True)
class Labelled(Named):
    """`label: value`, a step or stage with a name of its own."""

    label: str
    value: Expr


@dataclass(frozen=True)
class Pipe(Node):
    """`first -> step -> step`."""

    first: Expr
    steps: tuple[Expr, ...]


Expr = (
    Name
    | Number
    | String
    | Constant
    | Dims
    | Rest
    | List
    | Record
    | Group
    | Call
    | Attribute
    | Index
    | Unary
    | Binary
    | If
    | Labelled
    | Pipe
)


@dataclass(frozen=True)
class Parameter(Named):
    """A parameter of a block or model; `choices` are the names it may take, if listed."""

    name: str
    default: Expr | None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Assign(Named):
    """`name = value` in a block."""

    name: str
    value: Expr


@dataclass(frozen=True)
class Field(Named):
    """`name: value` in a model or record."""

    name: str
    value: Expr


@dataclass(frozen=True)
class Use(Node):
    """`use "file.resnet"` or `use shipped_name`."""

    target: str
    shipped: bool


@dataclass(frozen=True)
class Const(Named):
    """`const name = value`."""

    name: str
    value: Expr


@dataclass(frozen=True)
class Block(Named):
    """`block name(parameters) { … return result }`; `rest` is the `...` behind the parameters."""

    name: str
    parameters: tuple[Parameter, ...]
    statements: tuple[Assign, ...]
    result: Expr
    rest: Rest | None = None


@dataclass(frozen=True)
class Model(Named):
    """`model name(parameters) { fields }`."""

    name: str
    parameters: tuple[Parameter, ...]
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Row(Model):
    """`model name = base(arguments)`: a model of the one field `base`, as a row of a table has it."""


@dataclass(frozen=True)
class Recipe(Named):
    """`recipe name { fields }`: how a network is trained."""

    name: str
    fields: tuple[Field, ...]


Declaration = Use | Const | Block | Model | Recipe


@dataclass(frozen=True)
class File(Node):
    """All declarations of one text."""

    declarations: tuple[Declaration, ...]


def children(node: Node) -> Iterator[Node]:
    """Yield the nodes directly below `node`."""
    for value in vars(node).values():
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from (item for item in value if isinstance(item, Node))


def below(node: Node) -> Iterator[Node]:
    """Yield a node and every node anywhere below it."""
    yield node
    for child in children(node):
        yield from below(child)


def names(node: Node) -> Iterator[str]:
    """Yield every bare name that occurs anywhere below `node`, in order."""
    if isinstance(node, Name):
        yield node.id
    for child in children(node):
        yield from names(child)


def mentions(node: Node, name: str) -> bool:
    """Whether the bare name `name` occurs anywhere below `node`."""
    return any(other == name for other in names(node))
