"""Bodies to classes: blocks of one definition and one structure are written once, with parameters.

Whatever numbers differ between the uses become parameters, under the block's own names where one
fits. A call that some uses lack (a projection) becomes a flag. Backends that render source place
the result; what it says is decided here, once for all of them.
"""

from __future__ import annotations

import builtins
import keyword
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import chain, count, groupby
from typing import Any

from resnet_dsl.codegen.text_parameters import Candidate, fit, spelled
from resnet_dsl.ir.network import Body, Call, Network, Node, Stage
from resnet_dsl.ir.ops import Op

# Python's own names: what a spec calls so is called otherwise in a generated file.
PYTHON = frozenset((*dir(builtins), *keyword.kwlist))
OWN = frozenset({"x", "self", "in_channels"})


@dataclass(frozen=True)
class Use:
    """A class put to use: its arguments by parameter; with a `flag`, only where that is true."""

    target: BlockClass
    arguments: tuple[tuple[str, Any], ...]
    flag: str | None = None


@dataclass(frozen=True)
class Step:
    """One step of a class; numbers in `what` and `channels` print as the code that gives them.

    `vector` says that its first input has no height and width, `frozen` that the spec freezes it
    (in stem and head alone: blocks are frozen from outside).
    """

    name: str
    what: Op | Use
    inputs: tuple[int, ...]
    channels: tuple[int, ...]
    variable: str
    vector: bool = False
    frozen: bool = False


@dataclass(frozen=True)
class Parameter:
    """A constructor parameter of a class; `kind` is int, float or bool."""

    name: str
    kind: str


@dataclass(frozen=True, eq=False)
class BlockClass:
    """A block as it is written in source: once for all uses of one structure.

    `inputs` names the values it takes after the first, `x`.
    """

    name: str
    definition: str
    doc: str
    parameters: tuple[Parameter, ...]
    inputs: tuple[str, ...]
    steps: tuple[Step, ...]
    result: int


@dataclass(frozen=True)
class Classes:
    """All classes of a network, inner ones first, and the use that each body is of them."""

    classes: tuple[BlockClass, ...]
    uses: dict[int, Use] = field(repr=False)

    def use(self, body: Body) -> Use:
        """Return how a block of a stage is made."""
        return self.uses[id(body)]

    def runs(self, stage: Stage) -> Iterator[tuple[Use, int, int]]:
        """Yield (use, first index, count) of neighbouring blocks that are made alike."""
        start = 0
        for _, run in groupby(stage.blocks, key=lambda body: _identity(self.use(body))):
            blocks = list(run)
            yield self.use(blocks[0]), start, len(blocks)
            start += len(blocks)

    def step(self, node: Node, body: Body) -> Step:
        """Return a step of the stem or head, where every number is plain."""
        what = self.use(node.what.body) if isinstance(node.what, Call) else node.what
        channels = tuple(body.shape_of(value).channels for value in node.inputs)
        return Step(node.name, what, node.inputs, channels, node.variable, _on_vector(node, body))


def _on_vector(node: Node, body: Body) -> bool:
    return body.shape_of(node.inputs[0]).is_vector


def _identity(use: Use) -> tuple[int, tuple[tuple[str, Any], ...]]:
    return id(use.target), use.arguments


def classes_of(network: Network, reserved: frozenset[str] = frozenset()) -> Classes:
    """Return the classes of a network; no class or parameter is called as one of `reserved`."""
    groups = _grouped(_distinct(network))
    made: dict[int, BlockClass] = {}
    uses: dict[int, Use] = {}
    names = _class_names(groups, _counts(network), reserved)
    taken = PYTHON | OWN | reserved | frozenset(names)
    for group, name in zip(groups, names, strict=True):
        made[id(group)] = _make(group, name, uses, taken)
    return Classes(tuple(made[id(group)] for group in groups), uses)


# --- which bodies share a class ----------------------------------------------------------------


