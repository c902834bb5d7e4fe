"""What a name stands for, and a place where it is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from resnet_dsl.diagnostics.model import Span
from resnet_dsl.editor.buffers import path_of
from resnet_dsl.syntax import ast

Kind = Literal[
    "block", "constant", "model", "parameter", "variable", "input", "label", "stage",
    "op", "argument", "field", "choice", "file",
]  # fmt: skip


@dataclass(frozen=True)
class Entity:
    """What a name stands for; `at` is where it is declared, `owner` what it belongs to.

    Two are one where they are of one kind, and declared at one place or, without a place, of one owner.
    """

    kind: Kind
    name: str
    at: Span | None = field(default=None, compare=False, repr=False)
    owner: str = ""
    place: tuple[str, int] | None = None

    @classmethod
    def declared(cls, kind: Kind, name: str, at: Span, owner: str = "") -> Entity:
        """Return what is declared at a place."""
        path = path_of(at.source) or at.source.name
        return cls(kind, name, at, owner, (str(path), at.start))


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
    return Entity("choice", choice, of.at, f"{of.owner}.{of.name}")
