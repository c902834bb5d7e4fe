"""What to write where tensors that meet do not agree: remedies that have been tried on the shapes.

Whether the whole program compiles with one is tried before it is shown: `advice/hint_trials.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from resnet_dsl.diagnostics.model import Remedy, Span
from resnet_dsl.diagnostics.wording import counted
from resnet_dsl.elaborate.calls import with_argument
from resnet_dsl.elaborate.derived import is_whole
from resnet_dsl.elaborate.elaborator import Env
from resnet_dsl.elaborate.values import Tensor, Value
from resnet_dsl.ir.arguments import ArgumentError
from resnet_dsl.ir.network import BlockCall, Node
from resnet_dsl.ir.ops import Agreement, Join, Op
from resnet_dsl.ir.shapes import Extent, Shape, ShapeError
from resnet_dsl.records import dataclass, field, replace

THE_BLOCKS_INPUT = "the block's input"
LEAVES_OUT = ", which leaves out "
MAX_TRIES = 200
MAX_CHAIN = 64
MAX_LEVELS = 4
MAX_REMEDIES = 4  # of one kind
STRIDES = (1, 2, 3, 4, 8)


def remedies(op: Op, tensors: Sequence[Tensor], env: Env, extent: Extent) -> tuple[Remedy, ...]:
    """Return what may be written so that operands agree, or a map is one pixel; the likeliest first."""
    if isinstance(op, Join):
        return tuple(RULES[op.agreement](_two_apart(op, tensors), env, extent))
    return (Remedy("put `gap` before it: that leaves one pixel of a map of every size"),)


def _two_apart(op: Join, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """Of several operands that have to be of one shape, the first and one that differs from it."""
    if op.agreement == "size" or len(tensors) == 2:
        return tensors
    other = next((tensor for tensor in tensors[1:] if tensor.shape != tensors[0].shape), tensors[1])
    return tensors[0], other


def _of_addition(tensors: Sequence[Tensor], env: Env, extent: Extent) -> Iterator[Remedy]:
    if len({tensor.shape.is_vector for tensor in tensors}) > 1:
        yield Remedy("make both of them maps, or both vectors: `gap -> flatten` makes a vector of a map")
        return
    spread = "; one channel is never spread over many"
    suffix = spread if 1 in {tensor.shape.channels for tensor in tensors} else ""
    main, short = sorted(tensors, key=_is_short)
    given = _is_short(short)
    projections = [*_projection(main, short, env, extent), *_projection(short, main, env, extent)]
    changed = list(_changed_steps(tensors, env, extent))
    # A shortcut of the author's keeps what it does if one of its steps can be mended.
    own = given and any(_steps_of(short, env))
    for remedy in (*projections, *changed) if given and not own else (*changed, *projections):
        yield replace(remedy, hint=remedy.hint + suffix)
    if len({tensor.shape.channels for tensor in tensors}) == 1:
        yield from _sizes_of_others(tensors, env)
    yield Remedy("bring both sides to one shape" + suffix)


def _of_product(tensors: Sequence[Tensor], env: Env, extent: Extent) -> Iterator[Remedy]:
    gate, main = sorted(tensors, key=lambda tensor: not tensor.shape.is_pixel_at(extent))
    channels = main.shape.channels
    written = _written(channels, env.names, ("channels", "width"))
    of_this_size = gate.shape.is_pixel_at(extent) and not gate.shape.is_pixel
    misfit = of_this_size and gate.shape.channels not in (1, channels)
    if (gate.shape.is_pixel or misfit) and not main.shape.is_vector:
        wanted = replace(gate.shape, channels=channels)
        needs = f"the gate needs {counted(channels, 'channel')}"
        for change in _changes(gate, wanted, env, extent, ("channels",)):
            yield Remedy(f"{needs}: `{change.text}` at line {change.line}", (change.edit,))
        yield Remedy(f"{needs}: `conv({written}, 1x1)`")
    if of_this_size and not misfit:
        yield Remedy("put `gap` behind the gate: that leaves one pixel of a map of every size")
    if any(tensor.shape.is_vector for tensor in tensors):
        yield Remedy(
            f"a gate is a map of one pixel: make it with `gap -> conv({written}, 1x1)`, without `fc`"
        )
    yield from _changed_steps(tensors, env, extent)
    yield Remedy("a product takes equal shapes, or a map and a gate of the same channels and one pixel")


def _of_concatenation(tensors: Sequence[Tensor], env: Env, extent: Extent) -> Iterator[Remedy]:
    if any(tensor.shape.is_vector for tensor in tensors):
        yield Remedy("make all of them maps, or `flatten` the maps")
    if len({tensor.shape.is_pixel for tensor in tensors}) > 1:
        yield Remedy("pool all of them with `gap`, or none")
    for target in tensors:
        others = [tensor for tensor in tensors if tensor.shape.spatial != target.shape.spatial]
        wanted = [replace(tensor.shape, spatial=target.shape.spatial) for tensor in others]
        pairs = zip(others, wanted, strict=True)
        found = [next(_changes(tensor, shape, env, extent), None) for tensor, shape in pairs]
        changes = [change for change in found if change is not None]
        if found and len(changes) == len(found):
            written = " and ".join(f"`{change.text}` at line {change.line}" for change in changes)
            edits = tuple(dict.fromkeys(change.edit for change in changes))
            yield Remedy(f"give all one size: {written}", edits)
    yield from _sizes_of_others(tensors, env)
    yield Remedy("give all one stride and padding")


def _sizes_of_others(tensors: Sequence[Tensor], env: Env) -> Iterator[Remedy]:
    """Yield what brings the others to the size of an operand that the block was given beside its input."""
    given = {value.value: name for name, value in env.names.items() if isinstance(value, Tensor)}
    for tensor in tensors:
        name = given.get(tensor.value, "")
        if tensor.value < -1 and name.isidentifier() and not any(each.shape.is_vector for each in tensors):
            like = f"`resize(like={name})`, or `crop(like={name})` of a larger one"
            yield Remedy(f"bring the other to its size: {like}")


RULES: dict[Agreement, Callable[[Sequence[Tensor], Env, Extent], Iterator[Remedy]]] = {
    "shape": _of_addition,
    "shape or gate": _of_product,
    "size": _of_concatenation,
}


# --- projections ---------------------------------------------------------------------------------


def _is_short(tensor: Tensor) -> bool:
    """Whether an operand is what a block passes on: its input, or what its shortcut made of that."""
    return tensor.description == THE_BLOCKS_INPUT or tensor.maker is not None


def _projection(main: Tensor, short: Tensor, env: Env, extent: Extent) -> Iterator[Remedy]:
    """Yield a projection of `short`, or of what its shortcut takes, that gives the shape of `main`."""
    if short.maker is not None and short.maker.field:
        start = env.x.shape if isinstance(env.x, Tensor) else short.shape
        lost = _lost(_steps_of(short, env))
        without = f"{LEAVES_OUT}{', '.join(f'`{kind}`' for kind in lost)}" if lost else ""
        if _projected(start, main.shape):
            yield Remedy(f"`{short.maker.field}: B`{without}", ((short.maker.span, "B"),))
        return
    stride = _projected(short.shape, main.shape)
    if stride is None:
        return
    channels = _written(main.shape.channels, env.names, ("channels", "width"))
    strided = _written(stride, env.names, ("stride",), exact=True)
    call = f"B({channels})" if stride == 1 else f"B({channels}, {strided})"
    if strided == "stride":
        call = f"B({channels}, stride)"
    text = "" if short.at is None else short.at.source.text[short.at.start : short.at.end]
    edits = () if short.at is None else ((short.at, f"({text} -> {call})"),)
    if short.description == THE_BLOCKS_INPUT:
        yield Remedy(f"project the input: `x -> {call}`", edits)
    elif text.isidentifier():
        yield Remedy(f"project it: `{text} -> {call}`", edits)
    else:
        yield Remedy(f"project the side of {short.shape.text(extent)}: `-> {call}`", edits)


def _steps_of(short: Tensor, env: Env) -> Iterator[Op]:
    """Yield the ops that the author wrote on the way to what a shortcut made."""
    builder = env.builder
    return iter(()) if builder is None else _written_ops(_Line(builder.nodes, builder.inputs), short.value)


def _written_ops(line: _Line, value: int, level: int = 0) -> Iterator[Op]:
    for index in _chain(line.nodes, value):
        node = line.nodes[index]
        if isinstance(node.what, Op):
            yield from () if node.span.source.ours else (node.what,)
        elif isinstance(node.what, BlockCall) and level < MAX_LEVELS:
            yield from _written_ops(_Line.of(node.what), node.what.body.result, level + 1)


def _lost(steps: Iterator[Op]) -> list[str]:
    """The kinds of ops that a projection does not have: it is one weight layer and one norm."""
    found = list(steps)
    lost = Counter(op.kind for op in found)
    lost.subtract([op.kind for op in found if op.weighted][:1])
    lost.subtract([op.kind for op in found if op.normalises][:1])
    return [kind for kind, count in lost.items() if count > 0]


def _projected(start: Shape, wanted: Shape) -> int | None:
    """The stride with which a 1x1 convolution makes `wanted` of `start`, if there is one."""
    if start.is_vector:
        return None
    for stride in STRIDES:
        if tuple(size.window(1, stride, 0) for size in start.spatial) == wanted.spatial:
            return stride
    return None


def _shape(op: Op, shapes: Sequence[Shape], extent: Extent) -> Shape | None:
    try:
        return op.shape(*shapes, extent=extent)
    except ShapeError:
        return None


def _written(number: int, given: Mapping[str, Value], names: Sequence[str], exact: bool = False) -> str:
    """A number as the block would write it: by the name of a parameter, or of two multiplied."""
    known = {name: value for name, value in given.items() if is_whole(value)}
    for name in names:
        if known.get(name) == number:
            return name
    if not exact:
        for name in names:
            factors = (n for n, value in known.items() if n != name and known.get(name, 0) * value == number)
            if (factor := next(factors, None)) is not None:
                return f"{name} * {factor}"
    return str(number)


# --- one argument of one step --------------------------------------------------------------------


@dataclass(frozen=True)
class _Change:
    """A step written anew."""

    text: str
    span: Span

    @property
    def line(self) -> int:
        """The line of the step."""
        return self.span.place[0]

    @property
    def edit(self) -> tuple[Span, str]:
        """What is replaced by what."""
        return self.span, self.text


@dataclass(frozen=True)
class _Line:
    """Steps in a row: those of the body under construction, or of a block that it calls."""

    nodes: Sequence[Node]
    inputs: Sequence[Shape]
    names: Mapping[str, Value] = field(default_factory=dict)

    @classmethod
    def of(cls, call: BlockCall) -> _Line:
        """The steps of a block that is called, and what its parameters are there."""
        return cls(call.body.nodes, call.body.inputs, dict(call.body.arguments))

    def shape(self, value: int) -> Shape:
        """The shape of a value before anything is changed."""
        return self.inputs[-1 - value] if value < 0 else self.nodes[value].shape


def _changed_steps(tensors: Sequence[Tensor], env: Env, extent: Extent) -> Iterator[Remedy]:
    """Yield one argument of one step before either operand that makes the shapes agree."""
    for tensor, other in ((tensors[1], tensors[0]), (tensors[0], tensors[1])):
        for change in _changes(tensor, other.shape, env, extent):
            yield Remedy(f"write `{change.text}` at line {change.line}", (change.edit,))


def _changes(
    tensor: Tensor,
    wanted: Shape,
    env: Env,
    extent: Extent,
    arguments: Sequence[str] = ("ceil", "pad", "stride"),
) -> Iterator[_Change]:
    builder = env.builder
    if builder is None or wanted.is_vector:
        return
    line = _Line(builder.nodes, builder.inputs, env.names)
    tries = (found for name in arguments for found in _variants(line, tensor.value, name, wanted, extent))
    fits = (change for change, shape in islice(tries, MAX_TRIES) if shape == wanted)
    yield from islice(dict.fromkeys(fits), MAX_REMEDIES)


def _variants(
    line: _Line, value: int, name: str, wanted: Shape, extent: Extent, level: int = 0
) -> Iterator[tuple[_Change, Shape | None]]:
    """Yield changes of one argument in the steps that lead to a value, the last first, and its shape then."""
    for index in _chain(line.nodes, value):
        node = line.nodes[index]
        inputs = [line.shape(of) for of in node.inputs]
        if isinstance(node.what, BlockCall):
            inner = _Line.of(node.what)
            below = _variants(inner, node.what.body.result, name, wanted, extent, level + 1)
            tried = below if level < MAX_LEVELS else iter(())
        elif not isinstance(node.what, Op):
            continue
        else:
            tried = _changed(node, node.what, name, inputs, wanted, line.names, extent)
        for change, shape in tried:
            yield change, _reinfer(line, value, index, shape, extent)


def _changed(
    node: Node,
    op: Op,
    name: str,
    inputs: Sequence[Shape],
    wanted: Shape,
    names: Mapping[str, Value],
    extent: Extent,
) -> Iterator[tuple[_Change, Shape | None]]:
    """Yield one step with other values of an argument, if the author wrote it, and its shape with each."""
    order = [argument for argument, _, _ in op.arguments()]
    for value, written in () if node.span.source.ours else _values(op, name, wanted, names):
        if (other := _with(op, name, value)) is not None:
            change = _Change(with_argument(node.span, order, name, written), node.span)
            yield change, _shape(other, inputs, extent)


def _with(op: Op, name: str, value: Value) -> Op | None:
    try:
        return replace(op, **{name: value}).normalised()
    except ArgumentError:
        return None


def _chain(nodes: Sequence[Node], value: int) -> Iterator[int]:
    """Yield the nodes from a value back along first inputs."""
    for _ in range(MAX_CHAIN):
        if value < 0:
            return
        yield value
        value = nodes[value].inputs[0]


def _values(op: Op, name: str, wanted: Shape, names: Mapping[str, Value]) -> Iterator[tuple[Value, str]]:
    """Yield the values to try for an argument of an op, if it has that, and how each is written."""
    value = vars(op).get(name)
    if name == "ceil" and value is False:
        yield True, "true"
    if name == "pad" and value is not None:
        yield "half", "half"
    if name == "channels" and op.weighted:
        yield wanted.channels, _written(wanted.channels, names, ("channels", "width"))
    if name == "stride" and isinstance(value, tuple):
        for stride in STRIDES:
            if value != (stride, stride):
                yield (stride, stride), _written(stride, names, ("stride",), exact=True)


def _reinfer(line: _Line, value: int, index: int, changed: Shape | None, extent: Extent) -> Shape | None:
    """The shape of a value if that of one step before it were another."""
    if changed is None:
        return None
    shapes: dict[int, Shape | None] = {index: changed}
    for at in reversed(list(_chain(line.nodes, value))):
        node = line.nodes[at]
        if at == index or not any(of in shapes for of in node.inputs):
            continue
        before = [shapes.get(of, line.shape(of)) for of in node.inputs]
        known = [each for each in before if each is not None]
        fine = isinstance(node.what, Op) and len(known) == len(before)
        shapes[at] = _shape(node.what, known, extent) if fine and isinstance(node.what, Op) else None
    return shapes.get(value, line.shape(value))
