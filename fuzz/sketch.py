"""A network in the generator's mind: its blocks and parts, as text, and the shapes that come of them.

Shapes are worked out by the ops themselves, and by nothing of the elaboration: that the compiler takes
a text that fits here is a test of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from resnet_dsl.ir.arguments import ArgumentRule, Symbol
from resnet_dsl.ir.ops import CATALOGUE, Op
from resnet_dsl.ir.shapes import Extent, Shape, ShapeError

Literal = int | float | bool | str | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]]
OPERATORS = {op.operator: op for op in CATALOGUE.values() if op.operator}
RESULTS = ("p3", "p4", "p5")  # of blocks that return records
MOST_CHANNELS, MOST_PIXELS, MOST_VALUES = 8, 16, 100  # of a result; a flattened map is a vector of up to 100


class Misfit(Exception):
    """A draw that comes to nothing: another one is taken."""


@dataclass(frozen=True)
class Ref:
    """A parameter of the block around, or a multiple of it, as an argument."""

    name: str
    factor: int = 1


Given = Literal | Ref


@dataclass(frozen=True)
class Use:
    """An op, block or function parameter applied to what comes down the pipeline and to other values.

    `share` is the step that stands for it, where all uses of that have one set of tensors.
    """

    callee: str
    arguments: tuple[tuple[str, Given], ...] = ()
    operands: tuple[tuple[str, str], ...] = ()  # parameter's name, or nothing, and value
    label: str = ""
    share: str = ""


@dataclass(frozen=True)
class Pipe:
    """`start -> use -> use`; `wrapped` writes the last use around the others: `use(start -> use)`."""

    start: str
    uses: tuple[Use, ...]
    wrapped: bool = False


@dataclass(frozen=True)
class Pair:
    """`left + right` and its like, of two tensors."""

    left: str
    sign: str
    right: str


@dataclass(frozen=True)
class Sum:
    """Arithmetic of a tensor and a number, such as `1 - {}`."""

    template: str
    value: str


@dataclass(frozen=True)
class Chosen:
    """`if parameter == literal then yes else no`."""

    parameter: str
    literal: Literal
    yes: Expression
    no: Expression


@dataclass(frozen=True)
class Branches:
    """`start -> use` of a block that returns a record: a value for each field of that."""

    start: str
    use: Use


Expression = Pipe | Pair | Sum | Chosen | Branches


@dataclass(frozen=True)
class ParameterSketch:
    """A parameter of a block: a value with its rule, a function, or a tensor; required without `optional`."""

    name: str
    value: Literal | None
    rule: ArgumentRule | None = None  # None for functions and tensors
    optional: bool = True

    @property
    def is_tensor(self) -> bool:
        """Whether it stands for a value of the network."""
        return self.value is None


@dataclass(frozen=True)
class BlockSketch:
    """A block: parameters, steps, and the value after `return`; with further results it is a record."""

    name: str
    parameters: tuple[ParameterSketch, ...]
    steps: tuple[tuple[str, Expression], ...]
    result: Expression
    more: tuple[Expression, ...] = ()

    @property
    def labels(self) -> bool:
        """Whether a label in it would be there twice if it were written out twice in one place."""
        return any(use.label for expression in self.expressions for use in uses_of(expression))

    @property
    def shared(self) -> dict[str, Use]:
        """The functions that it shares, by the steps that stand for them."""
        uses = (use for expression in self.expressions for use in uses_of(expression))
        return {use.share: use for use in uses if use.share}

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """What its steps and its result are."""
        return (*(expression for _, expression in self.steps), self.result, *self.more)

    @property
    def takes(self) -> tuple[str, ...]:
        """The parameters that are tensors."""
        return tuple(p.name for p in self.parameters if p.is_tensor)

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of its results, if it returns a record."""
        return RESULTS[: 1 + len(self.more)] if self.more else ()


def uses_of(expression: Expression) -> tuple[Use, ...]:
    """Return the applications in an expression."""
    match expression:
        case Pipe():
            return expression.uses
        case Branches():
            return (expression.use,)
        case Chosen():
            return (*uses_of(expression.yes), *uses_of(expression.no))
        case _:
            return ()


def values_of(expression: Expression) -> set[str]:
    """Return the names of the values that an expression takes."""
    match expression:
        case Pipe():
            return {expression.start, *(name for use in expression.uses for _, name in use.operands)}
        case Branches():
            return {expression.start}
        case Pair():
            return {expression.left, expression.right}
        case Sum():
            return {expression.value}
        case Chosen():
            return values_of(expression.yes) | values_of(expression.no)


