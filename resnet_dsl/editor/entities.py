"""What a name stands for, and a place where it is written."""

from __future__ import annotations

from typing import Literal

from resnet_dsl.diagnostics.model import Span
from resnet_dsl.editor.buffers import path_of
from resnet_dsl.records import dataclass, field
from resnet_dsl.syntax import ast

Kind = Literal[
    "block", "constant", "model", "recipe", "parameter", "variable", "input", "label", "stage",
    "op", "argument", "field", "choice", "file",
]  # fmt: skip


@dataclass(frozen=True)
class Entity:
    """What a name stands for; `at` is where it is declared, `owner` what it belongs to, for the reader.

    Two are one where they are of one kind and name, and of one `place`: a file and an offset in it or, for
    what the language has, its owner.
    """

    kind: Kind
    name: str
    place: tuple[str, int]
    at: Span | None = field(default=None, compare=False, repr=False)
    owner: str = field(default="", compare=False)

    @classmethod
    def declared(cls, kind: Kind, name: str, at: Span, owner: str = "") -> Entity:
        """Return what a text declares at a place."""
        path = path_of(at.source) or at.source.name
        return cls(kind, name, (str(path), at.start), at, owner)

    @classmethod
    def known(cls, kind: Kind, name: str, owner: str = "", at: Span | None = None) -> Entity:
        """Return what the language has, or what is declared with something else: a choice."""
        return cls(kind, name, (owner, -1), at, owner)


@dataclass(frozen=True)
class Occurrence:
    """A place where a name is written; `ending` is what is written there behind the name: `s` in `widths`."""

    span: Span
    entity: Entity
    declares: bool = False
    ending: str = ""


def parameter_entity(parameter: ast.Parameter, owner: str) -> Entity:
    """Return what the name of a parameter stands for."""
    return Entity.declared("parameter", parameter.name, parameter.name_at, owner)


def choice_entity(choice: str, of: Entity) -> Entity:
    """Return what one of the choices of a parameter or argument stands for."""
    return Entity.known("choice", choice, f"{of.owner}.{of.name}", of.at)
