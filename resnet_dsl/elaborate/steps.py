"""One step of a body: an op or call on tensors, its shape inferred, its place in any message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from resnet_dsl.diagnostics.model import Diagnostic, Label, Remedy, Span
from resnet_dsl.elaborate.body_builder import BodyBuilder
from resnet_dsl.elaborate.derived import watched
from resnet_dsl.elaborate.elaborator import Elaborator, Env, line_of
from resnet_dsl.elaborate.values import BAD, Bad, Origin, Tag, Tensor, Value
from resnet_dsl.ir.formulas import Formula, names_of
from resnet_dsl.ir.network import BlockCall, Node, channels_formula, channels_name
from resnet_dsl.ir.ops import Op
from resnet_dsl.ir.shapes import Shape, ShapeError
from resnet_dsl.limits import SHRINKING
from resnet_dsl.records import replace

Derived = tuple[tuple[str, Formula], ...]

THE_INPUT = "the model's input"
NO_BODY = "write the step in `stem`, in `head` or in a block, whose name a setting can be"


def step(
    ctx: Elaborator,
    op: Op,
    tensors: tuple[Tensor, ...],
    env: Env,
    span: Span,
    label: Tag | None = None,
    origins: Mapping[str, Origin] | None = None,
    derived: Derived = (),
    maker: Origin | None = None,
) -> Tensor | Bad:
    """Add one op to the body under construction and return its result."""
    builder = env.builder
    if builder is None:
        return ctx.error("E0206", "a setting is a value, and makes no step of the network", span, NO_BODY)
    if op.taken is not None and len(tensors) != op.taken:
        return _wrong_count(ctx, op, tensors, span)
    if op.taken is None and len(tensors) < 2:
        return ctx.error("E0202", f"{op.kind} takes two tensors or more, not {len(tensors)}", span)
    shapes = [tensor.shape for tensor in tensors]
    try:
        shape = op.shape(*shapes, extent=ctx.extent)
    except ShapeError as error:
        return _refused(ctx, error, op, tensors, env, span, origins or {})
    if any(size.div.bit_length() > SHRINKING.most for size in shape.spatial):
        return ctx.error("E0502", "a map that is made smaller so often has no size", span)
    if when := op.fails_for(*shapes, extent=ctx.extent):
        _warn_of_sizes(ctx, op, tensors, env, span, when)
    for doubt in op.doubts():
        at = (origins or {}).get(doubt.argument)
        ctx.report(
            Diagnostic(doubt.code, doubt.message, span, hint=doubt.hint, severity="warning"), at or maker
        )
    nothing = op.does_nothing(*shapes)
    _watch(ctx, op, tensors, builder, dict(derived), nothing)
    if nothing:
        ctx.structural.update(name for _, formula in derived for name in names_of(formula))
        taken = tensors[0].value
        ctx.applied(span, builder, (taken,), taken, len(builder.nodes))
        return replace(tensors[0], maker=None, at=None)
    ctx.count(1, span)
    return add(ctx, op, tensors, shape, builder, span, label, derived, maker)


def _watch(
    ctx: Elaborator,
    op: Op,
    tensors: tuple[Tensor, ...],
    builder: BodyBuilder,
    derived: Mapping[str, Formula],
    nothing: bool,
) -> None:
    """Ask the op's rules once more, with channels that note what looks at them."""

    def watching(number: int, formula: Formula | None) -> int:
        names = list(names_of(formula))
        return number if formula is None or not names else watched(number, (formula,), ctx.structural)

    shapes = [
        replace(tensor.shape, channels=watching(tensor.shape.channels, builder.channels(tensor.value)))
        for tensor in tensors
    ]
    if "channels" in derived:
        changed: dict[str, Value] = {"channels": watching(vars(op)["channels"], derived["channels"])}
        op = replace(op, **changed)
    op.shape(*shapes, extent=ctx.extent)
    if nothing:  # otherwise the step is there, and could do nothing as well
        op.does_nothing(*shapes)


def _wrong_count(ctx: Elaborator, op: Op, tensors: tuple[Tensor, ...], span: Span) -> Bad:
    wanted = {1: "one tensor", 2: "two tensors"}.get(op.taken or 0, f"{op.taken} tensors")
    hint = f"write `x -> {op.kind}(…)`: what comes before `->` is the input" if op.taken == 1 else ""
    if op.taken != 1 and op.operands:
        names = ", ".join(f"{name}=…" for name in op.operands)
        hint = f"write `x -> {op.kind}({names})`, each a tensor"
    labels = tuple(Label(tensor.at, "a tensor") for tensor in tensors if tensor.at is not None)
    return ctx.error("E0202", f"{op.kind} takes {wanted}, not {len(tensors)}", span, hint, labels)


