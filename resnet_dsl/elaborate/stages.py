"""Stages: counts or blocks written out become bodies, each with the arguments its model gives."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import NamedTuple

from resnet_dsl.diagnostics.model import Label, Span
from resnet_dsl.elaborate.blocks import body_of
from resnet_dsl.elaborate.carried import Carried
from resnet_dsl.elaborate.derived import formulas_of, is_whole, plain_number
from resnet_dsl.elaborate.earlier_parts import PartNames, TakenParts, keep_fields, takes_it
from resnet_dsl.elaborate.elaborator import Parameter
from resnet_dsl.elaborate.follow_ups import is_misspelt
from resnet_dsl.elaborate.model_state import RESERVED, ModelState, RecordField
from resnet_dsl.elaborate.settings import BLOCK_NUMBER, BLOCKS, FIELDS
from resnet_dsl.elaborate.shared_blocks import block_owner
from resnet_dsl.elaborate.steps import Derived
from resnet_dsl.elaborate.values import (
    BAD,
    Bad,
    Definition,
    EarlierPart,
    Function,
    Origin,
    PartPipeline,
    Repeat,
    Staged,
    Value,
    is_list,
    show,
)
from resnet_dsl.elaborate.written_arguments import signature
from resnet_dsl.ir.formulas import Fixed, Formula, names_of, substituted
from resnet_dsl.ir.network import PREVIOUS, Body, Run, Stage, channels_name, merged
from resnet_dsl.limits import OPS
from resnet_dsl.records import MISSING, replace


class WrittenRun(NamedTuple):
    """So many blocks in a row, as the author wrote them; `span` is where he chose the block."""

    length: int
    function: Function
    span: Span
    start: EarlierPart | None = None  # what the first of them takes in place of what is before it


class Position(NamedTuple):
    """A block's place: which stage, of how many, and which block of that.

    `before` are the blocks of the stages before, `blocks` those of all; `span` is where the stage is written.
    """

    stage: int
    stages: int
    before: int
    blocks: int
    span: Span
    block: int = 0


INDEX = "index"  # what a field may call the number of the block that it is for
EACH = frozenset((INDEX, BLOCK_NUMBER))  # what differs from block to block
X_CHANNELS = channels_name("x")
EXAMPLE = "`stages: [3, 4, 6, 3]`, or `[]` for none"


def all_stages(state: ModelState) -> tuple[Stage, ...]:
    """Return the stages of a model, each block on the shape that the one before left."""
    state.settings.part = PartNames(state)
    value = state.settings.value("stages")
    if isinstance(value, Bad):
        state.elaborator.recovering = True
        return ()
    if not is_list(value):
        state.elaborator.recovering = True
        return _no_stages(state, value)
    stages: list[Stage] = []
    state.elaborator.decide(*value)
    state.stage_names = tuple(_name(item, index) for index, item in enumerate(value))
    before = list(accumulate((_length(item) for item in value), initial=0))
    for index, item in enumerate(value):
        at = state.value_at("stages", index)
        name, item = _named(state, item, index, at)
        position = Position(index, len(value), before[index], before[-1], at)
        stage = _stage(state, name, item, position)
        if stage is None:
            state.elaborator.recovering = True
            state.failed.add(name)
        else:
            stages.append(stage)
        _keep_results(state, name, stage)
    return tuple(stages)


def _length(item: Value) -> int:
    """How many blocks a stage has, as far as it is one."""
    match item:
        case Staged():
            return _length(item.value)
        case Repeat():
            return item.count
        case Function():
            return 1
        case PartPipeline():
            return sum(map(_length, item.blocks))
        case tuple():
            return sum(map(_length, item))
        case _:
            return plain_number(item) if is_whole(item) else 0


def _keep_results(state: ModelState, name: str, stage: Stage | None) -> None:
    """Keep what later parts may take of a stage: its result, or the fields of that."""
    fields = () if stage is None else stage.last.fields
    state.record = name if fields else ""
    if not fields:
        state.features[name], state.feature_channels[name] = state.shape, state.channels
        return
    assert stage is not None
    body = stage.last
    state.records[name] = fields
    state.fields = tuple(field._replace(path=f"{name}.{field.name}") for field in state.fields)
    for field, value, channels in zip(fields, body.results, state.result_channels, strict=False):
        state.features[f"{name}.{field}"] = body.shape_of(value)
        state.feature_channels[f"{name}.{field}"] = channels


def _no_stages(state: ModelState, value: Value) -> tuple[Stage, ...]:
    if value is MISSING and is_misspelt(state, "stages"):
        pass
    elif value is MISSING:
        message = "a model needs `stages`: a list with the number of blocks of each"
        state.error("E0203", message, state.model.name_at, EXAMPLE)
    else:
        message = f"`stages` must be a list with the number of blocks of each, not {show(value)}"
        at = state.value_at("stages")
        state.error("E0204", message, at, _from_items(at.source.text[at.start : at.end]) or EXAMPLE)
    return ()


def _from_items(text: str) -> str:
    """A hint for a list that is written an item a line, which a sum is here: `- 2`."""
    items = re.findall(r"^\s*- *([\w.]+)[ \t]*$", text, re.MULTILINE)
    return f"write `stages: [{', '.join(items)}]`" if items and "\n" in text else ""


def _name(item: Value, index: int) -> str:
    return item.label.name if isinstance(item, Staged) else f"layer{index + 1}"


def _named(state: ModelState, item: Value, index: int, at: Span) -> tuple[str, Value]:
    """The name and the content of a stage; the name is claimed."""
    name, content = _name(item, index), item
    if isinstance(item, Staged):
        at, content = item.label.span, item.value
    if name in state.names:
        labels = (Label(state.names[name], "the first"),)
        state.error("E0211", f"`{name}` is the name of two parts of the model", at, labels=labels)
    elif name in ("stem", "head", *RESERVED):
        state.error("E0211", f"`{name}` is a part of every model", at, "take another name")
    state.names.setdefault(name, at)
    return name, content


def _stage(state: ModelState, name: str, item: Value, first: Position) -> Stage | None:
    found = list(_rows(state, item, first))
    rows = [row for row in found if row is not None]
    if len(rows) < len(found):
        return None
    if sum(row.length for row in rows) > OPS.most:
        state.error("E0501", f"a stage of more than {OPS.most:,} blocks", first.span)
        return None
    runs: list[Run] = []
    for row, done in zip(rows, accumulate((row.length for row in rows), initial=0), strict=False):
        if not _place(state, name, row, first._replace(block=done), runs):
            return None
    return Stage(name, merged(runs), state.names[name])


def _place(state: ModelState, name: str, row: WrittenRun, position: Position, runs: list[Run]) -> bool:
    """Append the blocks of a row, each on what the one before left; returns whether all could be made."""
    share, left = row.function.share, row.length
    while left:
        before = state.shape, state.channels
        state.settings.asked -= EACH
        parts = TakenParts(state, name)
        start = _started(state, row, parts) if left == row.length else PREVIOUS
        if start is None or not takes_it(state, row.function, row.span):
            return False
        with state.elaborator.applying_again(share in state.shared):
            made = _block(state, row, name, position, parts)
        if isinstance(made, Bad):
            return False
        body, formulas, taken = made
        path = f"{name}.{position.block}"
        owner = None if share is None else block_owner(state, share, path, body, position.span)
        if isinstance(owner, Bad):
            return False
        known = {X_CHANNELS: state.channels}
        for tensor, part in zip(body.names[1:], taken, strict=True):
            known[channels_name(tensor)] = state.feature_channels[part]
        given = (*formulas, *((name, formula) for name, formula in known.items() if formula is not None))
        _pass_through(state, body, formulas, known)
        # Where no value asks which block it is for, one that changes no shape is the next one too.
        alike = position.block > 0 and EACH.isdisjoint(state.settings.asked) and start == PREVIOUS
        alike = alike and not body.fields and not state.record
        times = left if alike and before == (state.shape, state.channels) else 1
        if times > 1:
            state.elaborator.count((times - 1) * max(body.count, 1), position.span)
        if share is not None:
            state.elaborator.shares[share] += times
        one = Run(body, 1, (start, *taken), owner, given)
        runs.append(one)
        if times > 1:
            again = owner or (None if share is None else path)
            runs.append(replace(one, count=times - 1, owner=again))
        keep_fields(state, name, path, body)
        position, left = position._replace(block=position.block + times), left - times
    return True


def _started(state: ModelState, row: WrittenRun, parts: TakenParts) -> str | None:
    """Go on from the part that a row starts from, if it names one; return its path, None after an error."""
    if row.start is None:
        return PREVIOUS
    path = row.start.path
    places = {name: f"{path}.{name}" for name in state.records.get(path, ())}
    own = tuple(RecordField(name, place, state.features[place]) for name, place in places.items())
    found = own[0] if own else TakenParts(state, parts.stage).tensor(row.start)
    if isinstance(found, Bad):
        return None
    path = own[0].path if own else path
    state.record, state.fields = row.start.path if own else "", own
    state.shape, state.channels = found.shape, state.feature_channels[path]
    return path


def _pass_through(
    state: ModelState, body: Body, formulas: Derived, channels: Mapping[str, Formula | None]
) -> None:
    """Go on behind a block: its result's shape, how the channels were derived, what was decided."""
    given = {name: Fixed(value) for name, value in body.arguments if type(value) in (int, float)}
    known: dict[str, Formula | None] = {**given, **dict(formulas), **channels}
    for name in body.structural:
        state.elaborator.structural.update(names_of(known.get(name)))
    state.derived += [formula for _, formula in formulas]
    before = state.channels
    state.result_channels = tuple(substituted(body.channels(value), known) for value in body.results)
    state.channels = state.result_channels[0]
    if state.channels is None:
        state.elaborator.structural.update(names_of(before))
    state.shape = body.output


