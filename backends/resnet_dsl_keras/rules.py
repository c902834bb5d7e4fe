"""How each op is written in Keras 3: the expression of its result, and the helpers it calls."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch

from resnet_dsl.codegen.text_classes import Step
from resnet_dsl.codegen.text_parameters import Real, affine, minus
from resnet_dsl.ir import ops


@dataclass(frozen=True)
class Lowering:
    """An op in Keras.

    `expression` takes operands as `{0}`, `{1}` and the layer's name as `{name}`; `helpers` are
    functions of the file that it calls.
    """

    expression: str
    helpers: tuple[str, ...] = ()


@singledispatch
def lower(op: ops.Op, step: Step) -> Lowering:
    """Return how a step's op is written; raises for an op without a rule."""
    raise TypeError(f"the keras backend has no rule for {type(op).__name__}")


def pair(value: tuple[int, int]) -> str:
    """Write two numbers as one where they are alike."""
    return str(value[0]) if str(value[0]) == str(value[1]) else both(value)


def both(value: tuple[int, int]) -> str:
    """Write two numbers as a tuple."""
    return f"({value[0]}, {value[1]})"


def padding(pad: ops.Padding) -> str:
    """Write a padding: `"same"` is TensorFlow's, a pair is rows and columns on both sides."""
    return '"same"' if pad == "same" else both(pad)


@lower.register
def _(op: ops.Conv, step: Step) -> Lowering:
    # Keras has no convolution with both: every pixel is computed, then some are taken.
    thinned = both(op.dilation) != "(1, 1)" != both(op.stride)
    stride = "(1, 1)" if thinned else both(op.stride)
    arguments = [f"stride={stride}", f"padding={padding(op.pad)}"]
    if both(op.dilation) != "(1, 1)":
        arguments.append(f"dilation={both(op.dilation)}")
    if str(op.groups) != "1":
        arguments.append(f"groups={op.groups}")
    if op.bias:
        arguments.append("bias=True")
    if op.init != "he":
        arguments.append(f'init="{op.init}"')
    helpers: tuple[str, ...] = ("channel_axis", "initializers", "conv")
    if op.standardize:
        arguments.append(f"eps={op.standardize}")
        helpers = ("channel_axis", "initializers", "StandardizedConv2D", "standardized_conv")
    code = f"{helpers[-1]}({{0}}, {{name}}, {op.channels}, {both(op.kernel)}, {', '.join(arguments)})"
    if thinned and op.pad == "same":
        spans = (f"({k} - 1) * ({d}) + 1" for k, d in zip(op.kernel, op.dilation, strict=True))
        code = f"same_subsample({code}, ({', '.join(spans)}), {both(op.stride)})"
        return Lowering(code, (*helpers, "same_sum", "same_subsample"))
    if thinned:
        code = f"subsample({code}, {op.stride[0]}, {op.stride[1]})"
        return Lowering(code, (*helpers, "subsample"))
    return Lowering(code, helpers)


@lower.register
def _(op: ops.ChannelConv, step: Step) -> Lowering:
    code = f'channel_conv({{0}}, {{name}}, {op.kernel}, init="{op.init}")'
    return Lowering(code, ("channel_axis", "initializers", "channel_conv"))


@lower.register
def _(op: ops.FullyConnected, step: Step) -> Lowering:
    arguments = [str(op.channels), f"bias={op.bias}", f'init="{op.init}"']
    code = f"fully_connected({{0}}, {{name}}, {', '.join(arguments)})"
    return Lowering(code, ("initializers", "fully_connected"))


@lower.register
def _(op: ops.BatchNorm, step: Step) -> Lowering:
    # Keras' momentum is the weight of the old statistics, the language's that of the new batch.
    named = isinstance(op.momentum, Real)
    kept = f"1 - {op.momentum}" if named else round(1 - op.momentum, 12)
    arguments = f"eps={op.eps}, momentum={kept}{_gamma(op.gamma)}"
    return Lowering(f"batch_norm({{0}}, {{name}}, {arguments})", ("channel_axis", "batch_norm"))


@lower.register
def _(op: ops.GroupNorm, step: Step) -> Lowering:
    code = f"group_norm({{0}}, {{name}}, {op.groups}, eps={op.eps}{_gamma(op.gamma)})"
    return Lowering(code, ("channel_axis", "group_norm"))


@lower.register
def _(op: ops.LayerNorm, step: Step) -> Lowering:
    code = f"layer_norm({{0}}, {{name}}, eps={op.eps}{_gamma(op.gamma)})"
    return Lowering(code, ("channel_axis", "layer_norm"))


@lower.register
def _(op: ops.LocalResponseNorm, step: Step) -> Lowering:
    arguments = f"{op.size}, alpha={op.alpha}, beta={op.beta}, k={op.k}"
    helpers = ("channel_axis", "channels_of", "pad_channels", "local_response_norm")
    return Lowering(f"local_response_norm({{0}}, {{name}}, {arguments})", helpers)


def _gamma(gamma: float) -> str:
    """The argument for a first scale that is not 1."""
    return f", gamma={gamma}" if gamma != 1.0 else ""


@lower.register
def _(op: ops.Relu, step: Step) -> Lowering:
    return Lowering('layers.Activation("relu", name={name})({0})')


@lower.register
def _(op: ops.LeakyRelu, step: Step) -> Lowering:
    return Lowering(f"leaky_relu({{0}}, {op.slope})", ("leaky_relu",))


@lower.register
def _(op: ops.Silu, step: Step) -> Lowering:
    return Lowering('layers.Activation("silu", name={name})({0})')


