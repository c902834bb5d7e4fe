"""The input, and the parts that are one body each: stem and head."""

from __future__ import annotations

from typing import Any

from resnet_dsl.diagnostics.model import Label, Span
from resnet_dsl.elaborate.blocks import apply
from resnet_dsl.elaborate.context import Builder, Env
from resnet_dsl.elaborate.derived import is_whole
from resnet_dsl.elaborate.model_state import RESERVED, Plan
from resnet_dsl.elaborate.settings import Setting
from resnet_dsl.elaborate.steps import THE_INPUT
from resnet_dsl.elaborate.values import BAD, Bad, Function, Place, Staged, Tensor, show
from resnet_dsl.ir.arguments import LARGEST
from resnet_dsl.ir.network import Body, renamed
from resnet_dsl.ir.shapes import Extent, Shape
from resnet_dsl.ir.sizes import Size


def input_shape(plan: Plan) -> Shape | None:
    """The input's shape; sets the extent that concrete sizes are checked at."""
    value = plan.settings.value("input")
    if isinstance(value, Bad):
        return None
    if is_whole(value) and 0 < value <= LARGEST:
        plan.context.decide(value)
        return Shape(int(value))
    span = plan.value_at("input")
    if not (isinstance(value, tuple) and len(value) == 3 and is_whole(value[0])):
        hint = "channels, height and width: `3x224x224`, or `3xHxW` for any size"
        plan.error("E0204", f"`input` must be a size such as `3x224x224`, not {show(value)}", span, hint)
        return None
    channels, height, width = value
    known: list[int | None] = []
    for size, axis in ((height, "H"), (width, "W")):
        if is_whole(size) and 0 < size <= LARGEST:
            known.append(int(size))
        elif size == axis:
            known.append(None)
        else:
            what = "height" if axis == "H" else "width"
            hint = f"write a positive number, or `{axis}` for any"
            plan.error("E0204", f"`{show(size)}` is no {what} of `input`", span, hint)
            return None
    if not 0 < channels <= LARGEST:
        plan.error("E0204", f"`input` must have a positive number of channels, not {channels}", span)
        return None
    plan.context.extent = Extent(known[0], known[1])
    plan.context.decide(*value)
    return Shape(int(channels), (Size("H"), Size("W")))


def part(plan: Plan, name: str) -> Body | Bad | None:
    """Elaborate the stem or the head on the shape reached so far."""
    setting = plan.settings.find(name)
    if setting is None or setting.value is None:
        return None
    plan.settings.read.add(name)
    builder = Builder([plan.shape], input_channels=[plan.channels])
    before = THE_INPUT if not plan.features else f"the result of {list(plan.features)[-1]}"
    seen: dict[str, Tensor] = {}
    env = _part_env(plan, setting, builder, Tensor(-1, plan.shape, before), seen)
    with plan.context.within(f"in the {name} of model {plan.model.name}", setting.span, _cause(plan, before)):
        value = plan.context.evaluate(plan.context, setting.value, env)
        if value is None:
            return None
        result = value if isinstance(value, Tensor | Bad) else _applied(plan, value, env, setting)
        if isinstance(result, Bad):
            return BAD
        names = tuple(builder.input_names)
        body = Body(
            name,
            (),
            tuple(builder.inputs),
            tuple(builder.nodes),
            result.value,
            names=names,
            input_channels=tuple(builder.input_channels),
        )
        if name == "head":
            body = _numbered_as_head(body, builder, plan)
            plan.head_features = tuple(seen)
        _claim(plan, body, builder)
        plan.derived += [formula for node in body.nodes for _, formula in node.derived]
    plan.shape, plan.channels = body.output, builder.channels(body.result)
    return body if body.nodes else None


def _cause(plan: Plan, before: str) -> Place | None:
    """What to mark where the library's own stem or head does not fit what comes before it."""
    return plan.place("input") if before == THE_INPUT else None


def _applied(plan: Plan, value: Any, env: Env, setting: Setting) -> Any:
    label = value.label if isinstance(value, Staged) else None
    function = value.value if isinstance(value, Staged) else value
    if isinstance(function, Function):
        return apply(plan.context, function, env.x, env, setting.value_at, label)
    return plan.error("E0206", f"a pipeline or `none` belongs here, not {show(value)}", setting.value_at)


def _part_env(plan: Plan, setting: Setting, builder: Builder, x: Tensor, seen: dict[str, Tensor]) -> Env:
    """The environment of stem or head: settings, and for a head the parts before it."""
    env = plan.settings.env(setting, x=x)
    env.builder = builder
    lookup = env.setting
    assert lookup is not None

    def find(name: str, span: Span) -> Any:
        if name in plan.features and setting is plan.settings.find("head"):
            if name not in seen:
                shape = plan.features[name]
                builder.inputs.append(shape)
                builder.input_names.append(name.replace(".", "_"))
                builder.input_channels.append(plan.feature_channels[name])
                seen[name] = Tensor(-len(builder.inputs), shape, f"the result of {name}")
            return seen[name]
        return lookup(name, span)

    env.setting = find
    return env


def _numbered_as_head(body: Body, builder: Builder, plan: Plan) -> Body:
    """In a head, a kind that occurs once has no number; others count on from the stem."""
    names = {}
    taken = set(plan.names) | set(builder.names)
    for kind, count in builder.counts.items():
        if count == 1 and kind not in taken:
            names[f"{kind}1"] = kind
            continue
        shift = next(
            n
            for n in range(len(taken) + 1)
            if not any(f"{kind}{n + i}" in plan.names for i in range(1, count + 1))
        )
        names |= {f"{kind}{i}": f"{kind}{i + shift}" for i in range(1, count + 1)}
    auto = {name: new for name, new in names.items() if name in builder.automatic}
    return renamed(body, auto)


def _claim(plan: Plan, body: Body, builder: Builder) -> None:
    """Stem, stages and head share the model's own level of names."""
    for node in body.nodes:
        at = builder.names.get(node.name, node.span)
        if node.name in RESERVED:
            message = f"`{node.name}` is the model's own name for what it takes"
            plan.error("E0211", message, at, "take another name")
        if node.name in plan.names:
            message = f"`{node.name}` is the name of two parts of the model"
            labels = (Label(plan.names[node.name], "the first"),)
            plan.error("E0211", message, at, "name one of them: `-> name: step`", labels)
        plan.names[node.name] = at
