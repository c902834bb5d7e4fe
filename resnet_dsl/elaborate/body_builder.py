"""A body under construction: the steps that a block, a stem or a head has so far, and their names."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from resnet_dsl.diagnostics.model import Span
from resnet_dsl.ir.formulas import Formula, Named
from resnet_dsl.ir.network import Node, channels_name
from resnet_dsl.ir.shapes import Shape


@dataclass
class BodyBuilder:
    """A body under construction: its nodes so far and the names they have taken."""

    inputs: list[Shape]
    nodes: list[Node] = field(default_factory=list)
    names: dict[str, Span] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    automatic: set[str] = field(default_factory=set)
    variable: str = ""
    result_channels: list[Formula | None] = field(default_factory=list)
    input_names: list[str] = field(default_factory=lambda: ["x"])
    input_channels: list[Formula | None] = field(default_factory=list)

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
