"""The catalogue of ops: arguments, shape rule, parameters and cost of each, in no framework's terms.

Adding an op is one class here and one rule in every backend; a module holds the ops of one family.
"""

from resnet_dsl.ir.ops.attention import Attention, Pixel, Positions, Tokens, WeightedSum
from resnet_dsl.ir.ops.base import ChannelMap, Init, LinearLayer, Mistake, Op, Role, TensorSpec, Window
from resnet_dsl.ir.ops.elementwise import (
    Affine,
    Dropout,
    Elu,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Mish,
    PRelu,
    Relu,
    Relu6,
    Sigmoid,
    Silu,
    Softmax,
    Softplus,
    StochasticDepth,
    Tanh,
)
from resnet_dsl.ir.ops.functions import Absolute, Clip, Exponential, Logarithm, Power, SquareRoot
from resnet_dsl.ir.ops.joins import Add, Agreement, Concat, Divide, Join, Maximum, Minimum, Multiply
from resnet_dsl.ir.ops.layers import ChannelConv, Conv, FullyConnected
from resnet_dsl.ir.ops.layout import Flatten, PadChannels, Part, Subsample, ZeroPad
from resnet_dsl.ir.ops.learned import LearnedScale, LearnedShift
from resnet_dsl.ir.ops.normalisation import (
    BatchNorm,
    GlobalResponseNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LocalResponseNorm,
    RunningNorm,
)
from resnet_dsl.ir.ops.resizing import Crop, Resize, Upsample
from resnet_dsl.ir.ops.shuffling import ChannelShuffle, PixelShuffle, PixelUnshuffle
from resnet_dsl.ir.ops.transposed import ConvTranspose
from resnet_dsl.ir.ops.whole_map import GeneralisedMean, GlobalMaxPool
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

# Names that nothing of a text may take. Those of later ops may be taken: the text's own is meant then.
_RESERVED: tuple[type[Op], ...] = (
    Conv, ChannelConv, FullyConnected, BatchNorm, GroupNorm, LayerNorm, InstanceNorm, LocalResponseNorm,
    Relu, LeakyRelu, PRelu, Silu, Gelu, HardSwish, Sigmoid, Tanh, Softmax, Affine,
    Dropout, StochasticDepth,
    MaxPool, AvgPool, AdaptiveAvgPool, GlobalAvgPool, BlurPool,
    Flatten, Subsample, PadChannels, ZeroPad, Part, Upsample, Add, Multiply, Concat,
)  # fmt: skip
_LATER: tuple[type[Op], ...] = (
    Relu6, HardSigmoid, Elu, Mish, Softplus,
    Exponential, Logarithm, SquareRoot, Absolute, Clip, Power,
    Maximum, Minimum, Divide,
    LearnedScale, LearnedShift, GlobalResponseNorm, GlobalMaxPool, GeneralisedMean,
    Resize, Crop, ConvTranspose, PixelShuffle, PixelUnshuffle, ChannelShuffle,
    WeightedSum, Attention, Positions, Tokens, Pixel,
)  # fmt: skip
CATALOGUE: dict[str, type[Op]] = {op.kind: op for op in (*_RESERVED, *_LATER)}
RESERVED = frozenset(op.kind for op in _RESERVED)

# What arithmetic of tensors is: a sign between two of them, for one and a number `scaled`, `**` and, by
# `max` and `min`, `bounded`.
OPERATORS: dict[str, type[Op]] = {op.operator: op for op in CATALOGUE.values() if op.operator}

__all__ = [
    "CATALOGUE",
    "OPERATORS",
    "RESERVED",
    "Absolute",
    "AdaptiveAvgPool",
    "Add",
    "Affine",
    "Agreement",
    "Attention",
    "AvgPool",
    "BatchNorm",
    "BlurPool",
    "ChannelConv",
    "ChannelMap",
    "ChannelShuffle",
    "Clip",
    "Concat",
    "Conv",
    "ConvTranspose",
    "Crop",
    "Divide",
    "Dropout",
    "Elu",
    "Exponential",
    "Flatten",
    "FullyConnected",
    "Gelu",
    "GeneralisedMean",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "GlobalResponseNorm",
    "GroupNorm",
    "HardSigmoid",
    "HardSwish",
    "Init",
    "InstanceNorm",
    "Join",
    "LayerNorm",
    "LeakyRelu",
    "LearnedScale",
    "LearnedShift",
    "LinearLayer",
    "LocalResponseNorm",
    "Logarithm",
    "MaxPool",
    "Maximum",
    "Minimum",
    "Mish",
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
    "Power",
    "Relu",
    "Relu6",
    "Resize",
    "Role",
    "RunningNorm",
    "Sigmoid",
    "Silu",
    "Softmax",
    "Softplus",
    "SquareRoot",
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
