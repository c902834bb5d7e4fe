"""One rule an op: what it becomes in ONNX, as plain data, so that the rules need no framework.

A rule yields its ONNX nodes in order; the last one's result is the op's. Every attribute is
written out, also where ONNX has the same default.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import isinf

from resnet_dsl.backend.ir import Extent, GraphNode, Op, ops, sides
from resnet_dsl_onnx.nodes import NO_INPUT, Constant, OnnxNode, step
from resnet_dsl_onnx.rules import (  # noqa: F401  the rules register themselves
    activations,
    attention,
    averages,
    learned,
    resizing,
    shuffling,
)
from resnet_dsl_onnx.rules.lowering import lower
from resnet_dsl_onnx.rules.normalisation import standardised
from resnet_dsl_onnx.rules.same_padding import computed_pads, padded
from resnet_dsl_onnx.rules.windows import computes_same, pool, spans, unpadded, window

__all__ = ["lower"]

INT64_MAX = 2**63 - 1
CHANNELS = 1  # the axis


# --- layers with parameters --------------------------------------------------------------------


@lower.register
def _conv(op: ops.Conv, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """The weight is standardised by nodes: the tensor stays the plain one, and can be exchanged."""
    weight = node.tensor("weight") or ""
    bias = [name for name in (node.tensor("bias"),) if name is not None]
    if op.standardize:
        weight = yield from standardised(node.name, weight, (1, 2, 3), op.standardize)
    if (gain := node.tensor("scale")) is not None:
        factor = Constant("model", op.factor(node.input_shapes[0].channels))
        scale = yield from step(node.name, "scale", "Mul", gain, factor)
        weight = yield from step(node.name, "scaled", "Mul", weight, scale)
    (x,), more = node.inputs, {"dilations": op.dilation, "group": op.groups}
    if computes_same(op, node, extent):
        pads = yield from computed_pads(node.name, x, spans(op), op.stride)
        x = yield from padded(node.name, "padded", x, pads, 0.0)
        yield OnnxNode("Conv", (x, weight, *bias), {**unpadded(op), **more})
    else:
        yield OnnxNode("Conv", (x, weight, *bias), {**window(op, node, extent), **more})


@lower.register
def _channel_conv(op: ops.ChannelConv, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """The channels are the length of a signal of one channel."""
    pad = op.kernel // 2
    window = {"kernel_shape": (op.kernel,), "strides": (1,), "auto_pad": "NOTSET", "pads": (pad, pad)}
    count = node.shape.channels
    signal = Constant("int64", (0, 1, count))
    x = yield from step(node.name, "signal", "Reshape", *node.inputs, signal, allowzero=0)
    weights = _parameters(node)
    y = yield from step(node.name, "result", "Conv", x, *weights, **window, dilations=(1,), group=1)
    back = Constant("int64", (0, count, *(1 for _ in node.shape.spatial)))
    yield OnnxNode("Reshape", (y, back), {"allowzero": 0})


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
    channels = (node.shape.channels,)
    scale = node.tensor("scale") or Constant("model", 1.0, channels, f"ones/{channels[0]}")
    shift = node.tensor("shift") or Constant("model", 0.0, channels, f"zeros/{channels[0]}")
    statistics = _parameters(node)[-2:]
    yield OnnxNode("BatchNormalization", (*node.inputs, scale, shift, *statistics), attributes)


@lower.register
def _instance_norm(op: ops.InstanceNorm, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    count = node.shape.channels
    plain = (Constant("model", (1.0,) * count), Constant("model", (0.0,) * count))
    scale_and_shift = _parameters(node) or plain
    yield OnnxNode("InstanceNormalization", (*node.inputs, *scale_and_shift), {"epsilon": op.eps})


# --- what ONNX has by itself ---------------------------------------------------------------------

ALIKE: dict[type[Op], str] = {
    ops.Relu: "Relu",
    ops.HardSwish: "HardSwish",
    ops.Softplus: "Softplus",
    ops.Exponential: "Exp",
    ops.Logarithm: "Log",
    ops.SquareRoot: "Sqrt",
    ops.Absolute: "Abs",
    ops.Sigmoid: "Sigmoid",
    ops.Tanh: "Tanh",
    ops.GlobalAvgPool: "GlobalAveragePool",
    ops.GlobalMaxPool: "GlobalMaxPool",
    ops.Add: "Add",
    ops.Multiply: "Mul",
    ops.Divide: "Div",
    ops.Maximum: "Max",
    ops.Minimum: "Min",
}


def _alike(op_type: str, op: Op, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """An op that ONNX has without attributes."""
    yield OnnxNode(op_type, node.inputs, {})


for _kind, _op_type in ALIKE.items():
    lower.register(_kind, partial(_alike, _op_type))


# --- elementwise -------------------------------------------------------------------------------


@lower.register
def _leaky_relu(op: ops.LeakyRelu, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    yield OnnxNode("LeakyRelu", node.inputs, {"alpha": op.slope})


@lower.register
def _prelu(op: ops.PRelu, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    (slopes,) = _parameters(node)
    if op.per_channel and not node.shape.is_vector:  # ONNX broadcasts from the last axis on
        slopes = yield from step(node.name, "slopes", "Unsqueeze", slopes, Constant("int64", (1, 2)))
    yield OnnxNode("PRelu", (*node.inputs, slopes), {})


@lower.register
def _silu(op: ops.Silu, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    (x,) = node.inputs
    gate = yield from step(node.name, "gate", "Sigmoid", x)
    yield OnnxNode("Mul", (x, gate), {})


@lower.register
def _hard_sigmoid(op: ops.HardSigmoid, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    yield OnnxNode("HardSigmoid", node.inputs, {"alpha": 1 / 6, "beta": 0.5})


@lower.register
def _relu6(op: ops.Relu6, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    yield OnnxNode("Clip", (*node.inputs, Constant("model", 0.0), Constant("model", 6.0)), {})


@lower.register
def _elu(op: ops.Elu, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    yield OnnxNode("Elu", node.inputs, {"alpha": op.alpha})


@lower.register
def _clip(op: ops.Clip, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    low, high = (NO_INPUT if isinf(bound) else Constant("model", bound) for bound in (op.low, op.high))
    bounds = (low, high) if high else (low,)
    yield OnnxNode("Clip", (*node.inputs, *bounds), {})


@lower.register
def _power(op: ops.Power, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    yield OnnxNode("Pow", (*node.inputs, Constant("model", op.exponent)), {})


@lower.register
def _dropout(op: ops.Dropout, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Dropout stays in the graph, switched off: runtimes remove it, who trains on finds its rate."""
    yield OnnxNode("Dropout", (*node.inputs, Constant("model", op.rate), Constant("bool", False)), {})


