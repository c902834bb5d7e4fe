"""Uses of every op of the catalogue, made from its declaration: no op is named here.

What an argument may be tried with follows from its rule, what an op may be applied to from the number
of its inputs; the op itself says which of the combinations it accepts. They are chosen so that every
pair of values that is possible occurs. An op of the catalogue for which nothing is accepted, or an
argument with a rule that is unknown here, is an error.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from math import inf
from typing import Any

from resnet_dsl.ir.arguments import (
    AMOUNTS,
    BOUND,
    COUNT,
    EPSILON,
    EPSILON_OR_ZERO,
    FLAG,
    INDEX,
    PADDING,
    PAIR,
    PAIR_FROM_ZERO,
    PAIR_OR_NONE,
    RATE,
    REAL,
    ArgumentRule,
    Symbol,
)
from resnet_dsl.ir.ops import CATALOGUE, Op
from resnet_dsl.ir.shapes import Extent, Shape, ShapeError
from resnet_dsl.ir.sizes import Size
from resnet_dsl.records import MISSING

CHANNELS = 4
SIZES = ((12, 12), (13, 13), (10, 15))
MOST = 30  # cases of an op
TRIES = 40  # combinations looked at for each case: the one with most new pairs is taken

VALUES: dict[ArgumentRule, tuple[Any, ...]] = {
    COUNT: (4, 3, 2, 1, 6, 5, 48),  # so many channels give a weight enough values to tell how it starts
    INDEX: (0, 1, 2),
    PAIR: ((3, 3), (2, 2), (1, 1), (2, 1), (3, 4), (5, 1)),
    PAIR_FROM_ZERO: ((0, 0), (1, 1), (1, 0)),
    PAIR_OR_NONE: (None, (3, 4), (16, 20), (9, 1)),
    FLAG: (False, True),
    AMOUNTS: ((1, 1), (2, 0), ((0, 1), (0, 1)), ((3, 1), (0, 2))),
    PADDING: (*map(Symbol, ("half", "same", "valid")), (1, 1), (1, 0), ((0, 1), (0, 1)), ((2, 0), (1, 1))),
    RATE: (0.25,),
    EPSILON: (1e-5, 1e-3),
    EPSILON_OR_ZERO: (1e-5, 0.0),
    REAL: (0.5, 2.0, -1.0, 0.0),
    BOUND: (-0.3, 0.1, 0.7),
}

UNWRITTEN = (inf, -inf)  # a bound that is left out

# The values of a block that an op is applied to: what each is in the language, and its shape.
MAP = Shape(CHANNELS, (Size("H"), Size("W")))
PIXEL = Shape(CHANNELS, (Size(None, 1), Size(None, 1)))
SMALL = (MAP.spatial[0].window(3, 2, 2), MAP.spatial[1].window(3, 3, 2))
OPERANDS: dict[str, tuple[str, Shape]] = {
    "map": ("x -> tanh", MAP),
    "other": ("x -> sigmoid", MAP),
    "small": ("map -> maxpool(3x3, stride=2x3)", Shape(CHANNELS, SMALL)),
    "fixed": ("map -> adaptive_avgpool(3x4)", Shape(CHANNELS, (Size(None, 3), Size(None, 4)))),
    "plane": ("x -> conv(1, 1x1)", Shape(1, MAP.spatial)),
    "dot": ("map -> gap", PIXEL),
    "gate": ("other -> gap", PIXEL),
    "vector": ("map -> gap -> flatten", Shape(CHANNELS)),
    "weights": ("other -> gap -> flatten", Shape(CHANNELS)),
}
ONE = (("map",), ("dot",), ("vector",))
OF_A_SIZE = (("fixed",),)  # for what takes maps of one size alone
TWO = (
    ("map", "other"), ("map", "gate"), ("gate", "map"), ("map", "plane"), ("plane", "map"),
    ("dot", "gate"), ("vector", "weights"), ("map", "map"), ("small", "map"), ("map", "small"),
)  # fmt: skip
POSITIVE = {"map": "other", "dot": "gate", "vector": "weights"}  # of the same shape
THREE = (("map", "other", "map"), ("dot", "map", "other"), ("small", "map", "other"), ("fixed",) * 3)
MORE = (("map", "other", "plane"), ("vector", "weights", "vector"))


@dataclass(frozen=True)
class Case:
    """An op with arguments, applied to some of `OPERANDS`."""

    op: Op
    values: tuple[tuple[str, Any], ...]
    operands: tuple[str, ...]
    needs_size: bool

    @property
    def call(self) -> str:
        """The use in the language."""
        first, *others = self.operands
        given = [(name, value) for name, value in self.values if value not in UNWRITTEN]
        arguments = ", ".join([*others, *(f"{name}={_written(value)}" for name, value in given)])
        return f"{first} -> {self.op.kind}({arguments})"

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shapes of the inputs."""
        return tuple(OPERANDS[name][1] for name in self.operands)

    def result(self, extent: Extent) -> Shape:
        """Return the shape of the result."""
        return self.op.shape(*self.shapes, extent=extent)

    def __str__(self) -> str:
        return self.call