def _rows(state: ModelState, item: Value, first: Position, *inner: int) -> Iterator[WrittenRun | None]:
    """Yield the rows of blocks that a stage is given as, or None after an error."""
    at = state.value_at("stages", first.stage, *inner) if inner else first.span
    match item:
        case bool():
            pass
        case int() if item > 0:
            block = _default_block(state, first)
            yield None if block is None else WrittenRun(item, block, state.value_at("block", first.stage))
            return
        case Function():
            yield WrittenRun(1, item, at)
            return
        case Repeat(count=count) if count > 0:
            yield WrittenRun(count, item.function, at)
            return
        case PartPipeline():
            rows = (row for block in item.blocks for row in _rows(state, block, first, *inner))
            yield from _from_part(item.start, rows)
            return
        case tuple() if item and is_list(item):
            for index, part in enumerate(item):
                if index and isinstance(part, PartPipeline):
                    at = state.value_at("stages", first.stage, index)
                    hint = "make it a stage of its own"
                    state.error("E0204", "only the first block of a stage starts from another part", at, hint)
                    yield None
                elif isinstance(part, Function | Repeat | PartPipeline):
                    yield from _rows(state, part, first, index)
                else:
                    at = state.value_at("stages", first.stage, index)
                    state.error("E0204", f"a stage lists blocks, not {show(part)}", at)
                    yield None
            return
    message = f"a stage is a positive number of blocks, or blocks written out, not {show(item)}"
    hint = "leave the stage out, and its values in other lists" if item in (0, ()) else ""
    if isinstance(item, EarlierPart):
        hint = f"write `{item.path} -> …` with the blocks that start from it"
    state.error("E0204", message, at, hint)
    yield None


