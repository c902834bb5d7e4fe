"""The model itself, part by part: what a backend that renders source writes after the blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, count

from resnet_dsl.codegen.text_classes import PYTHON, Classes, Step
from resnet_dsl.ir.network import Body, Network, Stage
from resnet_dsl.ir.ops import Op
from resnet_dsl.program import Program


@dataclass(frozen=True)
class Part:
    """The stem or the head; `features` are the variables it takes beside what comes before it."""

    name: str
    steps: tuple[Step, ...]
    result: int
    features: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outline:
    """The parts in order, and the variables that keep results for the head or as outputs."""

    parts: tuple[Part | Stage, ...]
    kept: dict[str, str]
    outputs: tuple[tuple[str, str], ...]

    def steps(self) -> Iterator[Step]:
        """Yield the steps of stem and head."""
        for part in self.parts:
            if isinstance(part, Part):
                yield from part.steps

    def keeps_inside(self, stage: Stage) -> bool:
        """Whether a result inside the stage is kept, so that its blocks are called one by one."""
        return any(f"{stage.name}.{index}" in self.kept for index in range(len(stage.blocks)))


def outline(program: Program, classes: Classes, reserved: Iterable[str]) -> Outline:
    """Return the outline of a program; no variable is called as one of `reserved`."""
    network = program.network
    kept = _variables((*network.outputs, *network.features), PYTHON.union(reserved))
    parts: list[Part | Stage] = []
    if network.stem is not None:
        parts.append(_part("stem", network.stem, network, classes))
    parts += network.stages
    if network.head is not None:
        features = tuple(kept[name] for name in network.features)
        parts.append(replace(_part("head", network.head, network, classes), features=features))
    return Outline(tuple(parts), kept, tuple((name, kept[name]) for name in network.outputs))


def _part(name: str, body: Body, network: Network, classes: Classes) -> Part:
    steps = []
    for node in body.nodes:
        frozen = name in network.frozen or node.name in network.frozen
        steps.append(replace(classes.step(node, body), frozen=frozen))
    return Part(name, tuple(steps), body.result)


def _variables(names: Iterable[str], taken: frozenset[str]) -> dict[str, str]:
    """A variable for each name of a result: `layer2.0` in `layer2_0`."""
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        plain = name.replace(".", "_")
        plain = f"out_{plain}" if plain[0].isdigit() else plain
        tries = chain((plain,), (f"{plain}_out{n}" for n in chain(("",), count(2))))
        found[name] = next(t for t in tries if t not in taken and t not in found.values())
    return found


def used_helpers(
    outline: Outline, classes: Classes, helpers: Callable[[Op, Step], Iterable[str]]
) -> set[str]:
    """Return the helper functions that any step of the file calls."""
    steps = [*outline.steps(), *(step for block in classes.classes for step in block.steps)]
    found = [helpers(step.what, step) for step in steps if isinstance(step.what, Op)]
    return {name for names in found for name in names}
