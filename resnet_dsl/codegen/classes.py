"""Bodies to classes: blocks of one definition and one structure are written once, with parameters.

Structure is what a backend writes: each step is lowered for each body, and bodies whose trees are alike
but for numbers share a class (`grouping.py`). Numbers that differ become parameters (`parameters.py`). A
call that some bodies lack, such as a projection, becomes a flag.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise, takewhile

from resnet_dsl.codegen.class_docs import true_of
from resnet_dsl.codegen.grouping import BodyGroup, LoweredBody, distinct_bodies, grouped
from resnet_dsl.codegen.lowering import (
    Lower,
    Lowering,
    Site,
    formula_of,
    value_of,
)
from resnet_dsl.codegen.names import OWN, PYTHON, camel, class_name, free_name
from resnet_dsl.codegen.parameters import IN_CHANNELS, ClassParameter, Varying, parameter_name
from resnet_dsl.codegen.python import Expression, Literal, Name, NumberOrigin, binary
from resnet_dsl.codegen.shared_steps import SharedUse, shared_uses
from resnet_dsl.ir.formulas import Fixed, Formula, Number
from resnet_dsl.ir.network import BlockCall, Body, FurtherResult, Network, Node, Stage, channels_name
from resnet_dsl.ir.ops import Op
from resnet_dsl.records import dataclass, field, replace

INDEX = "i"

Named = Callable[[str, str], str]


@dataclass(frozen=True)
class ClassUse:
    """A class put to use: its arguments by parameter; with a `flag`, only where that is true."""

    target: BlockClass
    arguments: tuple[tuple[str, Expression], ...]
    flag: str | None = None


@dataclass(frozen=True)
class BlockStep:
    """One step of a class: an op as its backend writes it, another class put to use, or a result of that."""

    name: str
    what: Lowering | ClassUse | FurtherResult
    inputs: tuple[int, ...]
    variable: str
    node: Node
    shared: SharedUse | None = None

    @property
    def kind(self) -> str:
        """What the step is: the language's word for the op, or the class put to use."""
        if isinstance(self.node.what, BlockCall):
            return self.what.target.name if isinstance(self.what, ClassUse) else self.name
        return self.node.what.kind if isinstance(self.node.what, Op) else self.name

    @property
    def results(self) -> int:
        """How many results the step has."""
        return len(self.node.what.body.results) if isinstance(self.node.what, BlockCall) else 1

    @property
    def owner(self) -> str | None:
        """The step whose module or layer this one applies again, if it does."""
        return self.node.owner

    @property
    def home(self) -> str:
        """The name of the step that keeps what this one applies: its own, or that of the owner."""
        return self.node.owner or self.name

    @property
    def is_activation(self) -> bool:
        """Whether the step is a nonlinearity of one value."""
        return isinstance(self.node.what, Op) and self.node.what.activation

    @property
    def is_arithmetic(self) -> bool:
        """Whether the step is written with an operator."""
        return isinstance(self.node.what, Op) and self.node.what.arithmetic


@dataclass(frozen=True, eq=False)
class BlockClass:
    """A block as it is written in source: once for all uses of one structure.

    `inputs` names the values it takes, `x` first; `sites` has, for each step that is an op, one
    of the sites it was lowered for.
    """

    name: str
    definition: str
    doc: str
    parameters: tuple[ClassParameter, ...]
    inputs: tuple[str, ...]
    steps: tuple[BlockStep, ...]
    results: tuple[int, ...]
    sites: dict[str, Site] = field(repr=False)


@dataclass(frozen=True)
class Classes:
    """All classes of a network, inner ones first, and the use that each body is of them."""

    classes: tuple[BlockClass, ...]
    uses: dict[int, ClassUse] = field(repr=False)
    lower: Lower = field(repr=False)

    def use(self, body: Body) -> ClassUse:
        """Return how a block of a stage is made."""
        return self.uses[id(body)]

    def progressions(
        self, stage: Stage, first: Callable[[int], int] = lambda start: 0
    ) -> Iterator[tuple[ClassUse, int]]:
        """Yield (use, count) of neighbours made alike but for numbers that grow evenly.

        Such a number is written over `INDEX`, which counts the run that starts at a block of the stage from
        `first` of that on: `64 + 32 * i`.
        """
        uses = [self.use(body) for body in stage.blocks]
        start = 0
        while start < len(uses):
            count = _progressing(uses, start)
            yield (_of_index(uses[start], uses[start + 1], first(start)) if count > 1 else uses[start]), count
            start += count


