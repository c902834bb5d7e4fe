"""Two programs compared: every part, what is said beside the network, and what it amounts to."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_dsl.compare.aligned_parts import ComparedPart, PartAligner, PartPair, correspondence
from resnet_dsl.compare.comparison_result import Comparison, Figures
from resnet_dsl.compare.one_difference import About, NetworkDifference
from resnet_dsl.compare.told_differences import is_replaced, told
from resnet_dsl.diagnostics.wording import counted
from resnet_dsl.ir.network import PREVIOUS, Network
from resnet_dsl.printing.stages import plain_text
from resnet_dsl.program import Program

UNSAID = "not said"
ORDER: tuple[About, ...] = ("computes", "training", "start", "beside")


def compared(a: Program, b: Program, names: tuple[str, str] | None = None) -> Comparison:
    """Return what differs between two programs; `names` are what the person calls them."""
    same = correspondence(a, b)
    pairs = [] if same is not None else PartAligner().aligned(a, b)
    found = [*told(pairs), *_inputs_of_parts(pairs), *_properties(a.network, b.network)]
    if same is None and not any(each.about != "beside" for each in found):
        found.append(_unfound())
    called = names or (a.name, b.name)
    sides = [Figures(n, p.name, p.cost.params, p.cost.macs) for n, p in zip(called, (a, b), strict=True)]
    steps = same if same is not None else list(_steps(pairs))
    return Comparison(
        sides[0], sides[1], _sorted(found, a, b), (a, b),
        notes=tuple(_names_differ(a, b, steps, called[1])),
    )  # fmt: skip


def _sorted(found: list[NetworkDifference], a: Program, b: Program) -> tuple[NetworkDifference, ...]:
    """The differences by what they are of, then in the order of execution."""
    places: dict[str, float] = {}
    for program in (b, a):
        nodes = program.graph.nodes
        places |= {node.name: place / len(nodes) for place, node in enumerate(nodes)}

    def key(each: NetworkDifference) -> tuple[int, float]:
        path = next(iter((*each.paths_a, *each.paths_b)), "")
        return ORDER.index(each.about), places.get(path, -1.0)

    return tuple(sorted(found, key=key))


def _unfound() -> NetworkDifference:
    """For graphs that are not the same, though no part of them differs."""
    a, b = "steps in one order", "in another"
    return NetworkDifference("ways", "computes", "the network", "", "", a, b, (), (), False)


def _steps(pairs: list[PartPair]) -> Iterator[tuple[str, str]]:
    """Yield the full names of the steps that correspond."""
    for pair in pairs:
        if pair.a is not None and pair.b is not None and pair.differences and not is_replaced(pair):
            told = {i for each in pair.differences.steps for i in each.a}
            found = ((i, j) for i, j in pair.differences.matched if i not in told)
            yield from ((pair.a.full(i), pair.b.full(j)) for i, j in found)


def _names_differ(a: Program, b: Program, steps: list[tuple[str, str]], other: str) -> Iterator[str]:
    """Say how many layers have other names, by which their weights are known."""
    taken = {x for x, _ in steps}  # a step that another stands beside has not been renamed
    own = [{node.name for node in p.graph.nodes if any(node.parameters())} for p in (a, b)]
    renamed = [(x, y) for x, y in steps if x != y and x in own[0] and y in own[1] - taken]
    if renamed:
        x, y = renamed[0]
        layers = counted(len(renamed), "layer has another name", "layers have other names")
        yield f"{layers} in {other}: {x} is {y}" + (" …" if len(renamed) > 1 else "")


# --- what parts take -------------------------------------------------------------------------------


def _inputs_of_parts(pairs: list[PartPair]) -> Iterator[NetworkDifference]:
    """Yield the parts that take results of other parts, or have the tensors of other blocks."""
    there = {pair.a.label: pair.b.label for pair in pairs if pair.a is not None and pair.b is not None}
    there |= {pair.a.part: pair.b.part for pair in pairs if pair.a is not None and pair.b is not None}
    for pair in pairs:
        if pair.a is None or pair.b is None:
            continue
        mine = tuple(_mapped(path, there) for path in pair.a.taken)
        if mine != pair.b.taken:
            yield _of_part(pair.a, pair.b, "takes", _paths(pair.a.taken), _paths(pair.b.taken))
        owners = [part.owner or "its own" for part in (pair.a, pair.b)]
        if there.get(owners[0], owners[0]) != owners[1]:
            yield _of_part(pair.a, pair.b, "tensors", owners[0], owners[1])


def _mapped(path: str, there: dict[str, str]) -> str:
    """A path of the first network as the second has it; a field of a part's result keeps its name."""
    if path in there:
        return there[path]
    part, dot, name = path.rpartition(".")
    return f"{there.get(part, part)}{dot}{name}"


def _paths(taken: tuple[str, ...]) -> str:
    return ", ".join(path if path != PREVIOUS else "what is before it" for path in taken)


def _of_part(a: ComparedPart, b: ComparedPart, what: str, mine: str, theirs: str) -> NetworkDifference:
    return NetworkDifference("property", "computes", a.label, what, "", mine, theirs, a.paths, b.paths, False)


# --- what is said beside the parts -----------------------------------------------------------------


def _properties(a: Network, b: Network) -> Iterator[NetworkDifference]:
    """Yield what differs of input, outputs, freezing and preprocessing."""
    if a.input.channels != b.input.channels:
        yield _property("computes", "channels", str(a.input.channels), str(b.input.channels), "input")
    texts = [network.input.text(network.extent) for network in (a, b)]
    if texts[0].partition("x")[2] != texts[1].partition("x")[2]:
        a_size, b_size = (text.partition("x")[2] or "none" for text in texts)
        yield _property("beside", "size", a_size, b_size, where="input")
    if a.outputs != b.outputs:
        yield _property("computes", "outputs", _list(a.outputs), _list(b.outputs))
    if a.auxiliary != b.auxiliary:
        yield _property("training", "auxiliary", _list(a.auxiliary), _list(b.auxiliary))
    if a.freeze != b.freeze:
        yield _property("training", "freeze", _list(a.freeze), _list(b.freeze))
    yield from _preprocessing(dict(a.preprocess), dict(b.preprocess))


def _preprocessing(a: dict[str, object], b: dict[str, object]) -> Iterator[NetworkDifference]:
    if bool(a) != bool(b):
        yield _property("beside", "preprocess", _record(a), _record(b))
        return
    for name in dict.fromkeys((*a, *b)):
        if a.get(name) != b.get(name):
            mine, theirs = (plain_text(each[name]) if name in each else UNSAID for each in (a, b))
            yield _property("beside", name, mine, theirs, "preprocess")


def _record(said: dict[str, object]) -> str:
    items = "  ".join(f"{name}: {plain_text(value)}" for name, value in said.items())
    return f"{{ {items} }}" if said else UNSAID


def _list(paths: tuple[str, ...]) -> str:
    return f"[{', '.join(paths)}]" if paths else "none"


def _property(about: About, what: str, a: str, b: str, where: str = "") -> NetworkDifference:
    where, what = (where, what) if where else (what, "")
    in_tensors = where == "input" and about == "computes"
    return NetworkDifference("property", about, where, what, "", a, b, (), (), in_tensors)
