"""The input, and the parts that are one body each: stem and head."""

from __future__ import annotations

from resnet_dsl.diagnostics.model import Label, Span
from resnet_dsl.diagnostics.wording import counted
from resnet_dsl.elaborate.blocks import apply
from resnet_dsl.elaborate.body_builder import BodyBuilder
from resnet_dsl.elaborate.derived import is_whole
from resnet_dsl.elaborate.earlier_parts import described
from resnet_dsl.elaborate.elaborator import Env
from resnet_dsl.elaborate.head_fields import fields_of_head, record_text
from resnet_dsl.elaborate.model_state import RESERVED, ModelState
from resnet_dsl.elaborate.records import for_a_tensor, tensors_of
from resnet_dsl.elaborate.settings import Setting
from resnet_dsl.elaborate.steps import THE_INPUT
from resnet_dsl.elaborate.values import BAD, Bad, EarlierPart, Function, Record, Staged, Tensor, Value, show
from resnet_dsl.ir.arguments import Dims
from resnet_dsl.ir.network import INPUT, Body, renamed
from resnet_dsl.ir.shapes import Extent, Shape
from resnet_dsl.ir.sizes import Size
from resnet_dsl.limits import ARGUMENT
from resnet_dsl.records import replace

COLOURS = (3, 4)  # of an image, with an alpha channel or without
SMALLEST_IMAGE = 8
SURELY_AN_IMAGE = 100  # so many rows and columns, and at most twice as many of one as of the other


def input_shape(state: ModelState) -> Shape | None:
    """The input's shape; sets the extent that concrete sizes are checked at."""
    value = state.settings.value("input")
    if isinstance(value, Bad):
        return None
    if is_whole(value) and 0 < value <= ARGUMENT.most:
        state.elaborator.decide(value)
        return Shape(int(value))
    span = state.value_at("input")
    if not (isinstance(value, tuple) and len(value) == 3 and is_whole(value[0])):
        hint = _dimensions(value) or "channels, height and width: `3x224x224`, or `3xHxW` for any size"
        state.error("E0204", f"`input` must be a size such as `3x224x224`, not {show(value)}", span, hint)
        return None
    channels, height, width = value
    known: list[int | None] = []
    for size, axis in ((height, "H"), (width, "W")):
        if is_whole(size) and 0 < size <= ARGUMENT.most:
            known.append(int(size))
        elif size == axis:
            known.append(None)
        else:
            what = "height" if axis == "H" else "width"
            hint = f"write a positive number, or `{axis}` for any"
            state.error("E0204", f"`{show(size)}` is no {what} of `input`", span, hint)
            return None
    if not 0 < channels <= ARGUMENT.most:
        state.error("E0204", f"`input` must have a positive number of channels, not {channels}", span)
        return None
    _warn_of_order(state, channels, known)
    state.elaborator.extent = Extent(known[0], known[1])
    state.elaborator.decide(*value)
    return Shape(int(channels), (Size("H"), Size("W")))


def _dimensions(value: Value) -> str:
    """What to write for an input of another number of dimensions than height and width; empty for none."""
    if not isinstance(value, tuple) or isinstance(value, Record):
        return ""
    match [int(size) for size in value if is_whole(size)]:
        case [first, second] if len(value) == 2:
            channels, steps = sorted((first, second))
            image = channels == steps or (channels >= SURELY_AN_IMAGE and steps <= 2 * channels)
            signal = f"a signal of {steps:,} steps in {counted(channels, 'channel')}"
            dimensions = f"maps have two dimensions: {signal} is `{channels}x1x{steps}`"
            return "" if image or channels < 1 else dimensions
        case [_, channels, height, width] if channels in COLOURS or channels == 1:
            return f"the batch is no part of it: write `{channels}x{height}x{width}`"
        case [_, height, width, channels] if channels in COLOURS or channels == 1:
            return f"channels come first, and the batch is no part of it: write `{channels}x{height}x{width}`"
        case [channels, depth, height, width]:
            slices = f"slices can be channels, as in `{channels * depth}x{height}x{width}`"
            return f"maps have two dimensions, height and width, and a volume has three; {slices}"
    return ""


