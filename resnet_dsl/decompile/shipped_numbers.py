"""Numbers of a shipped spec that a file has otherwise: those that tensors show in the place of the spec's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from resnet_dsl.decompile.shipped_fields import ShippedModel, block_of, runs_of, steps_of
from resnet_dsl.decompile.structure import IN_BLOCK
from resnet_dsl.decompile.syntax_nodes import call, expression, pipeline
from resnet_dsl.decompile.tensors import Shapes
from resnet_dsl.elaborate.expressions import NUMERIC
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass, replace
from resnet_dsl.syntax import ast
from resnet_dsl.zoo.candidates import HEAD, owners

BASE = 64
NOT_SIZES = ("stride", "dilation", "width", "drop_path")
"""Parameters of blocks that no tensor shows, and the one that `widths` gives."""


@dataclass(frozen=True)
class Pair:
    """A number of a tensor here and in the file: of which tensor, and along which axis."""

    name: str
    axis: int
    ours: int
    theirs: int
    rank: int
    """How many numbers the tensor has: one for those of norms, which may be on what a block gets."""
    place: tuple[int, int] | None
    """Stage and block, from 0."""


@dataclass(frozen=True)
class Differences:
    """All numbers of all tensors in pairs, those that are the same among them."""

    all: tuple[Pair, ...]
    program: Program

    @classmethod
    def of(cls, ours: Shapes, theirs: Shapes, program: Program) -> Differences:
        """Lay the tensors of a program beside those of a file."""
        pairs: list[Pair] = []
        for name, shape in ours.items():
            found = IN_BLOCK.fullmatch(name)
            place = None if found is None else (int(found[1].removeprefix("layer")) - 1, int(found[2]))
            given = theirs[name]
            if len(given) != len(shape):
                pairs.append(Pair(name, -1, 0, 1, len(shape), place))
            else:
                both = enumerate(zip(shape, given, strict=True))
                pairs += [Pair(name, axis, *numbers, len(shape), place) for axis, numbers in both]
        return cls(tuple(pairs), program)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Those that differ."""
        return tuple(pair for pair in self.all if pair.ours != pair.theirs)

    def instead(self, number: int, where: Callable[[Pair], bool]) -> int | None:
        """Return what the file has for a number in such tensors, if it has one other throughout."""
        found = {pair.theirs for pair in self.all if pair.ours == number and where(pair)}
        return found.pop() if len(found) == 1 and found != {number} else None


def numbers_of(
    differences: Differences, shelf: ShippedModel, fields: Mapping[str, ast.Expr]
) -> dict[str, ast.Expr]:
    """Return the fields that bring the numbers of the spec to those of the file."""
    said = {**shelf.fields, **fields}
    found: dict[str, ast.Expr] = {}
    for part in (_input, _stem, _widths, _blocks, _stages, _classes):
        found |= dict(part(differences, shelf, said))
    return found


Found = Iterator[tuple[str, ast.Expr]]
Said = Mapping[str, ast.Expr]


def _first(differences: Differences) -> str:
    node = owners(differences.program.graph)[0]
    return node.tensor("weight") or ""


def _input(differences: Differences, shelf: ShippedModel, said: Said) -> Found:
    """The channels of the input, which the first convolution takes."""
    first = _first(differences)
    for pair in differences.pairs:
        if pair.name == first and pair.axis == 1:
            value = said.get("input")
            rest = value.parts[1:] if isinstance(value, ast.Dims) else (224, 224)
            yield "input", expression((pair.theirs, *rest))
            if "preprocess" in said:
                yield "preprocess", expression(None)


def _stem(differences: Differences, shelf: ShippedModel, said: Said) -> Found:
    """Numbers of channels in the stem."""
    nodes = {node.name for node in owners(differences.program.graph) if node.part == "stem"}
    stem = said.get("stem") or call("imagenet_stem", BASE)

    def is_there(pair: Pair) -> bool:
        return pair.axis == 0 and pair.name.rpartition(".")[0] in nodes

    changed = _changed(stem, lambda number: differences.instead(number, is_there))
    if changed != stem:
        yield "stem", changed


def _widths(differences: Differences, shelf: ShippedModel, said: Said) -> Found:
    """The width of each stage."""
    count = 1 + max((pair.place[0] for pair in differences.all if pair.place), default=0)
    now = _list(said.get("widths"), count) or _given_widths(differences.program)
    if len(now) < count:
        return
    found = list(now)
    for stage, width in enumerate(now):
        other = differences.instead(width, _in_blocks(stage, range(1)))
        found[stage] = width if other is None else other
    if found != now:
        yield "widths", expression(found)


def _given_widths(program: Program) -> list[int]:
    """The widths of the stages, where they follow from other settings."""
    found = [dict(stage.blocks[0].arguments).get("width") for stage in program.network.stages]
    return [width for width in found if type(width) is int]


