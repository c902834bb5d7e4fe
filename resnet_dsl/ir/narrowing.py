"""Bodies and networks without what nothing asks for, and with inner results that something does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from resnet_dsl.ir.network import (
    INPUT,
    PREVIOUS,
    BlockCall,
    Body,
    FurtherResult,
    Network,
    Node,
    Placed,
    Run,
    Stage,
    merged,
)
from resnet_dsl.records import dataclass, field, replace


class Narrowed(NamedTuple):
    """A body with some of its results: where each of them is now, and which inputs it still reads."""

    body: Body
    positions: dict[int, int]
    inputs: tuple[int, ...]


def narrowed(body: Body, wanted: Iterable[int]) -> Narrowed:
    """Return a body with the results at some positions, and what those need."""
    kept = sorted(set(wanted))
    if len(kept) == len(body.results):
        return Narrowed(body, {p: p for p in kept}, tuple(range(len(body.inputs))))
    return _Narrowing(body, kept).done()


@dataclass
class _Narrowing:
    """A body being narrowed: first what its results need, then the nodes that are left."""

    body: Body
    kept: list[int]
    needed: set[int] = field(default_factory=set)  # values
    calls: dict[int, Narrowed] = field(default_factory=dict)

    def done(self) -> Narrowed:
        self._look()
        body = self.body
        inputs = [index for index in range(len(body.inputs)) if -1 - index in self.needed]
        values = {-1 - old: -1 - new for new, old in enumerate(inputs)}
        nodes: list[Node] = []
        for index, node in enumerate(body.nodes):
            if index in self.needed or index in self.calls:
                self._add(index, node, nodes, values)
        first, *more = (values[body.results[position]] for position in self.kept)
        found = replace(
            body,
            inputs=tuple(body.inputs[index] for index in inputs),
            names=tuple(body.names[index] for index in inputs),
            input_channels=tuple(body.input_channels[index] for index in inputs if body.input_channels),
            nodes=tuple(nodes),
            result=first,
            more=tuple(more),
            fields=tuple(body.fields[position] for position in self.kept if position < len(body.fields)),
        )
        return Narrowed(found, {old: new for new, old in enumerate(self.kept)}, tuple(inputs))

    def _look(self) -> None:
        """Go back from the results that are kept to all that they need."""
        self.needed = {self.body.results[position] for position in self.kept}
        shared = self.body.shared()
        wanted: dict[int, set[int]] = {}  # by call, the positions of its results
        for index in range(len(self.body.nodes) - 1, -1, -1):
            node = self.body.nodes[index]
            own = wanted.get(index, set()) | ({0} if index in self.needed else set())
            if not own:
                continue
            if isinstance(node.what, FurtherResult):
                wanted.setdefault(node.inputs[0], set()).add(node.what.position)
            elif isinstance(node.what, BlockCall):
                whole = range(len(node.what.body.results))
                self.calls[index] = narrowed(node.what.body, whole if node.name in shared else own)
                self.needed.update(node.inputs[taken] for taken in self.calls[index].inputs)
            else:
                self.needed.update(node.inputs)

    def _add(self, index: int, node: Node, nodes: list[Node], values: dict[int, int]) -> None:
        """Add a node, with values under their new numbers."""
        if isinstance(node.what, FurtherResult):
            call = node.inputs[0]
            position = self.calls[call].positions[node.what.position]
            if position == 0:  # now the first of the call's results
                values[index] = values[call]
                return
            node = replace(node, what=FurtherResult(position), inputs=(values[call],))
        elif isinstance(node.what, BlockCall):
            inner = self.calls[index]
            taken = tuple(values[node.inputs[place]] for place in inner.inputs)
            variable = inner.body.fields[0] if inner.body.fields else node.variable
            what, shape = BlockCall(inner.body), inner.body.output
            node = replace(node, what=what, inputs=taken, shape=shape, variable=variable)
        else:
            node = replace(node, inputs=tuple(values[value] for value in node.inputs))
        values[index] = len(nodes)
        nodes.append(self._at_home(node, nodes))

    def _at_home(self, node: Node, before: Sequence[Node]) -> Node:
        """A step that applies another again; where that is left out, it has its name, and tensors if any."""
        if node.first == node.name or any(node.first == other.name for other in before):
            return node
        return replace(node, name=node.first, owner=None)


def exposed(body: Body, path: Sequence[str]) -> tuple[Body, int] | None:
    """Return a body that returns the result of a step inside too, and at which position; None without one."""
    name, *inner = path
    index = next((i for i, node in enumerate(body.nodes) if node.name == name), None)
    if index is None:
        return (body, body.fields.index(name)) if name in body.fields and not inner else None
    node, value = body.nodes[index], index
    if inner and node.name in body.shared():
        return None
    if inner:
        below = exposed(node.what.body, inner) if isinstance(node.what, BlockCall) else None
        if below is None:
            return None
        body, value = _with_result_of_call(body, index, *below)
    elif isinstance(node.what, BlockCall) and node.what.body.fields:
        return None
    if value in body.results:
        return body, body.results.index(value)
    return replace(body, more=(*body.more, value)), len(body.results)


def _with_result_of_call(body: Body, call: int, inner: Body, position: int) -> tuple[Body, int]:
    """The body whose call is of another one, and the value of a result of that."""
    node = body.nodes[call]
    nodes = [*body.nodes[:call], replace(node, what=BlockCall(inner)), *body.nodes[call + 1 :]]
    if position == 0:
        return replace(body, nodes=tuple(nodes)), call
    what = FurtherResult(position)
    for index, other in enumerate(nodes):
        if other.what == what and other.inputs == (call,):
            return replace(body, nodes=tuple(nodes)), index
    shape = inner.shape_of(inner.results[position])
    nodes.append(
        replace(node, name=f"{node.name}:{position}", what=what, inputs=(call,), shape=shape, derived=())
    )
    return replace(body, nodes=tuple(nodes)), len(nodes) - 1


def reordered(body: Body, order: Sequence[int]) -> Body:
    """Return the body with its nodes in another order."""
    values = {old: new for new, old in enumerate(order)}
    nodes = (body.nodes[old] for old in order)
    return replace(
        body,
        nodes=tuple(replace(n, inputs=tuple(values.get(value, value) for value in n.inputs)) for n in nodes),
        result=values.get(body.result, body.result),
        more=tuple(values.get(value, value) for value in body.more),
    )


# --- networks ----------------------------------------------------------------------------------


def with_body(network: Network, path: str, body: Body) -> Network:
    """Return the network with another body as a part or block."""
    if path == "stem":
        return replace(network, stem=body)
    if path == "head":
        return replace(network, head=body)
    name, _, index = path.rpartition(".")
    stages = tuple(
        replace(stage, runs=merged(_with_block(stage, index, body))) if stage.name == name else stage
        for stage in network.stages
    )
    return replace(network, stages=stages)


def _with_block(stage: Stage, index: str, body: Body) -> Iterator[Run]:
    for number, run in enumerate(stage.each):
        yield replace(run, body=body) if str(number) == index else run


def with_steps(network: Network) -> Network:
    """Return the network in which those outputs that are steps inside of a part are results of it."""
    known = network.places()
    for name in network.outputs:
        if name in known:
            continue
        for part, path, body in network.parts():
            own = path or part
            inside = name.removeprefix(f"{path}.") if path else name
            found = exposed(body, inside.split(".")) if not path or inside != name else None
            if found is not None:
                changed = with_body(network, own, found[0]) if found[0] is not body else network
                network = replace(changed, taps=(*network.taps, (name, own, found[1])))
                break
    return network


def needed_only(network: Network) -> Network:
    """Return the network without parts and steps that none of its outputs needs."""
    places = network.places()
    wanted: dict[str, set[int]] = {}
    for output in network.outputs:
        own, position = places[output]
        wanted.setdefault(own, set()).add(position)
    parts = list(network.placed())
    owners = network.owners()
    shared = {*owners, *owners.values()}
    found: dict[str, tuple[Narrowed, tuple[str, ...]]] = {}
    for index in range(len(parts) - 1, -1, -1):
        part, path, run = parts[index]
        if not (positions := wanted.get(path or part)):
            continue
        body = run.body
        narrow = narrowed(body, range(len(body.results)) if path in shared else positions)
        if path in owners:
            wanted.setdefault(owners[path], set()).add(0)
        taken = tuple(run.inputs[place] for place in narrow.inputs)
        found[path or part] = narrow, taken
        before_part, before_path, _ = parts[index - 1] if index else Placed("", "", run)
        previous = before_path or before_part, 0
        for name in taken:
            if name == INPUT:
                continue
            own, position = previous if name == PREVIOUS else places[name]
            wanted.setdefault(own, set()).add(position)
        if path and before_part == part:  # a block keeps its number, whatever it takes
            wanted.setdefault(previous[0], set()).add(0)
    return _of_parts(network, found)


def _of_parts(network: Network, found: dict[str, tuple[Narrowed, tuple[str, ...]]]) -> Network:
    """The network of those parts that are found, as they are there."""
    stages = []
    for stage in network.stages:
        kept = ((run, *found[path]) for _, path, run in stage.placed() if path in found)
        runs = merged(replace(run, body=narrow.body, inputs=taken) for run, narrow, taken in kept)
        if runs:
            stages.append(replace(stage, runs=runs))
    head, features = found.get("head", (None, ()))
    taps = (
        (name, own, found[own][0].positions[position])
        for name, own, position in network.taps
        if own in found and position in found[own][0].positions
    )
    stem = found.get("stem")
    return replace(
        network,
        stem=None if stem is None else stem[0].body,
        stages=tuple(stages),
        head=None if head is None else head.body,
        features=tuple(name for name in features if name != PREVIOUS),
        taps=tuple(taps),
    )
