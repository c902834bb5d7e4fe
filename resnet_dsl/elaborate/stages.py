"""Stages: counts or blocks written out become bodies, each with the arguments its model gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING
from typing import Any

from resnet_dsl.elaborate.blocks import body_of, signature
from resnet_dsl.elaborate.context import MAX_OPS
from resnet_dsl.elaborate.plan import Plan
from resnet_dsl.elaborate.values import BAD, Bad, Definition, Function, Repeat, Staged, show
from resnet_dsl.ir.arguments import Dims
from resnet_dsl.ir.network import Body, Stage


def all_stages(plan: Plan) -> tuple[Stage, ...]:
    """Return the stages of a model, each block on the shape that the one before left."""
    value = plan.settings.value("stages")
    if isinstance(value, Bad):
        return ()
    if value is MISSING or not isinstance(value, tuple) or isinstance(value, Dims):
        message = "a model needs `stages`: a list with the number of blocks of each"
        plan.error("E0203", message, plan.span("stages"), "`stages: [3, 4, 6, 3]`, or `[]` for none")
        return ()
    stages: list[Stage] = []
    for index, item in enumerate(value):
        name, item = (item.label, item.value) if isinstance(item, Staged) else (f"layer{index + 1}", item)
        span = plan.span("stages")
        if name in plan.names or name in ("stem", "head"):
            plan.error("E0211", f"`{name}` is the name of two parts of the model", span)
        plan.names[name] = span
        stage = _stage(plan, name, item, index, len(value))
        if stage is None:
            plan.findings.check()
            return tuple(stages)
        stages.append(stage)
        plan.features[name] = plan.shape
    return tuple(stages)


def _stage(plan: Plan, name: str, item: Any, stage: int, stages: int) -> Stage | None:
    runs = list(_runs(plan, item, stage, stages))
    if any(run is None for run in runs):
        return None
    if sum(count for count, _ in runs) > MAX_OPS:
        plan.error("E0501", f"a stage of more than {MAX_OPS:,} blocks", plan.span("stages"))
        return None
    blocks: list[Body] = []
    for count, function in runs:
        for _ in range(count):
            body = _block(plan, function, name, stage, len(blocks), stages)
            if isinstance(body, Bad):
                return None
            blocks.append(body)
            plan.shape = body.output
    return Stage(name, tuple(blocks))


def _runs(plan: Plan, item: Any, stage: int, stages: int) -> Iterator[Any]:
    """Yield (count, block) for what a stage is given as, or None after an error."""
    span = plan.span("stages")
    match item:
        case bool():
            pass
        case int() if item > 0:
            block = _per_stage(plan, "block", plan.settings.value("block", stage=stage), stage, stages)
            if isinstance(block, Function):
                yield item, block
            elif block is MISSING:
                yield plan.error("E0203", "a model with stages needs a `block`", plan.model.span,
                                 "`block: basic` or `block: bottleneck`") and None  # fmt: skip
            else:
                if not isinstance(block, Bad):
                    message = f"`block` must be a block, not {show(block)}"
                    plan.error("E0206", message, plan.span("block"))
                yield None
            return
        case Function():
            yield 1, item
            return
        case Repeat(count=count) if count > 0:
            yield count, item.function
            return
        case tuple() if item and not isinstance(item, Dims):
            for part in item:
                if isinstance(part, Function | Repeat):
                    yield from _runs(plan, part, stage, stages)
                else:
                    plan.error("E0204", f"a stage lists blocks, not {show(part)}", span)
                    yield None
            return
    message = f"a stage is a positive number of blocks, or blocks written out, not {show(item)}"
    plan.error("E0204", message, span)
    yield None


def _block(plan: Plan, function: Function, name: str, stage: int, index: int, stages: int) -> Body | Bad:
    """Elaborate one block of a stage with the arguments that the model's settings give it."""
    if not isinstance(function.target, Definition):
        message = f"a stage is made of blocks; {function.name} is an op"
        return plan.error("E0206", message, plan.span("block"), "wrap it in a block of your own")
    given = dict(function.bound)
    frame = f"in stage {name}, block {index} of model {plan.model.name}"
    with plan.context.within(
        frame, plan.span("block") if plan.settings.find("block") else plan.span("stages")
    ):
        for parameter in signature(plan.context, function):
            if parameter.name in given:
                _mark_read(plan, parameter.name)
                continue
            value = _argument(plan, parameter.name, parameter.choices, stage, index, stages)
            if isinstance(value, Bad):
                return BAD
            if value is not MISSING:
                given[parameter.name] = value
        missing = [p.name for p in signature(plan.context, function) if p.required and p.name not in given]
        if missing:
            names = ", ".join(f"`{name}`" for name in missing)
            return plan.error(
                "E0203",
                f"{function.name} needs {names}",
                plan.span("block"),
                f"write `{missing[0]}:` in the model",
            )
        return body_of(plan.context, function.target, given, plan.shape, plan.span("block"))


def _mark_read(plan: Plan, name: str) -> None:
    plan.settings.read |= {name, f"{name}s"}


def _argument(plan: Plan, name: str, choices: tuple[str, ...], stage: int, index: int, stages: int) -> Any:
    """The value of a block's parameter: the field of its name, or of its plural."""
    for setting in (name, f"{name}s"):
        if plan.settings.find(setting) is None:
            continue
        if setting == "strides" and index > 0:
            plan.settings.read.add(setting)
            return MISSING  # a stage's stride is that of its first block
        value = plan.settings.value(setting, choices=choices, stage=stage, index=index)
        return _per_stage(plan, setting, value, stage, stages)
    return MISSING


def _per_stage(plan: Plan, name: str, value: Any, stage: int, stages: int) -> Any:
    """One value of a list with a value a stage; anything else serves every stage."""
    if not isinstance(value, tuple) or isinstance(value, Dims):
        return value
    if len(value) != stages:
        message = f"`{name}` has {len(value)} values for {stages} stages"
        return plan.error("E0207", message, plan.span(name), "give one value, or one a stage")
    return value[stage]