def _refused(
    ctx: Elaborator,
    error: ShapeError,
    op: Op,
    tensors: tuple[Tensor, ...],
    env: Env,
    span: Span,
    origins: Mapping[str, Origin],
) -> Bad:
    """Report that an op does not fit its inputs, with each of them and what would help."""
    labels = _operand_labels(ctx, tensors) if error.operands else ()
    origin = _maker(tensors)
    hint, tried = error.hint, _remedies(ctx, op, tensors, env) if error.operands else ()
    if error.operands:
        hint = tried[0].hint if tried else ""
        if origin is not None and not span.source.ours:
            labels += (Label(origin.span, "what made it is given here"),)
    else:
        place = origins.get(error.argument)
        given = _given_function(ctx, error, span)
        origin = given or place or ctx.origin()
        if place is not None and _inside(place.span, span):
            span = place.span
        if tensors[0].description == THE_INPUT and tensors[0].shape.is_vector:
            hint = hint or "give `input` a size such as `3x224x224`"
        hint = f"`{given.field}: B`" if given else hint
    notes = () if error.operands or error.code != "E0306" else (f"its input is {tensors[0].description}",)
    found = Diagnostic(error.code, error.message, span, labels, notes, hint, remedies=tried)
    ctx.report(found, origin)
    return BAD


def _inside(inner: Span, outer: Span) -> bool:
    return inner.source is outer.source and outer.start <= inner.start and inner.end <= outer.end


def _given_function(ctx: Elaborator, error: ShapeError, span: Span) -> Origin | None:
    """The field that gave a shortcut of the library's which cannot drop channels."""
    origin = ctx.origin()
    given = error.argument == "channels" and span.source.ours and origin.field not in ("", "input")
    return origin if given else None


def _warn_of_sizes(
    ctx: Elaborator, op: Op, tensors: tuple[Tensor, ...], env: Env, span: Span, when: str
) -> None:
    """Warn where inputs that agree at the size that is given do not at others."""
    if ctx.recovering:
        return
    place = Shape(0, tensors[0].shape.spatial).text(ctx.extent).removeprefix("0x")
    message = f"{op.joined or op.kind} holds at {place} here, but {when}"
    tried = () if op.instead else _remedies(ctx, op, tensors, env)
    labels = _operand_labels(ctx, tensors)
    hint = tried[0].hint if tried else op.instead
    found = Diagnostic("W0601", message, span, labels, hint=hint, severity="warning", remedies=tried)
    ctx.report(found, _maker(tensors))


def _remedies(ctx: Elaborator, op: Op, tensors: tuple[Tensor, ...], env: Env) -> tuple[Remedy, ...]:
    if not ctx.under_error_limit:
        return ()
    from resnet_dsl.elaborate.fixits import remedies  # most specs need none

    return remedies(op, tensors, env, ctx.extent)


def _maker(tensors: tuple[Tensor, ...]) -> Origin | None:
    """Where the author gave the function that made one of the operands, if one did."""
    return next((tensor.maker for tensor in tensors if tensor.maker is not None), None)


def _operand_labels(ctx: Elaborator, tensors: tuple[Tensor, ...]) -> tuple[Label, ...]:
    return tuple(
        Label(tensor.at, f"{tensor.shape.text(ctx.extent)}: {tensor.description}")
        for tensor in tensors
        if tensor.at is not None
    )


def add(
    ctx: Elaborator,
    what: Op | BlockCall,
    tensors: tuple[Tensor, ...],
    shape: Shape,
    builder: BodyBuilder,
    span: Span,
    label: Tag | None,
    derived: Derived = (),
    maker: Origin | None = None,
) -> Tensor | Bad:
    """Append a node to the body under construction, under its label or the next number of its kind."""
    kind = what.kind if isinstance(what, Op) else what.body.definition
    owner, at = None, span
    if builder.repeats is not None:
        name, owner = builder.repeated()
        if isinstance(what, Op) and not what.parameters(*(tensor.shape for tensor in tensors)):
            owner = None
    else:
        name, at = label if label is not None else (builder.numbered(kind), span)
    if name in builder.names:
        labels = (Label(builder.names[name], "the first"),)
        hint = "the name of a step is that of its parameters; name them apart"
        return ctx.error("E0211", f"two steps are named `{name}`", at, hint, labels)
    builder.names[name] = at
    inputs = tuple(tensor.value for tensor in tensors)
    author = span if not span.source.ours else ctx.origin().span
    given = author if not span.source.ours else None if maker is None else maker.span
    node = Node(name, what, inputs, shape, builder.variable, span, author, derived, given, owner)
    ctx.structural.update(_decided(node, builder))
    builder.nodes.append(node)
    builder.result_channels.append(channels_formula(node, builder.channels))
    ctx.applied(span, builder, inputs, len(builder.nodes) - 1, len(builder.nodes) - 1)
    return Tensor(len(builder.nodes) - 1, shape, f"from {kind} at {line_of(span)}")


def _decided(node: Node, builder: BodyBuilder) -> Iterator[str]:
    """The parameters that decide more in a node than numbers that may vary."""
    inputs = [builder.channels(value) for value in node.inputs]
    derived = dict(node.derived)
    if isinstance(node.what, BlockCall):
        body = node.what.body
        named = zip(map(channels_name, body.names), inputs, strict=True)
        known: dict[str, Formula | None] = {**derived, **dict(named)}
        for name in body.structural:
            yield from names_of(known.get(name))
    elif isinstance(node.what, Op):
        # Channels and rates may vary; what moves a window, splits or starts a tensor may not.
        varying = {name for name in derived if name == "channels" or node.what.is_rate(name)}
        for name in derived.keys() - varying:
            yield from names_of(derived[name])
    if channels_formula(node, builder.channels) is None:
        for formula in inputs:
            yield from names_of(formula)
