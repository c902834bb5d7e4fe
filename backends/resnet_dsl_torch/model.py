"""The model's class: stem, stages and head, results kept where they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from itertools import count as numbers

from resnet_dsl.backend.ir import INPUT, Program, Stage
from resnet_dsl.backend.python_source import (
    INDEX,
    Assignment,
    Call,
    Classes,
    Dictionary,
    Expression,
    Literal,
    ModelBody,
    ModelPart,
    Name,
    Sequence,
    Spread,
    Subscript,
    Written,
    call,
    names,
    needed_sizes,
    signature,
    statement,
)
from resnet_dsl.backend.records import replace
from resnet_dsl_torch.blocks import (
    SELF,
    attribute,
    computing,
    construct,
    in_methods,
    keep,
    keeping,
    returning,
    stored,
)

X = "x"
WITHIN = 12  # the indent of layers in the constructor
# What `to_empty` does; of tensors without data that imports sympy, which takes longer than the whole start.
FILL_LAYERS = """\
        empty = {
            name: value.new_empty(value.shape, device=torch.get_default_device())
            for name, value in self.state_dict().items()
        }
        self.load_state_dict(empty, assign=True)"""


def doc(program: Program) -> str:
    """Return what the model's docstring says: its name and what it takes."""
    network = program.network
    size = network.input.text(network.extent).replace("x", " x ")
    if network.pixels is not None:
        channels, *sizes = size.split(" x ")
        size = " x ".join([*sizes, f"{channels} of bytes"])
    return f"The network {program.name}; its input is N x {size}{needed_sizes(program)}"


def opening(body: ModelBody) -> str:
    """Return the line that opens the constructor, the spec's own numbers as defaults."""
    parameters = [f"{p.name}: {p.kind} = {p.default}" for p in body.parameters]
    return signature("def __init__", ["self", *parameters], " -> None:", 4)


def init_lines(body: ModelBody, classes: Classes) -> Iterator[str]:
    """Yield the lines of `__init__` that keep parameters and make the parts.

    Each layer of torch starts its tensors when it is made; on `meta` that costs nothing.
    """
    found = _forward(body)
    trees = [line.value for line in (*found.lines, *found.later)]
    yield from stored(body.parameters, [*trees, *found.results])
    made = [line for part in body.parts for line in _part_made(part, classes)]
    if made:
        yield '        with torch.device("meta"):  # no data yet: `reset_parameters` starts it'
        yield from made
        yield FILL_LAYERS


def _part_made(part: ModelPart | Stage, classes: Classes) -> Iterator[str]:
    return _stage(part, classes) if isinstance(part, Stage) else keeping(part.steps, WITHIN)


def _stage(stage: Stage, classes: Classes) -> Iterator[str]:
    """A stage as a Sequential, or as a list where blocks take or give several tensors.

    Neighbours made alike, or by even steps, are one generator. Of blocks that are applied again there is
    the first alone, so that numbers may be left out.
    """
    own = _own_blocks(stage)
    if own != list(range(len(own))):
        items = tuple((Literal(str(index)), construct(classes.use(stage.blocks[index]))) for index in own)
        yield keep(stage.name, call("nn.ModuleDict", Dictionary(items)), WITHIN)
        return
    if not own:
        return
    whole, stage = stage, replace(stage, runs=tuple(run for run in stage.runs if run.owner is None))
    blocks: list[Expression] = []
    for use, count in classes.progressions(stage):
        made = construct(use)
        variable = INDEX if INDEX in names([made]) else "_"
        blocks.append(Spread(made, variable, count) if count > 1 else made)
    if not whole.in_a_row or any(
        run.body.more for run in whole.runs
    ):  # nothing that runs one after the other
        yield keep(stage.name, Call(Name("nn.ModuleList"), (Sequence("[]", tuple(blocks)),)), WITHIN)
        return
    yield keep(stage.name, Call(Name("nn.Sequential"), tuple(blocks)), WITHIN)


def _own_blocks(stage: Stage) -> list[int]:
    """The numbers of the blocks that have tensors of their own."""
    return [index for index, run in enumerate(stage.each) if run.owner is None]