def _progressing(uses: Sequence[ClassUse], start: int) -> int:
    """How many of the uses, from `start` on, follow each other by the same steps."""
    steps = (_steps(*pair) for pair in pairwise(uses[index] for index in range(start, len(uses))))
    first = next(steps, None)
    if first is None:
        return 1
    alike = 2 + sum(1 for _ in takewhile(lambda step: step == first, steps))
    # Two that differ are no progression yet, and read better as they are.
    return alike if alike > 2 or not any(first) else 1


def _steps(use: ClassUse, following: ClassUse) -> tuple[int, ...] | None:
    """By how much each argument grows from one use to the next; None if it is not by whole numbers."""
    if use.target is not following.target:
        return None
    steps = []
    for (_, before), (_, after) in zip(use.arguments, following.arguments, strict=True):
        match before, after:
            case Literal(int() as low, None), Literal(int() as high, None) if type(low) is type(high) is int:
                steps.append(high - low)
            case _ if before == after:
                steps.append(0)
            case _:
                return None
    return tuple(steps)


def _of_index(use: ClassUse, following: ClassUse, first: int) -> ClassUse:
    steps = _steps(use, following) or ()
    arguments = [
        (name, _grown(value, step, first)) for (name, value), step in zip(use.arguments, steps, strict=True)
    ]
    return replace(use, arguments=tuple(arguments))


def _grown(value: Expression, step: int, first: int) -> Expression:
    """The number over what counts the run, from `first` on: `64 + 32 * i`."""
    if not step or not isinstance(value, Literal) or not isinstance(value.value, int):
        return value
    grown = Name(INDEX) if abs(step) == 1 else binary(abs(step), "*", Name(INDEX))
    start = value.value - step * first
    return grown if step > 0 and start == 0 else binary(start, "+" if step > 0 else "-", grown)


def classes_of(
    network: Network, lower: Lower, reserved: frozenset[str] = frozenset(), named: Named | None = None
) -> Classes:
    """Return the classes of a network; no class or parameter is called as one of `reserved`.

    `named` calls a class by its definition and what tells it from others of that, if it is not a class.
    """
    bodies = distinct_bodies(network)
    lowered = {id(body): LoweredBody(body, lower, network.inference) for body in bodies}
    groups = grouped(bodies, lowered)
    uses: dict[int, ClassUse] = {}
    names = _class_names(groups, _counts(network), named or _class_named(reserved), PYTHON | reserved)
    taken = PYTHON | OWN | reserved | frozenset(names)
    made = [
        _Making(group, name, uses, taken, lowered).made() for group, name in zip(groups, names, strict=True)
    ]
    return Classes(tuple(made), uses, lower)


def _counts(network: Network) -> Counter[int]:
    """How often each body is used."""
    owners = network.owners()
    parts = (body for _, path, body in network.parts() if path not in owners)
    return Counter(id(inner) for body in parts for inner in body.bodies())


def _class_named(reserved: frozenset[str]) -> Named:
    def named(definition: str, variant: str) -> str:
        return class_name(definition, reserved) + (camel(variant) if variant[:1].isalpha() else variant)

    return named


def _class_names(
    groups: list[BodyGroup], counts: Counter[int], named: Named, taken: frozenset[str]
) -> list[str]:
    """Names of the definition; the variant used most bears it plain, others say what they add."""
    names: list[str] = [""] * len(groups)
    rivals: dict[str, int] = {}  # by definition, the first group of it that has a name
    tried: dict[tuple[str, str], int] = {}  # how many variants of a name are taken
    used = set(taken)
    order = sorted(range(len(groups)), key=lambda i: -sum(counts[id(body)] for body in groups[i].bodies))
    for index in order:
        definition = _defines(groups[index])
        rival = rivals.get(definition)
        extra = "" if rival is None else _difference(groups[index], groups[rival])
        while True:
            number = tried[definition, extra] = tried.get((definition, extra), 0) + 1
            name = named(definition, extra if number == 1 else f"{extra}{number}")
            if name not in used:
                break
        names[index] = name
        used.add(name)
        rivals[definition] = index if rival is None else min(rival, index)
    return names