@cache
def cases_of(kind: str) -> tuple[Case, ...]:
    """Return the cases of an op of the catalogue: its defaults first."""
    inputs = {1: ONE, 2: ONE + TWO, 3: THREE}.get(CATALOGUE[kind].inputs or 0, TWO + MORE)
    found = _covering(kind, inputs)
    if not any("map" in case.operands for case in found):
        found = _covering(kind, inputs + OF_A_SIZE)
    assert found, f"`{kind}` accepts nothing that is tried; tests/support/op_cases.py has to try more"
    return found


def _covering(kind: str, inputs: tuple[tuple[str, ...], ...]) -> tuple[Case, ...]:
    """Cases on these inputs in which every pair of values that is possible occurs."""
    chosen = random.Random(kind)
    choices = [(name, _choices(rule, default)) for name, rule, default in CATALOGUE[kind].arguments()]
    alone = [_case(kind, {}, operands) for operands in inputs]
    found = [case for case in alone if case is not None]
    covered = {pair for case in found for pair in _pairs(case)}
    while len(found) < MOST:
        drawn = (
            _case(kind, {name: chosen.choice(values) for name, values in choices}, chosen.choice(inputs))
            for _ in range(TRIES * (1 + len(choices)))
        )
        best = max(
            (case for case in drawn if case), key=lambda case: len(_pairs(case) - covered), default=None
        )
        if best is None or not _pairs(best) - covered:
            break
        found.append(best)
        covered |= _pairs(best)
    return tuple(found)


def _choices(rule: ArgumentRule, default: Any) -> tuple[Any, ...]:
    values = tuple(map(Symbol, rule.choices)) if rule not in VALUES else VALUES[rule]
    assert values, f"nothing is known to try where {rule.what} is wanted"
    given = (Symbol(default) if isinstance(default, str) else default,)
    return values if default is MISSING or default == (0, 0) else (*given, *values)


def _case(kind: str, values: dict[str, Any], operands: tuple[str, ...]) -> Case | None:
    """The case, unless the op refuses it or changes nothing."""
    if any(default is MISSING and name not in values for name, _, default in CATALOGUE[kind].arguments()):
        return None
    try:
        op = CATALOGUE[kind].make({name: value for name, value in values.items() if value not in UNWRITTEN})
        if op.taken is not None and op.taken != len(operands):
            return None
        operands = tuple(_operand(name, index in op.positive) for index, name in enumerate(operands))
        shapes = tuple(OPERANDS[name][1] for name in operands)
        for size in SIZES:
            op.shape(*shapes, extent=Extent(*size))
    except (ValueError, ShapeError):
        return None
    if op.does_nothing(*shapes):
        return None
    try:
        op.shape(*shapes, extent=Extent())
    except ShapeError:
        return Case(op, tuple(values.items()), operands, True)
    return Case(op, tuple(values.items()), operands, False)


def _operand(name: str, positive: bool) -> str:
    """The value itself, or one of its shape without values below 0; raises ValueError where there is none."""
    if not positive or name in POSITIVE.values():
        return name
    if name not in POSITIVE:
        raise ValueError(name)
    return POSITIVE[name]


def _pairs(case: Case) -> set[frozenset[Any]]:
    """The values that occur together, each with its name; the operands count as one."""
    own = [(name, getattr(case.op, name)) for name, _, _ in case.op.arguments()]
    return set(map(frozenset, combinations([("", case.operands), *own], 2))) or {frozenset([case.operands])}


def _written(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, tuple):
        return str(value)
    return str([*map(list, value)]) if isinstance(value[0], tuple) else "x".join(map(str, value))


def neighbours(case: Case, name: str) -> Iterator[Case]:
    """Yield the cases that differ from this one in what is given for one argument."""
    _, rule, default = next(each for each in CATALOGUE[case.op.kind].arguments() if each[0] == name)
    for value in _choices(rule, default):
        other = _case(case.op.kind, {**dict(case.values), name: value}, case.operands)
        if other is not None and getattr(other.op, name) != getattr(case.op, name):
            yield other