def _in_blocks(stage: int, blocks: range) -> Callable[[Pair], bool]:
    """Whether a pair is of what layers of some blocks give."""

    def holds(pair: Pair) -> bool:
        here = pair.place is not None and pair.place[0] == stage and pair.place[1] in blocks
        return here and pair.axis == 0 and pair.rank > 1

    return holds


def _list(widths: ast.Expr | None, count: int) -> list[int] | None:
    if widths is None:
        return [BASE * 2**stage for stage in range(count)]
    if isinstance(widths, ast.List):
        found = [item.value for item in widths.items if isinstance(item, ast.Number)]
        whole = [value for value in found if isinstance(value, int)]
        return whole[:count] if len(whole) == len(widths.items) and len(whole) >= count else None
    return None


def _blocks(differences: Differences, shelf: ShippedModel, said: Said) -> Found:
    """Numbers that every block takes: fields of the model, and what blocks have by default."""
    numbers = {name: value for name, value in said.items() if isinstance(value, ast.Number)}
    constant = _constant(differences)
    used = {name for field in ("block", "stages") if field in said for name in ast.names(said[field])}
    for name in used & shelf.blocks.keys():
        for parameter in shelf.blocks[name].parameters:
            if isinstance(parameter.default, ast.Number) and parameter.name not in said:
                numbers.setdefault(parameter.name, parameter.default)
            elif parameter.name not in numbers:
                numbers |= _computed(differences.program, parameter.name)
    for name, value in numbers.items():
        if name not in NOT_SIZES and isinstance(value.value, int) and value.value > 1:
            other = differences.instead(value.value, lambda pair: _of_block(pair) in constant)
            if other is not None:
                yield name, expression(other)


def _computed(program: Program, name: str) -> dict[str, ast.Number]:
    """A parameter that follows from other settings, if all blocks have one number."""
    found = {dict(body.arguments).get(name) for stage in program.network.stages for body in stage.blocks}
    value = found.pop() if len(found) == 1 else None
    number = expression(value) if type(value) is int else None
    return {name: number} if isinstance(number, ast.Number) else {}


def _constant(differences: Differences) -> set[tuple[str, int] | None]:
    """Numbers of tensors that all blocks have alike, as those of a parameter are."""
    found: dict[tuple[str, int] | None, set[int]] = {}
    for pair in differences.all:
        found.setdefault(_of_block(pair), set()).add(pair.ours)
    return {place for place, numbers in found.items() if len(numbers) == 1} - {None}


def _of_block(pair: Pair) -> tuple[str, int] | None:
    """What the tensor of a pair is called within its block, and the axis if it is one of channels."""
    if pair.place is None or pair.axis not in (0, 1):
        return None
    return pair.name.split(".", 2)[2], pair.axis


def _stages(differences: Differences, shelf: ShippedModel, said: Said) -> Found:
    """Numbers that are given where stages are written out."""
    stages = said.get("stages")
    settings = {*said, *NUMERIC}
    if not isinstance(stages, ast.List) or all(settings.issuperset(ast.names(i)) for i in stages.items):
        return
    changed = [_changed_stage(differences, stage, item) for stage, item in enumerate(stages.items)]
    if changed != list(stages.items):
        yield "stages", expression(changed)


def _changed_stage(differences: Differences, stage: int, item: ast.Expr) -> ast.Expr:
    begin, runs = 0, []
    for run in runs_of(item):
        left = run.left if isinstance(run, ast.Binary) else None
        count = left.value if isinstance(left, ast.Number) and isinstance(left.value, int) else 1
        blocks = range(begin, begin + count)
        begin += count
        changed = _changed(block_of(run), partial(differences.instead, where=_in_blocks(stage, blocks)))
        runs.append(replace(run, right=changed) if isinstance(run, ast.Binary) else changed)
    return expression(runs) if isinstance(item, ast.List) else runs[0]


def _classes(differences: Differences, shelf: ShippedModel, said: Said) -> Found:
    """The classes of the last layer."""
    heads = [node for node in owners(differences.program.graph) if node.part == HEAD]
    last = heads[-1].tensor("weight") if heads else None
    for pair in differences.pairs:
        if pair.name == last and pair.axis == 0:
            yield "classes", expression(pair.theirs)


def _changed(value: ast.Expr, instead: Callable[[int], int | None]) -> ast.Expr:
    """The steps with other numbers as arguments."""
    match value:
        case ast.Pipe():
            return pipeline([_changed(step, instead) for step in steps_of(value)])
        case ast.Labelled():
            return replace(value, value=_changed(value.value, instead))
        case ast.Call():
            arguments = tuple(
                replace(argument, value=_number(argument.value, instead)) for argument in value.arguments
            )
            return replace(value, arguments=arguments)
    return value


def _number(value: ast.Expr, instead: Callable[[int], int | None]) -> ast.Expr:
    if isinstance(value, ast.Number) and isinstance(value.value, int):
        other = instead(value.value)
        return value if other is None else expression(other)
    return value
