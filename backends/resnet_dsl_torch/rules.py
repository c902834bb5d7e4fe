"""How each op is written in PyTorch: the module it keeps, and the expression of its result."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from resnet_dsl.codegen.text_classes import Step
from resnet_dsl.codegen.text_parameters import affine, halved, is_plain, minus
from resnet_dsl.codegen.text_statements import Code
from resnet_dsl.ir import ops


@dataclass(frozen=True)
class Lowering:
    """An op in PyTorch.

    `expression` takes operands as `{0}`, `{1}` and the op's own module as `{module}`.
    `module` is kept by the class; `alone` is the module that does the whole op in a Sequential.
    `helpers` names functions and classes of the file that either needs.
    """

    expression: str
    module: Code | None = None
    alone: Code | None = None
    helpers: tuple[str, ...] = ()


def layer(name: str, *arguments: Any) -> Lowering:
    """An op that is one module."""
    code = Code(name, tuple(map(str, arguments)))
    return Lowering("{module}({0})", code, code)


def function(expression: str, *helpers: str, alone: Code | None = None) -> Lowering:
    """An op that keeps nothing."""
    return Lowering(expression, helpers=helpers, alone=alone)


def pair(value: tuple[int, int]) -> str:
    """Write two numbers as torch takes them: one where they are alike."""
    return str(value[0]) if str(value[0]) == str(value[1]) else f"({value[0]}, {value[1]})"


@singledispatch
def lower(op: ops.Op, step: Step) -> Lowering:
    """Return how a step's op is written; raises for an op without a rule."""
    raise TypeError(f"the torch backend has no rule for {type(op).__name__}")


@lower.register
def _(op: ops.Conv, step: Step) -> Lowering:
    same = op.pad == "same"
    arguments = (
        str(step.channels[0]),
        str(op.channels),
        pair(op.kernel),
        f"stride={pair(op.stride)}",
        f"padding={0 if same else pair(op.pad)}",  # type: ignore[arg-type]
        f"dilation={pair(op.dilation)}",
        f"groups={op.groups}",
        f"bias={op.bias}",
    )
    helpers = ("StandardizedConv2d",) if op.standardize else ()
    code = Code("nn.Conv2d", arguments)
    if op.standardize:
        code = Code("StandardizedConv2d", (*arguments, f"eps={op.standardize}"))
    if not same:
        return Lowering("{module}({0})", code, code, helpers)
    span = _span(op.kernel, op.dilation)
    padded = f"same_pad({{0}}, {span}, {_both(op.stride)}, 0.0)"
    return Lowering(f"{{module}}({padded})", code, helpers=(*helpers, "same_pad"))


@lower.register
def _(op: ops.ChannelConv, step: Step) -> Lowering:
    sizes = f"{op.kernel}, stride=1, padding={halved(op.kernel)}, dilation=1"
    code = Code("ChannelConv1d", ("1", "1", *sizes.split(", "), "groups=1", "bias=False"))
    return Lowering("{module}({0})", code, code, ("ChannelConv1d",))


@lower.register
def _(op: ops.FullyConnected, step: Step) -> Lowering:
    linear = layer("nn.Linear", step.channels[0], op.channels, f"bias={op.bias}")
    return linear if step.vector else Lowering("{module}({0}.flatten(1))", linear.module)


@lower.register
def _(op: ops.BatchNorm, step: Step) -> Lowering:
    kind = "nn.BatchNorm1d" if step.vector else "nn.BatchNorm2d"
    return layer(kind, step.channels[0], f"eps={op.eps}", f"momentum={op.momentum}")


@lower.register
def _(op: ops.GroupNorm, step: Step) -> Lowering:
    return layer("nn.GroupNorm", op.groups, step.channels[0], f"eps={op.eps}")


