"""What rules register with: how an op is written in ONNX."""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch

from resnet_dsl.backend.ir import Extent, GraphNode, Op
from resnet_dsl_onnx.nodes import OnnxNode


@singledispatch
def lower(op: Op, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield the ONNX nodes of an op."""
    raise NotImplementedError(f"the onnx backend has no rule for {op.kind}, used by {node.name}")
