"""The network: what the author wrote, checked: stem, stages of blocks that share bodies, head.

A body is a small dataflow over values. Value `i >= 0` is the result of node `i`, value `-1` the
body's input, `-2`, `-3` … further inputs. Equal blocks on equal shapes are one `Body` object.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

from resnet_dsl.diagnostics.model import Source, Span
from resnet_dsl.ir.formulas import Fixed, Formula, Named, substituted
from resnet_dsl.ir.ops import Op
from resnet_dsl.ir.shapes import Extent, Shape
from resnet_dsl.records import dataclass, field, replace

INPUT = "input"  # the model's input, as a part that later ones name and in the graph
PREVIOUS = ""  # in what a part takes: the result of the part or block before it
PARTS = ("stem", "head")  # as paths they mean the part, whatever steps are called
WITHIN = (
    ":"  # in the names of fields of a block's result, which a text gives to a stage's alone: `fuse.0:low`
)
AGAIN = "@"  # in the names of steps of a shared function that is applied again: `conv1@2`
NUMBER = re.compile("[0-9]+")
NORMS = "norms"  # in `freeze`: all norms, if no part is called so


@dataclass(frozen=True)
class BlockCall:
    """A named use of a block inside a body: a level of its own in every parameter's name."""

    body: Body


@dataclass(frozen=True)
class FurtherResult:
    """A result of a call beside its first, which is the value of the call itself: that at a position."""

    position: int


@dataclass(frozen=True)
class Node:
    """One step: an op or a call applied to earlier values; `variable` is the author's name.

    `derived` has the formula of each argument that was computed from parameters of the body's block.
    `span` is where the step stands, `author` what the author wrote that led there, where `span` is
    in the library. `given` is where the author gave the op itself, None where the library chose it.
    `owner` is the step of the body whose tensors this one uses, where a shared function is applied again;
    a step of that has a name that nobody can write, `conv1@2`.
    """

    name: str
    what: Op | BlockCall | FurtherResult
    inputs: tuple[int, ...]
    shape: Shape
    variable: str
    span: Span = field(compare=False, repr=False)
    author: Span = field(compare=False, repr=False)
    derived: tuple[tuple[str, Formula], ...] = field(default=(), compare=False, repr=False)
    given: Span | None = field(default=None, compare=False, repr=False)
    owner: str | None = None

    @property
    def first(self) -> str:
        """The name of the step that this one repeats; its own if it repeats none."""
        return self.name.partition(AGAIN)[0]


@dataclass(frozen=True, eq=False)
class Body:
    """A block after elaboration, with the arguments it was elaborated for.

    `names` are those of its inputs: `x`, then its parameters that are tensors. `structural` are the
    parameters that decided more than a number: with another value it would be another body.
    `input_channels` says of stem and head how those of their inputs were derived. `more` are results
    beside the first, `fields` the names of the first of them all where the block returns a record.
    """

    definition: str
    arguments: tuple[tuple[str, Any], ...]
    inputs: tuple[Shape, ...]
    nodes: tuple[Node, ...]
    result: int
    doc: str = ""
    names: tuple[str, ...] = ("x",)
    structural: frozenset[str] = frozenset()
    input_channels: tuple[Formula | None, ...] = ()
    more: tuple[int, ...] = ()
    fields: tuple[str, ...] = ()

    @property
    def results(self) -> tuple[int, ...]:
        """All values that the body returns, the first of them its result."""
        return (self.result, *self.more)

    def shape_of(self, value: int) -> Shape:
        """Return the shape of a value of this body."""
        return self.inputs[-1 - value] if value < 0 else self.nodes[value].shape

    @property
    def output(self) -> Shape:
        """The shape of the body's result."""
        return self.shape_of(self.result)

    def channels(self, value: int) -> Formula | None:
        """Return how the channels of a value were derived from the block's parameters, if they were."""
        if value < 0 and self.input_channels:
            return self.input_channels[-1 - value]
        if value < 0:
            return Named(channels_name(self.names[-1 - value]))
        return self._channels[value]

    @cached_property
    def _channels(self) -> tuple[Formula | None, ...]:
        """The same of every node, in their order: a chain of steps may be long."""
        found: list[Formula | None] = []
        for node in self.nodes:
            found.append(channels_formula(node, lambda v: found[v] if v >= 0 else self.channels(v)))
        return tuple(found)

    @cached_property
    def count(self) -> int:
        """The number of ops, those of calls included."""
        return sum(n.what.body.count if isinstance(n.what, BlockCall) else 1 for n in self.steps())

    def steps(self) -> Iterator[Node]:
        """Yield the nodes that are ops and calls."""
        return (node for node in self.nodes if not isinstance(node.what, FurtherResult))

    def shared(self) -> set[str]:
        """Return the names of the steps that are applied again, and of those that apply them."""
        again = [node for node in self.nodes if node.owner is not None]
        return {name for node in again for name in (node.name, node.owner or "")}

    def called(self, node: Node) -> Body:
        """Return the body of a call; where that is applied again, the one it was applied with first."""
        first = node if node.owner is None else next(n for n in self.nodes if n.name == node.owner)
        assert isinstance(first.what, BlockCall)
        return first.what.body

    def bodies(self) -> Iterator[Body]:
        """Yield the bodies of the calls below, inner ones first, then this one.

        A block that is applied again is not counted again: it is the one that was applied first.
        """
        for node in self.nodes:
            if isinstance(node.what, BlockCall) and node.owner is None:
                yield from node.what.body.bodies()
        yield self


