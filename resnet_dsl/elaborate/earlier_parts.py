"""Parts that see parts: names of earlier parts in stages, and what they become when a block is made."""

from __future__ import annotations

import re
from collections.abc import Iterator

from resnet_dsl.diagnostics.model import Span
from resnet_dsl.elaborate.elaborator import Elaborator, Env
from resnet_dsl.elaborate.model_state import ModelState, RecordField
from resnet_dsl.elaborate.records import for_a_tensor, unknown_field
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.steps import THE_INPUT
from resnet_dsl.elaborate.values import (
    BAD,
    Bad,
    Definition,
    EarlierPart,
    Function,
    PartPipeline,
    Record,
    Repeat,
    Staged,
    Tensor,
    Value,
    is_list,
    show,
)
from resnet_dsl.ir.network import INPUT, WITHIN, Body
from resnet_dsl.ir.shapes import Shape
from resnet_dsl.records import MISSING, dataclass, field, replace
from resnet_dsl.syntax import ast

UNNAMED = r"layer[1-9][0-9]*"


class PartNames:
    """What a name in the text of stages may mean beside all else: a part of the model."""

    def __init__(self, state: ModelState) -> None:
        self.state = state
        self.found: dict[str, None] | None = None

    def __call__(self, name: str, span: Span) -> Value:
        """Return the part that a name may be, MISSING if it can be none; which there are shows later."""
        known = name in self.names() or re.fullmatch(UNNAMED, name) is not None
        size = self.state.settings.value(INPUT) if name == INPUT else None
        return EarlierPart(name, span, size) if known else MISSING

    def names(self) -> dict[str, None]:
        """Return the names that the text gives to parts; others are `layer1`, `layer2` and so on."""
        if self.found is None:
            setting = self.state.settings.find("stages")
            own = () if setting is None or setting.value is None else self._labels(setting.value, set())
            self.found = dict.fromkeys(self.state.features)
            self.found.update(dict.fromkeys(own))
        return self.found

    def _labels(self, expr: ast.Node, seen: set[str]) -> Iterator[str]:
        """The labels of a text, through the settings and constants that it names."""
        if isinstance(expr, ast.Labelled):
            yield expr.label
        if isinstance(expr, ast.Name) and expr.id not in seen:
            seen.add(expr.id)
            setting = self.state.settings.find(expr.id)
            if setting is not None and setting.value is not None:
                yield from self._labels(setting.value, seen)
            elif (found := self._scope().find(expr.id)) is not None and isinstance(found[1], ast.Const):
                yield from self._labels(found[1].value, seen)
        for child in ast.children(expr):
            yield from self._labels(child, seen)

    def _scope(self) -> Scope:
        setting = self.state.settings.find("stages")
        assert setting is not None
        return setting.scope


def pipeline_of_blocks(ctx: Elaborator, expr: ast.Pipe, first: Value, env: Env) -> Value | None:
    """Return `layer2 -> lateral(256)` as blocks that start from a part; None where it starts from none."""
    label, start = (first.label, first.value) if isinstance(first, Staged) else (None, first)
    if not isinstance(start, EarlierPart):
        return None
    blocks: list[Function | Repeat] = []
    for step in expr.steps:
        if isinstance(step, ast.Labelled):
            hint = f"write the name before the stage: `{step.label}: {start.path} -> …`"
            return ctx.error("E0212", f"`{step.label}:` names no step", step.name_at, hint)
        value = ctx.evaluate(step, env)
        if isinstance(value, Bad):
            return BAD
        if not isinstance(value, Function | Repeat):
            message = f"a stage is made of blocks, not of {show(value)}"
            return ctx.error(
                "E0206", message, step.span, f"`{start.path} -> mine(64)`, with a block of yours"
            )
        blocks.append(value)
    pipeline = PartPipeline(start, tuple(blocks))
    return pipeline if label is None else Staged(label, pipeline)


