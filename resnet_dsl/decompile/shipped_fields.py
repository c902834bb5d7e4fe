"""The fields of a shipped model with those of its bases, as they are written."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from resnet_dsl.decompile.shipped_match import shipped_text
from resnet_dsl.decompile.syntax_nodes import NOWHERE, expression
from resnet_dsl.diagnostics.model import Source, Span
from resnet_dsl.shipped import shipped
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.parser import parse

MOST_BASES = 20


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
            return
        items = list(stages.items)
        if all(isinstance(item, ast.Number) for item in items):
            yield expression(list(depths))
        elif len(depths) <= len(items):
            # Of fewer stages the last may be as the model's last one, or as the one in its place.
            for chosen in ([*items[: len(depths) - 1], items[-1]], items[: len(depths)]):
                found = [_stage(item, depth) for item, depth in zip(chosen, depths, strict=True)]
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
    if isinstance(item, ast.Number):
        return expression(depth)
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
    """Return the shipped specs whose files have blocks of their own, then those that are based on them."""
    own = [spec for spec in shipped() if any(isinstance(d, ast.Block) for d in _file(spec).declarations)]
    based = [spec for spec in shipped() if spec not in own and shipped_model(spec).blocks]
    return tuple(own), tuple(based)


@functools.cache
def shipped_model(spec: str) -> ShippedModel:
    """Return what a shipped model says."""
    found: dict[str, ast.Expr] = {}
    blocks: dict[str, ast.Block] = {}
    name = spec
    for _ in range(MOST_BASES):
        file = _file(name)
        blocks = {each.name: each for each in file.declarations if isinstance(each, ast.Block)} | blocks
        model = next(each for each in file.declarations if isinstance(each, ast.Model) and each.name == name)
        own = {each.name: each.default for each in model.parameters if each.default is not None}
        own |= {each.name: each.value for each in model.fields}
        own = {name: placeless(value) for name, value in own.items()}
        base = own.pop("base", None)
        found = {**own, **found}
        callee = base.callee if isinstance(base, ast.Call) else base
        if not isinstance(callee, ast.Name) or callee.id not in shipped():
            break
        name = callee.id
    return ShippedModel(found, blocks)


def placeless(node: Any) -> Any:
    """Return a node, or whatever is in one, as if made: without its place in the text it is from."""
    if isinstance(node, Span):
        return NOWHERE
    if isinstance(node, tuple):
        return tuple(map(placeless, node))
    if not isinstance(node, ast.Node):
        return node
    return replace(node, **{field.name: placeless(getattr(node, field.name)) for field in fields(node)})


@functools.cache
def _file(spec: str) -> ast.File:
    return parse(Source(f"{spec}.resnet", shipped_text(spec)))