def _from_part(start: EarlierPart, rows: Iterator[WrittenRun | None]) -> Iterator[WrittenRun | None]:
    """Yield the rows, the first of which starts from a part."""
    for index, row in enumerate(rows):
        yield row._replace(start=start) if row is not None and index == 0 else row


def _default_block(state: ModelState, first: Position) -> Function | None:
    """The block that `block:` gives for a stage."""
    block = MISSING if state.settings.find("block") is None else _field(state, "block", first)
    if isinstance(block, Function):
        return block
    if block is MISSING and is_misspelt(state, "block"):
        return None
    if block is MISSING:
        hint = "`block: basic` or `block: bottleneck`"
        state.error("E0203", "a model with stages needs a `block`", state.model.name_at, hint)
    elif not isinstance(block, Bad):
        message = f"`block` must be a block, not {show(block)}"
        state.error(
            "E0206", message, state.value_at("block", first.stage), "`basic`, `bottleneck` or one of yours"
        )
    return None


def _block(
    state: ModelState, row: WrittenRun, name: str, at: Position, parts: TakenParts
) -> tuple[Body, Derived, tuple[str, ...]] | Bad:
    """Elaborate one block of a stage with the arguments that the model's settings give it.

    Returns its body, how its numbers were derived, and which parts it takes beside its input.
    """
    function, span = row.function, row.span
    if not isinstance(function.target, Definition):
        hint = f"`block mine(width) {{ return x -> {function.name}(…) }}`"
        return state.error("E0206", f"a stage is made of blocks; {function.name} is an op", span, hint)
    state.blocks[function.target] = None
    ctx = state.elaborator
    given, origins = dict(function.bound), dict(function.origins)
    with ctx.within(f"in stage {name}, block {at.block} of model {state.model.name}", span, None, origins):
        parameters = signature(ctx, function)
        if not _give(state, parameters, given, origins, at):
            return BAD
        missing = [p.name for p in parameters if p.required and p.name not in given]
        if missing:
            names = ", ".join(f"`{name}`" for name in missing)
            hint = f"write `{missing[0]}: …` in the model, or give it a default in the block"
            return state.error("E0203", f"{function.name} needs {names}", span, hint)
        given = {name: parts.within(value) for name, value in given.items()}
        if any(isinstance(value, Bad) for value in given.values()):
            return BAD
        x = parts.before()
        body = body_of(ctx, function.target, given, x, span, at.span)
        if isinstance(body, Bad):
            return BAD
        paths = {tensor.value: path for path, tensor in parts.found.items()}
        carried = Carried(function.target, given, x) if paths else None
        tensors = () if carried is None else (*carried.direct, *carried.inputs.values())
        return body, formulas_of(given), tuple(paths[tensor.value] for tensor in tensors)