@dataclass(eq=False)
class _Group:
    """Bodies that become one class; the first has every call that any of them has."""

    bodies: list[Body]
    key: Any
    calls: dict[str, Any]

    @property
    def fullest(self) -> Body:
        return self.bodies[0]


def _distinct(network: Network) -> list[Body]:
    """Every body but stem and head themselves, inner ones before those that call them."""
    found: dict[int, Body] = {}
    for part, _, body in network.parts():
        for inner in body.bodies():
            if part not in ("stem", "head") or inner is not body:
                found.setdefault(id(inner), inner)
    return list(found.values())


def _grouped(bodies: list[Body]) -> list[_Group]:
    groups: list[_Group] = []
    of_body: dict[int, _Group] = {}
    order = {id(body): index for index, body in enumerate(bodies)}
    for level in _levels(bodies):
        for body in sorted(level, key=lambda b: (-len(_calls(b, of_body)), order[id(b)])):
            key, calls = _skeleton(body, of_body), _calls(body, of_body)
            group = next((g for g in groups if g.key == key and calls.items() <= g.calls.items()), None)
            if group is None:
                group = _Group([], key, calls)
                groups.append(group)
            group.bodies.append(body)
            of_body[id(body)] = group
    return groups


def _levels(bodies: list[Body]) -> Iterator[list[Body]]:
    """Bodies by how deep their definitions' calls go: a caller comes after what it calls.

    By definition and not by body, so that uses with and without a projection meet.
    """
    below: dict[str, set[str]] = {body.definition: set() for body in bodies}
    for body in bodies:
        below[body.definition] |= {n.what.body.definition for n in body.nodes if isinstance(n.what, Call)}
    depth = dict.fromkeys(below, 0)
    for _ in below:
        for name, called in below.items():
            depth[name] = max((depth[other] + 1 for other in called), default=0)
    for level in sorted(set(depth.values())):
        yield [body for body in bodies if depth[body.definition] == level]


def _is_optional(node: Node) -> bool:
    return isinstance(node.what, Call) and len(node.inputs) == 1


def _through(body: Body) -> dict[int, int]:
    """Values renumbered as if calls of one input were not there: each is its input."""
    values = {-1 - i: -1 - i for i in range(len(body.inputs))}
    count = 0
    for index, node in enumerate(body.nodes):
        if _is_optional(node):
            values[index] = values[node.inputs[0]]
        else:
            values[index] = count
            count += 1
    return values


def _skeleton(body: Body, of_body: dict[int, _Group]) -> Any:
    """What bodies of one class must share: everything but numbers and optional calls."""
    values = _through(body)
    kept = [node for node in body.nodes if not _is_optional(node)]
    nodes = tuple(
        (
            node.name,
            _op_key(node, of_body),
            tuple(values[value] for value in node.inputs),
            _on_vector(node, body),
        )
        for node in kept
    )
    return (body.definition, len(body.inputs), nodes, values[body.result])


def _op_key(node: Node, of_body: dict[int, _Group]) -> Any:
    if isinstance(node.what, Call):
        return id(of_body[id(node.what.body)])
    return type(node.what), node.what.structure


def _calls(body: Body, of_body: dict[int, _Group]) -> dict[str, Any]:
    """The optional calls of a body: what each calls, on what, and who takes the result."""
    values = _through(body)
    calls = {}
    for index, node in enumerate(body.nodes):
        if _is_optional(node) and isinstance(node.what, Call):
            takers = tuple(
                (values[i], slot)
                for i, other in enumerate(body.nodes)
                for slot, value in enumerate(other.inputs)
                if value == index
            )
            calls[node.name] = (id(of_body[id(node.what.body)]), values[node.inputs[0]], takers)
    return calls


def _counts(network: Network) -> Counter[int]:
    """How often each body is used."""
    return Counter(id(inner) for _, _, body in network.parts() for inner in body.bodies())


