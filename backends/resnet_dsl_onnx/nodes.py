"""ONNX nodes as plain data: what rules return and `emit.py` turns into protobuf."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, Literal

from resnet_dsl.backend.records import dataclass

NO_INPUT = ""  # ONNX's name for an optional input that is left out


@dataclass(frozen=True)
class Constant:
    """A constant input; `model` is the element type of the model. A tuple is a vector.

    With a `shape` the values are repeated to fill it, and `name` stands for them in the model.
    """

    kind: Literal["model", "float32", "int64", "bool"]
    value: float | bool | tuple[float, ...]
    shape: tuple[int, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class OnnxNode:
    """One ONNX node; a node other than the op's last has a `suffix` to the op's name.

    Inputs are names of values and parameters, or constants.
    """

    op_type: str
    inputs: tuple[str | Constant, ...]
    attributes: Mapping[str, Any]
    suffix: str = ""

    def result(self, name: str) -> str:
        """Return the value's name in the op `name`. No name of the language holds a slash."""
        return f"{name}/{self.suffix}" if self.suffix else name


Steps = Generator[OnnxNode, None, str]
"""Nodes within an op, for `yield from`, which then gives the name of the last one's result."""


def step(name: str, suffix: str, op_type: str, *inputs: str | Constant, **attributes: Any) -> Steps:
    """Yield a node within the op `name` and return its result."""
    node = OnnxNode(op_type, inputs, attributes, suffix)
    yield node
    return node.result(name)