def channels_name(tensor: str) -> str:
    """Return what formulas call the channels of an input."""
    return f"{tensor}.channels"


def channels_formula(node: Node, channels: Callable[[int], Formula | None]) -> Formula | None:
    """Return how the channels of a node's result were derived, given those of values before it."""
    inputs = tuple(map(channels, node.inputs))
    if isinstance(node.what, Op):
        return node.what.channels_of_result(inputs, dict(node.derived))
    if isinstance(node.what, FurtherResult):
        return None
    body = node.what.body
    given = {name: Fixed(value) for name, value in body.arguments if type(value) in (int, float)}
    known: dict[str, Formula | None] = {**given, **dict(node.derived)}
    known |= {channels_name(name): formula for name, formula in zip(body.names, inputs, strict=True)}
    return substituted(body.channels(body.result), known)


@dataclass(frozen=True)
class Run:
    """So many blocks in a row that are alike.

    `inputs` are the paths of the parts that each takes, `PREVIOUS` for what is before it; `owner` is the
    path of the block whose tensors they use, None where each has its own. `derived` has the formulas of
    their arguments over the parameters of the model.
    """

    body: Body
    count: int = 1
    inputs: tuple[str, ...] = (PREVIOUS,)
    owner: str | None = None
    derived: tuple[tuple[str, Formula], ...] = field(default=(), compare=False, repr=False)

    def followed_by(self, other: Run) -> bool:
        """Whether other blocks go on as these do, each on the one result of that before."""
        return (
            (self.body, self.owner, self.derived) == (other.body, other.owner, other.derived)
            and self.inputs == other.inputs == (PREVIOUS,)
            and not self.body.more
            and not self.body.fields
        )


