"""Random blocks and pipelines that compile: any op with any arguments, on values of any shape.

Nothing here names an op: which there are, what they take and which inputs fit them is asked of the
catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random

from fuzz.sketch import (
    BlockSketch,
    Branches,
    Chosen,
    Expression,
    Given,
    Literal,
    Misfit,
    Pair,
    ParameterSketch,
    Pipe,
    Ref,
    Sum,
    Use,
    Workshop,
    parameters_of,
    values_of,
)  # fmt: skip
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
from resnet_dsl.ir.shapes import Shape
from resnet_dsl.records import MISSING


def _is_for_positive(op: type[Op]) -> bool:
    """Whether an op without arguments takes positive values alone."""
    return op.inputs == 1 and not any(op.arguments()) and bool(op().positive)


VALUES: dict[ArgumentRule, tuple[Literal, ...]] = {
    COUNT: (1, 2, 2, 3, 4, 4, 6, 5),
    INDEX: (0, 1, 2),
    PAIR: ((1, 1), (2, 2), (3, 3), (3, 3), (2, 1), (1, 3), (3, 2), (4, 3), (5, 5), 2, 3),
    PAIR_FROM_ZERO: (0, (1, 1), (1, 0)),
    PAIR_OR_NONE: ((3, 5), (1, 4), (8, 7), 6),
    FLAG: (False, True),
    AMOUNTS: (1, (1, 2), (0, 1), ((0, 1), (0, 1)), ((1, 0), (2, 3))),
    PADDING: (
        *map(Symbol, ("half", "same", "valid")),
        (1, 1),
        (1, 0),
        (0, 2),
        1,
        ((0, 1), (0, 1)),
        ((1, 0), (0, 0)),
    ),
    RATE: (0.25,),
    EPSILON: (1e-5, 1e-3),
    EPSILON_OR_ZERO: (1e-5, 1e-3, 0.0),
    REAL: (0.5, 0.75, 1.25, 2.0),
    BOUND: (-0.5, 0.25, 1.5),
}
TRIES = 12
SUMS = (
    *("2 * {0}", "{0} / 2", "1 - {0}", "{0} - 0.5", "-{0}", "0.25 + {0}", "{0} ** 2", "{0} ** 3"),
    *("max({0}, -0.25)", "min({0}, 0.75, 0.5)", "1 / (0.5 + {0} ** 2)"),
    *("{0} / (1 + {0} ** 2)", "{0} / (0.5 - min({0}, 0.25))", "{0} / exp({0} * 0.5)"),
    *("(0.5 + {0} ** 2) ** -0.5", "min(max({0}, -1), 0.5)", "max({0}, -{0}, 0.25)"),
    # What takes positive values alone is drawn here, where it is given such.
    *(
        f"{kind}(0.5 + {{0}} ** 2)"
        for kind, op in CATALOGUE.items()
        if op.inputs == 1 and _is_for_positive(op)
    ),
)
STEPS = ("main", "short", "inner", "near", "far", "side", "gate", "rest", "wide", "low")
LABELS = ("proj", "downsample", "left", "right", "alpha", "beta", "se", "mix", "last", "first")
# Names that a parameter cannot have: those of fields, and what every block sees.
TAKEN = (
    *("x", "stage", "index", "block", "model", "input", "stem", "stages", "head", "base"),
    *("outputs", "auxiliary", "freeze", "expect", "preprocess", *CATALOGUE, *STEPS),
)
UNARY = tuple(kind for kind, op in CATALOGUE.items() if op.inputs == 1 or op.taken is not Op.taken)
OFTEN = tuple(kind for kind in UNARY if len(tuple(CATALOGUE[kind].arguments())) > 1)  # most can go wrong here
JOINS = tuple(kind for kind, op in CATALOGUE.items() if op.inputs != 1)


def values_for(rule: ArgumentRule) -> tuple[Literal, ...]:
    """Return what an argument with this rule is tried with."""
    found = tuple(map(Symbol, rule.choices)) if rule not in VALUES else VALUES[rule]
    if not found:
        raise KeyError(f"nothing is known to try where {rule.what} is wanted: VALUES has to say")
    return found


@dataclass
class Drawing:
    """A block or part while it is drawn: the values it has, its parameters, and those of its blocks."""

    chance: Random
    shop: Workshop
    values: dict[str, Shape]
    parameters: list[ParameterSketch]
    may_have_parameters: bool
    labels: list[str]
    shared: list[Use] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, Literal]:
        """The parameters' values at the first use, for which the block is drawn."""
        return {p.name: p.value for p in self.parameters if p.value is not None}

    def pick(self, *choices: Callable[[], Expression]) -> Expression:
        """Draw by one of several ways until something comes of it."""
        for _ in range(TRIES):
            try:
                return self.chance.choice(choices)()
            except Misfit:
                continue
        raise Misfit("nothing fits")

    # --- uses ---

    def unary(self, x: Shape) -> tuple[Use, Shape]:
        """Draw an op or block of one input that takes a shape, or one that was shared; raises Misfit."""
        if self.shared and self.chance.random() < 0.4:
            use = self.chance.choice(self.shared)
            try:
                return use, replace(self.shop, ops=0, tensors=0).use(use, (x,), self.settings)
            except Misfit:
                pass
        blocks = [b for b in self.shop.blocks.values() if not b.takes and not b.fields]
        for _ in range(TRIES):
            block = self.chance.choice(blocks) if blocks and self.chance.random() < 0.15 else None
            kind = self.chance.choice(OFTEN if self.chance.random() < 0.35 else UNARY)
            for _ in range(TRIES):
                before, labels = list(self.parameters), list(self.labels)
                use = self._op(kind, x) if block is None else self._block(block)
                try:  # what it counts for is counted when the network is whole
                    y = replace(self.shop, ops=0, tensors=0).use(use, (x,), self.settings)
                    return self._perhaps_shared(use, x), y
                except Misfit:
                    self.parameters[:], self.labels[:] = before, labels
        raise Misfit("no op fits")

    def _perhaps_shared(self, use: Use, x: Shape) -> Use:
        """The use, at times of a function that others may apply too."""
        block = self.shop.blocks.get(use.callee)
        may_be = self.may_have_parameters and not (block is not None and block.labels)
        if not may_be or self.chance.random() > 0.2:
            return use
        use = replace(use, share=f"same{len(self.shared) + 1}")
        self.shop.shared[use.share] = x
        self.shared.append(replace(use, label=""))
        return use

    def _op(self, kind: str, x: Shape | None = None) -> Use:
        given: list[tuple[str, Given]] = []
        for name, rule, default in CATALOGUE[kind].arguments():
            if default is MISSING or self.chance.random() < 0.4:
                own = x is not None and rule is PAIR and self.chance.random() < 0.3
                given.append((name, self._size_of(x) if x and own else self._value(name, rule)))
        if not given and self.may_have_parameters and self.chance.random() < 0.15:
            found = self._parameter(ParameterSketch(self._free("act"), kind))
            return Use(found.name, label=self._label())
        return Use(kind, tuple(given), label=self._label())

    def _size_of(self, x: Shape) -> Given:
        """The height and width of a map, for what wants to be told them."""
        known = tuple(size for size in x.at(self.shop.extent)[1:] if size is not None)
        if len(known) < 2:
            raise Misfit("its size is open")
        return known[0], known[1]

    def _value(self, name: str, rule: ArgumentRule) -> Given:
        value = self.chance.choice(values_for(rule))
        known = [p for p in self.parameters if p.rule is rule]
        if known and self.chance.random() < 0.3:
            factor = 2 if rule is COUNT and self.chance.random() < 0.3 else 1
            return Ref(self.chance.choice(known).name, factor)
        nested = isinstance(value, tuple) and isinstance(value[0], tuple)  # as a field, a list by stage
        if self.may_have_parameters and not nested and self.chance.random() < 0.4:
            wanted = "width" if name == "channels" else name
            optional = not isinstance(value, Symbol) and self.chance.random() < 0.7
            optional = optional or isinstance(value, Symbol)
            return Ref(self._parameter(ParameterSketch(self._free(wanted), value, rule, optional)).name)
        return value

    def _parameter(self, parameter: ParameterSketch) -> ParameterSketch:
        # Those that have to be given stand first, as in Python.
        self.parameters = sorted([*self.parameters, parameter], key=lambda p: p.optional)
        return parameter

    def _free(self, name: str) -> str:
        taken = {*TAKEN, *self.values, *(p.name for p in self.parameters), *self.shop.blocks}
        return next(each for each in (name, *(f"{name}{n}" for n in range(2, 99))) if each not in taken)

    def _label(self) -> str:
        if self.chance.random() > 0.2 or not self.labels:
            return ""
        return self.labels.pop()

    def _block(self, block: BlockSketch) -> Use:
        given: list[tuple[str, Given]] = []
        for parameter in block.parameters:
            if parameter.is_tensor or (parameter.optional and self.chance.random() < 0.5):
                continue
            given.append((parameter.name, self.another_value(parameter)))
        label = self.labels.pop() if self.labels and (block.labels or self.chance.random() < 0.4) else ""
        if block.labels and not label:
            raise Misfit("no label is left")
        return Use(block.name, tuple(given), label=label)

    def another_value(self, parameter: ParameterSketch) -> Literal:
        """Draw a value for a parameter; mostly its own, with which the block is known to work."""
        own = parameter.value
        assert own is not None
        if parameter.rule is None or self.chance.random() < 0.5:
            return own
        word = isinstance(own, Symbol)  # a parameter takes words, or it takes what is none
        return self.chance.choice([v for v in values_for(parameter.rule) if isinstance(v, Symbol) == word])

    # --- expressions ---

    def pipe(self, start: str | None = None) -> Expression:
        """A value through one to three uses."""
        start = start or self.chance.choice(list(self.values))
        x, uses = self.values[start], []
        for _ in range(self.chance.choice((1, 1, 2, 3))):
            use, x = self.unary(x)
            uses.append(use)
        wrapped = self.chance.random() < 0.1 and not any(use.label for use in uses)
        return Pipe(start, tuple(uses), wrapped)

    def join(self) -> Expression:
        """Several values joined by an op, in a call or by its operator, or by a block that takes tensors."""
        count = self.chance.choice((2, 2, 3))
        return self.joined(*(self.chance.choice(list(self.values)) for _ in range(count)))

    def joined(self, *names: str) -> Expression:
        """These values joined."""
        if self.chance.random() < 0.4:
            found: Expression = Pair(names[0], self.chance.choice(("+", "-", "*")), names[1])
        else:
            use = self._op(self.chance.choice(JOINS))
            found = Pipe(names[0], (replace(use, operands=self._operands(use, names)),))
        self.shape_of(found)
        return found

    def _operands(self, use: Use, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
        """The further inputs of an op that joins: by the names that it has for them, or in order."""
        op = CATALOGUE.get(use.callee)
        if op is not None and op.inputs is None:
            return tuple(("", name) for name in names[1:])
        wanted = op.operands if op is not None and self.chance.random() < 0.6 else ()
        count = 1 if op is None or op.inputs is None else op.inputs - 1
        drawn = (*names[1:], *(self.chance.choice(list(self.values)) for _ in range(count)))
        return tuple(zip(wanted or ("",) * count, drawn, strict=False))

    def use_with_tensor(self) -> Expression:
        """A block that takes a further tensor, given in order or by name."""
        blocks = [b for b in self.shop.blocks.values() if b.takes and not b.fields]
        if not blocks:
            raise Misfit("there is none")
        block = self.chance.choice(blocks)
        (tensor,) = block.takes
        first, other = (self.chance.choice(list(self.values)) for _ in range(2))
        found = Pipe(first, (replace(self._block(block), operands=((tensor, other),)),))
        self.shape_of(found)
        return found

    def branches(self) -> Branches:
        """A block that returns a record, at times one that was shared."""
        blocks = [b for b in self.shop.blocks.values() if b.fields and not b.takes]
        if not blocks:
            raise Misfit("there is none")
        again = [use for use in self.shared if self._returns_record(use)]
        start = self.chance.choice(list(self.values))
        if again and self.chance.random() < 0.6:
            return Branches(start, self.chance.choice(again))
        found = Branches(start, self._block(self.chance.choice(blocks)))
        self.values_of("", found)
        return replace(found, use=self._perhaps_shared(found.use, self.values[start]))

    def _returns_record(self, use: Use) -> bool:
        block = self.shop.blocks.get(use.callee)
        return block is not None and bool(block.fields)

    def residual(self) -> Expression:
        """Two values of one shape, the second made to fit the first."""
        names = list(self.values)
        pairs = [(a, b) for a in names for b in names if a != b and self.values[a] == self.values[b]]
        if not pairs:
            raise Misfit("no two are alike")
        left, right = self.chance.choice(pairs)
        return Pair(left, self.chance.choice(("+", "+", "-", "*")), right)

    def sum(self) -> Expression:
        """Arithmetic of a value and a number."""
        return Sum(self.chance.choice(SUMS), self.chance.choice(list(self.values)))

    def chosen(self) -> Expression:
        """One of two expressions by a parameter; the other may make a value of any shape."""
        plain = [p for p in self.parameters if p.rule in (COUNT, FLAG)]
        if not plain:
            raise Misfit("nothing to choose by")
        parameter, start = self.chance.choice(plain), self.chance.choice(list(self.values))
        return Chosen(parameter.name, self.another_value(parameter), self.pipe(start), self.pipe(start))

    def shape_of(self, expression: Expression) -> Shape:
        """Return the shape of an expression; raises Misfit."""
        return replace(self.shop, ops=0, tensors=0).shape(expression, self.values, self.settings)

    def add(self, name: str, expression: Expression) -> None:
        """Keep a step, whose value, or the fields of which, others may take."""
        self.values |= self.values_of(name, expression)

    def values_of(self, name: str, expression: Expression) -> dict[str, Shape]:
        """Return the shapes of what a step stands for; raises Misfit."""
        return replace(self.shop, ops=0, tensors=0).values(name, expression, self.values, self.settings)


def draw_block(
    chance: Random, shop: Workshop, name: str, x: Shape, skip: Shape | None = None, results: int = 1
) -> BlockSketch:
    """Return a block drawn for an input; every step of it is used, and each field of a step."""
    labels = list(LABELS)
    chance.shuffle(labels)
    if chance.random() < 0.15:  # numbers as names
        labels = [str(n) for n in reversed(range(10))]
    shop = replace(shop, shared={})
    drawing = Drawing(chance, shop, {"x": x}, [], True, labels)
    if skip is not None:
        drawing.values["skip"] = skip
        drawing.parameters.append(ParameterSketch("skip", None, optional=False))
    steps: list[tuple[str, Expression]] = []
    names = list(STEPS)
    chance.shuffle(names)
    ways: tuple[Callable[[], Expression], ...] = (
        *(drawing.pipe, drawing.pipe, drawing.pipe, drawing.join, drawing.residual, drawing.sum),
        *(drawing.chosen, drawing.chosen, drawing.use_with_tensor),
    )  # fmt: skip
    if any(block.fields for block in shop.blocks.values()):
        ways = (*ways, drawing.branches, drawing.branches, drawing.branches)
    for _ in range(chance.choice((0, 1, 2, 3, 3))):
        step = names.pop()
        expression = drawing.pick(*ways)
        drawing.add(step, expression)
        steps.append((step, expression))
        if isinstance(expression, Branches):  # each field has to be of use
            fields = [value for value in drawing.values if value.startswith(f"{step}.")]
            steps.append((names.pop(), drawing.pick(partial(drawing.joined, *fields))))
            drawing.add(*steps[-1])
    result = _result(drawing, steps, skip is not None)
    more = tuple(_further(drawing) for _ in range(1, results))
    used = _needed(steps, result, *more)
    expressions = [result, *more, *(expression for _, expression in used)]
    taken = {name for expression in expressions for name in values_of(expression)}
    if "x" not in taken or (skip is not None and "skip" not in taken):
        raise Misfit("an input is not used")
    if more and not all(_takes_input(steps, each) for each in (result, *more)):
        raise Misfit("the block before it may be of no use")
    fronts = {step for step, expression in used if isinstance(expression, Branches)}
    if any(_front(value) in fronts and value not in taken for value in drawing.values):
        raise Misfit("a field is not used")
    read = {name for expression in expressions for name in parameters_of(expression)}
    parameters = tuple(p for p in drawing.parameters if p.is_tensor or p.name in read)
    return BlockSketch(name, parameters, tuple(used), result, more)


def _further(drawing: Drawing) -> Expression:
    """A further result of a block: a pipeline, or a value that is there."""
    if drawing.chance.random() < 0.2:
        return Pipe(drawing.chance.choice(list(drawing.values)), ())
    return drawing.pipe()


def _result(drawing: Drawing, steps: Sequence[tuple[str, Expression]], wanted: bool) -> Expression:
    """What a block returns: the last step, joined with others where they fit, so that few are dropped."""
    last = list(drawing.values)[-1] if steps else "x"
    others = [name for name in drawing.values if name != last]
    drawing.chance.shuffle(others)
    if not wanted and drawing.chance.random() < 0.5:
        return drawing.pipe(last)
    if wanted:
        others.sort(key=lambda name: name != "skip")
    for other in others:
        for kind in drawing.chance.sample(JOINS, len(JOINS)):
            found = Pipe(last, (Use(kind, (), (("", other),)),))
            try:
                drawing.shape_of(found)
            except Misfit:
                continue
            return found
    return drawing.pipe(last)


def _needed(steps: Sequence[tuple[str, Expression]], *results: Expression) -> list[tuple[str, Expression]]:
    """The steps that the results need: one that is of no use is an error."""
    wanted, found = {_front(value) for result in results for value in values_of(result)}, []
    for name, expression in reversed(steps):
        if name in wanted:
            wanted |= set(map(_front, values_of(expression)))
            found.append((name, expression))
    return found[::-1]


def _takes_input(steps: Sequence[tuple[str, Expression]], result: Expression) -> bool:
    """Whether a result depends on what comes into the block."""
    expressions = (result, *(expression for _, expression in _needed(steps, result)))
    return any("x" in values_of(expression) for expression in expressions)


def _front(value: str) -> str:
    """The step that a value is, or is a field of."""
    return value.partition(".")[0]
