"""The model itself, part by part: what a backend that writes Python puts after the blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, count

from resnet_dsl.codegen.classes import BlockStep, Classes, ClassUse
from resnet_dsl.codegen.lowering import Lowering, formula_of, overwritable_values, site, value_of
from resnet_dsl.codegen.names import OWN, PYTHON
from resnet_dsl.codegen.parameters import IN_CHANNELS, ClassParameter, tree_of
from resnet_dsl.codegen.python import Expression, Literal, NumberOrigin, names
from resnet_dsl.codegen.shared_steps import SharedUse, shared_blocks, shared_uses
from resnet_dsl.ir.formulas import Formula, evaluated, names_of, simplified
from resnet_dsl.ir.narrowing import needed_only, reordered
from resnet_dsl.ir.network import (
    INPUT,
    PREVIOUS,
    WITHIN,
    BlockCall,
    Body,
    FurtherResult,
    Network,
    Node,
    Stage,
)
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass, field, replace

INPUTS = "inputs"  # the variable of the model's input


@dataclass(frozen=True)
class ModelPart:
    """The stem or the head; `features` are the variables it takes beside what comes before it."""

    name: str
    steps: tuple[BlockStep, ...]
    results: tuple[int, ...]
    features: tuple[str, ...] = ()
    follows: bool = True  # whether it takes what comes before it
    later: int | None = None  # the number of the first step that auxiliary outputs alone need

    def inputs(self, current: str) -> list[str]:
        """Return the variables that it takes, where `current` has the result before it."""
        return [*([current] if self.follows else []), *self.features]


@dataclass(frozen=True)
class ModelBody:
    """The parts in order, and the variables that keep results for the head or as outputs.

    `parameters` are those of the model's own constructor or function, the network's values their
    defaults; `shared` are the blocks of stages that are applied more than once, by path. `named` are the
    variables of results that are no whole part: by part or block, and by their position there. `auxiliary`
    are those outputs that exist in training only, `later` the parts that they alone need.
    """

    parts: tuple[ModelPart | Stage, ...]
    kept: dict[str, str]
    outputs: tuple[tuple[str, str], ...]
    parameters: tuple[ClassParameter, ...]
    named: Mapping[str, Mapping[int, tuple[str, ...]]]
    shared: Mapping[str, SharedUse] = field(default_factory=dict)
    auxiliary: tuple[tuple[str, str], ...] = ()
    later: frozenset[str] = frozenset()

    def steps(self) -> Iterator[BlockStep]:
        """Yield the steps of stem and head."""
        for part in self.parts:
            if isinstance(part, ModelPart):
                yield from part.steps

    def keeps_inside(self, stage: Stage) -> bool:
        """Whether a result inside the stage is kept, so that its blocks are called one by one."""
        return any(f"{stage.name}.{index}" in self.kept for index in range(stage.count))

    def as_whole(self, stage: Stage) -> bool:
        """Whether a stage is its own blocks one after the other, of which the last alone is asked for."""
        several = any(run.body.more or run.body.fields for run in stage.runs)
        return stage.in_a_row and not (stage.shares or several or self.keeps_inside(stage))

    def targets(self, own: str, count: int, first: str) -> tuple[tuple[str, ...], list[tuple[str, str]]]:
        """Return the variables that a block's results go into, the first as told, and copies of those."""
        named = self.named.get(own, {})
        first = named[0][0] if first not in self.kept.values() and 0 in named else first
        found = [first, *(named.get(position, ("_",))[0] for position in range(1, count))]
        copies = [(name, found[p]) for p, several in named.items() for name in several if name != found[p]]
        return tuple(found), copies

    def given(self, part: ModelPart) -> dict[int, str]:
        """Return the variables that values of stem or head have to have."""
        named = self.named.get(part.name, {})
        found: dict[int, str] = {}
        for position, several in named.items():
            if (value := part.results[position]) >= 0:
                found.setdefault(value, several[0])
        return found

    def copies(self, part: ModelPart, auxiliary: bool = False) -> Iterator[tuple[str, int]]:
        """Yield further variables for results of stem or head, each with the result's position."""
        given, apart = self.given(part), {variable for _, variable in self.auxiliary}
        for position, several in self.named.get(part.name, {}).items():
            own = [name for name in several if (name in apart) == auxiliary]
            yield from ((name, position) for name in own if given.get(part.results[position]) != name)

    def operands(self, stage: Stage, index: int, current: str) -> list[str]:
        """Return the variables that a block takes, where `current` has the result before it."""
        return [current if path == PREVIOUS else self.kept[path] for path in stage.taken(index)]


