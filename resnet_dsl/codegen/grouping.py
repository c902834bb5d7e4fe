"""Which bodies share a class: those of one definition whose steps a backend writes alike but for numbers."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_dsl.codegen.lowering import Lower, overwritable_values, site
from resnet_dsl.ir.network import BlockCall, Body, FurtherResult, Network, Node
from resnet_dsl.ir.ops import Op
from resnet_dsl.records import dataclass


class LoweredBody:
    """A body with each of its ops as the backend writes it there."""

    def __init__(self, body: Body, lower: Lower, inference: bool) -> None:
        overwritable = overwritable_values(body, frozenset(body.results))
        ops = [node for node in body.nodes if isinstance(node.what, Op)]
        self.sites = {
            node.name: site(node, body, overwritable=overwritable, inference=inference) for node in ops
        }
        self.ops = {name: lower(found) for name, found in self.sites.items()}
        self.skeletons = {name: lowering.skeleton() for name, lowering in self.ops.items()}


@dataclass(eq=False)
class BodyGroup:
    """Bodies that become one class; the first has every call that any of them has."""

    bodies: list[Body]
    key: object
    calls: dict[str, object]

    @property
    def fullest(self) -> Body:
        """The body that every step and call of the class is in."""
        return self.bodies[0]


def distinct_bodies(network: Network) -> list[Body]:
    """Return every body but stem and head themselves, inner ones before those that call them."""
    found: dict[int, Body] = {}
    owners = network.owners()
    for part, path, body in network.parts():
        for inner in () if path in owners else body.bodies():
            if part not in ("stem", "head") or inner is not body:
                found.setdefault(id(inner), inner)
    return list(found.values())


def grouped(bodies: list[Body], lowered: dict[int, LoweredBody]) -> list[BodyGroup]:
    """Return the groups in an order in which a class comes after those that it uses.

    The body with the most optional calls comes first and founds a group; one that has fewer joins it.
    """
    groups: list[BodyGroup] = []
    by_key: dict[object, list[BodyGroup]] = {}
    of_body: dict[int, BodyGroup] = {}
    order = {id(body): index for index, body in enumerate(bodies)}
    for level in _levels(bodies):
        for body in sorted(level, key=lambda b: (-len(_calls(b, of_body)), order[id(b)])):
            key, calls = _structure(body, of_body, lowered[id(body)]), _calls(body, of_body)
            alike = by_key.setdefault(key, [])
            group = next((g for g in alike if calls.items() <= g.calls.items()), None)
            if group is None:
                group = BodyGroup([], key, calls)
                groups.append(group)
                alike.append(group)
            group.bodies.append(body)
            of_body[id(body)] = group
    return groups


def _levels(bodies: list[Body]) -> Iterator[list[Body]]:
    """Bodies by how deep their definitions' calls go: a caller comes after what it calls.

    By definition and not by body, so that uses with and without a projection meet.
    """
    below: dict[str, set[str]] = {body.definition: set() for body in bodies}
    for body in bodies:
        below[body.definition] |= {
            body.called(n).definition for n in body.nodes if isinstance(n.what, BlockCall)
        }
    depth, before = dict.fromkeys(below, 0), dict[str, int]()
    while depth != before:
        before = dict(depth)
        for name, called in below.items():
            depth[name] = max((depth[other] + 1 for other in called), default=0)
    levels: dict[int, list[Body]] = {}
    for body in bodies:
        levels.setdefault(depth[body.definition], []).append(body)
    yield from (levels[level] for level in sorted(levels))


def _is_optional(node: Node) -> bool:
    if not isinstance(node.what, BlockCall) or node.what.body.more:
        return False
    return len(node.inputs) == 1 and node.owner is None


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


def _structure(body: Body, of_body: dict[int, BodyGroup], lowered: LoweredBody) -> object:
    """What bodies of one class must share: everything but numbers and optional calls."""
    values = _through(body)
    nodes = tuple(
        (
            node.name,
            id(of_body[id(body.called(node))])
            if isinstance(node.what, BlockCall)
            else node.what
            if isinstance(node.what, FurtherResult)
            else lowered.skeletons[node.name],
            tuple(values[value] for value in node.inputs),
        )
        for node in body.nodes
        if not _is_optional(node)
    )
    return (body.definition, body.names, nodes, tuple(values[value] for value in body.results))


def _calls(body: Body, of_body: dict[int, BodyGroup]) -> dict[str, object]:
    """The optional calls of a body: what each calls, on what, and who takes the result."""
    values = _through(body)
    calls: dict[str, object] = {}
    for index, node in enumerate(body.nodes):
        if _is_optional(node) and isinstance(node.what, BlockCall):
            takers = tuple(
                (values[i], slot)
                for i, other in enumerate(body.nodes)
                for slot, value in enumerate(other.inputs)
                if value == index
            )
            calls[node.name] = (id(of_body[id(node.what.body)]), values[node.inputs[0]], takers)
    return calls
