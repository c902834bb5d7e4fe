"""One rule an op: what it becomes in ONNX, as plain data, so that the rules need no framework.

A rule yields its ONNX nodes in order; the last one's result is the op's. Every attribute is
written out, also where ONNX has the same default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import singledispatch
from typing import Any

from resnet_dsl.ir import ops
from resnet_dsl.ir.graph import GraphNode
from resnet_dsl.ir.ops import Op
from resnet_dsl.ir.shapes import Extent
from resnet_dsl_onnx.nodes import Constant, OnnxNode
from resnet_dsl_onnx.windows import pool, window

INT64_MAX = 2**63 - 1
CHANNELS = 1  # the axis

Rule = Callable[[Any, GraphNode, Extent], Iterator[OnnxNode]]


@singledispatch
def lower(op: Op, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield the ONNX nodes of an op."""
    raise NotImplementedError(f"the onnx backend has no rule for {op.kind}, used by {node.name}")


# --- layers with parameters --------------------------------------------------------------------


@lower.register
def _conv(op: ops.Conv, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    attributes = {**window(op, node, extent), "dilations": op.dilation, "group": op.groups}
    yield OnnxNode("Conv", (*node.inputs, *_parameters(node)), attributes)


@lower.register
def _fully_connected(op: ops.FullyConnected, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    x = node.inputs[0]
    if not node.input_shapes[0].is_vector:
        flat = OnnxNode("Flatten", (x,), {"axis": CHANNELS}, "Flatten")
        x = flat.result(node.name)
        yield flat
    attributes = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 1}
    yield OnnxNode("Gemm", (x, *_parameters(node)), attributes)


@lower.register
def _batch_norm(op: ops.BatchNorm, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    # ONNX's momentum is the weight of the old statistics; ours, as torch's, that of the new batch.
    attributes = {"epsilon": op.eps, "momentum": 1.0 - op.momentum, "training_mode": 0}
    yield OnnxNode("BatchNormalization", (*node.inputs, *_parameters(node)), attributes)


# --- elementwise -------------------------------------------------------------------------------


@lower.register
def _relu(op: ops.Relu, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    yield OnnxNode("Relu", node.inputs, {})


@lower.register
def _sigmoid(op: ops.Sigmoid, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    yield OnnxNode("Sigmoid", node.inputs, {})


@lower.register
def _tanh(op: ops.Tanh, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    yield OnnxNode("Tanh", node.inputs, {})


@lower.register
def _softmax(op: ops.Softmax, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    yield OnnxNode("Softmax", node.inputs, {"axis": CHANNELS})


@lower.register
def _dropout(op: ops.Dropout, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Dropout stays in the graph, switched off: runtimes remove it, who trains on finds its rate."""
    yield OnnxNode("Dropout", (*node.inputs, Constant("model", op.rate), Constant("bool", False)), {})


# --- windows and sizes -------------------------------------------------------------------------


@lower.register
def _max_pool(op: ops.MaxPool, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    yield from pool("MaxPool", op, node, extent, {"dilations": (1, 1), "storage_order": 0})


@lower.register
def _avg_pool(op: ops.AvgPool, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    yield from pool("AveragePool", op, node, extent, {"count_include_pad": int(op.count_pad)})


@lower.register
def _global_avg_pool(op: ops.GlobalAvgPool, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    yield OnnxNode("GlobalAveragePool", node.inputs, {})


@lower.register
def _flatten(op: ops.Flatten, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    yield OnnxNode("Flatten", node.inputs, {"axis": CHANNELS})


@lower.register
def _subsample(op: ops.Subsample, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """A slice, not a 1x1 max pool: a slice moves values, whatever they are, and NaN too."""
    starts, ends, axes, steps = (0, 0), (INT64_MAX, INT64_MAX), (2, 3), op.stride
    bounds = (Constant("int64", value) for value in (starts, ends, axes, steps))
    yield OnnxNode("Slice", (*node.inputs, *bounds), {})


@lower.register
def _pad_channels(op: ops.PadChannels, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    x = node.input_shapes[0]
    before = op.before(x.channels)
    spatial = (0,) * len(x.spatial)
    yield _pad(node, (before, *spatial), (op.channels - x.channels - before, *spatial))


@lower.register
def _zero_pad(op: ops.ZeroPad, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    yield _pad(node, (0, *op.amount), (0, *op.amount))


# --- several inputs ----------------------------------------------------------------------------


@lower.register
def _add(op: ops.Add, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    yield OnnxNode("Add", node.inputs, {})


@lower.register
def _multiply(op: ops.Multiply, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    yield OnnxNode("Mul", node.inputs, {})


@lower.register
def _concat(op: ops.Concat, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    yield OnnxNode("Concat", node.inputs, {"axis": CHANNELS})


RULES: Mapping[type, Rule] = {op: rule for op, rule in lower.registry.items() if op is not object}


# --- what several rules share ------------------------------------------------------------------


def _parameters(node: GraphNode) -> tuple[str, ...]:
    """The op's tensors: our order (torch's) is that of ONNX's inputs for every op that has any."""
    return tuple(name for name, _ in node.parameters())


def _pad(node: GraphNode, begin: tuple[int, ...], end: tuple[int, ...]) -> OnnxNode:
    """Zeros before and after along every axis but the batch."""
    pads = Constant("int64", (0, *begin, 0, *end))
    return OnnxNode("Pad", (*node.inputs, pads, Constant("model", 0.0)), {"mode": "constant"})
