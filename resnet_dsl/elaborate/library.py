"""The standard library, of which a block or model is parsed when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from resnet_dsl.diagnostics.errors import Findings
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.elaborate.passing_on import Signatures
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.values import Definition
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.parser import parse_declaration
from resnet_dsl.syntax.tables import declarations

T = TypeVar("T")


class WhenAsked(Mapping[str, T]):
    """Values by name, each made when it is first asked for."""

    def __init__(self, names: Iterable[str], make: Callable[[str], T]) -> None:
        self._made: dict[str, T | None] = dict.fromkeys(names)
        self._make = make

    def __getitem__(self, name: str) -> T:
        made = self._made[name]
        if made is None:
            made = self._made[name] = self._make(name)
        return made

    def __contains__(self, name: object) -> bool:
        return name in self._made

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


def declare_library(source: Source, parents: list[Scope], findings: Findings) -> Scope:
    """Return the scope of a text of the library, which has blocks and models only, none of them twice."""
    scope = Scope(source, parents=parents)
    places = {"block": dict[str, tuple[int, int]](), "model": dict[str, tuple[int, int]]()}
    for kind, name, start, end in declarations(source.text):
        places[kind][name] = start, end

    def block(name: str) -> Definition:
        declared = parse_declaration(source, *places["block"][name])
        assert isinstance(declared, ast.Block)
        return Definition(declared, scope)

    def model(name: str) -> tuple[ast.Model, Scope]:
        declared = parse_declaration(source, *places["model"][name])
        assert isinstance(declared, ast.Model)
        return declared, scope

    signatures = Signatures(WhenAsked(places["block"], block), findings)
    scope.blocks = WhenAsked(places["block"], lambda name: Definition(signatures.complete(name), scope))
    scope.models = WhenAsked(places["model"], model)
    return scope
