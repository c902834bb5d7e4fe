"""The fields of a shipped model with those of its bases, as they are written."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from resnet_dsl.decompile.shipped_texts import shipped_file, with_bases
from resnet_dsl.decompile.syntax_nodes import NOWHERE, expression
from resnet_dsl.diagnostics.model import Span
from resnet_dsl.elaborate.expressions import NUMERIC
from resnet_dsl.records import dataclass, fields, replace
from resnet_dsl.shipped import models, shipped
from resnet_dsl.syntax import ast

NO_BLOCKS = ("classes", "expect", "freeze", "input", "preprocess")
"""Settings that say nothing of what a network is made of."""


@dataclass(frozen=True)
class ShippedModel:
    """What a shipped model says, its bases included, and the blocks that these files declare."""

    fields: Mapping[str, ast.Expr]
    blocks: Mapping[str, ast.Block]

    @property
    def head(self) -> Sequence[ast.Expr]:
        """The steps of the head, none where the model says nothing of it."""
        return steps_of(self.fields.get("head"))

    def stages_of(self, depths: Sequence[int]) -> Iterator[ast.Expr]:
        """Yield `stages` with these depths, as far as the model's can have them."""
        stages = self.fields.get("stages")
        if not isinstance(stages, ast.List):
            yield expression(list(depths))  # they follow from other settings
            return
        items = list(stages.items)
        settings = {*self.fields, *NUMERIC}  # what names no block is a number
        if all(settings.issuperset(ast.names(item)) for item in items):
            yield expression(list(depths))
        elif len(depths) <= len(items):
            # Of fewer stages the last may be as the model's last one, or as the one in its place.
            for chosen in ([*items[: len(depths) - 1], items[-1]], items[: len(depths)]):
                pairs = zip(chosen, depths, strict=True)
                found = [
                    expression(depth) if settings.issuperset(ast.names(item)) else _stage(item, depth)
                    for item, depth in pairs
                ]
                if all(item is not None for item in found):
                    yield expression(list(found))


def steps_of(value: ast.Expr | None) -> Sequence[ast.Expr]:
    """Return the steps of a pipeline."""
    if isinstance(value, ast.Pipe):
        return value.first, *value.steps
    return () if value is None else (value,)


def runs_of(item: ast.Expr) -> list[ast.Expr]:
    """Return the runs of blocks that a stage is written as."""
    return list(item.items) if isinstance(item, ast.List) else [item]


def block_of(run: ast.Expr) -> ast.Expr:
    """Return the block of a run, without how often it comes."""
    return run.right if isinstance(run, ast.Binary) and run.operator == "*" else run


def _stage(item: ast.Expr, depth: int) -> ast.Expr | None:
    """A stage with another depth: the run that is repeated takes up the difference."""
    if isinstance(item, ast.Labelled | ast.Pipe):
        return None  # it has a name of its own, or starts from a part
    runs = runs_of(item)
    repeated = [run for run in runs if block_of(run) is not run] or (runs if len(runs) == 1 else [])
    left = depth - (len(runs) - len(repeated))
    if len(repeated) != 1 or left < 0 or (left == 0 and len(runs) == 1):
        return None
    found: list[ast.Expr] = []
    for run in runs:
        if run is not repeated[0]:
            found.append(run)
        elif left == 1:
            found.append(block_of(run))
        elif left:
            found.append(ast.Binary(NOWHERE, "*", expression(left), block_of(run), NOWHERE))
    return found[0] if len(found) == 1 else expression(list(found))


@functools.cache
def specs_with_blocks() -> tuple[tuple[str, ...], ...]:
    """Return the shipped models whose files have blocks of their own, then those that are based on them.

    Of members of one family that differ in numbers alone the first stands for all: what is written of a
    file are its own numbers.
    """
    own: dict[object, str] = {}
    based: dict[object, str] = {}
    for name in shipped():
        if any(isinstance(each, ast.Block) for each in shipped_file(name).declarations):
            own.setdefault(kind_of(name), name)
        elif shipped_model(name).blocks:
            based.setdefault(kind_of(name), name)
    return tuple(own.values()), tuple(based.values())


def kind_of(name: str) -> tuple[object, ...]:
    """Return what members of a family have in common that differ in numbers alone.

    A model that has a file of its own is of a kind of its own.
    """
    found: list[object] = []
    if models()[name].path.stem == name:
        return (name,)
    for model in with_bases(name):
        told = {each.name: each.value for each in model.fields}
        base = told.pop("base", None)
        if base is None or models()[model.name].path.stem == model.name:
            return (model.name, *found)
        if isinstance(base, ast.Call):
            told |= {each.name or str(index): each.value for index, each in enumerate(base.arguments)}
        found.append(tuple((each, _sort(value)) for each, value in told.items() if each not in NO_BLOCKS))
    return tuple(found)


def _sort(value: ast.Expr) -> object:
    """What a value is where numbers do not count; 0 often says that something is not there."""
    match value:
        case ast.Number():
            return bool(value.value)
        case ast.List():
            return tuple(dict.fromkeys(map(_sort, value.items)))
        case _:
            return placeless(value)


@functools.cache
def shipped_model(spec: str) -> ShippedModel:
    """Return what a shipped model says."""
    found: dict[str, ast.Expr] = {}
    blocks: dict[str, ast.Block] = {}
    call: ast.Expr | None = None  # how the model before calls this one
    for model in with_bases(spec):
        declarations = shipped_file(model.name).declarations
        blocks = {each.name: each for each in declarations if isinstance(each, ast.Block)} | blocks
        own = {each.name: each.default for each in model.parameters if each.default is not None}
        own |= {each.name: each.value for each in model.fields}
        given = _given(call, model) if isinstance(call, ast.Call) else {}
        call = own.pop("base", None)
        found = {**own, **given, **found}
    return ShippedModel({name: placeless(value) for name, value in found.items()}, blocks)


def _given(call: ast.Call, model: ast.Model) -> dict[str, ast.Expr]:
    """The arguments that a model is called with, by name."""
    names = [each.name for each in model.parameters]
    named = ((each.name or names[index], each.value) for index, each in enumerate(call.arguments))
    return dict(named)


def placeless(node: Any) -> Any:
    """Return a node, or whatever is in one, as if made: without its place in the text it is from."""
    if isinstance(node, Span):
        return NOWHERE
    if isinstance(node, tuple):
        return tuple(map(placeless, node))
    if not isinstance(node, ast.Node):
        return node
    return replace(node, **{field.name: placeless(getattr(node, field.name)) for field in fields(node)})
