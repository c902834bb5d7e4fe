"""Fusions of runtimes that change results, prevented."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from resnet_dsl.ir.graph import GraphNode
from resnet_dsl_onnx.nodes import OnnxNode

Lowered = tuple[GraphNode, OnnxNode]


def unfused(lowered: Iterable[Lowered]) -> Iterator[Lowered]:
    """Put a node without effect between a Pad and the MaxPool after it.

    onnxruntime (1.31, `PadFusion`) and the ONNX optimizer make one MaxPool of the two, whose
    padding is minus infinity where the Pad has zeros.
    """
    padded = set()
    for node, part in lowered:
        if part.op_type == "Pad":
            padded.add(part.result(node.name))
        if part.op_type == "MaxPool" and part.inputs[0] in padded:
            apart = OnnxNode("Max", part.inputs * 2, {}, "apart")
            yield node, apart
            yield node, replace(part, inputs=(apart.result(node.name),))
        else:
            yield node, part
