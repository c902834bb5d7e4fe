"""What may be typed at a place: fields, arguments, choices and names that have a meaning there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from resnet_dsl.diagnostics.model import Source, Span
from resnet_dsl.editor.buffers import below
from resnet_dsl.editor.context import Context
from resnet_dsl.editor.entities import Entity, Kind, parameter_entity
from resnet_dsl.editor.model_chain import Chain, chain_of
from resnet_dsl.editor.name_uses import Callee, arguments_of, setting_entity, target_of
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.settings import COUNTED, FIELDS
from resnet_dsl.elaborate.values import Definition
from resnet_dsl.ir.ops import CATALOGUE
from resnet_dsl.records import dataclass
from resnet_dsl.shipped import known, recipe_files, shipped
from resnet_dsl.syntax import ast

DECLARING = ("use", "const", "block", "model", "recipe")
VALUES = ("if", "true", "false", "none")
OF_A_TENSOR = ("channels", "height", "width")
PART_FIELDS = ("outputs", "freeze", "auxiliary", "head")  # whose values name parts
MAX_FILES = 200


@dataclass(frozen=True)
class Completion:
    """A word that may be typed; `write` is what is written if it is another text, `entity` what it means."""

    label: str
    kind: Kind | str
    detail: str = ""
    write: str = ""
    entity: Entity | None = None


def completions(text: str, offset: int, scope: Scope, home: Path | None) -> list[Completion]:
    """Return what may be typed at a place, the likeliest first; `scope` is the last one of the text."""
    context = Context(text, offset)
    if context.path_typed is not None:
        return list(_files(home))
    found = _candidates(context, scope) if context.is_code else iter(())
    first: dict[str, Completion] = {}
    for each in found:
        first.setdefault(each.label, each)
    return list(first.values())


def _candidates(context: Context, scope: Scope) -> Iterator[Completion]:
    if context.last == "use" and context.inside == "T":
        yield from (_named(name, "model" if name in shipped() else "file", "shipped") for name in known())
    elif context.last == ".":
        yield from (_named(name, "attribute", "of a tensor") for name in OF_A_TENSOR)
    elif context.inside == "T":
        yield from _at_top(context, scope)
    elif context.declaration[0] == "recipe":
        yield from _in_recipe(context, scope)
    elif context.inside == "TM" and not context.continues:
        yield from _fields(context, scope)
    elif context.inside == "TB" and not context.continues:
        yield Completion("return", "keyword", "the result of the block")
    elif context.inside.endswith("C"):
        yield from _arguments(context, scope)
    elif context.inside != "TP" or context.last in ("=", "|"):
        yield from _expression(context, scope)


def _at_top(context: Context, scope: Scope) -> Iterator[Completion]:
    if context.continues and context.declaration[0] == "model":
        yield from _models(scope)
    elif context.continues:
        yield from _globals(scope)
    else:
        yield from (Completion(word, "keyword") for word in DECLARING)


def _in_recipe(context: Context, scope: Scope) -> Iterator[Completion]:
    """The fields of a recipe, the terms that one takes, their arguments; of its model those of a base."""
    from resnet_dsl.editor.recipe_words import arguments_here, fields_here, values_here

    if context.field == "model" and context.continues:
        yield from _models(scope) if context.last == ":" else _arguments(context, scope)
        yield from (_named(n, "model", "shipped") for n in (shipped() if context.last == ":" else ()))
        return
    if context.field == "base" and context.continues:
        others = (name for name in scope.recipe_names() if name != context.declaration[1])
        yield from (_named(name, "recipe", "recipe") for name in others)
        yield from (_named(name, "recipe", "shipped") for name in recipe_files())
        return
    yield from (Completion(name, "field", about, f"{name}: ") for name, about in fields_here(context))
    yield from (Completion(name, "argument", what, f"{name}=") for name, what in arguments_here(context))
    if context.continues:
        yield from (Completion(name, "choice", about) for name, about in values_here(context))
        constants = ((n, c) for each in scope.visible for n, c in each.constants.items())
        for name, const in constants:
            entity = Entity.declared("constant", name, const.name_at)
            yield Completion(name, "constant", "constant", entity=entity)


def _files(home: Path | None) -> Iterator[Completion]:
    """The specs in the folder of a text, and below it."""
    if home is not None:
        for path in islice(below(home), MAX_FILES):
            yield _named(path.relative_to(home).as_posix(), "file", "")


# --- models --------------------------------------------------------------------------------------


def _fields(context: Context, scope: Scope) -> Iterator[Completion]:
    """The fields of the model around: those of every model, of its bases, of its blocks."""
    chain = _chain(context, scope)
    names = [*FIELDS, *chain.parameters]
    for name in chain.block_parameters:
        names += [name, f"{name}s"] if f"{name}s" not in FIELDS else []
    for name in dict.fromkeys(names):
        entity = setting_entity(name, chain)
        if entity is not None and name not in context.given:
            owner = f"of {entity.owner}" if entity.owner else "field of a model"
            yield Completion(name, "field", owner, f"{name}: ", entity)


def _chain(context: Context, scope: Scope) -> Chain:
    """What the model around may set, by what its text names as it is now."""
    found = scope.models.get(context.declaration[1])
    blocks = dict(_blocks_named(context, scope))
    base = re.search(r"\bbase\s*:\s*(\w+)", context.own_text)
    model = found or (scope.find_model(base[1]) if base is not None else None) or next(_library(scope))
    chain = chain_of(*model)
    parameters = dict(chain.block_parameters) if found is not None or base is not None else {}
    for definition in blocks.values():
        for parameter in definition.block.parameters:
            parameters.setdefault(parameter.name, (parameter, definition.block.name))
    return Chain(chain.models, chain.parameters, parameters)


def _library(scope: Scope) -> Iterator[tuple[ast.Model, Scope]]:
    return (found for each in scope.visible if each.source.ours for found in each.models.values())


def _blocks_named(context: Context, scope: Scope) -> Iterator[tuple[str, Definition]]:
    for value in re.findall(r"\b(?:block|stages)\s*:([^\n]*)", context.own_text):
        for name in re.findall(r"[A-Za-z_]\w*", value):
            found = scope.declared(name)
            if found is not None and isinstance(found[1], Definition):
                yield name, found[1]


def _models(scope: Scope) -> Iterator[Completion]:
    for name in dict.fromkeys(scope.model_names()):
        found = scope.find_model(name)
        if found is not None:
            entity = Entity.declared("model", name, found[0].name_at)
            yield Completion(name, "model", "model", entity=entity)


# --- expressions ---------------------------------------------------------------------------------


def _arguments(context: Context, scope: Scope) -> Iterator[Completion]:
    """The arguments of a call, or the choices of the one whose value is being written; then any value."""
    callee, home = _callee(context, scope)
    takes = arguments_of(callee, home)
    if context.argument in takes:
        yield from (_choice(choice) for choice in takes[context.argument].choices)
    elif context.last in ("(", ","):
        for name, taken in takes.items():
            if name not in context.given:
                yield Completion(name, "argument", f"of {context.callee}", f"{name}=", taken.entity)
        for taken in takes.values():
            yield from (_choice(choice) for choice in taken.choices)
    yield from _expression(context, scope)


def _callee(context: Context, scope: Scope) -> tuple[Callee | None, Scope | None]:
    names_model = context.field in ("base", "model")
    is_base = names_model or (context.declaration[0] == "model" and context.inside == "TC")
    if is_base and (found := scope.find_model(context.callee)) is not None:
        return found
    parameters = {each.name: each for each in _parameters(context, scope)}
    default = parameters[context.callee].default if context.callee in parameters else None
    name = default.id if isinstance(default, ast.Name) else context.callee
    return target_of(name, scope), None


def _expression(context: Context, scope: Scope) -> Iterator[Completion]:
    if context.field == "base" and context.last == ":":
        yield from _models(scope)
        return
    yield from _near(context, scope)
    yield from _globals(scope)
    if not context.is_step:
        yield from (Completion(word, "keyword") for word in VALUES)


def _near(context: Context, scope: Scope) -> Iterator[Completion]:
    """What is declared around: parameters, steps, the settings of a model and its parts."""
    if context.inside.startswith("TM"):
        yield from (_choice(choice) for choice in _chain(context, scope).choices(context.field).values())
    for parameter in _parameters(context, scope):
        entity = parameter_entity(parameter, context.declaration[1])
        yield Completion(parameter.name, "parameter", f"of {context.declaration[1]}", entity=entity)
    if context.inside.startswith("TB"):
        yield from (_named(name, "variable", "step of the block") for name in context.steps)
        yield from (() if context.is_step else [_named("x", "input", "the block's input")])
        for parameter in _parameters(context, scope):
            yield from (_named(name, "choice", f"of {parameter.name}") for name in parameter.choices)
    elif context.inside.startswith("TM"):
        if context.field in PART_FIELDS:
            yield from (_named(name, "stage", "part of the model") for name in ("stem", *_stages(context)))
        else:
            where = ("stage", "index", *COUNTED)
            yield from (_named(name, "variable", "of the block that a value is for") for name in where)


def _stages(context: Context) -> list[str]:
    """The names of the stages, as the text has them now."""
    value = re.search(r"\bstages\s*:\s*\[(.*?)\]\s*(?:\w+\s*:|\}|\Z)", context.own_text, re.DOTALL)
    items = re.split(r",(?![^(\[]*[)\]])", value[1]) if value and value[1].strip() else []
    labels = (re.match(r"\s*(\w+)\s*:", item) for item in items)
    return [match[1] if match else f"layer{index + 1}" for index, match in enumerate(labels)]


def _parameters(context: Context, scope: Scope) -> tuple[ast.Parameter, ...]:
    kind, name = context.declaration
    if kind == "block":
        if name in scope.blocks:
            return scope.blocks[name].block.parameters
        return tuple(_parameters_typed(context))
    return scope.models[name][0].parameters if kind == "model" and name in scope.models else ()


def _parameters_typed(context: Context) -> Iterator[ast.Parameter]:
    """The parameters of a block that could never be parsed so far, by their names alone."""
    header = re.search(r"\bblock\s+\w+\s*\(([^{]*)\)\s*\{", context.own_text)
    for part in re.split(r",(?![^(\[]*[)\]])", header[1]) if header else ():
        if match := re.match(r"\s*(\w+)", part):
            yield ast.Parameter(Span(Source("", ""), 0, 0), match[1], None)


def _globals(scope: Scope) -> Iterator[Completion]:
    """Blocks and constants of the file, of those it uses and of the library, then the ops."""
    for each in scope.visible:
        where = "library" if each.source.ours else "block"
        for name, definition in each.blocks.items():
            entity = Entity.declared("block", name, definition.block.name_at)
            yield Completion(name, "block", where, entity=entity)
        for name, const in each.constants.items():
            entity = Entity.declared("constant", name, const.name_at)
            yield Completion(name, "constant", "constant", entity=entity)
    for kind, op in CATALOGUE.items():
        if not op.arithmetic:
            yield Completion(kind, "op", "op", entity=Entity.known("op", kind))


def _choice(entity: Entity) -> Completion:
    return Completion(entity.name, "choice", f"of {entity.owner.partition('.')[2]}", entity=entity)


def _named(name: str, kind: Kind | str, detail: str) -> Completion:
    return Completion(name, kind, detail)