def parameters_of(expression: Expression) -> set[str]:
    """Return the names that an expression may take from the parameters of its block."""
    found = {use.callee for use in uses_of(expression)}
    found |= {
        value.name for use in uses_of(expression) for _, value in use.arguments if isinstance(value, Ref)
    }
    if isinstance(expression, Chosen):
        found |= {expression.parameter} | parameters_of(expression.yes) | parameters_of(expression.no)
    return found


# --- text --------------------------------------------------------------------------------------


def literal(value: Given | None) -> str:
    """Return a value in the language."""
    match value:
        case None:
            return "none"
        case Ref():
            return value.name if value.factor == 1 else f"{value.factor} * {value.name}"
        case bool():
            return str(value).lower()
        case (int(), int()):
            return "x".join(map(str, value))
        case tuple():
            return f"[{', '.join(str(list(axis)) for axis in value)}]"
        case _:
            return str(value)


def call_text(use: Use, first: str = "") -> str:
    """Return a use; `first` is what it is applied to, if that stands in its parentheses."""
    if use.share:
        return f"{use.share}({first})" if first else use.share
    given = [f"{name}={literal(value)}" for name, value in use.arguments]
    operands = [f"{name}={value}" if name else value for name, value in use.operands]
    in_order = [operand for operand in operands if "=" not in operand]
    by_name = [operand for operand in operands if "=" in operand]
    inner = ", ".join(filter(None, (first, *in_order, *given, *by_name)))
    return f"{use.callee}({inner})" if inner else use.callee


def expression_text(expression: Expression) -> str:
    """Return an expression in the language."""
    match expression:
        case Pipe(start, uses, wrapped):
            before = uses[:-1] if wrapped else uses
            piped = " -> ".join([start, *(_labelled(use, call_text(use)) for use in before)])
            return _labelled(uses[-1], call_text(uses[-1], piped)) if wrapped else piped
        case Branches(start, use):
            return f"{start} -> {_labelled(use, call_text(use))}"
        case Pair():
            return f"{expression.left} {expression.sign} {expression.right}"
        case Sum():
            return expression.template.format(expression.value)
        case Chosen():
            condition = f"{expression.parameter} == {literal(expression.literal)}"
            yes, no = expression_text(expression.yes), expression_text(expression.no)
            return f"if {condition} then {yes} else {no}"


def _labelled(use: Use, text: str) -> str:
    return f"{use.label}: {text}" if use.label else text


def block_text(block: BlockSketch) -> str:
    """Return the declaration of a block."""
    parameters = ", ".join(_parameter_text(parameter) for parameter in block.parameters)
    shared = (f"{name} = share({call_text(replace(use, share=''))})" for name, use in block.shared.items())
    written = (f"{name} = {expression_text(expression)}" for name, expression in block.steps)
    steps = "".join(f"    {step}\n" for step in (*shared, *written))
    results = tuple(map(expression_text, (block.result, *block.more)))
    record = "  ".join(f"{name}: {text}" for name, text in zip(block.fields, results, strict=False))
    result = f"{{ {record} }}" if block.fields else results[0]
    return f"block {block.name}({parameters}) {{\n{steps}    return {result}\n}}\n"


def _parameter_text(parameter: ParameterSketch) -> str:
    if not parameter.optional or parameter.value is None:
        return parameter.name
    if isinstance(parameter.value, Symbol) and parameter.rule is not None:
        others = [word for word in parameter.rule.choices if word != parameter.value]
        return f"{parameter.name} = {' | '.join([parameter.value, *others])}"
    return f"{parameter.name} = {literal(parameter.value)}"


# --- shapes ------------------------------------------------------------------------------------


