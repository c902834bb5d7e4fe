"""What the names of a text stand for: every place where one is written, and what is declared where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from resnet_dsl.diagnostics.model import Span
from resnet_dsl.editor.entities import Entity, Occurrence, choice_entity, parameter_entity
from resnet_dsl.editor.model_chain import Chain, chain_of
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.settings import FIELDS
from resnet_dsl.elaborate.values import Definition
from resnet_dsl.ir.ops import CATALOGUE, Op
from resnet_dsl.records import dataclass, field, replace
from resnet_dsl.shipped import file_of
from resnet_dsl.syntax import ast

Callee = Definition | type[Op] | ast.Model


def occurrences(file: ast.File, scope: Scope) -> tuple[Occurrence, ...]:
    """Return every name of a text that stands for something known, in the order of the text."""
    found = [each for declaration in file.declarations for each in _of_declaration(declaration, scope)]
    return tuple(sorted(found, key=lambda each: (each.span.start, each.span.end)))


def occurrence_at(found: tuple[Occurrence, ...], offset: int) -> Occurrence | None:
    """Return the name at a place, or just before it."""
    touching = [each for each in found if each.span.start <= offset <= each.span.end]
    return min(touching, key=lambda each: (offset == each.span.end, -each.span.start), default=None)


def _of_declaration(declaration: ast.Declaration, scope: Scope) -> Iterator[Occurrence]:
    match declaration:
        case ast.Use():
            yield from _of_use(declaration, scope)
        case ast.Const():
            entity = Entity.declared("constant", declaration.name, declaration.name_at)
            yield Occurrence(declaration.name_at, entity, declares=True)
            yield from _NamesAround(scope).of(declaration.value)
        case ast.Block():
            yield from _of_block(declaration, scope)
        case ast.Model():
            yield from _of_model(declaration, scope)
        case ast.Recipe():
            yield from _of_recipe(declaration, scope)


def _of_use(use: ast.Use, scope: Scope) -> Iterator[Occurrence]:
    path = used_path(use)
    parent = next((each for each in scope.parents if path is not None and each.source.path == path), None)
    if parent is None:
        return
    start = Span(parent.source, 0, 0)
    at = parent.models[use.target][0].name_at if use.target in parent.models else start
    span = replace(use.span, start=use.span.end - len(use.target) - 2 * (not use.shipped))
    yield Occurrence(span, Entity.declared("file", use.target, at))


def used_path(use: ast.Use) -> Path | None:
    """Where the file lies that a `use` names."""
    if use.shipped:
        found = file_of(use.target)
        return None if found is None else found.resolve()
    own = use.span.source.path
    return None if own is None else (own.parent / use.target).resolve()


# --- blocks --------------------------------------------------------------------------------------


def _of_block(block: ast.Block, scope: Scope) -> Iterator[Occurrence]:
    yield Occurrence(block.name_at, Entity.declared("block", block.name, block.name_at), declares=True)
    known = scope.blocks.get(block.name)
    whole = known.block if known is not None else block
    names = _NamesAround(scope, {"x": Entity.known("input", "x", block.name)})
    for parameter in whole.parameters:
        entity = parameter_entity(parameter, block.name)
        if parameter in block.parameters:
            yield from names.of_parameter(parameter, entity)
        names.declare(parameter, entity, scope)
    for statement in block.statements:
        yield from names.of(statement.value)
        entity = Entity.declared("variable", statement.name, statement.name_at, block.name)
        yield Occurrence(statement.name_at, entity, declares=True)
        names.local[statement.name] = entity
        if (callee := names.callee(statement.value)) is not None:
            names.callees[statement.name] = callee
    yield from names.of(block.result)


# --- models --------------------------------------------------------------------------------------


def _of_model(model: ast.Model, scope: Scope) -> Iterator[Occurrence]:
    yield Occurrence(model.name_at, Entity.declared("model", model.name, model.name_at), declares=True)
    chain = chain_of(model, scope)
    local = {name: setting_entity(name, chain) for name in chain.settings}
    names = _NamesAround(scope, {name: found for name, found in local.items() if found is not None})
    for parameter in model.parameters:
        entity = parameter_entity(parameter, model.name)
        yield from names.of_parameter(parameter, entity)
        names.declare(parameter, entity, scope)
    names.local.update({"x": Entity.known("input", "x", model.name)})
    stages = _stages(chain)
    for item in model.fields:
        if not isinstance(model, ast.Row):
            yield from _of_field_name(item, chain)
        names.labels = stages if item.name == "stages" else {}
        names.parts = {**_steps_of_parts(chain), **stages}
        names.choices = chain.choices(item.name)
        yield from names.of_base(item.value) if item.name == "base" else names.of(item.value)


def _of_field_name(item: ast.Field, chain: Chain) -> Iterator[Occurrence]:
    entity = setting_entity(item.name, chain)
    if entity is not None:
        ending = item.name[len(entity.name) :]
        yield Occurrence(item.name_at, entity, ending=ending)


def setting_entity(name: str, chain: Chain) -> Entity | None:
    """Return what a field of a model sets: a parameter of a base or of a block, or a field of every model."""
    if name in chain.parameters:
        parameter, owner = chain.parameters[name]
        return parameter_entity(parameter, owner)
    if FIELDS.get(name, "first block") != "first block":  # that is a parameter of the blocks as well
        return Entity.known("field", name)
    for written in (name, name.removesuffix("s")):
        if written in chain.block_parameters:
            parameter, owner = chain.block_parameters[written]
            return parameter_entity(parameter, owner)
    if name in FIELDS:
        return Entity.known("field", name)
    own = chain.own_field(name)
    return None if own is None else Entity.declared("parameter", name, own[0].name_at, own[1])


def _steps_of_parts(chain: Chain) -> dict[str, Entity]:
    """The steps and results of stem and head that have names, as `outputs` and `freeze` may list them."""
    values = [value for value in (chain.value_of("stem"), chain.value_of("head")) if value is not None]
    results = [block.result for value in values for block in chain.blocks_in(value)]
    nodes = [node for value in (*values, *results) for node in ast.below(value)]
    named = [(n.label, n.name_at) for n in nodes if isinstance(n, ast.Labelled)]
    named += [(n.name, n.name_at) for n in nodes if isinstance(n, ast.Field)]
    return {name: Entity.declared("label", name, at) for name, at in named}


def _stages(chain: Chain) -> dict[str, Entity]:
    """The stages of a model by name, where they are written."""
    found: dict[str, Entity] = {}
    for index, item in enumerate(chain.stages):
        first = item.first if isinstance(item, ast.Pipe) else item
        if isinstance(first, ast.Labelled):
            found[first.label] = Entity.declared("stage", first.label, first.name_at)
        else:
            found[f"layer{index + 1}"] = Entity.declared("stage", f"layer{index + 1}", item.span)
    return found


# --- recipes -------------------------------------------------------------------------------------


def _of_recipe(recipe: ast.Recipe, scope: Scope) -> Iterator[Occurrence]:
    """The names of a recipe that mean something else too: its base, its model, and constants."""
    own = Entity.declared("recipe", recipe.name, recipe.name_at)
    yield Occurrence(recipe.name_at, own, declares=True)
    for item in recipe.fields:
        if item.name == "model":
            yield from _NamesAround(scope).of_base(item.value)
            continue
        if item.name == "base":
            yield from _base_of_recipe(item.value, scope)
            continue
        for node in ast.below(item.value):
            entity = global_entity(node.id, scope) if isinstance(node, ast.Name) else None
            if entity is not None and entity.kind == "constant":
                yield Occurrence(node.span, entity)


def _base_of_recipe(value: ast.Expr, scope: Scope) -> Iterator[Occurrence]:
    found = scope.find_recipe(value.id) if isinstance(value, ast.Name) else None
    if found is not None:
        entity = Entity.declared("recipe", found[0].name, found[0].name_at)
        yield Occurrence(value.span, entity)


# --- expressions ---------------------------------------------------------------------------------


@dataclass
class _NamesAround:
    """What names mean at a point of a text: what is declared around it, then what the file knows."""

    scope: Scope
    local: dict[str, Entity] = field(default_factory=dict)
    callees: dict[str, Callee] = field(default_factory=dict)  # of local names that are functions
    labels: Mapping[str, Entity] = field(default_factory=dict)  # those of stages
    parts: Mapping[str, Entity] = field(default_factory=dict)  # what names mean that nothing else has
    choices: Mapping[str, Entity] = field(default_factory=dict)

    def declare(self, parameter: ast.Parameter, entity: Entity, scope: Scope) -> None:
        """Make a parameter known, its choices, and what it calls where that is the default."""
        self.local[parameter.name] = entity
        for choice in parameter.choices:
            self.local.setdefault(choice, choice_entity(choice, entity))
        if isinstance(parameter.default, ast.Name) and (target := target_of(parameter.default.id, scope)):
            self.callees[parameter.name] = target

    def of_parameter(self, parameter: ast.Parameter, entity: Entity) -> Iterator[Occurrence]:
        """Yield the names of a parameter as it is declared."""
        yield Occurrence(parameter.name_at, entity, declares=True)
        if parameter.default is not None and not parameter.choices:
            yield from self.of(parameter.default)
        elif isinstance(parameter.default, ast.Name):
            yield Occurrence(parameter.default.span, choice_entity(parameter.default.id, entity))

    def of(self, node: ast.Node) -> Iterator[Occurrence]:
        """Yield the names of an expression."""
        match node:
            case ast.Name():
                if (entity := self.meaning(node.id)) is not None:
                    yield Occurrence(node.span, entity)
            case ast.Call():
                yield from self.of(node.callee)
                yield from self._of_arguments(node, self.callee(node))
            case ast.Labelled():
                entity = self.labels.get(node.label) or Entity.declared("label", node.label, node.name_at)
                yield Occurrence(node.name_at, entity, declares=True)
                yield from self.of(node.value)
            case ast.Field():
                result = Entity.declared("label", node.name, node.name_at)
                yield Occurrence(node.name_at, result, declares=True)
                yield from self.of(node.value)
            case _:
                for child in ast.children(node):
                    yield from self.of(child)

    def meaning(self, name: str) -> Entity | None:
        """Return what a name stands for here."""
        for names in (self.choices, self.local):
            if name in names:
                return names[name]
        return global_entity(name, self.scope) or self.parts.get(name)

    def callee(self, node: ast.Node) -> Callee | None:
        """Return the block or op that an expression is, or calls."""
        while isinstance(node, ast.Call | ast.Labelled):
            node = node.callee if isinstance(node, ast.Call) else node.value
        if not isinstance(node, ast.Name):
            return None
        if node.id in self.local:
            return self.callees.get(node.id)
        return target_of(node.id, self.scope)

    def of_base(self, value: ast.Expr) -> Iterator[Occurrence]:
        """Yield the names of the model that another is based on, and of what it is given."""
        callee = value.callee if isinstance(value, ast.Call) else value
        found = self.scope.find_model(callee.id) if isinstance(callee, ast.Name) else None
        if found is not None:
            entity = Entity.declared("model", found[0].name, found[0].name_at)
            yield Occurrence(callee.span, entity)
        if isinstance(value, ast.Call):
            yield from self._of_arguments(value, None if found is None else found[0], found and found[1])

    def _of_arguments(
        self, call: ast.Call, callee: Callee | None, home: Scope | None = None
    ) -> Iterator[Occurrence]:
        takes = arguments_of(callee, home)
        outer = self.choices
        for argument in call.arguments:
            if argument.name is not None and argument.name in takes:
                yield Occurrence(argument.name_at, takes[argument.name].entity)
            meant = [takes[argument.name]] if argument.name in takes else list(takes.values())
            self.choices = {**outer, **{c.name: c for each in meant for c in each.choices}}
            yield from self.of(argument.value)
        self.choices = outer


@dataclass(frozen=True)
class Taken:
    """What a block, op or model may be given under a name: what the name stands for, and its choices."""

    entity: Entity
    choices: tuple[Entity, ...] = ()


def arguments_of(callee: Callee | None, home: Scope | None = None) -> dict[str, Taken]:
    """Return what a callee takes by name; of a model, declared in `home`, its settings."""
    match callee:
        case None:
            return {}
        case Definition():
            return {p.name: _taken(p, callee.block.name) for p in callee.block.parameters}
        case ast.Model():
            chain = None if home is None else chain_of(callee, home)
            names = () if chain is None else (*chain.settings, *FIELDS, *chain.block_parameters)
            found = {name: setting_entity(name, chain) for name in names if chain is not None}
            return {
                name: Taken(entity, tuple(chain.choices(name).values()))
                for name, entity in found.items()
                if entity is not None and chain is not None
            }
        case _:
            return {name: _of_op(callee, name, rule.choices) for name, rule, _ in callee.arguments()}


def _taken(parameter: ast.Parameter, owner: str) -> Taken:
    entity = parameter_entity(parameter, owner)
    return Taken(entity, tuple(choice_entity(choice, entity) for choice in parameter.choices))


def _of_op(op: type[Op], name: str, choices: tuple[str, ...]) -> Taken:
    entity = Entity.known("argument", name, op.kind)
    return Taken(entity, tuple(choice_entity(choice, entity) for choice in choices))


def target_of(name: str, scope: Scope) -> Definition | type[Op] | None:
    """Return the block or op of a name; of a constant none."""
    found = scope.find(name)
    return None if found is None or isinstance(found[1], ast.Const) else found[1]


def global_entity(name: str, scope: Scope) -> Entity | None:
    """Return what a name stands for in a file wherever it is written."""
    found = scope.declared(name)
    if found is None:
        return Entity.known("op", name) if name in CATALOGUE else None
    what = found[1]
    if isinstance(what, ast.Const):
        return Entity.declared("constant", name, what.name_at)
    return Entity.declared("block", name, what.block.name_at)
