"""The catalogue of ops: arguments, shape rule, parameters and cost of each, in no framework's terms.

Adding an op is one class here and one rule in every backend; a module holds the ops of one family.
"""

from resnet_dsl.ir.ops.attention import Attention, Pixel, Positions, Tokens, WeightedSum
from resnet_dsl.ir.ops.base import Init, Mistake, Op, Role, TensorSpec, Window
from resnet_dsl.ir.ops.elementwise import (
    Affine,
    Dropout,
    Gelu,
    HardSwish,
    LeakyRelu,
    PRelu,
    Relu,
    Sigmoid,
    Silu,
    Softmax,
    StochasticDepth,
    Tanh,
)
from resnet_dsl.ir.ops.joins import Add, Agreement, Concat, Join, Multiply
from resnet_dsl.ir.ops.layers import ChannelConv, Conv, FullyConnected
from resnet_dsl.ir.ops.layout import Flatten, PadChannels, Part, Subsample, ZeroPad
from resnet_dsl.ir.ops.normalisation import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LocalResponseNorm,
    RunningNorm,
)
from resnet_dsl.ir.ops.resizing import Crop, Resize, Upsample
from resnet_dsl.ir.ops.shuffling import ChannelShuffle, PixelShuffle, PixelUnshuffle
from resnet_dsl.ir.ops.transposed import ConvTranspose
from resnet_dsl.ir.ops.windows import (
    AdaptiveAvgPool,
    AvgPool,
    BlurPool,
    GlobalAvgPool,
    MaxPool,
    Padding,
    Pool,
    is_even,
    is_uneven,
)

# The names of the first are reserved; those that came later may be taken by blocks and constants.
_RESERVED: tuple[type[Op], ...] = (
    Conv, ChannelConv, FullyConnected, BatchNorm, GroupNorm, LayerNorm, InstanceNorm, LocalResponseNorm,
    Relu, LeakyRelu, PRelu, Silu, Gelu, HardSwish, Sigmoid, Tanh, Softmax, Affine,
    Dropout, StochasticDepth,
    MaxPool, AvgPool, AdaptiveAvgPool, GlobalAvgPool, BlurPool,
    Flatten, Subsample, PadChannels, ZeroPad, Part, Upsample, Add, Multiply, Concat,
)  # fmt: skip
_LATER: tuple[type[Op], ...] = (
    Resize, Crop, ConvTranspose, PixelShuffle, PixelUnshuffle, ChannelShuffle,
    WeightedSum, Attention, Positions, Tokens, Pixel,
)  # fmt: skip
CATALOGUE: dict[str, type[Op]] = {op.kind: op for op in (*_RESERVED, *_LATER)}
RESERVED = frozenset(op.kind for op in _RESERVED)

# What arithmetic of tensors is: a sign between two of them, `scaled` for one and a number.
OPERATORS: dict[str, type[Op]] = {op.operator: op for op in CATALOGUE.values() if op.operator}

__all__ = [
    "CATALOGUE",
    "OPERATORS",
    "RESERVED",
    "AdaptiveAvgPool",
    "Add",
    "Affine",
    "Agreement",
    "Attention",
    "AvgPool",
    "BatchNorm",
    "BlurPool",
    "ChannelConv",
    "ChannelShuffle",
    "Concat",
    "Conv",
    "ConvTranspose",
    "Crop",
    "Dropout",
    "Flatten",
    "FullyConnected",
    "Gelu",
    "GlobalAvgPool",
    "GroupNorm",
    "HardSwish",
    "Init",
    "InstanceNorm",
    "Join",
    "LayerNorm",
    "LeakyRelu",
    "LocalResponseNorm",
    "MaxPool",
    "Mistake",
    "Multiply",
    "Op",
    "PRelu",
    "PadChannels",
    "Padding",
    "Part",
    "Pixel",
    "PixelShuffle",
    "PixelUnshuffle",
    "Pool",
    "Positions",
    "Relu",
    "Resize",
    "Role",
    "RunningNorm",
    "Sigmoid",
    "Silu",
    "Softmax",
    "StochasticDepth",
    "Subsample",
    "Tanh",
    "TensorSpec",
    "Tokens",
    "Upsample",
    "WeightedSum",
    "Window",
    "ZeroPad",
    "is_even",
    "is_uneven",
]
