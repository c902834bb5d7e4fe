"""What other libraries have and the catalogue has not, with what to write in its stead.

Names are in lower case, without underscores and `2d`, as suggestions compare them.
"""

from __future__ import annotations

ABSENT_ACTIVATIONS = frozenset((
    "celu", "selu", "crelu", "rrelu", "hardmish", "softsign", "softshrink", "hardshrink", "tanhshrink",
    "threshold", "thresholdedrelu", "thresholdrelu", "logsigmoid", "glu", "swiglu", "geglu",
    "logsoftmax", "maxout", "quickgelu", "sinusoid",
))  # fmt: skip

DEPTHWISE = (
    "a depthwise convolution has as many groups as channels: `conv(x.channels, 3x3, groups=x.channels)`"
)
TWO_AXES = "maps have two axes; a signal is `12x1x1000`, with kernels such as `1x7`"
LARGER = "a map is made larger by `upsample(2)` or `conv_transpose(64, 2x2, stride=2)`"
PIPELINE = "steps are joined by `->`: `x -> conv(64, 3x3) -> bn -> relu`"
ABSENT_OPS = {
    "depthwiseconv": DEPTHWISE,
    "dwconv": DEPTHWISE,
    "separableconv": DEPTHWISE + ", then `conv(width, 1x1)`",
    "conv1d": TWO_AXES,
    "conv3d": TWO_AXES,
    "batchnorm1d": "`bn` takes maps and vectors",
    "batchnorm3d": "`bn` takes maps and vectors",
    "frozenbatchnorm": "`bn(frozen=true)` is it; `freeze: [norms]` freezes all norms of a model",
    "maxpool1d": TWO_AXES,
    "maxpool3d": TWO_AXES,
    "avgpool1d": TWO_AXES,
    "avgpool3d": TWO_AXES,
    "hardtanh": "`clip(-1, 1)` is it",
    "htanh": "`clip(-1, 1)` is it",
    "squaredrelu": "`max(x, 0) ** 2` is it",
    "square": "`x ** 2` is it",
    "reciprocal": "`1 / x` is it",
    "sequential": PIPELINE,
    "modulelist": PIPELINE,
    "moduledict": PIPELINE,
    "reshape": "`flatten` makes a vector of a map",
    "view": "`flatten` makes a vector of a map",
    "permute": "`flatten` makes a vector of a map; layouts are the backends' matter",
    "transpose": "`flatten` makes a vector of a map; layouts are the backends' matter",
    "activation": "an activation is a step by its own name: `-> relu`",
    "self": "a step is named where it is made, `name = …`, and used by that name",
    "range": "lists are written out: `[0, 1, 2]`",
}  # fmt: skip

FROM_INPUT = "leave it out: what comes in says it"
ABSENT_ARGUMENTS = {
    "inchannels": FROM_INPUT,
    "infeatures": FROM_INPUT,
    "inplanes": FROM_INPUT,
    "numfeatures": FROM_INPUT,
    "numchannels": FROM_INPUT,
    "inputdim": FROM_INPUT,
    "axis": FROM_INPUT,
    "dim": FROM_INPUT,
    "inputshape": "the field `input:` of the model says it",
    "dataformat": "leave it out: layouts are the backends' matter",
    "inplace": "leave it out: the backends see to it",
    "activation": "an activation is a step of its own: `-> relu`",
    "name": "a label names a step: `name: conv(64, 3x3)`",
    "paddingmode": "padding is zeros",
}