def _defines(group: BodyGroup) -> str:
    return group.fullest.definition


def _difference(group: BodyGroup, other: BodyGroup) -> str:
    theirs = {node.name for node in other.fullest.steps()}
    mine = [node.name for node in group.fullest.steps() if node.name not in theirs]
    named = [name for name in mine if not name[-1].isdigit()]
    return named[0] if named else ""


# --- one class ---------------------------------------------------------------------------------


class _Making:
    """A class in the making: its group, and what its numbers are in each body."""

    def __init__(
        self,
        group: BodyGroup,
        name: str,
        uses: dict[int, ClassUse],
        taken: frozenset[str],
        lowered: dict[int, LoweredBody],
    ) -> None:
        self.group, self.name, self.uses, self.lowered = group, name, uses, lowered
        self.having: dict[str, int] = {}
        self.numbers: dict[NumberOrigin, Expression] = {}
        self.shared = shared_uses(group.bodies)
        self.steps: dict[str, list[tuple[int, Node, Body]]] = {}
        for index, body in enumerate(group.bodies):
            for node in body.nodes:
                self.steps.setdefault(node.name, []).append((index, node, body))
        # A step and a number may both become attributes, so a number is never called as a step.
        steps = frozenset(node.name for node in group.fullest.nodes)
        self.inputs = _input_names(group.fullest, taken)
        taken |= frozenset(self.inputs)
        self.flags = {call: _free(call, taken) for call in group.calls if not self._has_always(call)}
        self.varying = Varying(_values(group), taken | steps | frozenset(self.flags.values()))

    def made(self) -> BlockClass:
        """Return the class, and keep how each body uses it."""
        full = self.group.fullest
        steps = tuple(self._step(node) for node in full.nodes)
        numbers = self._parameters()
        parameters = (*numbers, *(ClassParameter(flag, "bool") for flag in self.flags.values()))
        sites = self.lowered[id(full)].sites
        doc = true_of(self.group.bodies, {parameter.name for parameter in parameters})
        block = BlockClass(
            self.name, full.definition, doc, parameters, self.inputs, steps, full.results, sites
        )
        for index, body in enumerate(self.group.bodies):
            present = {node.name for node in body.nodes}
            given = [(p.name, Literal(self.varying.used[p.name][index])) for p in numbers]
            given += [(flag, Literal(call in present)) for call, flag in self.flags.items()]
            self.uses[id(body)] = ClassUse(block, tuple(given))
        return block

    def _parameters(self) -> tuple[ClassParameter, ...]:
        """The input's channels first, then the block's own in their order, then further numbers."""
        order = [IN_CHANNELS, *map(parameter_name, self.varying.values), *self.varying.own]
        found = [name for name in dict.fromkeys(order) if name in self.varying.used]
        return tuple(ClassParameter(name, _kind(self.varying.used[name])) for name in found)

    def _has_always(self, call: str) -> bool:
        """Whether every body of the group has this call, so that it needs no flag."""
        return len(self.steps[call]) == len(self.group.bodies)

    def _step(self, node: Node) -> BlockStep:
        shared = self.shared.get(node.owner or node.name)
        if isinstance(node.what, BlockCall):
            use = self._inner_use(node)
            return BlockStep(node.name, use, node.inputs, node.variable, node, shared)
        if isinstance(node.what, FurtherResult):
            return BlockStep(node.name, node.what, node.inputs, node.variable, node)
        lowering = self.lowered[id(self.group.fullest)].ops[node.name]
        known = {o: self._number(o, node) for o in _origins(lowering)}

        def written(tree: Expression) -> Expression | None:
            return known[tree.origin] if isinstance(tree, Literal) and tree.origin is not None else None

        what = lowering.changed(written).folded()
        return BlockStep(node.name, what, node.inputs, node.variable, node, shared)

    def _number(self, origin: NumberOrigin, node: Node) -> Expression:
        """What stands for a number of an op in the class: of one that is applied again, the first's."""
        origin = replace(origin, step=node.first)
        if origin not in self.numbers:
            self.numbers[origin] = self._made_number(origin)
        return self.numbers[origin]

    def _made_number(self, origin: NumberOrigin) -> Expression:
        among, nodes, owners = self._counterparts(origin.step)
        pairs = list(zip(nodes, owners, strict=True))
        numbers = [value_of(origin, node, body) for node, body in pairs]
        # The argument's own name says enough where one step alone has it, and the block means nothing by it.
        label = _label(origin)
        if label in self.varying.values or self._having(origin.field) != 1:
            label = f"{origin.step}_{label}"
        return self.varying.expression(label, numbers, among, formula_of(origin, *pairs[0]))

    def _having(self, name: str) -> int:
        """How many steps of the class have an argument of this name."""
        if name not in self.having:
            nodes = (node for node in self.group.fullest.nodes if node.first == node.name)
            self.having[name] = sum(hasattr(node.what, name) for node in nodes)
        return self.having[name]

    def _inner_use(self, node: Node) -> ClassUse:
        """How a call inside is made: the arguments of its class over the parameters of this one."""
        if node.owner is not None:
            return self._inner_use(self.steps[node.owner][0][1])
        among, nodes, owners = self._counterparts(node.name)
        children = [self.uses[id(n.what.body)] for n in nodes if isinstance(n.what, BlockCall)]
        target = children[0].target
        formulas = dict(argument_formulas(nodes[0], owners[0]))
        arguments = []
        for position, parameter in enumerate(target.parameters):
            values = [_plain(child.arguments[position][1]) for child in children]
            label = f"{node.name}_{parameter.name}"
            formula = formulas.get(parameter.name)
            arguments.append((parameter.name, self.varying.expression(label, values, among, formula)))
        return ClassUse(target, tuple(arguments), self.flags.get(node.name))

    def _counterparts(self, step: str) -> tuple[list[int], list[Node], list[Body]]:
        """The same step in every body of the group that has it."""
        found = self.steps[step]
        return [f[0] for f in found], [f[1] for f in found], [f[2] for f in found]


