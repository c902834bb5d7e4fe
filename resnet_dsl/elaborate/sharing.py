"""Functions of which all applications use one set of tensors: `share(f)`.

The first application makes steps as any function does. A later one makes them again under names that
nobody can write, `conv1@2`, and each remembers the step whose tensors it uses. So a shared function is at
home in one body, or among the blocks of the stages: tensors of one body are not known in another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from resnet_dsl.diagnostics.model import Label, Span
from resnet_dsl.diagnostics.wording import counted
from resnet_dsl.elaborate.body_builder import BodyBuilder, FirstApplication
from resnet_dsl.elaborate.elaborator import Elaborator, Env, ShareHome
from resnet_dsl.elaborate.values import (
    BAD,
    Bad,
    Function,
    Record,
    Repeat,
    Share,
    Staged,
    Tag,
    Tensor,
    Value,
    is_list,
    show,
)
from resnet_dsl.ir.network import BlockCall, Body, Node
from resnet_dsl.ir.ops import Op
from resnet_dsl.ir.shapes import Shape
from resnet_dsl.syntax import ast

SHARE = "share"
ONE_PLACE = "apply it in one block, one part or the stages alone, or share the block that applies it"


def share(ctx: Elaborator, call: ast.Call, env: Env) -> Function | Bad:
    """Return the function that `share(…)` makes of another."""
    written = call.arguments
    if len(written) != 1 or written[0].name is not None or isinstance(written[0].value, ast.Rest):
        message = "`share` takes one block or op, with the arguments of that"
        return ctx.error("E0202", message, call.span, "write `share(conv(64, 3x3))`, then apply it")
    at = written[0].value.span
    value = ctx.evaluate(written[0].value, env)
    match value:
        case Bad():
            return BAD
        case Function():
            return value if value.share is not None else value.shared(Share(call.span))
        case Tensor():
            hint = "share the block that makes it: `twice = share(mine(64))`, then `x -> twice`"
        case Repeat():
            hint = f"write `{value.count} * share({show(value.function)})`"
        case Staged():
            hint = f"the label goes where it is applied: `x -> {value.label.name}: …`"
        case _:
            hint = "`share(conv(64, 3x3))`, or a block of yours"
    return ctx.error("E0206", f"`share` takes a block or op, not {show(value)}", at, hint)


# --- applications in one body ------------------------------------------------------------------


def applied(
    ctx: Elaborator,
    function: Share,
    make: Callable[[Tag | None], Tensor | Record | Bad],
    builder: BodyBuilder,
    span: Span,
    label: Tag | None,
) -> Tensor | Record | Bad:
    """Return what an application gives; `make` applies the function under a label, not shared."""
    first = builder.shared.get(function)
    if first is None:
        return _first(ctx, function, make, builder, span, label)
    if not ctx.repeating:
        ctx.shares[function] += 1
    if label is not None and (first.label is None or label.name != first.label.name):
        named = "has no label" if first.label is None else f"is `{first.label.name}`"
        message = f"`{label.name}:` names no step: a shared function {named} where it is applied first"
        labels = (Label(first.span, "applied here first"),)
        return ctx.error("E0215", message, label.span, "leave the label out here", labels)
    if builder.repeats is not None:  # within what is applied again itself: its steps follow those already
        return make(first.label)
    start = len(builder.nodes)
    builder.repeats = (start, builder.nodes[first.start : first.end])
    with ctx.applying_again():
        made = make(first.label)
    builder.repeats = None
    if isinstance(made, Bad):
        return BAD
    before = Steps(builder.nodes[first.start : first.end], builder.shape_of)
    after = Steps(builder.nodes[start:], builder.shape_of)
    difference = _difference(before, after)
    return made if difference is None else report_difference(ctx, difference, span, first.span)


def _first(
    ctx: Elaborator,
    function: Share,
    make: Callable[[Tag | None], Tensor | Record | Bad],
    builder: BodyBuilder,
    span: Span,
    label: Tag | None,
) -> Tensor | Record | Bad:
    if not ctx.repeating:
        if function in ctx.homes:
            return applied_elsewhere(ctx, ctx.homes[function], span)
        ctx.homes[function] = ShareHome(builder, span)
        ctx.shares[function] += 1
    start = len(builder.nodes)
    made = make(label)
    builder.shared[function] = FirstApplication(start, len(builder.nodes), span, label)
    own = Steps(builder.nodes[start:], builder.shape_of)
    if not (isinstance(made, Bad) or ctx.repeating or any(own.tensors())):
        ctx.useless.setdefault(function, "has no tensors")
    return made


def applied_elsewhere(ctx: Elaborator, home: ShareHome, span: Span) -> Bad:
    """Report a shared function that is at home in another body."""
    message = "a shared function is applied in two places: its tensors are those of the first alone"
    return ctx.error("E0215", message, span, ONE_PLACE, (Label(home.span, "applied here first"),))


@contextmanager
def noting_shares(ctx: Elaborator, key: Value, given: Iterable[Value]) -> Iterator[None]:
    """Note which of the shared functions that the body of a key is given it is the first to apply."""
    before = len(ctx.homes)
    yield
    new = set(list(ctx.homes)[before:])
    if new and (inside := tuple(share for share in shares_in(given) if share in new)):
        ctx.inside[key] = inside


def check_inside(ctx: Elaborator, key: Value, span: Span) -> bool:
    """Report a body that is used again and applies a shared function it was given; whether it is fine."""
    if key not in ctx.inside or ctx.repeating:
        return True
    applied_elsewhere(ctx, ctx.homes[ctx.inside[key][0]], span)
    return False


def shares_in(values: Iterable[Value]) -> Iterator[Share]:
    """Yield the shared functions within values."""
    for value in values:
        match value:
            case Function():
                if value.share is not None:
                    yield value.share
                yield from shares_in(inner for _, inner in value.bound)
            case Staged():
                yield from shares_in((value.value,))
            case Repeat():
                yield from shares_in((value.function,))
            case tuple() if is_list(value):
                yield from shares_in(value)


# --- what has to be alike ----------------------------------------------------------------------


class Steps(NamedTuple):
    """Steps in a row, and the shapes of the values that they take."""

    nodes: Sequence[Node]
    shape_of: Callable[[int], Shape]

    def tensors(self) -> Iterator[str]:
        """Yield the names of the tensors that the steps have."""
        for node in self.nodes:
            if isinstance(node.what, BlockCall):
                yield from Steps(node.what.body.nodes, node.what.body.shape_of).tensors()
            elif isinstance(node.what, Op):
                yield from (tensor.name for tensor in node.what.parameters(*self.inputs(node)))

    def inputs(self, node: Node) -> tuple[Shape, ...]:
        """The shapes of what a step takes."""
        return tuple(map(self.shape_of, node.inputs))


class Difference(NamedTuple):
    """What two applications differ in, and whether that are shapes of tensors."""

    text: str
    tensors: bool = False


def _difference(before: Steps, after: Steps) -> Difference | None:
    """What keeps the steps of two applications from using the same tensors, if anything does."""
    for one, other in zip(before.nodes, after.nodes, strict=False):
        found = _step_difference(before, after, one, other)
        if found is not None:
            return found
    if len(before.nodes) != len(after.nodes):
        steps = counted(len(after.nodes), "step")
        return Difference(f"it has {steps} here, and {len(before.nodes)} where it is applied first")
    return None


def _step_difference(before: Steps, after: Steps, one: Node, other: Node) -> Difference | None:
    if isinstance(one.what, BlockCall) and isinstance(other.what, BlockCall):
        inner = bodies_differ(one.what.body, other.what.body)
        joint = "." if inner is not None and not inner.text.startswith("it ") else ": "
        return None if inner is None else inner._replace(text=f"{one.name}{joint}{inner.text}")
    if not (isinstance(one.what, Op) and isinstance(other.what, Op)):
        return None if one.what == other.what else Difference(f"{one.name} is another step here")
    shapes = [steps.inputs(node) for steps, node in ((before, one), (after, other))]
    first, second = (
        what.parameters(*given) for what, given in zip((one.what, other.what), shapes, strict=True)
    )
    for own, same in zip(first, second, strict=False):
        if (own.name, own.shape) != (same.name, same.shape):
            sizes = ["x".join(map(str, tensor.shape)) for tensor in (same, own)]
            text = f"{one.name}.{own.name} is {sizes[0]} here, and {sizes[1]} where it is applied first"
            return Difference(text, tensors=True)
    if one.what != other.what or len(first) != len(second):
        return Difference(f"{one.name} has other arguments here than where it is applied first")
    ranks = [[shape.is_vector for shape in given] for given in shapes]
    return (
        None
        if ranks[0] == ranks[1]
        else Difference(f"{one.name} takes a vector in one place, a map in another")
    )


def bodies_differ(one: Body, other: Body) -> Difference | None:
    """What keeps two bodies of a block from using the same tensors, if anything does."""
    if one is other:
        return None
    found = _difference(Steps(one.nodes, one.shape_of), Steps(other.nodes, other.shape_of))
    wired = [[node.inputs for node in body.nodes] + [body.results] for body in (one, other)]
    if found is None and wired[0] != wired[1]:
        return Difference(f"{one.nodes[0].name} and what follows are connected otherwise here")
    return found


def report_difference(ctx: Elaborator, found: Difference, span: Span, first: Span) -> Bad:
    """Report applications that cannot have the same tensors, both places shown."""
    labels = (Label(first, "applied here first"),)
    if found.tensors:
        message = f"a shared function has one set of tensors: {found.text}"
        hint = "bring both inputs to the same channels before, or share less"
        return ctx.error("E0215", message, span, hint, labels)
    message = f"a shared function has the same steps wherever it is applied: {found.text}"
    return ctx.error("E0215", message, span, "share what is the same in both places alone", labels)


# --- advice ------------------------------------------------------------------------------------


def check_shares(ctx: Elaborator) -> None:
    """Advise where `share` changes nothing: it has no tensors to share, or is applied but once."""
    often = {function.span for function, count in ctx.shares.items() if count > 1}
    told: set[Span] = set()
    for function in ctx.shares:
        reason = ctx.useless.get(function, "" if function.span in often else "is applied once")
        if reason and not function.span.source.ours and function.span not in told:
            told.add(function.span)
            ctx.warn(
                "W0622", f"`share` does nothing here: the function {reason}", function.span, "leave it out"
            )