@dataclass
class TakenParts:
    """The parts that a block takes beside its input, each as a tensor that stands for it, in order."""

    state: ModelState
    stage: str
    found: dict[str, Tensor] = field(default_factory=dict)

    def within(self, value: Value) -> Value:
        """Return an argument with the parts in it as tensors."""
        match value:
            case EarlierPart() if value.path in self.state.records:
                names = self.state.records[value.path]
                parts = (replace(value, path=f"{value.path}.{name}") for name in names)
                return Record(zip(names, map(self.tensor, parts), strict=True))
            case EarlierPart():
                return self.tensor(value)
            case Function():
                bound = tuple((name, self.within(item)) for name, item in value.bound)
                if any(isinstance(item, Bad) for _, item in bound):
                    return BAD
                same = all(a is b for (_, a), (_, b) in zip(bound, value.bound, strict=True))
                return value if same else replace(value, bound=bound)
            case Record():
                found = value.changed(self.within)
                return BAD if any(isinstance(item, Bad) for _, item in found) else found
            case tuple() if is_list(value):
                items = tuple(map(self.within, value))
                if any(isinstance(item, Bad) for item in items):
                    return BAD
                return value if all(a is b for a, b in zip(items, value, strict=True)) else items
            case _:
                return value

    def stands_for(self, path: str, shape: Shape, at: Span | None = None, size: Value = None) -> Tensor:
        """Return the tensor that stands for a result that there is."""
        if path not in self.found:
            self.found[path] = Tensor(-2 - len(self.found), shape, described(path), at=at, size=size)
        return self.found[path]

    def before(self) -> Tensor | Record:
        """Return what is before the block: a tensor, or a record with the first field in its place."""
        own = Tensor(-1, self.state.shape)
        if not self.state.record:
            return own
        _, *others = self.state.fields
        further = ((name, self.stands_for(path, shape)) for name, path, shape in others)
        return Record([(self.state.fields[0].name, own), *further])

    def tensor(self, part: EarlierPart) -> Tensor | Bad:
        """Return what stands for a part; report one that is not there before the stage."""
        state, path = self.state, part.path
        if path in state.features:
            return self.stands_for(path, state.features[path], part.span, part.size)
        front, _, last = path.partition(".")
        if front in state.failed:
            return BAD
        if front in state.records and last:
            return unknown_field(state.elaborator, state.records[front], last, part.span)
        if front in state.records:
            fields = Record((name, None) for name in state.records[front])
            return for_a_tensor(state.elaborator, fields, part.span)
        if last and front in state.features:
            hint = "a block asks for the sizes of what it is given: `skip.channels`"
            message = f"`{front}` is a tensor here, and has no `.{last}`"
            return state.error("E0206", message, part.span, hint if last in SIZES else f"write `{front}`")
        if front == self.stage:
            message = f"`{front}` is the stage itself"
            return state.error("E0201", message, part.span, "a stage sees the parts before it")
        if front in state.stage_names:
            message = f"`{front}` is used before it exists"
            return state.error("E0201", message, part.span, f"put it behind `{front}` in `stages`")
        known = ", ".join(state.features)
        hint = state.elaborator.suggest(path, state.features) or (f"there are {known}" if known else "")
        return state.error("E0201", f"the model has no part `{path}` before this one", part.span, hint)


def described(path: str) -> str:
    """Return a word about where the tensor of an earlier part comes from."""
    return THE_INPUT if path == INPUT else f"the result of {path}"


SIZES = ("channels", "height", "width")


def takes_it(state: ModelState, function: Function, span: Span) -> bool:
    """Report a record before a block of the library: all of those take one tensor."""
    target = function.target
    if not (state.record and isinstance(target, Definition) and target.block.span.source.ours):
        return True
    message = f"what comes before is the record `{state.record}`, and a block takes one tensor"
    hint = f"`{state.record}.{state.fields[0].name} -> {function.name}(…)`"
    state.error("E0206", message, span, hint)
    return False


def keep_fields(state: ModelState, stage: str, path: str, body: Body) -> None:
    """Keep what the next block takes of a block that returned a record."""
    state.record = stage if body.fields else ""
    shapes, places = map(body.shape_of, body.results), [f"{path}{WITHIN}{name}" for name in body.fields]
    state.fields = tuple(map(RecordField, body.fields, places, shapes))
    state.feature_channels |= dict(zip(places, state.result_channels, strict=False))