def merged(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Return runs with neighbours made one where their blocks are alike."""
    found: list[Run] = []
    for run in runs:
        if found and found[-1].followed_by(run):
            found[-1] = replace(run, count=found[-1].count + run.count)
        else:
            found.append(run)
    return tuple(found)


@dataclass(frozen=True)
class Stage:
    """Blocks in a row, as runs of those alike; block `i` of stage `layer1` has the path `layer1.i`."""

    name: str
    runs: tuple[Run, ...]
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def count(self) -> int:
        """The number of blocks."""
        return sum(run.count for run in self.runs)

    @property
    def last(self) -> Body:
        """The last block, whose results are those of the stage."""
        return self.runs[-1].body

    @cached_property
    def each(self) -> tuple[Run, ...]:
        """The blocks one by one, each a run of its own."""
        return tuple(one for run in self.runs for one in (replace(run, count=1),) * run.count)

    @cached_property
    def blocks(self) -> tuple[Body, ...]:
        """The blocks one by one."""
        return tuple(run.body for run in self.each)

    @property
    def in_a_row(self) -> bool:
        """Whether each block takes what is before it, and nothing else."""
        return all(run.inputs == (PREVIOUS,) for run in self.runs)

    @property
    def shares(self) -> bool:
        """Whether some blocks use the tensors of another."""
        return any(run.owner is not None for run in self.runs)

    def owner(self, index: int) -> str | None:
        """Return the path of the block whose tensors a block uses, or None where they are its own."""
        return self.each[index].owner

    def taken(self, index: int) -> tuple[str, ...]:
        """Return what a block takes: `PREVIOUS` and paths of earlier parts."""
        return self.each[index].inputs

    def placed(self) -> Iterator[Placed]:
        """Yield the blocks one by one, in their places."""
        return (Placed(self.name, f"{self.name}.{index}", run) for index, run in enumerate(self.each))

    def divided(self, alone: set[int]) -> Iterator[Placed]:
        """Yield the runs in their places; blocks of these numbers stand alone."""
        start = 0
        for run in self.runs:
            end = start + run.count
            numbers = alone.intersection(range(start, end))
            borders = {start, end, *numbers, *(number + 1 for number in numbers)}
            for first, after in pairwise(sorted(borders)):
                yield Placed(self.name, f"{self.name}.{first}", replace(run, count=after - first))
            start = end


class Placed(NamedTuple):
    """Stem, head or blocks in their place: part is `stem`, a stage's name or `head`.

    `path` is that of the first block. The steps of stem and head are the model's own: their path is empty.
    """

    part: str
    path: str
    run: Run


@dataclass(frozen=True)
class ModelParameter:
    """A number that the model's author named and that may change without another structure."""

    name: str
    value: int | float


@dataclass(frozen=True)
class PixelInput:
    """Bytes of images (N, H, W, C), of which pixel * scale + shift of each channel is what the network takes.

    `reversed` says that the channels come in the other order: red first, where the network takes blue first.
    """

    scale: tuple[float, ...]
    shift: tuple[float, ...]
    reversed: bool = False


@dataclass(frozen=True)
class Network:
    """A checked model, before it is flattened to a graph.

    `features` are the earlier parts a head takes beside its input; `outputs` the names of what
    the model returns, or empty for the result of its last part; `frozen` the parts not trained, and
    `frozen_norms` says that no norm is; `parameters` what a user of the model may set without changing
    its structure; `taps` results of steps that are outputs: their path, the part or block they are in, and
    their position among its results; `auxiliary` the outputs that exist in training only; `inference` says
    that it is not for training: what only that needs is left out, and results may be overwritten.
    With `pixels` an artefact takes images as these say and makes the input of them.
    """

    name: str
    input: Shape
    extent: Extent
    stem: Body | None
    stages: tuple[Stage, ...]
    head: Body | None
    features: tuple[str, ...]
    outputs: tuple[str, ...]
    frozen: tuple[str, ...]
    preprocess: tuple[tuple[str, Any], ...]
    settings: tuple[tuple[str, str], ...]
    source: Source
    used: tuple[Source, ...] = ()
    parameters: tuple[ModelParameter, ...] = ()
    frozen_norms: bool = False
    taps: tuple[tuple[str, str, int], ...] = ()
    auxiliary: tuple[str, ...] = ()
    inference: bool = False
    pixels: PixelInput | None = None

    @property
    def freeze(self) -> tuple[str, ...]:
        """What the spec freezes, as it lists that."""
        return (*self.frozen, *((NORMS,) if self.frozen_norms else ()))

    def placed(self) -> Iterator[Placed]:
        """Yield stem, blocks one by one, and head, in their order."""
        return self._placed(Stage.placed)

    def runs(self) -> Iterator[Placed]:
        """Yield the same with blocks that are alike as one run.

        Alone are blocks that something names, and the last of a stage, which makes its result.
        """
        alone = self._alone()
        return self._placed(lambda stage: stage.divided(alone[stage.name]))

    def _placed(self, blocks: Callable[[Stage], Iterator[Placed]]) -> Iterator[Placed]:
        if self.stem is not None:
            yield Placed("stem", "", Run(self.stem))
        for stage in self.stages:
            yield from blocks(stage)
        if self.head is not None:
            features = (PREVIOUS, *self.features) if self.head.names[0] == "x" else self.features
            yield Placed("head", "", Run(self.head, inputs=features))

    def _alone(self) -> dict[str, set[int]]:
        """The numbers of the blocks of each stage that are told from others; all, where one is frozen."""
        inside = {path.partition(".")[0] for path in self.frozen if "." in path}
        alone = {s.name: set(range(s.count) if s.name in inside else (s.count - 1,)) for s in self.stages}
        owners = (run.owner for stage in self.stages for run in stage.runs if run.owner is not None)
        for stage, _, rest in (path.partition(".") for path in (*self.outputs, *self.seen(), *owners)):
            if stage in alone and (number := NUMBER.match(rest)) is not None:
                alone[stage].add(int(number[0]))
        return alone

    def parts(self) -> Iterator[tuple[str, str, Body]]:
        """Yield (part, path, body) of stem, blocks one by one, and head, in their order."""
        return ((part, path, run.body) for part, path, run in self.placed())

    def owners(self) -> dict[str, str]:
        """Return the path of the owner of each block of the stages that is applied again."""
        stages = (stage for stage in self.stages if stage.shares)
        placed = (each for stage in stages for each in stage.placed())
        return {path: run.owner for _, path, run in placed if run.owner is not None}

    def taken(self) -> Iterator[tuple[str, ...]]:
        """Yield what each of the parts takes, in their order: `PREVIOUS` and paths of earlier parts."""
        return (run.inputs for _, _, run in self.placed())

    def seen(self) -> tuple[str, ...]:
        """Return the parts that later ones name."""
        taken = (path for stage in self.stages for run in stage.runs for path in run.inputs)
        return tuple(dict.fromkeys(path for path in (*taken, *self.features) if path != PREVIOUS))

    def places(self, placed: Iterable[Placed] | None = None) -> dict[str, tuple[str, int]]:
        """Return where results are that have a name: the path of a part or block, and the position there."""
        found: dict[str, tuple[str, int]] = {}
        for part, path, run in self.placed() if placed is None else placed:
            own, body = path or part, run.body
            found[own] = found[part] = own, 0
            if body.fields and path:
                for position, name in enumerate(body.fields):
                    found[f"{part}.{name}"] = found[f"{path}{WITHIN}{name}"] = own, position
        if self.head is not None:
            found |= {name: ("head", position) for position, name in enumerate(self.head.fields)}
        return {**found, **{name: (path, position) for name, path, position in self.taps}}

    def freezes(self, part: str, name: str) -> bool:
        """Whether the spec freezes the step or op `name` of a part."""
        return any(
            path == part if path in PARTS else path == name or name.startswith(f"{path}.")
            for path in self.frozen
        )

    @property
    def output(self) -> Shape:
        """The shape of the last part's result."""
        last = (self.head, *(stage.last for stage in reversed(self.stages)), self.stem)
        return next((body.output for body in last if body is not None), self.input)


def has_parameters(node: Node, body: Body) -> bool:
    """Whether a step keeps something under its name: a block, or a layer with parameters of its own."""
    if node.owner is not None:
        return False
    if not isinstance(node.what, Op):
        return isinstance(node.what, BlockCall)
    return bool(node.what.parameters(*(body.shape_of(value) for value in node.inputs)))


def renamed(body: Body, names: dict[str, str]) -> Body:
    """Return the body with steps renamed, those that repeat them too."""
    nodes = []
    for node in body.nodes:
        first, owner = node.first, node.owner
        name = names.get(first, first) + node.name[len(first) :]
        nodes.append(replace(node, name=name, owner=None if owner is None else names.get(owner, owner)))
    return replace(body, nodes=tuple(nodes))
