"""Names of a file: its constants, blocks and models, what it uses, then the library and the ops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from resnet_dsl.diagnostics import Diagnostic, Findings, Source
from resnet_dsl.elaborate.values import Definition
from resnet_dsl.ir.ops import CATALOGUE, Op
from resnet_dsl.syntax import ast


@dataclass(eq=False)
class Scope:
    """The declarations visible in one file; `parents` are searched after its own."""

    source: Source
    blocks: dict[str, Definition] = field(default_factory=dict)
    constants: dict[str, ast.Const] = field(default_factory=dict)
    models: dict[str, tuple[ast.Model, Scope]] = field(default_factory=dict)
    parents: list[Scope] = field(default_factory=list)

    def find(self, name: str) -> tuple[Scope, Definition | ast.Const | type[Op]] | None:
        """Return what `name` means here and the scope it was declared in."""
        if name in self.blocks:
            return self, self.blocks[name]
        if name in self.constants:
            return self, self.constants[name]
        for parent in self.parents:
            if (found := parent.find(name)) is not None:
                return found
        return (self, CATALOGUE[name]) if name in CATALOGUE else None

    def find_model(self, name: str) -> tuple[ast.Model, Scope] | None:
        """Return the model `name` and the scope it was declared in."""
        if name in self.models:
            return self.models[name]
        found = (parent.find_model(name) for parent in self.parents)
        return next((model for model in found if model is not None), None)

    def used(self) -> tuple[Source, ...]:
        """Return the texts that this one uses, those of the library not counted."""
        found = dict.fromkeys(s for parent in self.parents for s in (parent.source, *parent.used()))
        return tuple(source for source in found if not source.ours)

    def names(self) -> Iterator[str]:
        """Yield every name that `find` would answer."""
        yield from self.blocks
        yield from self.constants
        for parent in self.parents:
            yield from parent.names()
        yield from CATALOGUE


def declare(file: ast.File, source: Source, parents: list[Scope], findings: Findings) -> Scope:
    """Return the scope of a parsed file; names declared twice are reported."""
    scope = Scope(source, parents=parents)
    places: dict[str, ast.Declaration] = {}
    for declaration in file.declarations:
        if isinstance(declaration, ast.Use):
            continue
        name = declaration.name
        if name in places or (name in CATALOGUE and not isinstance(declaration, ast.Model)):
            what = (
                f"declared before, at line {places[name].span.place[0]}"
                if name in places
                else "an op of the language"
            )
            message = f"`{name}` is {what}"
            findings.add(Diagnostic("E0208", message, declaration.span, hint="take another name"))
            continue
        places[name] = declaration
        match declaration:
            case ast.Block():
                scope.blocks[name] = Definition(declaration, scope)
            case ast.Const():
                scope.constants[name] = declaration
            case ast.Model():
                scope.models[name] = (declaration, scope)
    return scope
