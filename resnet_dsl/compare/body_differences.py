"""What differs between two rows of steps: arguments, values that moved, steps, and ways between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from resnet_dsl.compare.changed_arguments import changed_arguments, is_geometry
from resnet_dsl.compare.flat_steps import FlatStep, FlatSteps, Value
from resnet_dsl.compare.sequence_alignment import GAP, Pairs, aligned
from resnet_dsl.ir.ops import Join, Op
from resnet_dsl.records import dataclass

NEVER = 2 * GAP + 0.5
OTHER_OP = 1.2 * GAP
CHANGED, EACH_ARGUMENT, RENAMED = 0.1, 0.15, 0.05


@dataclass(frozen=True)
class ChangedArgument:
    """An argument of the steps `i` and `j` that differs."""

    i: int
    j: int
    name: str


@dataclass(frozen=True)
class MovedArgument:
    """A value that another step has: `given` is the change where it was, `taken` where it is."""

    given: ChangedArgument
    taken: ChangedArgument


@dataclass(frozen=True)
class ChangedSteps:
    """Steps in a row in the place of others; either may be none."""

    a: tuple[int, ...]
    b: tuple[int, ...]


@dataclass(frozen=True)
class ChangedWay:
    """Steps that correspond and take other values; -1 for what the whole returns."""

    i: int
    j: int


@dataclass(frozen=True, eq=False)
class BodyDifferences:
    """Everything that differs between two rows of steps, and which of those correspond."""

    a: FlatSteps
    b: FlatSteps
    pairs: Pairs
    arguments: tuple[ChangedArgument, ...]
    moved: tuple[MovedArgument, ...]
    steps: tuple[ChangedSteps, ...]
    ways: tuple[ChangedWay, ...]

    @property
    def matched(self) -> list[tuple[int, int]]:
        """The steps that correspond."""
        return [(i, j) for i, j in self.pairs if i is not None and j is not None]


def body_differences(a: FlatSteps, b: FlatSteps) -> BodyDifferences:
    """Return what differs between two rows of steps."""
    pairs = aligned(_with_ways(a), _with_ways(b), _cost)
    matched = [(i, j) for i, j in pairs if i is not None and j is not None]
    other_ops = {(i, j) for i, j in matched if type(a.steps[i].op) is not type(b.steps[j].op)}
    changed = [
        ChangedArgument(i, j, name)
        for i, j in matched
        if (i, j) not in other_ops
        for name in changed_arguments(a.steps[i].op, b.steps[j].op)
    ]
    moved = list(_moved(a, b, changed))
    gone = {each for pair in moved for each in (pair.given, pair.taken)}
    left = [each for each in changed if each not in gone]
    of_windows = [each for each in left if _is_of_windows(a.steps[each.i].op, b.steps[each.j].op, each.name)]
    runs = list(_runs(a, b, pairs, other_ops | {(each.i, each.j) for each in of_windows}))
    runs = [run for run in runs if any(None in column or column in other_ops for column in run)]
    absorbed = {column for run in runs for column in run}
    alone = [
        each
        for each in left
        if (each.i, each.j) not in absorbed
        or not is_geometry(a.steps[each.i].op, b.steps[each.j].op, each.name)
    ]
    return BodyDifferences(
        a, b, pairs, tuple(alone), tuple(moved),
        tuple(_as_steps(run) for run in runs), tuple(_changed_ways(a, b, pairs)),
    )  # fmt: skip


# --- which steps correspond ------------------------------------------------------------------------


def _with_ways(flat: FlatSteps) -> list[tuple[FlatStep, bool]]:
    """The steps, each with whether it is on the shortcut: none there stands for one of the main path."""
    return [(step, place in flat.shortcut) for place, step in enumerate(flat.steps)]


def _cost(mine: tuple[FlatStep, bool], theirs: tuple[FlatStep, bool]) -> float:
    """What it costs to take one step for the other: nothing for the same, at most two gaps."""
    (a, on_shortcut), (b, also) = mine, theirs
    if on_shortcut != also:
        return NEVER
    renamed = 0.0 if a.name == b.name else RENAMED
    if a.op == b.op:
        return renamed
    if type(a.op) is type(b.op):
        return min(CHANGED + EACH_ARGUMENT * len(changed_arguments(a.op, b.op)) + renamed, GAP)
    return OTHER_OP + renamed if _role(a.op) and _role(a.op) == _role(b.op) else NEVER


def _role(op: Op) -> str:
    """What an op is in a network, where another may stand in its place."""
    if op.activation:
        return "activation"
    if op.normalises:
        return "norm"
    return "join" if isinstance(op, Join) and op.commutes else ""


# --- steps in the place of others --------------------------------------------------------------------

Column = tuple[int | None, int | None]


def _is_of_windows(a: Op, b: Op, name: str) -> bool:
    """Whether an argument gives a weight layer another window, which is told with the steps around it."""
    return a.weighted and a.having(name, getattr(b, name)).window != a.window


def _runs(a: FlatSteps, b: FlatSteps, pairs: Pairs, changed: set[tuple[int, int]]) -> Iterator[list[Column]]:
    """Yield the steps without a counterpart in runs, with those pairs between them that are `changed`."""

    def is_odd(column: Column) -> bool:
        return None in column or column in changed

    for odd, columns in groupby(pairs, is_odd):
        if odd:
            yield from _chains(a, b, list(columns))


def _chains(a: FlatSteps, b: FlatSteps, columns: list[Column]) -> Iterator[list[Column]]:
    """Yield the columns in runs of steps that follow each other."""
    run = columns[:1]
    for column in columns[1:]:
        if _follows(a, b, run, column):
            run.append(column)
        else:
            yield run
            run = [column]
    yield run


def _follows(a: FlatSteps, b: FlatSteps, run: list[Column], column: Column) -> bool:
    """Whether a step takes the last of the run on its side, or stands in the place of one there."""
    if _is_of_shortcut(a, b, run[-1]) != _is_of_shortcut(a, b, column):
        return False
    ends = [[c[side] for c in run if c[side] is not None] for side in (0, 1)]
    for side, flat in enumerate((a, b)):
        own = column[side]
        if own is not None and ends[side]:
            return ends[side][-1] in flat.steps[own].inputs
    return True


def _is_of_shortcut(a: FlatSteps, b: FlatSteps, column: Column) -> bool:
    i, j = column
    return a.is_of_shortcut(i) if i is not None else j is not None and b.is_of_shortcut(j)


def _as_steps(run: list[Column]) -> ChangedSteps:
    return ChangedSteps(tuple(i for i, _ in run if i is not None), tuple(j for _, j in run if j is not None))


# --- values that moved -------------------------------------------------------------------------------


def _moved(a: FlatSteps, b: FlatSteps, changed: Sequence[ChangedArgument]) -> Iterator[MovedArgument]:
    """Yield the values that one step gives up and another of its kind takes."""

    def values(each: ChangedArgument) -> tuple[object, object]:
        return getattr(a.steps[each.i].op, each.name), getattr(b.steps[each.j].op, each.name)

    def key(each: ChangedArgument) -> tuple[str, str, bool]:
        return a.steps[each.i].op.kind, each.name, each.i in a.shortcut

    for _, group in groupby(sorted(changed, key=key), key):
        found = list(group)
        if len(found) != 2 or values(found[0]) != values(found[1])[::-1]:
            continue
        first, second = found
        usual = next(d for n, _, d in a.steps[first.i].op.arguments() if n == first.name)
        if usual in values(first):
            yield MovedArgument(first, second) if values(first)[1] == usual else MovedArgument(second, first)


# --- ways ----------------------------------------------------------------------------------------------


def _changed_ways(a: FlatSteps, b: FlatSteps, pairs: Pairs) -> Iterator[ChangedWay]:
    """Yield the steps that take other values, where steps between them do not account for it."""
    there = {i: j for i, j in pairs if i is not None and j is not None}
    here = {j: i for i, j in there.items()}

    def differs(mine: Sequence[Value], theirs: Sequence[Value], commutes: bool) -> bool:
        if all(_is_matched(value, there) for value in mine) and all(_is_matched(v, here) for v in theirs):
            ours, others = [there.get(value, value) for value in mine], list(theirs)
            return sorted(ours) != sorted(others) if commutes else ours != others
        left = {there.get(value, value) for each in mine for value in _sources(a, each, there)}
        return not left & {value for each in theirs for value in _sources(b, each, here)}

    for i, j in there.items():
        step, other = a.steps[i], b.steps[j]
        if differs(step.inputs, other.inputs, step.op.commutes) or there.get(step.owner, -1) != other.owner:
            yield ChangedWay(i, j)
    if differs(a.results, b.results, False):
        yield ChangedWay(-1, -1)


def _is_matched(value: Value, matched: Mapping[int, int]) -> bool:
    return value < 0 or value in matched


def _sources(flat: FlatSteps, value: Value, matched: Mapping[int, int]) -> set[Value]:
    """The values with a counterpart that a value comes from."""
    found: set[Value] = set()
    open_values, seen = [value], set[Value]()
    while open_values:
        current = open_values.pop()
        if _is_matched(current, matched):
            found.add(current)
        elif current not in seen:
            seen.add(current)
            open_values += flat.steps[current].inputs
    return found