def _class_names(groups: list[_Group], counts: Counter[int], reserved: frozenset[str]) -> list[str]:
    """CamelCase of the definition; the variant used most bears it plain, others say what they add."""
    names: list[str] = [""] * len(groups)
    order = sorted(range(len(groups)), key=lambda i: -sum(counts[id(body)] for body in groups[i].bodies))
    for index in order:
        group = groups[index]
        plain = class_name(group.fullest.definition, reserved)
        rivals = [
            g for i, g in enumerate(groups) if names[i] and g.fullest.definition == group.fullest.definition
        ]
        extra = _difference(group, rivals[0]) if rivals else ""
        name = plain + extra
        number = 2
        while name in names:
            name = f"{plain}{extra}{number}"
            number += 1
        names[index] = name
    return names


def _difference(group: _Group, other: _Group) -> str:
    theirs = {node.name for node in other.fullest.nodes}
    mine = [node.name for node in group.fullest.nodes if node.name not in theirs]
    named = [name for name in mine if not name[-1].isdigit()]
    return camel(named[0]) if named else ""


def camel(name: str) -> str:
    """Return a name of the language as a class name: `my_block` as `MyBlock`."""
    words = "".join(word[:1].upper() + word[1:] for word in name.split("_"))
    return words if words[:1].isalpha() else f"Block{words}"


def class_name(name: str, reserved: Container[str], suffix: str = "Block") -> str:
    """Return a name of the language as the name of a class that is not taken."""
    found = camel(name)
    while found in PYTHON or found in reserved:
        found += suffix
    return found


# --- one class ---------------------------------------------------------------------------------


@dataclass
class _Making:
    """A class in the making: what its numbers may be called, and which names were used."""

    group: _Group
    uses: dict[int, Use]
    candidates: list[Candidate]
    taken: frozenset[str]
    used: dict[str, Candidate] = field(default_factory=dict)

    def number(self, name: str, values: Sequence[Any], among: Sequence[int]) -> Any:
        """Return what stands for a number that takes `values` in the bodies `among`."""
        if len(set(values)) == 1:
            return values[0]
        found = fit(values, self.candidates, among)
        if found is None:
            spread = _spread(values, among, len(self.group.bodies))
            candidate = Candidate(self.free(name), spread)
            self.candidates.append(candidate)
            found = (spelled(values[0], candidate.name), (candidate,))
        text, candidates = found
        self.used |= {candidate.name: candidate for candidate in candidates}
        return text

    def free(self, name: str) -> str:
        """Return the name, or the next that is not taken; what starts with a digit is no name."""
        name = f"step_{name}" if name[0].isdigit() else name
        taken = self.taken.union(candidate.name for candidate in self.candidates)
        return next(n for n in chain((name,), (f"{name}_{i}" for i in count(2))) if n not in taken)


def _spread(values: Sequence[Any], among: Sequence[int], count: int) -> tuple[Any, ...]:
    spread = [values[0]] * count
    for index, value in zip(among, values, strict=True):
        spread[index] = value
    return tuple(spread)


def _make(group: _Group, name: str, uses: dict[int, Use], taken: frozenset[str]) -> BlockClass:
    # A step and a number may both become attributes, so a number is never called as a step.
    candidates = list(_candidates(group, taken | {node.name for node in group.fullest.nodes}))
    making = _Making(group, uses, candidates, taken)
    flags = {call: making.free(call) for call in group.calls if not _has_always(call, group)}
    making.taken = taken.union(flags.values(), (node.name for node in group.fullest.nodes))
    steps = tuple(_step(node, index, making, flags) for index, node in enumerate(group.fullest.nodes))
    order = [c.name for c in making.candidates if c.name in making.used]
    numbers = tuple(Parameter(n, _kind(making.used[n].values)) for n in order)
    parameters = (*numbers, *(Parameter(flag, "bool") for flag in flags.values()))
    inputs = tuple(f"x{i}" for i in range(2, len(group.fullest.inputs) + 1))
    full = group.fullest
    made = BlockClass(name, full.definition, full.doc, parameters, inputs, steps, full.result)
    for index, body in enumerate(group.bodies):
        given = [(n, making.used[n].values[index]) for n in order]
        present = {node.name for node in body.nodes}
        given += [(flag, call in present) for call, flag in flags.items()]
        uses[id(body)] = Use(made, tuple(given))
    return made