def _warn_of_order(state: ModelState, channels: int, size: list[int | None]) -> None:
    """Warn of an input whose last number looks like its channels: colours, or one of a square image."""
    height, width = size
    if height is None or width is None:
        return
    smaller, larger = sorted((channels, height))
    image = smaller >= SMALLEST_IMAGE
    # A signal of many channels has one column as well, and mostly more rows than channels.
    surely = smaller == larger or (smaller >= SURELY_AN_IMAGE and larger <= 2 * smaller)
    if image and (width in COLOURS or (width == 1 and surely)):
        written, meant = f"{channels}x{height}x{width}", f"{width}x{channels}x{height}"
        message = f"`{written}` is {channels} channels of {height}x{width} pixels: channels come first here"
        hint = f"write `{meant}` if this is Keras' order"
        state.elaborator.warn("W0613", message, state.value_at("input"), hint)


def part(state: ModelState, name: str) -> Body | Bad | None:
    """Elaborate the stem or the head on the shape reached so far."""
    setting = state.settings.find(name)
    if setting is None or setting.value is None:
        return None
    state.settings.read.add(name)
    builder = BodyBuilder([state.shape], input_channels=[state.channels])
    before = described(list(state.features)[-1]) if state.features else THE_INPUT
    seen: dict[str, Tensor] = {}
    env = _part_env(state, setting, builder, Tensor(-1, state.shape, before), seen)
    # What to mark where the library's own stem or head does not fit what comes before it.
    origin = state.origin("input") if before == THE_INPUT else None
    with state.elaborator.within(f"in the {name} of model {state.model.name}", setting.span, origin):
        result = _result(state, name, setting, env)
        if result is None or isinstance(result, Bad):
            return result
        fields = tensors_of(result) if isinstance(result, Record) else {"": result}
        first, *more = (tensor.value for tensor in fields.values())
        body = Body(
            name,
            (),
            tuple(builder.inputs),
            tuple(builder.nodes),
            first,
            names=tuple(builder.input_names),
            input_channels=tuple(builder.input_channels),
            more=tuple(more),
            fields=tuple(fields) if isinstance(result, Record) else (),
        )
        if name == "head":
            body = _numbered_as_head(body, builder, state)
            body, state.head_features = _without_unread(body, tuple(seen))
        _claim(state, body, builder)
        state.derived += [formula for node in body.nodes for _, formula in node.derived]
    state.shape, state.channels = body.output, body.channels(body.result)
    return body if body.nodes or body.fields else None


def _result(state: ModelState, name: str, setting: Setting, env: Env) -> Tensor | Record | Bad | None:
    """What the text of a part makes: a tensor, or in a head a record of tensors; None for no part."""
    ctx = state.elaborator
    assert setting.value is not None
    if name == "head" and (text := record_text(ctx, setting.value, env)) is not None:
        return fields_of_head(state, text, env)
    value = ctx.evaluate(setting.value, env)
    if value is None or isinstance(value, Tensor | Bad):
        return value
    result = (
        value if isinstance(value, Record) and tensors_of(value) else _applied(state, value, env, setting)
    )
    if isinstance(result, Record) and name == "stem":
        return for_a_tensor(ctx, result, setting.value_at)
    return result


def _without_unread(body: Body, features: tuple[str, ...]) -> tuple[Body, tuple[str, ...]]:
    """The body without those inputs that it does not read: what is before it, and fields of a record."""
    read = {value for node in body.nodes for value in node.inputs}.union(body.results)
    kept = [index for index in range(len(body.inputs)) if -1 - index in read]
    if len(kept) == len(body.inputs):
        return body, features
    values = {-1 - old: -1 - new for new, old in enumerate(kept)}
    nodes = (
        replace(node, inputs=tuple(values.get(value, value) for value in node.inputs)) for node in body.nodes
    )
    body = replace(
        body,
        inputs=tuple(body.inputs[index] for index in kept),
        names=tuple(body.names[index] for index in kept),
        input_channels=tuple(body.input_channels[index] for index in kept),
        nodes=tuple(nodes),
        result=values.get(body.result, body.result),
        more=tuple(values.get(value, value) for value in body.more),
    )
    return body, tuple(features[index - 1] for index in kept if index)


