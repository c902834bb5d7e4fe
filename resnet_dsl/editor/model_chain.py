"""What the fields of a model may be: its own parameters, those of its bases, and those of its blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from resnet_dsl.editor.entities import Entity, choice_entity, parameter_entity
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.values import Definition
from resnet_dsl.limits import BASES
from resnet_dsl.records import dataclass
from resnet_dsl.syntax import ast

BLOCK_FIELDS = ("block", "stages")  # whose values name the blocks of the stages


@dataclass(frozen=True)
class Chain:
    """A model with those that it is based on, nearest first, and the defaults of the library.

    `parameters` and `block_parameters` are by name, each with the name of the model or block it is of.
    """

    models: tuple[tuple[ast.Model, Scope], ...]
    parameters: Mapping[str, tuple[ast.Parameter, str]]
    block_parameters: Mapping[str, tuple[ast.Parameter, str]]

    @property
    def settings(self) -> tuple[str, ...]:
        """The names that any of the models sets or takes."""
        fields = (field.name for model, _ in self.models for field in model.fields)
        return tuple(dict.fromkeys((*self.parameters, *fields)))

    @property
    def stages(self) -> tuple[ast.Expr, ...]:
        """The stages as the nearest of the models writes them."""
        values = (f.value for model, _ in self.models for f in model.fields if f.name == "stages")
        value = next(values, None)
        return value.items if isinstance(value, ast.List) else ()

    def value_of(self, name: str) -> ast.Expr | None:
        """Return the value that the nearest of the models gives a field, or its parameter's default."""
        for model, _ in self.models:
            values = {parameter.name: parameter.default for parameter in model.parameters}
            values |= {item.name: item.value for item in model.fields}
            if values.get(name) is not None:
                return values[name]
        return None

    def own_field(self, name: str) -> tuple[ast.Field, str] | None:
        """Return the field of a name of their own that the furthest of the models has."""
        for model, _ in reversed(self.models):
            for item in model.fields:
                if item.name == name:
                    return item, model.name
        return None

    def blocks_in(self, value: ast.Expr) -> Iterator[ast.Block]:
        """Yield the blocks that a value of one of the models names."""
        for name in ast.names(value):
            found = self.models[0][1].declared(name)
            if found is not None and isinstance(found[1], Definition):
                yield found[1].block

    def choices(self, name: str) -> dict[str, Entity]:
        """Return the choices that a field has."""
        for written in (name, name.removesuffix("s")):
            found = self.parameters.get(written) or self.block_parameters.get(written)
            if found is not None:
                entity = parameter_entity(*found)
                return {choice: choice_entity(choice, entity) for choice in found[0].choices}
        return {}


def chain_of(model: ast.Model, scope: Scope) -> Chain:
    """Return a model with what it is based on."""
    models = [*_chain(model, scope), *_defaults(scope)]
    parameters: dict[str, tuple[ast.Parameter, str]] = {}
    of_blocks: dict[str, tuple[ast.Parameter, str]] = {}
    for each, home in models:
        for parameter in each.parameters:
            parameters.setdefault(parameter.name, (parameter, each.name))
        for definition in _blocks(each, home):
            for parameter in definition.block.parameters:
                of_blocks.setdefault(parameter.name, (parameter, definition.block.name))
    return Chain(tuple(models), parameters, of_blocks)


def _chain(model: ast.Model, scope: Scope) -> Iterator[tuple[ast.Model, Scope]]:
    for _ in range(BASES.most):
        yield model, scope
        base = next((item.value for item in model.fields if item.name == "base"), None)
        callee = base.callee if isinstance(base, ast.Call) else base
        found = scope.find_model(callee.id) if isinstance(callee, ast.Name) else None
        if found is None or found[0] is model:
            return
        model, scope = found


def _defaults(scope: Scope) -> Iterator[tuple[ast.Model, Scope]]:
    """The library's models, which say what a model has that says nothing."""
    for each in scope.visible:
        if each.source.ours:
            yield from each.models.values()


def _blocks(model: ast.Model, scope: Scope) -> Iterator[Definition]:
    """The blocks that the stages of a model are made of, as far as its text names them."""
    for item in model.fields:
        for name in ast.names(item.value) if item.name in BLOCK_FIELDS else ():
            found = scope.declared(name)
            if found is not None and isinstance(found[1], Definition):
                yield found[1]