def _kind(values: Sequence[Any]) -> str:
    return "float" if any(isinstance(value, float) for value in values) else "int"


def _has_always(call: str, group: _Group) -> bool:
    """Whether every body of the group has this call, so that it needs no flag."""
    return all(any(node.name == call for node in body.nodes) for body in group.bodies)


def _candidates(group: _Group, taken: frozenset[str]) -> Iterator[Candidate]:
    """What numbers may be called: the input's channels, then the block's own parameters."""
    yield Candidate("in_channels", tuple(body.inputs[0].channels for body in group.bodies))
    extra = [f"x{index + 1}" for index in range(1, len(group.fullest.inputs))]
    taken = taken.union(extra, (f"{name}_channels" for name in extra))
    for name, first in group.fullest.arguments:
        values = tuple(dict(body.arguments).get(name) for body in group.bodies)
        numeric = all(type(value) in (int, float) for value in values)
        if numeric and name not in taken and type(first) in (int, float):
            yield Candidate(name, values)
    for index, name in enumerate(extra, start=1):
        yield Candidate(f"{name}_channels", tuple(b.inputs[index].channels for b in group.bodies))


def _step(node: Node, index: int, making: _Making, flags: dict[str, str]) -> Step:
    among, nodes, owners = _counterparts(node, making.group)
    channels = tuple(
        making.number(
            f"{node.name}_in",
            [o.shape_of(n.inputs[i]).channels for n, o in zip(nodes, owners, strict=True)],
            among,
        )
        for i in range(len(node.inputs))
    )
    if isinstance(node.what, Call):
        children = [making.uses[id(n.what.body)] for n in nodes if isinstance(n.what, Call)]
        arguments = tuple(
            (p.name, _argument(p, position, children, node, making, among))
            for position, p in enumerate(children[0].target.parameters)
        )
        use = Use(children[0].target, arguments, flags.get(node.name))
        return Step(node.name, use, node.inputs, channels, node.variable)
    ops = [n.what for n in nodes if isinstance(n.what, Op)]
    changes = {
        spec.name: _field_value(spec.name, [getattr(op, spec.name) for op in ops], node, making, among)
        for spec in fields(node.what)
    }
    op = replace(node.what, **changes)
    return Step(node.name, op, node.inputs, channels, node.variable, _on_vector(node, owners[0]))


def _argument(
    parameter: Parameter, position: int, children: list[Use], node: Node, making: _Making, among: list[int]
) -> Any:
    values = [child.arguments[position][1] for child in children]
    return making.number(f"{node.name}_{parameter.name}", values, among)


def _counterparts(node: Node, group: _Group) -> tuple[list[int], list[Node], list[Body]]:
    """The same step in every body of the group that has it."""
    found = [
        (index, other, body)
        for index, body in enumerate(group.bodies)
        for other in body.nodes
        if other.name == node.name
    ]
    return [f[0] for f in found], [f[1] for f in found], [f[2] for f in found]


def _field_value(name: str, values: list[Any], node: Node, making: _Making, among: list[int]) -> Any:
    """One field of an op over all bodies: pairs number by number, squares as one number."""
    label = f"{node.name}_{name}"
    if isinstance(values[0], str | bool):
        return values[0]
    if not isinstance(values[0], tuple):
        return making.number(label, values, among)
    if all(a == b for a, b in values):
        number = making.number(label, [a for a, _ in values], among)
        return (number, number)
    return tuple(
        making.number(f"{label}_{axis}", [value[i] for value in values], among)
        for i, axis in enumerate(("height", "width"))
    )