@lower.register
def _(op: ops.LayerNorm, step: Step) -> Lowering:
    if step.vector:
        return layer("nn.LayerNorm", step.channels[0], f"eps={op.eps}")
    code = Code("LayerNorm2d", (str(step.channels[0]), f"eps={op.eps}"))
    return Lowering("{module}({0})", code, code, ("LayerNorm2d",))


@lower.register
def _(op: ops.LocalResponseNorm, step: Step) -> Lowering:
    arguments = (str(op.size), f"alpha={op.alpha}", f"beta={op.beta}", f"k={op.k}")
    alone = Code("nn.LocalResponseNorm", arguments)
    return function(f"F.local_response_norm({{0}}, {', '.join(arguments)})", alone=alone)


@lower.register
def _(op: ops.Relu, step: Step) -> Lowering:
    return function("F.relu({0})", alone=Code("nn.ReLU"))


@lower.register
def _(op: ops.LeakyRelu, step: Step) -> Lowering:
    slope = f"negative_slope={op.slope}"
    return function(f"F.leaky_relu({{0}}, {slope})", alone=Code("nn.LeakyReLU", (slope,)))


@lower.register
def _(op: ops.Silu, step: Step) -> Lowering:
    return function("F.silu({0})", alone=Code("nn.SiLU"))


@lower.register
def _(op: ops.Gelu, step: Step) -> Lowering:
    form = f'approximate="{"tanh" if op.approximate else "none"}"'
    return function(f"F.gelu({{0}}, {form})", alone=Code("nn.GELU", (form,)))


@lower.register
def _(op: ops.HardSwish, step: Step) -> Lowering:
    return function("F.hardswish({0})", alone=Code("nn.Hardswish"))


@lower.register
def _(op: ops.Affine, step: Step) -> Lowering:
    return function(affine(op.scale, op.shift))


@lower.register
def _(op: ops.Sigmoid, step: Step) -> Lowering:
    return function("torch.sigmoid({0})", alone=Code("nn.Sigmoid"))


@lower.register
def _(op: ops.Tanh, step: Step) -> Lowering:
    return function("torch.tanh({0})", alone=Code("nn.Tanh"))


@lower.register
def _(op: ops.Softmax, step: Step) -> Lowering:
    return function("F.softmax({0}, dim=1)", alone=Code("nn.Softmax", ("dim=1",)))


@lower.register
def _(op: ops.Dropout, step: Step) -> Lowering:
    training = "False" if step.frozen else "self.training"
    code = f"F.dropout({{0}}, p={op.rate}, training={training})"
    return function(code, alone=Code("nn.Dropout", (f"p={op.rate}",)))


@lower.register
def _(op: ops.StochasticDepth, step: Step) -> Lowering:
    training = "False" if step.frozen else "self.training"
    code = f"stochastic_depth({{0}}, {op.rate}, training={training})"
    return function(code, "stochastic_depth")


@lower.register
def _(op: ops.MaxPool, step: Step) -> Lowering:
    if op.pad == "same":
        padded = f'same_pad({{0}}, {_both(op.kernel)}, {_both(op.stride)}, float("-inf"))'
        arguments = f"{pair(op.kernel)}, stride={pair(op.stride)}, padding=0, dilation=1, ceil_mode=False"
        return function(f"F.max_pool2d({padded}, {arguments})", "same_pad")
    arguments = (
        f"{pair(op.kernel)}, stride={pair(op.stride)}, padding={pair(op.pad)}, "
        f"dilation=1, ceil_mode={op.ceil}"
    )
    alone = Code("nn.MaxPool2d", tuple(arguments.split(", ")) if "(" not in arguments else (arguments,))
    return function(f"F.max_pool2d({{0}}, {arguments})", alone=alone)