@dataclass
class Workshop:
    """What the shapes of a network are worked out with: its blocks, the input's extent, sizes to run at."""

    extent: Extent
    sizes: tuple[tuple[int, ...], ...]
    blocks: dict[str, BlockSketch] = field(default_factory=dict)
    ops: int = 0
    tensors: int = 0  # of parameters
    shared: dict[str, Shape] = field(
        default_factory=dict
    )  # what functions of one block were applied to first

    def applied(self, block: BlockSketch, given: Mapping[str, Literal], x: Shape, *more: Shape) -> Shape:
        """Return the shape of a block's result, the first if there are several; raises Misfit."""
        return self.results(block, given, x, *more)[0]

    def results(
        self, block: BlockSketch, given: Mapping[str, Literal], x: Shape, *more: Shape
    ) -> tuple[Shape, ...]:
        """Return the shapes of a block's results; raises Misfit."""
        values = {p.name: given.get(p.name, p.value) for p in block.parameters if not p.is_tensor}
        if len(block.takes) != len(more):
            raise Misfit("another number of tensors")
        known = {"x": x, **dict(zip(block.takes, more, strict=True))}
        settings = {name: value for name, value in values.items() if value is not None}
        outer, self.shared = self.shared, {}
        try:
            for name, expression in block.steps:
                known |= self.values(name, expression, known, settings)
            return tuple(self.shape(result, known, settings) for result in (block.result, *block.more))
        finally:
            self.shared = outer

    def values(
        self, name: str, expression: Expression, known: Mapping[str, Shape], settings: Mapping[str, Literal]
    ) -> dict[str, Shape]:
        """Return the shape of a step, or of each field if it is a record; raises Misfit."""
        if not isinstance(expression, Branches):
            return {name: self.shape(expression, known, settings)}
        use, x = expression.use, known[expression.start]
        if use.share and self.shared.setdefault(use.share, x) != x:
            raise Misfit("it may have other steps")
        block = self.blocks[use.callee]
        given = {argument: resolved(value, settings) for argument, value in use.arguments}
        shapes = self.results(block, given, x)
        return {f"{name}.{field}": shape for field, shape in zip(block.fields, shapes, strict=True)}

    def shape(
        self, expression: Expression, known: Mapping[str, Shape], settings: Mapping[str, Literal]
    ) -> Shape:
        """Return the shape of an expression; raises Misfit."""
        match expression:
            case Pipe():
                x = known[expression.start]
                for use in expression.uses:
                    x = self.use(use, (x, *(known[name] for _, name in use.operands)), settings)
                return x
            case Pair():
                sign = "+" if expression.sign == "-" else expression.sign
                operands = known[expression.left], known[expression.right]
                return self.op(OPERATORS[sign].make({}), operands, False)
            case Sum():
                self.ops += 1
                return known[expression.value]
            case Branches():
                raise Misfit("a record where a tensor belongs")
            case Chosen():
                taken = settings[expression.parameter] == expression.literal
                return self.shape(expression.yes if taken else expression.no, known, settings)

    def use(self, use: Use, operands: tuple[Shape, ...], settings: Mapping[str, Literal]) -> Shape:
        """Return the shape of what a use gives; raises Misfit."""
        callee = str(settings.get(use.callee, use.callee))
        given = {name: resolved(value, settings) for name, value in use.arguments}
        first = self.shared.setdefault(use.share, operands[0]) if use.share else operands[0]
        if callee in self.blocks:
            if first != operands[0]:
                raise Misfit("it may have other steps")
            if self.blocks[callee].fields:
                raise Misfit("a record where a tensor belongs")
            return self.applied(self.blocks[callee], given, *operands)
        try:
            op = CATALOGUE[callee].make(dict(given))
        except ValueError as error:
            raise Misfit(str(error)) from None
        # What does something at one size may do nothing at another, if it has no tensors.
        alike = (first.channels, first.is_vector) == (operands[0].channels, operands[0].is_vector)
        if first != operands[0] and not (alike and op.parameters(*operands)):
            raise Misfit("it would have other tensors")
        return self.op(op, operands, bool(use.label))

    def op(self, op: Op, operands: tuple[Shape, ...], labelled: bool) -> Shape:
        """Return the shape of an op's result if it is of a size that can be run; raises Misfit."""
        if op.taken is not None and op.taken != len(operands):
            raise Misfit("another number of inputs")
        try:
            result = op.shape(*operands, extent=self.extent)
            for size in self.sizes if self.extent.height is None else ():
                op.shape(*operands, extent=Extent(*size))
        except ShapeError as error:
            raise Misfit(str(error)) from None
        if op.positive:
            raise Misfit("of positive values alone, which these need not be")
        if op.does_nothing(*operands):
            if labelled:
                raise Misfit("a label of nothing")
            return operands[0]
        if not all(self._may_be(result.at(Extent(*size))) for size in self.sizes):
            raise Misfit("too large, or nothing is left")
        self.ops += 1
        self.tensors += sum(tensor.learned for tensor in op.parameters(*operands))
        return result

    def _may_be(self, extents: Iterable[int | None]) -> bool:
        channels, *spatial = extents
        most = MOST_CHANNELS if spatial else MOST_VALUES
        return channels is not None and channels <= most and all(n and 0 < n <= MOST_PIXELS for n in spatial)


def resolved(value: Given, settings: Mapping[str, Literal]) -> Literal:
    """Return a value with what its parameter is given."""
    if not isinstance(value, Ref):
        return value
    found = settings[value.name]
    return found if value.factor == 1 else value.factor * int(found)  # type: ignore[arg-type]