def _block(path: str, body: ModelBody) -> Expression:
    """The expression of a block of the stages by its path."""
    name, _, number = path.rpartition(".")
    own = _own_blocks(next(part for part in body.parts if isinstance(part, Stage) and part.name == name))
    listed = own == list(range(len(own)))
    return Subscript(attribute(SELF, name), (Literal(int(number) if listed else number),))


def forward_lines(body: ModelBody) -> list[str]:
    """Return the body of `forward`."""
    lines, (result,), later = _forward(body)
    text = [line.written(8) for line in lines]
    if not body.outputs:
        return [*text, *returning(result, lines)]
    items = tuple((Literal(name), Name(variable)) for name, variable in body.outputs)
    if not body.auxiliary:
        return [*text, statement("return ", Dictionary(items), 8)]
    tries = chain(("outputs",), (f"outputs{number}" for number in numbers(2)))
    outputs = next(name for name in tries if name not in body.kept.values())
    text += [statement(f"{outputs} = ", Dictionary(items), 8), "        if self.training:"]
    text += [line.written(12) for line in later]
    for name, variable in body.auxiliary:
        text.append(statement("", Subscript(Name(outputs), (Literal(name),)), 12) + f" = {variable}")
    return [*text, f"        return {outputs}"]


def _forward(body: ModelBody) -> Written:
    """What `forward` assigns, each result under its own name where it is kept, and the last result.

    Later come those parts and steps that only auxiliary outputs need.
    """
    lines: list[Assignment] = []
    later: list[Assignment] = []
    current: Expression = Name(X)
    if INPUT in body.kept:
        lines.append(Assignment((body.kept[INPUT],), current))
    for index, part in enumerate(body.parts):
        ends = index == len(body.parts) - 1 and not body.outputs
        if isinstance(part, Stage):
            more, result = _stage_calls(part, body, current)
            behind: list[Assignment] = []
        else:
            more, result, behind = _part(part, body, current)
        if ends:
            return Written([*lines, *more], [result], later)
        name = body.kept.get(part.name, X)
        several = isinstance(part, Stage) and part.last.fields  # what has names of its own
        if not several and result != Name(name) and (name != X or index < len(body.parts) - 1):
            more.append(Assignment((name,), result))
        current = result if several else Name(name)
        (later if part.name in body.later else lines).extend(more)
        later += behind
    return Written(lines, [current], later)


def _part(
    part: ModelPart, body: ModelBody, current: Expression
) -> tuple[list[Assignment], Expression, list[Assignment]]:
    assert isinstance(current, Name)
    kept = frozenset(body.kept.values())
    steps = in_methods(part.steps, body.parameters)
    inputs, given = part.inputs(current.path), body.given(part)
    dropped = frozenset(inputs) - kept if part is not body.parts[0] else frozenset()
    lines, results, later = computing(
        steps, part.results, inputs, kept, given=given, later=part.later, dropped=dropped
    )
    lines += [Assignment((name,), results[position]) for name, position in body.copies(part)]
    later += [Assignment((name,), results[position]) for name, position in body.copies(part, True)]
    return lines, results[0], later


def _stage_calls(stage: Stage, body: ModelBody, current: Expression) -> tuple[list[Assignment], Expression]:
    """A stage as a whole, or block by block if a result inside it is kept."""
    if body.as_whole(stage):
        return [], Call(attribute(SELF, stage.name), (current,))
    lines: list[Assignment] = []
    kept = {f"{stage.name}.{stage.count - 1}": body.kept.get(stage.name, X), **body.kept}
    for index in range(stage.count):
        assert isinstance(current, Name)
        path = f"{stage.name}.{index}"
        operands = tuple(map(Name, body.operands(stage, index, current.path)))
        block = Call(_block(stage.owner(index) or path, body), operands)
        targets, copies = body.targets(path, len(stage.blocks[index].results), kept.get(path, X))
        current = Name(targets[0])
        lines.append(Assignment(targets, block))
        lines += [Assignment((name,), Name(target)) for name, target in copies]
    return lines, current
