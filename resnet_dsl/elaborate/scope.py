"""Names of a file: its constants, blocks, models and recipes, what it uses, then the library and the ops."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from resnet_dsl.diagnostics.errors import Findings
from resnet_dsl.diagnostics.model import Diagnostic, Label, Source
from resnet_dsl.elaborate.passing_on import Signatures
from resnet_dsl.elaborate.values import Definition
from resnet_dsl.ir.ops import CATALOGUE, RESERVED, Op
from resnet_dsl.records import dataclass, field
from resnet_dsl.syntax import ast


@dataclass(eq=False)
class Scope:
    """The declarations visible in one file; `parents` are searched after its own."""

    source: Source
    blocks: Mapping[str, Definition] = field(default_factory=dict)
    constants: dict[str, ast.Const] = field(default_factory=dict)
    models: Mapping[str, tuple[ast.Model, Scope]] = field(default_factory=dict)
    parents: list[Scope] = field(default_factory=list)
    uses: tuple[ast.Use, ...] = ()
    recipes: dict[str, ast.Recipe] = field(default_factory=dict)

    def find(self, name: str) -> tuple[Scope, Definition | ast.Const | type[Op]] | None:
        """Return what `name` means here and the scope it was declared in."""
        found = self.declared(name)
        return (self, CATALOGUE[name]) if found is None and name in CATALOGUE else found

    def declared(self, name: str) -> tuple[Scope, Definition | ast.Const] | None:
        """Return the block or constant `name` and the scope it was declared in."""
        for ours in (False, True):  # the library comes after every file that is used
            for scope in self.visible:
                if scope.source.ours == ours and (name in scope.blocks or name in scope.constants):
                    return scope, scope.blocks.get(name) or scope.constants[name]
        return None

    @cached_property
    def visible(self) -> tuple[Scope, ...]:
        """This scope and all above it, as they are searched: each once, however often it is used."""
        found: dict[Scope, None] = {self: None}
        for parent in self.parents:
            found.update(dict.fromkeys(parent.visible))
        return tuple(found)

    def find_model(self, name: str) -> tuple[ast.Model, Scope] | None:
        """Return the model `name` and the scope it was declared in."""
        return next((scope.models[name] for scope in self.visible if name in scope.models), None)

    def find_recipe(self, name: str) -> tuple[ast.Recipe, Scope] | None:
        """Return the recipe `name` and the scope it was declared in."""
        found = ((each.recipes[name], each) for each in self.visible if name in each.recipes)
        return next(found, None)

    def recipe_names(self) -> Iterator[str]:
        """Yield the name of every recipe that `find_recipe` would answer."""
        for scope in self.visible:
            yield from scope.recipes

    def used(self) -> tuple[Source, ...]:
        """Return the texts that this one uses, those of the library not counted."""
        return tuple(dict.fromkeys(scope.source for scope in self.visible[1:] if not scope.source.ours))

    def names(self) -> Iterator[str]:
        """Yield every name that `find` would answer."""
        for scope in self.visible:
            yield from scope.blocks
            yield from scope.constants
        yield from CATALOGUE

    def model_names(self) -> Iterator[str]:
        """Yield the name of every model that `find_model` would answer."""
        for scope in self.visible:
            if scope is self or not scope.source.ours:
                yield from scope.models


def declare(file: ast.File, source: Source, parents: list[Scope], findings: Findings) -> Scope:
    """Return the scope of a parsed file; names given twice anywhere in it are reported."""
    uses = tuple(declaration for declaration in file.declarations if isinstance(declaration, ast.Use))
    blocks: dict[str, Definition] = {}
    models: dict[str, tuple[ast.Model, Scope]] = {}
    scope = Scope(source, blocks, {}, models, parents, uses)
    check_duplicates(file, findings)
    for declaration in file.declarations:
        match declaration:
            case ast.Block(name=name):
                blocks.setdefault(name, Definition(declaration, scope))
            case ast.Const(name=name):
                scope.constants.setdefault(name, declaration)
            case ast.Model(name=name):
                models.setdefault(name, (declaration, scope))
            case ast.Recipe(name=name):
                scope.recipes.setdefault(name, declaration)
    if any(definition.block.rest is not None for definition in blocks.values()):
        signatures = Signatures(blocks, findings)
        scope.blocks = {name: Definition(signatures.complete(name), scope) for name in blocks}
    return scope


# --- names given twice ---------------------------------------------------------------------------

Item = ast.Const | ast.Block | ast.Model | ast.Recipe | ast.Parameter | ast.Assign | ast.Field


def check_duplicates(file: ast.File, findings: Findings) -> None:
    """Report every name of a file that is taken where it is given."""
    declared: list[ast.Const | ast.Block | ast.Model] = []
    recipes: list[ast.Recipe] = []  # their names stand beside those of the networks they train
    for declaration in file.declarations:
        if isinstance(declaration, ast.Use):
            continue
        if isinstance(declaration, ast.Recipe):
            recipes.append(declaration)
            continue
        if declaration.name in RESERVED and not isinstance(declaration, ast.Model):
            _report(findings, declaration, f"`{declaration.name}` is an op of the language")
        declared.append(declaration)
    _each_once(findings, declared, "is declared twice")
    _each_once(findings, recipes, "is declared twice")
    for recipe in recipes:
        _each_once(findings, recipe.fields, "is given twice", "keep one")
    for declaration in declared:
        if isinstance(declaration, ast.Model):
            _each_once(findings, (*declaration.parameters, *declaration.fields), "is given twice", "keep one")
        elif isinstance(declaration, ast.Block):
            _check_block(findings, declaration)


def _check_block(findings: Findings, block: ast.Block) -> None:
    items: tuple[Item, ...] = (*block.parameters, *block.statements)
    for item in items:
        if item.name == "x":
            _report(findings, item, "`x` is the block's input")
    _each_once(findings, items, "has a value already")


def _each_once(findings: Findings, items: Iterable[Item], what: str, hint: str = "take another name") -> None:
    seen: dict[str, Item] = {}
    for item in items:
        name = item.name
        if name in seen:
            _report(findings, item, f"`{name}` {what}", hint, seen[name])
        seen.setdefault(name, item)


def _report(
    findings: Findings,
    item: ast.Named,
    message: str,
    hint: str = "take another name",
    first: ast.Named | None = None,
) -> None:
    labels = () if first is None else (Label(first.name_at, "the first"),)
    findings.add(Diagnostic("E0208", message, item.name_at, labels, hint=hint))