def model_body(
    program: Program, classes: Classes, reserved: Iterable[str], inputs: str | None = None
) -> ModelBody:
    """Return the body of a program's model; no variable or parameter is called as one of `reserved`.

    `inputs` is the variable that has the model's input to the end, if there is one.
    """
    network = program.network
    taken = PYTHON.union(OWN, reserved, (block.name for block in classes.classes))
    parameters = _parameters(network, classes, taken.union(_own_names(network)))
    kept = _variables((*network.outputs, *network.seen()), taken.union(p.name for p in parameters))
    if INPUT in kept and inputs is not None:
        kept[INPUT] = inputs
    parts: list[ModelPart | Stage] = []
    if network.stem is not None:
        parts.append(_part("stem", network.stem, network, classes, parameters))
    parts += network.stages
    if network.head is not None:
        features = tuple(kept[name] for name in network.features)
        head = _part("head", network.head, network, classes, parameters)
        parts.append(replace(head, features=features))
    outputs, auxiliary = (
        tuple((name, kept[name]) for name in network.outputs if (name in network.auxiliary) == apart)
        for apart in (False, True)
    )
    named, later, shared = _named(network, kept), frozenset(_later(network)), shared_blocks(network)
    body = ModelBody(tuple(parts), kept, outputs, parameters, named, shared, auxiliary, later)
    used = names(
        tree for step in body.steps() if isinstance(step.what, Lowering) for tree in step.what.trees()
    )
    return replace(body, parameters=tuple(p for p in parameters if p.name in used))


def _later(network: Network) -> Iterator[str]:
    """The parts that auxiliary outputs alone need."""
    if network.auxiliary:
        kept = _main_parts(network)
        yield from dict.fromkeys(part for part, _, _ in network.parts() if part not in kept)


def _main_parts(network: Network) -> set[str]:
    """The parts that other outputs than auxiliary ones need."""
    main = tuple(name for name in network.outputs if name not in network.auxiliary)
    return {part for part, _, _ in needed_only(replace(network, outputs=main)).parts()}


def _main_first(name: str, body: Body, network: Network) -> tuple[Body, int | None]:
    """A stem or head with the steps last that auxiliary outputs alone need, and the first of these."""
    places = network.places()
    own = {places[output][1] for output in network.auxiliary if places[output][0] == name}
    if not own or body.shared():  # what is applied more than once keeps its order: statistics move with each
        return body, None
    main = _main_parts(network)
    if name not in main:
        return body, None  # it is later as a whole
    used = {
        places[output][1]
        for output in network.outputs
        if output not in network.auxiliary and places[output][0] == name
    }
    if name == "stem" and main - {name}:  # whatever comes later starts from it in the end
        used.add(0)
    needed = {value for position, value in enumerate(body.results) if position in used or position not in own}
    for index in range(len(body.nodes) - 1, -1, -1):
        if index in needed:
            needed.update(body.nodes[index].inputs)
    order = [i for i in range(len(body.nodes)) if i in needed]
    first, order = len(order), order + [i for i in range(len(body.nodes)) if i not in needed]
    return reordered(body, order), first


def _named(network: Network, kept: Mapping[str, str]) -> dict[str, dict[int, tuple[str, ...]]]:
    """The variables of results that are fields or steps, by part or block and by position."""
    whole = {name for part, path, _ in network.parts() for name in (part, path)}
    found: dict[str, dict[int, tuple[str, ...]]] = {}
    for name, (own, position) in network.places().items():
        if name in kept and name not in whole:
            own_names = found.setdefault(own, {})
            own_names[position] = (*own_names.get(position, ()), kept[name])
    return found


# --- parameters of the model -------------------------------------------------------------------


def _own_names(network: Network) -> Iterator[str]:
    """Yield the names of what the model keeps: its stages, and the steps of stem and head."""
    yield from (stage.name for stage in network.stages)
    for part in (network.stem, network.head):
        yield from (node.name for node in part.nodes) if part is not None else ()