@lower.register
def _(op: ops.AvgPool, step: Step) -> Lowering:
    if op.pad == "same":
        code = f"same_avg_pool({{0}}, {_both(op.kernel)}, {_both(op.stride)})"
        return function(code, "same_pad", "same_avg_pool")
    arguments = (
        f"{pair(op.kernel)}, stride={pair(op.stride)}, padding={pair(op.pad)}, "
        f"ceil_mode={op.ceil}, count_include_pad={op.count_pad}"
    )
    alone = Code("nn.AvgPool2d", tuple(arguments.split(", ")) if "(" not in arguments else (arguments,))
    return function(f"F.avg_pool2d({{0}}, {arguments})", alone=alone)


@lower.register
def _(op: ops.GlobalAvgPool, step: Step) -> Lowering:
    return function("F.adaptive_avg_pool2d({0}, 1)", alone=Code("nn.AdaptiveAvgPool2d", ("1",)))


@lower.register
def _(op: ops.AdaptiveAvgPool, step: Step) -> Lowering:
    size = pair(op.size)
    return function(f"F.adaptive_avg_pool2d({{0}}, {size})", alone=Code("nn.AdaptiveAvgPool2d", (size,)))


@lower.register
def _(op: ops.BlurPool, step: Step) -> Lowering:
    taps = ", ".join(map(str, op.taps))
    return function(f"blur_pool({{0}}, [{taps}], stride={op.stride})", "blur_pool")


@lower.register
def _(op: ops.Flatten, step: Step) -> Lowering:
    if op.order == "hwc":
        return function("{0}.permute(0, 2, 3, 1).flatten(1)")
    return function("{0}.flatten(1)", alone=Code("nn.Flatten", ("1",)))


@lower.register
def _(op: ops.Subsample, step: Step) -> Lowering:
    return function(f"{{0}}[:, :, ::{op.stride[0]}, ::{op.stride[1]}]")


@lower.register
def _(op: ops.PadChannels, step: Step) -> Lowering:
    more = minus(op.channels, step.channels[0])
    edges = f"0, {more}" if op.side == "end" else f"({more}) // 2, ({more} + 1) // 2"
    if step.vector:
        return function(f'F.pad({{0}}, ({edges}), mode="constant", value=0.0)')
    return function(f"pad_channels({{0}}, {edges})", "pad_channels")


@lower.register
def _(op: ops.ZeroPad, step: Step) -> Lowering:
    height, width = op.amount
    edges = f"({width}, {width}, {height}, {height})"
    return function(f'F.pad({{0}}, {edges}, mode="constant", value=0.0)')


@lower.register
def _(op: ops.Part, step: Step) -> Lowering:
    return function(f"{{0}}.chunk({op.of}, dim=1)[{op.index}]")


@lower.register
def _(op: ops.Upsample, step: Step) -> Lowering:
    height, width = (f"{factor}.0" if is_plain(factor) else f"float({factor})" for factor in op.factor)
    scale = f"scale_factor=({height}, {width})"
    if op.mode == "bilinear":
        mode = 'mode="bilinear", align_corners=False, antialias=False'
    else:  # torch's `nearest` takes a wrong pixel from a factor of 41 on, by rounding
        mode = 'mode="nearest-exact"'
    return function(f"F.interpolate({{0}}, {scale}, {mode})")


@lower.register
def _(op: ops.Add, step: Step) -> Lowering:
    return function("{0} + {1}")


@lower.register
def _(op: ops.Multiply, step: Step) -> Lowering:
    return function("{0} * {1}")


@lower.register
def _(op: ops.Concat, step: Step) -> Lowering:
    operands = ", ".join(f"{{{i}}}" for i in range(len(step.inputs)))
    return function(f"torch.cat([{operands}], dim=1)")


def _both(value: tuple[int, int]) -> str:
    return f"({value[0]}, {value[1]})"


def _span(kernel: tuple[int, int], dilation: tuple[int, int]) -> str:
    """The pixels a dilated kernel spans, as code."""
    if str(dilation[0]) == str(dilation[1]) == "1":
        return _both(kernel)
    height, width = (f"({k} - 1) * ({d}) + 1" for k, d in zip(kernel, dilation, strict=True))
    return f"({height}, {width})"