@lower.register
def _stochastic_depth(op: ops.StochasticDepth, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """The identity, as the model is for inference: no ONNX op drops whole images, so the rate is lost."""
    yield OnnxNode("Identity", node.inputs, {})


@lower.register
def _affine(op: ops.Affine, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    (x,) = node.inputs
    scale, shift = (Constant("model", number) for number in (op.scale, op.shift))
    if op.scale == 1.0:
        yield OnnxNode("Add", (x, shift), {})
    elif op.scale == -1.0:
        yield OnnxNode("Sub", (shift, x), {}) if op.shift else OnnxNode("Neg", (x,), {})
    elif op.shift == 0.0:
        yield OnnxNode("Mul", (x, scale), {})
    else:
        scaled = yield from step(node.name, "scaled", "Mul", x, scale)
        yield OnnxNode("Add", (scaled, shift), {})


# --- windows and sizes -------------------------------------------------------------------------


@lower.register
def _max_pool(op: ops.MaxPool, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    yield from pool("MaxPool", op, node, extent, {"dilations": (1, 1), "storage_order": 0}, False)


@lower.register
def _avg_pool(op: ops.AvgPool, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    counts = {"count_include_pad": int(op.count_pad)}
    yield from pool("AveragePool", op, node, extent, counts, op.count_pad)


@lower.register
def _blur_pool(op: ops.BlurPool, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    (x,), channels, size = node.inputs, node.shape.channels, op.kernel
    if op.pad:
        pads = Constant("int64", (0, 0, op.pad, op.pad) * 2)
        x = yield from step(node.name, "mirrored", "Pad", x, pads, mode="reflect")
    blur = tuple(a * b for a in op.taps for b in op.taps)
    weight = Constant("model", blur, (channels, 1, size, size), f"blur/{size}x{size}/{channels}")
    attributes = {
        "kernel_shape": (size, size),
        "strides": (op.stride, op.stride),
        "auto_pad": "NOTSET",
        "pads": (0, 0, 0, 0),
        "dilations": (1, 1),
        "group": channels,
    }
    yield OnnxNode("Conv", (x, weight), attributes)


@lower.register
def _flatten(op: ops.Flatten, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Only here are values transposed: channels innermost is another order than ONNX has them in."""
    (x,) = node.inputs
    channels, *spatial = node.input_shapes[0].at(extent)
    if op.order == "hwc" and channels != 1 and spatial != [1, 1]:
        x = yield from step(node.name, "channels_last", "Transpose", x, perm=(0, 2, 3, 1))
    yield OnnxNode("Flatten", (x,), {"axis": CHANNELS})


@lower.register
def _subsample(op: ops.Subsample, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """A slice, not a 1x1 max pool: a slice moves values, whatever they are, and NaN too."""
    yield _slice(node, (0, 0), (INT64_MAX, INT64_MAX), (2, 3), op.stride)


@lower.register
def _part(op: ops.Part, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    first, last = op.bounds(node.input_shapes[0].channels)
    yield _slice(node, (first,), (last,), (CHANNELS,), (1,))


@lower.register
def _pad_channels(op: ops.PadChannels, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    x = node.input_shapes[0]
    before = op.before(x.channels)
    spatial = (0,) * len(x.spatial)
    yield _pad(node, (before, *spatial), (op.channels - x.channels - before, *spatial))


@lower.register
def _zero_pad(op: ops.ZeroPad, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    before, after = zip(*sides(op.amount), strict=True)
    yield _pad(node, (0, *before), (0, *after))


# --- several inputs ----------------------------------------------------------------------------


@lower.register
def _concat(op: ops.Concat, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    yield OnnxNode("Concat", node.inputs, {"axis": CHANNELS})


@lower.register
def _conv_transpose(op: ops.ConvTranspose, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    before, after = zip(*sides(op.pad), strict=True)  # type: ignore[arg-type]
    attributes = {
        "kernel_shape": op.kernel,
        "strides": op.stride,
        "auto_pad": "NOTSET",
        "pads": (*before, *after),
        "output_padding": op.output_padding,
        "dilations": op.dilation,
        "group": op.groups,
    }
    yield OnnxNode("ConvTranspose", (*node.inputs, *_parameters(node)), attributes)


# --- what several rules share ------------------------------------------------------------------


def _parameters(node: GraphNode) -> tuple[str, ...]:
    """The op's tensors: our order (torch's) is that of ONNX's inputs for every op that has any."""
    return tuple(name for name, _ in node.parameters())


def _slice(node: GraphNode, *bounds: tuple[int, ...]) -> OnnxNode:
    """What lies from starts to ends along some axes, by steps."""
    return OnnxNode("Slice", (*node.inputs, *(Constant("int64", values) for values in bounds)), {})


def _pad(node: GraphNode, begin: tuple[int, ...], end: tuple[int, ...]) -> OnnxNode:
    """Zeros before and after along every axis but the batch."""
    pads = Constant("int64", (0, *begin, 0, *end))
    return OnnxNode("Pad", (*node.inputs, pads, Constant("model", 0.0)), {"mode": "constant"})
