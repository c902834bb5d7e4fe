"""Steps as they are applied, for who watches an elaboration: an editor, which shows the shapes of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from resnet_dsl.diagnostics.model import Span
from resnet_dsl.elaborate.body_builder import BodyBuilder
from resnet_dsl.ir.shapes import Extent


class Applied(NamedTuple):
    """A step as it was applied once: where it stands, the values that it took and made, and its nodes.

    Values and nodes are those of `builder`; `within` says in words what the step was applied in, and `extent`
    is that of the model's input. Uses of a block that are equal are elaborated once, and so seen once.
    """

    span: Span
    builder: BodyBuilder
    inputs: tuple[int, ...]
    result: int
    nodes: range
    within: str
    extent: Extent


Watch = Callable[[Applied], None]