# --- models of cases ---------------------------------------------------------------------------


def model_of(cases: tuple[Case, ...], size: str, chained: bool = False) -> str:
    """Return a model that returns a digest of every case's result, one after the other: a vector.

    A digest is a few numbers that depend on every value of a result and on where it stands. `chained`
    has each op alone in a block of numbered steps, which backends may write as a container of layers.
    """
    lines = [f"    {name} = {text}" for name, (text, _) in OPERANDS.items() if _occurs(name, cases)]
    blocks = []
    for index, case in enumerate(cases):
        call = case.call
        if chained and len(case.operands) == 1:
            first, _, rest = call.partition(" -> ")
            blocks.append(f"block chain{index}() {{ return x -> 0: {rest} }}")
            call = f"{first} -> own{index}: chain{index}"
        lines += [f"    result{index} = {call}", f"    digest{index} = result{index}{_digest(case)}"]
    digests = [f"digest{index}" for index in range(len(cases))]
    lines.append(f"    return {digests[0] if len(digests) == 1 else 'concat(' + ', '.join(digests) + ')'}")
    body = "\n".join(lines)
    model = f"model cases {{ input: {CHANNELS}x{size}  stem: {LEAD} -> all  stages: []  head: none }}"
    return "\n".join([*blocks, f"block all() {{\n{body}\n}}", model])


LEAD = f"lead: conv({CHANNELS}, 1x1, bias=true)"
DIGEST = 3


def width_of(case: Case) -> int:
    """Return how many numbers a case's digest has."""
    result = case.result(Extent(*SIZES[0]))
    return result.channels if result.is_vector or result.is_pixel else DIGEST


def _digest(case: Case) -> str:
    result = case.result(Extent(*SIZES[0]))
    if result.is_vector:
        return " -> sigmoid"
    return (
        " -> sigmoid -> flatten" if result.is_pixel else f" -> conv({DIGEST}, 3x3) -> tanh -> gap -> flatten"
    )


def _occurs(name: str, cases: tuple[Case, ...]) -> bool:
    """Whether a value is needed, itself or for another: a step that is of no use is an error."""
    used = {operand for case in cases for operand in case.operands}
    needed = used | {OPERANDS[operand][0].split()[0] for operand in used}
    return name in needed


def every_case() -> Iterator[Case]:
    """Yield the cases of all ops."""
    for kind in CATALOGUE:
        yield from cases_of(kind)


# --- start values ------------------------------------------------------------------------------


@dataclass(frozen=True)
class StartArgument:
    """An argument that two values of change nothing but how the op's tensors start."""

    case: Case
    name: str
    values: tuple[Any, Any]

    def model(self, turned: bool) -> str:
        """Return a model whose two stages are one block, to which the argument is a parameter."""
        one, other = map(_written, reversed(self.values) if turned else self.values)
        rest = [f"{name}={_written(value)}" for name, value in self.case.values if name != self.name]
        word = isinstance(self.values[0], str)
        default = " | ".join(map(str, self.values)) if word else _written(self.values[0])
        stem = "" if self.case.operands == ("map",) else " -> gap"
        return f"""
block own(g = {default}) {{ return x -> {self.case.op.kind}({", ".join([*rest, f"{self.name}=g"])}) }}
model started {{
    input: {CHANNELS}x8x8  stem: conv({CHANNELS}, 1x1){stem}
    stages: [1, 1]  block: own  gs: [{one}, {other}]  head: none
}}"""

    def __str__(self) -> str:
        return f"{self.name} of {self.case.op.kind}"


def start_arguments() -> Iterator[StartArgument]:
    """Yield every argument of every op that says how a tensor starts, and no more."""
    for kind, op in CATALOGUE.items():
        for name, rule, default in op.arguments():
            found = (_start_argument(case, name, _choices(rule, default)) for case in cases_of(kind))
            yield from [argument for argument in found if argument is not None][:1]


def _start_argument(case: Case, name: str, values: tuple[Any, ...]) -> StartArgument | None:
    if len(case.operands) > 1 or case.result(Extent(*SIZES[0])) != case.shapes[0]:
        return None
    own = case.op.parameters(*case.shapes)
    for value in values:
        other = _case(case.op.kind, {**dict(case.values), name: value}, case.operands)
        theirs = own if other is None else other.op.parameters(*case.shapes)
        if own != theirs and len(own) == len(theirs):
            present = getattr(case.op, name)
            written = Symbol(present) if isinstance(present, str) else present
            if all(replace(a, init=b.init) == b for a, b in zip(own, theirs, strict=True)):
                return StartArgument(case, name, (written, value))
    return None