def _give(
    state: ModelState,
    parameters: list[Parameter],
    given: dict[str, Value],
    origins: dict[str, Origin],
    at: Position,
) -> bool:
    """Add the arguments that the model's settings give; say whether all of them are fine."""
    fine = True
    for name, _, choices in parameters:
        fields = (name, f"{name}s")  # once, or once a stage
        if name in given:
            state.settings.read.update(fields)
            continue
        field = next((field for field in fields if state.settings.find(field) is not None), None)
        value = MISSING if field is None else _field(state, field, at, choices)
        if value is MISSING:
            continue  # the block's default, if it has one
        fine = fine and not isinstance(value, Bad)
        given[name] = value
        if field is not None and (origin := state.origin(field, at.stage)) is not None:
            origins[name] = origin
    return fine


def _field(state: ModelState, name: str, at: Position, choices: tuple[str, ...] = ()) -> Value:
    """The value of a field for one block; of a list it has one value a stage."""
    if FIELDS.get(name) == "first block" and at.block > 0:
        state.settings.read.add(name)
        return MISSING
    # What serves a whole stage cannot ask for the block's number.
    names: dict[str, Value] = {"stage": at.stage, BLOCKS: at.blocks}
    if FIELDS.get(name) != "stage":
        names |= {INDEX: at.block, BLOCK_NUMBER: at.before + at.block}
    if (name, choices) in state.settings.by_stage:
        return state.settings.value(name, choices=choices, names=names, item=at.stage)
    value = _value(state, name, choices, names)
    if not is_list(value):
        return value
    if len(value) != at.stages:
        values, stages = "s" * (len(value) != 1), "s" * (at.stages != 1)
        message = f"`{name}` has {len(value)} value{values} for {at.stages} stage{stages}"
        with state.elaborator.without_frames():
            return state.error("E0207", message, state.value_at(name), "give one value, or one a stage")
    if (name, choices) not in state.settings.everywhere and state.settings.items(name):
        state.settings.by_stage.add((name, choices))
    return value[at.stage]


def _value(state: ModelState, name: str, choices: tuple[str, ...], names: dict[str, Value]) -> Value:
    """The value of a field; what does not ask for stage or block is evaluated once for all of them."""
    settings = state.settings
    if (name, choices) in settings.everywhere:
        return settings.everywhere[name, choices]
    before, settings.asked = settings.asked, set()
    value = settings.value(name, choices=choices, names=names)
    if settings.asked.isdisjoint(names):
        settings.everywhere[name, choices] = value
    settings.asked |= before
    return value
