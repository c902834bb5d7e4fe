"""What must hold in the graph for a map's names to be right: strides, paddings, what comes before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from resnet_dsl.ir.graph import Graph, GraphNode
from resnet_dsl.zoo.name_maps import Condition, Wanted
from resnet_dsl.zoo.patterns import LAST

AFTER = "after"
"""In a condition: the kind of op that gives the layer its input."""
ABSENT = "absent"
"""In a condition: whether there must be no such layer."""
KIND = "kind"
"""In a condition: the kind of op that the layer is."""
LACKING = "there is no"


class Unmet(NamedTuple):
    """What does not hold, as a sentence, and of how many layers; `lacking` if there is none."""

    sentence: str
    layers: int
    lacking: bool


def unmet(conditions: tuple[Condition, ...], eps: Mapping[str, float], graph: Graph) -> list[Unmet]:
    """Return all that does not hold; of several conditions on a thing the first counts.

    `eps` is that of norms, by path; another is no matter where a running variance makes up for it.
    """
    kinds = {node.name: node.op.kind for node in graph.nodes}
    lacking = (c for c in conditions if c.layers.is_plain and c.layers.text not in kinds)
    found = {f"{LACKING} `{c.layers.text}`{_reason(c)}": [c.layers.text] for c in lacking}
    paths = _paths(kinds)
    for node in graph.nodes:
        settled: set[str] = set()
        for condition in conditions:
            if not _meant(condition, node.name, paths):
                continue
            for name, wanted in condition.wanted.items():
                if name not in settled and (what := _otherwise(node, name, wanted, kinds)):
                    found.setdefault(f"{what}{_reason(condition)}", []).append(node.name)
                settled.add(name)
        if what := _another_eps(node, eps.get(node.name)):
            found.setdefault(what, []).append(node.name)
    return [
        Unmet(_sentence(what, layers), len(layers), what.startswith(LACKING))
        for what, layers in found.items()
    ]


def _another_eps(node: GraphNode, eps: float | None) -> str:
    here = getattr(node.op, "eps", eps)
    if eps is None or here == eps or not node.op.normalises or node.tensor("variance") is not None:
        return ""
    return f"{{layer}} has eps {here:g}, not {eps:g}: no variance of a `{node.op.kind}` makes up for it"


def _reason(condition: Condition) -> str:
    return f": {condition.because}" if condition.because else ""


def _sentence(what: str, layers: list[str]) -> str:
    if not what.startswith("{layer}"):
        return what
    others = f" (as {len(layers) - 1} more)" if len(layers) > 1 else ""
    return f"{layers[0]}{others}{what.removeprefix('{layer}')}"


def _paths(names: Iterable[str]) -> frozenset[str]:
    """Every path in the graph, and what they are below."""
    parts = (name.split(".") for name in names)
    return frozenset(".".join(words[: n + 1]) for words in parts for n in range(len(words)))


def _meant(condition: Condition, path: str, paths: frozenset[str]) -> bool:
    numbers = condition.layers.find(path)
    if numbers is None:
        return False
    if LAST not in numbers:
        return True
    return f"{condition.layers.before_last(path)}{numbers[LAST] + 1}" not in paths


def _otherwise(node: GraphNode, name: str, wanted: Wanted, kinds: dict[str, str]) -> str:
    """What is not as wanted, said of a `{layer}`; nothing if all is."""
    if name == AFTER:
        before = ", ".join(kinds.get(given, given) for given in node.inputs)
        return "" if _is(before, wanted) else f"{{layer}} comes after {before}, not {_choices(wanted)}"
    if name == ABSENT:
        return "{layer} is in none of them" if wanted else ""
    if name == KIND:
        kind = node.op.kind
        return "" if _is(kind, wanted) else f"{{layer}} is `{kind}`, not `{_choices(wanted)}`"
    there: object = getattr(node.op, name, None)
    if _is(there, wanted):
        return ""
    if there is None:
        return f"{{layer}} is `{node.op.kind}`, which has no {name}"
    return f"{{layer}} has {name} {_text(there)}, not {_choices(wanted)}"


def _is(there: object, wanted: Wanted) -> bool:
    """Whether a value is the one wanted or one of those; of a pair both have to be."""
    choices = wanted if isinstance(wanted, tuple) else (wanted,)
    return any(there == ((one, one) if isinstance(there, tuple) else one) for one in choices)


def _text(value: object) -> str:
    """A number, a word, or a pair; a pair of equal numbers is as the one that a map wants."""
    if isinstance(value, tuple) and isinstance(value[0], int):
        return str(value[0]) if value[0] == value[1] else "x".join(map(str, value))
    if isinstance(value, tuple):
        return str([*map(list, value)])
    return str(value)


def _choices(wanted: Wanted) -> str:
    return " or ".join(map(str, wanted)) if isinstance(wanted, tuple) else str(wanted)
