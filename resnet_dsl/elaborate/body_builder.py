"""A body under construction: the steps that a block, a stem or a head has so far, and their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from resnet_dsl.diagnostics.model import Span
from resnet_dsl.elaborate.values import Share, Tag
from resnet_dsl.ir.formulas import Formula, Named
from resnet_dsl.ir.network import AGAIN, Node, channels_name
from resnet_dsl.ir.shapes import Shape
from resnet_dsl.records import dataclass, field


class FirstApplication(NamedTuple):
    """Where a shared function is applied first in a body: its nodes from `start` up to `end`."""

    start: int
    end: int
    span: Span
    label: Tag | None


@dataclass
class BodyBuilder:
    """A body under construction: its nodes so far and the names they have taken.

    `repeats` are nodes of a shared function that is being applied again, and from which node on.
    """

    inputs: list[Shape]
    nodes: list[Node] = field(default_factory=list)
    names: dict[str, Span] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    automatic: set[str] = field(default_factory=set)
    variable: str = ""
    result_channels: list[Formula | None] = field(default_factory=list)
    input_names: list[str] = field(default_factory=lambda: ["x"])
    input_channels: list[Formula | None] = field(default_factory=list)
    shared: dict[Share, FirstApplication] = field(default_factory=dict)
    repeats: tuple[int, Sequence[Node]] | None = None
    applications: Counter[str] = field(default_factory=Counter)

    def shape_of(self, value: int) -> Shape:
        """Return the shape of a value of the body."""
        return self.inputs[-1 - value] if value < 0 else self.nodes[value].shape

    def repeated(self) -> tuple[str, str | None]:
        """Return the name of the next step of what is applied again, and the step that it repeats."""
        assert self.repeats is not None
        start, nodes = self.repeats
        index = len(self.nodes) - start
        if index >= len(nodes):
            return f"{AGAIN}{len(self.nodes)}", None  # one more than there was: reported when all are there
        first = nodes[index].first
        self.applications[first] += 1
        return f"{first}{AGAIN}{self.applications[first] + 1}", first

    def channels(self, value: int) -> Formula | None:
        """Return how the channels of a value were derived, if they were."""
        if value >= 0:
            return self.result_channels[value]
        place = -1 - value
        if place < len(self.input_channels):
            return self.input_channels[place]
        return Named(channels_name(self.input_names[place]))

    def numbered(self, kind: str) -> str:
        """Return the next name of a step of `kind`: conv1, conv2, …"""
        while True:
            self.counts[kind] += 1
            name = f"{kind}{self.counts[kind]}"
            if name not in self.names:
                self.automatic.add(name)
                return name