def _parameters(network: Network, classes: Classes, taken: frozenset[str]) -> tuple[ClassParameter, ...]:
    """The network's parameters that everything in the file can follow: steps of stem and head alone.

    What a stage's blocks are made with stays a number: they are written for the numbers they have.
    """
    free = {p.name for p in network.parameters if p.name not in taken and not p.name.startswith("_")}
    for stage in network.stages:
        for run in stage.runs:
            free -= {name for _, formula in run.derived for name in names_of(formula)}
    steps = [
        (node, body) for body in (network.stem, network.head) if body is not None for node in body.steps()
    ]
    for node, body in steps:
        free -= set(_written_as_numbers(node, body, classes))
    formulas = [formula for node, body in steps for formula in _formulas(node, body)]
    for _ in formulas:  # what stands in a formula with a name that is no parameter is none either
        free -= {n for f in formulas if not free.issuperset(names_of(f)) for n in names_of(f)}
    found = [p for p in network.parameters if p.name in free]
    # As users of torchvision expect: the number of classes first, the image's channels last.
    found.sort(key=lambda parameter: parameter.name == IN_CHANNELS)
    return tuple(
        ClassParameter(p.name, "float" if isinstance(p.value, float) else "int", p.value) for p in found
    )


def _formulas(node: Node, body: Body) -> Iterator[Formula]:
    """How the numbers of a step were derived."""
    yield from (formula for _, formula in node.derived)
    yield from filter(None, map(body.channels, node.inputs))


def _written_as_numbers(node: Node, body: Body, classes: Classes) -> Iterator[str]:
    """The parameters that something of a step follows from which the file writes as a mere number."""
    if isinstance(node.what, BlockCall):
        for formula in _formulas(node, body):
            yield from names_of(formula)
        return
    written = {number.origin for number in classes.lower(site(node, body)).numbers()}
    for name, formula in node.derived:
        if NumberOrigin(node.name, name) not in written:
            yield from names_of(formula)


def _follows(formula: Formula | None, value: float, parameters: Mapping[str, float]) -> Expression | None:
    """The number as an expression over parameters of the model, if it follows from them."""
    names = set(names_of(formula))
    if formula is None or not names or not names <= parameters.keys():
        return None
    return tree_of(simplified(formula)) if evaluated(formula, parameters) == value else None


# --- parts -------------------------------------------------------------------------------------


def _part(
    name: str, body: Body, network: Network, classes: Classes, parameters: tuple[ClassParameter, ...]
) -> ModelPart:
    values = {p.name: p.default for p in parameters if p.default is not None}
    body, later = _main_first(name, body, network)
    overwritable, shared = overwritable_values(body, frozenset(body.results)), shared_uses([body])
    steps = []
    for node in body.nodes:
        frozen = network.freezes(name, node.name)  # norms, which alone may be frozen too, draw nothing
        if isinstance(node.what, BlockCall):
            what: Lowering | ClassUse | FurtherResult = classes.use(body.called(node))
        elif isinstance(node.what, FurtherResult):
            what = node.what
        else:
            lowering = classes.lower(site(node, body, frozen, overwritable, network.inference))

            def written(tree: Expression, node: Node = node) -> Expression | None:
                if not isinstance(tree, Literal) or tree.origin is None:
                    return None
                formula = formula_of(tree.origin, node, body)
                plain = replace(tree, origin=None)
                return _follows(formula, value_of(tree.origin, node, body), values) or plain

            what = lowering.changed(written).folded()
        use = shared.get(node.owner or node.name)
        steps.append(BlockStep(node.name, what, node.inputs, node.variable, node, use))
    return ModelPart(name, tuple(steps), body.results, follows=body.names[0] == "x", later=later)


def _variables(names: Iterable[str], taken: frozenset[str]) -> dict[str, str]:
    """A variable for each name of a result: `layer2.0` in `layer2_0`."""
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        plain = INPUTS if name == INPUT else name.replace(".", "_").replace(WITHIN, "_")
        plain = f"out_{plain}" if plain[0].isdigit() else plain
        tries = chain((plain,), (f"{plain}_out{n}" for n in chain(("",), count(2))))
        found[name] = next(t for t in tries if t not in taken and t not in found.values())
    return found


def used_helpers(body: ModelBody, classes: Classes) -> set[str]:
    """Return the helper functions that any step of the file calls."""
    steps = [*body.steps(), *(step for block in classes.classes for step in block.steps)]
    return {name for step in steps if isinstance(step.what, Lowering) for name in step.what.helpers}