def _applied(state: ModelState, value: Value, env: Env, setting: Setting) -> Tensor | Record | Bad:
    label = value.label if isinstance(value, Staged) else None
    function = value.value if isinstance(value, Staged) else value
    if isinstance(function, Function):
        return apply(state.elaborator, function, env.x, env, setting.value_at, label)
    message = f"a pipeline or `none` belongs here, not {_written(value, setting.value_at)}"
    return state.error("E0206", message, setting.value_at)


def _written(value: Value, at: Span) -> str:
    """A value for a message; one that holds what has no name is shown as the author wrote it."""
    text = " ".join(at.source.text[at.start : at.end].split())
    return (
        text if isinstance(value, tuple) and not isinstance(value, Dims) and len(text) <= 60 else show(value)
    )


def _part_env(
    state: ModelState, setting: Setting, builder: BodyBuilder, x: Tensor, seen: dict[str, Tensor]
) -> Env:
    """The environment of stem or head: settings, and for a head the parts before it."""
    env = state.settings.env(setting, x=x)
    env.builder = builder
    lookup, is_head = env.setting, setting is state.settings.find("head")
    assert lookup is not None

    def tensor(path: str) -> Tensor:
        if path not in seen:
            shape = state.features[path]
            builder.inputs.append(shape)
            builder.input_names.append(path.replace(".", "_"))
            builder.input_channels.append(state.feature_channels[path])
            size = state.settings.value(INPUT) if path == INPUT else None
            seen[path] = Tensor(-len(builder.inputs), shape, described(path), size=size)
        return seen[path]

    def find(name: str, span: Span) -> Value:
        if not is_head and name == INPUT:
            return replace(x, size=lookup(name, span))
        if is_head and name in state.records:
            return Record((each, tensor(f"{name}.{each}")) for each in state.records[name])
        if is_head and name in state.features:
            return tensor(name)
        parts = state.settings.part if state.elaborator.recovering and not env.scope.find(name) else None
        if parts is not None and isinstance(parts(name, span), EarlierPart):
            return BAD  # a stage that could not be made
        return lookup(name, span)

    env.setting = find
    if is_head:
        known = env.known or tuple
        env.known = lambda: {*known(), *state.features, *state.records}
    if is_head and state.record:
        env.names["x"] = find(state.record, setting.span)
    return env


def _numbered_as_head(body: Body, builder: BodyBuilder, state: ModelState) -> Body:
    """In a head, a kind that occurs once has no number; others count on from the stem."""
    names = {}
    taken = set(state.names) | set(builder.names)
    for kind, count in builder.counts.items():
        if count == 1 and kind not in taken:
            names[f"{kind}1"] = kind
            continue
        shift = next(
            n
            for n in range(len(taken) + 1)
            if not any(f"{kind}{n + i}" in state.names for i in range(1, count + 1))
        )
        names |= {f"{kind}{i}": f"{kind}{i + shift}" for i in range(1, count + 1)}
    auto = {name: new for name, new in names.items() if name in builder.automatic}
    return renamed(body, auto)


def _claim(state: ModelState, body: Body, builder: BodyBuilder) -> None:
    """Stem, stages and head share the model's own level of names."""
    for node in body.nodes:
        at = builder.names.get(node.name, node.span)
        if node.name in RESERVED:
            message = f"`{node.name}` is the model's own name for what it takes"
            state.error("E0211", message, at, "take another name")
        if node.name in state.names:
            message = f"`{node.name}` is the name of two parts of the model"
            labels = (Label(state.names[node.name], "the first"),)
            state.error("E0211", message, at, "name one of them: `-> name: step`", labels)
        state.names[node.name] = at