@lower.register
def _(op: ops.Gelu, step: Step) -> Lowering:
    helper = "gelu_by_tanh" if op.approximate else "gelu"
    return Lowering(f"{helper}({{0}}, {{name}})", (helper,))


@lower.register
def _(op: ops.HardSwish, step: Step) -> Lowering:
    return Lowering('layers.Activation("hard_silu", name={name})({0})')


@lower.register
def _(op: ops.Sigmoid, step: Step) -> Lowering:
    return Lowering('layers.Activation("sigmoid", name={name})({0})')


@lower.register
def _(op: ops.Tanh, step: Step) -> Lowering:
    return Lowering('layers.Activation("tanh", name={name})({0})')


@lower.register
def _(op: ops.Softmax, step: Step) -> Lowering:
    axis = "channel_axis()" if not step.vector else "-1"
    return Lowering(f"layers.Softmax(axis={axis}, name={{name}})({{0}})", ("channel_axis",))


@lower.register
def _(op: ops.Affine, step: Step) -> Lowering:
    return Lowering(affine(op.scale, op.shift))


@lower.register
def _(op: ops.Dropout, step: Step) -> Lowering:
    return Lowering(f"layers.Dropout({op.rate}, name={{name}})({{0}})")


@lower.register
def _(op: ops.StochasticDepth, step: Step) -> Lowering:
    return Lowering(f"stochastic_depth({{0}}, {{name}}, {op.rate})", ("stochastic_depth",))


@lower.register
def _(op: ops.MaxPool, step: Step) -> Lowering:
    arguments = f"{both(op.kernel)}, stride={both(op.stride)}, padding={padding(op.pad)}"
    helpers = ("pad_map", "padding_after", "max_pool")
    if op.ceil:
        return Lowering(f"max_pool({{0}}, {{name}}, {arguments}, ceil=True)", helpers)
    return Lowering(f"max_pool({{0}}, {{name}}, {arguments})", helpers)


@lower.register
def _(op: ops.AvgPool, step: Step) -> Lowering:
    if op.pad == "same":
        code = f"same_avg_pool({{0}}, {both(op.kernel)}, {both(op.stride)})"
        return Lowering(code, ("channel_axis", "same_sum", "same_avg_pool"))
    arguments = f"{both(op.kernel)}, stride={both(op.stride)}, padding={padding(op.pad)}"
    flags = [f"ceil={op.ceil}"] * op.ceil + [f"count_pad={op.count_pad}"] * op.count_pad
    code = f"avg_pool({{0}}, {{name}}, {', '.join([arguments, *flags])})"
    return Lowering(code, ("pad_map", "padding_after", "avg_pool"))


@lower.register
def _(op: ops.GlobalAvgPool, step: Step) -> Lowering:
    return Lowering("global_avg_pool({0}, {name})", ("global_avg_pool",))


@lower.register
def _(op: ops.AdaptiveAvgPool, step: Step) -> Lowering:
    code = f"adaptive_avg_pool({{0}}, {{name}}, {both(op.size)})"
    return Lowering(code, ("mean_of_parts", "adaptive_avg_pool"))


@lower.register
def _(op: ops.BlurPool, step: Step) -> Lowering:
    code = f"blur_pool({{0}}, {{name}}, {op.kernel}, {op.stride})"
    return Lowering(code, ("mirror", "mean_of", "blur_pool"))


@lower.register
def _(op: ops.Flatten, step: Step) -> Lowering:
    helper = "flatten_pixels" if op.order == "hwc" else "flatten"
    return Lowering(f"{helper}({{0}}, {{name}})", (helper,))


@lower.register
def _(op: ops.Subsample, step: Step) -> Lowering:
    return Lowering(f"subsample({{0}}, {op.stride[0]}, {op.stride[1]})", ("subsample",))


@lower.register
def _(op: ops.PadChannels, step: Step) -> Lowering:
    more = minus(op.channels, step.channels[0])
    if op.side == "end":
        return Lowering(f"pad_channels({{0}}, 0, {more})", ("channel_axis", "pad_channels"))
    code = f"pad_channels({{0}}, ({more}) // 2, ({more} + 1) // 2)"
    return Lowering(code, ("channel_axis", "pad_channels"))


@lower.register
def _(op: ops.ZeroPad, step: Step) -> Lowering:
    return Lowering(f"zero_pad({{0}}, {{name}}, {both(op.amount)})", ("zero_pad",))


@lower.register
def _(op: ops.Part, step: Step) -> Lowering:
    return Lowering(f"part({{0}}, {op.index}, {op.of})", ("channel_axis", "channels_of", "part"))


@lower.register
def _(op: ops.Upsample, step: Step) -> Lowering:
    if op.mode == "nearest":
        return Lowering(f"upsample({{0}}, {{name}}, {both(op.factor)})", ("upsample",))
    code = f"upsample_bilinear({{0}}, {{name}}, {both(op.factor)})"
    return Lowering(code, ("mirror", "mean_of", "upsample", "upsample_bilinear"))


@lower.register
def _(op: ops.Add, step: Step) -> Lowering:
    return Lowering("layers.Add(name={name})([{0}, {1}])")


@lower.register
def _(op: ops.Multiply, step: Step) -> Lowering:
    return Lowering("layers.Multiply(name={name})([{0}, {1}])")


@lower.register
def _(op: ops.Concat, step: Step) -> Lowering:
    operands = ", ".join(f"{{{i}}}" for i in range(len(step.inputs)))
    axis = "channel_axis()" if not step.vector else "-1"
    return Lowering(f"layers.Concatenate(axis={axis}, name={{name}})([{operands}])", ("channel_axis",))