def _values(group: BodyGroup) -> dict[str, list[Number]]:
    """What formulas may use: channels of inputs, and the block's own numbers, each with its value by body."""
    full = group.fullest
    found: dict[str, list[Number]] = {}
    for index, name in enumerate(full.names):
        found[channels_name(name)] = [body.inputs[index].channels for body in group.bodies]
    given = [dict(body.arguments) for body in group.bodies]
    for name, _ in full.arguments:
        values = [arguments.get(name) for arguments in given]
        if all(type(value) in (int, float) for value in values):
            found[name] = [value for value in values if value is not None]
    # The author may call a parameter as the file calls the channels of an input: that is two numbers.
    written: dict[str, list[Number]] = {}
    return {
        name: values
        for name, values in found.items()
        if written.setdefault(parameter_name(name), values) == values
    }


def _input_names(body: Body, taken: frozenset[str]) -> tuple[str, ...]:
    """What a class calls the values it takes: as the author does, where that means nothing else."""
    x, *others = body.names
    found = [x]
    for name in others:
        found.append(free_name(name, taken.union(found, set(others) - {name})))
    return tuple(found)


def argument_formulas(node: Node, body: Body) -> Iterator[tuple[str, Formula]]:
    """Yield how the parameters of a called class follow: arguments of its block, channels of its inputs."""
    assert isinstance(node.what, BlockCall)
    called = node.what.body
    for name, value in called.arguments:
        if type(value) in (int, float):
            yield name, dict(node.derived).get(name, Fixed(value))
    for name, value in zip(called.names, node.inputs, strict=True):
        if (formula := body.channels(value)) is not None:
            yield parameter_name(channels_name(name)), formula


def _origins(lowering: Lowering) -> Iterable[NumberOrigin]:
    return dict.fromkeys(number.origin for number in lowering.numbers() if number.origin is not None)


def _label(origin: NumberOrigin) -> str:
    axis = "" if origin.index is None else ("_height", "_width")[min(origin.index, 1)]
    return f"{origin.field}{'' if origin.field == 'in' else axis}"


def _plain(tree: Expression) -> Number:
    assert isinstance(tree, Literal)
    assert isinstance(tree.value, int | float)
    return tree.value


def _kind(values: Sequence[Number]) -> str:
    if any(isinstance(value, bool) for value in values):
        return "bool"
    return "float" if any(isinstance(value, float) for value in values) else "int"


def _free(name: str, taken: frozenset[str]) -> str:
    name = f"step_{name}" if name[0].isdigit() else name
    return next(n for n in (name, *(f"{name}_{i}" for i in range(2, 99))) if n not in taken)
