"""Functions a generated file carries where its network needs them, as source, in order of use."""

from __future__ import annotations

HELPERS = {
    "channel_axis": '''\
def channel_axis() -> int:
    """The axis of the channels in the layout that Keras is set to."""
    return -1 if keras.config.image_data_format() == "channels_last" else 1''',
    "initializers": '''\
def initializers(init: str, fan_in: int) -> dict:
    """Initial weights by name: fans count as in He et al. 2015."""
    scaling = keras.initializers.VarianceScaling
    bound = fan_in**-0.5
    kernel = {
        "he": scaling(2.0, mode="fan_out", distribution="untruncated_normal"),
        "he_fan_in": scaling(2.0, mode="fan_in", distribution="untruncated_normal"),
        "glorot": scaling(1.0, mode="fan_avg", distribution="uniform"),
        "small": keras.initializers.RandomNormal(mean=0.0, stddev=0.01),
        "uniform": keras.initializers.RandomUniform(-bound, bound),
    }
    bias = kernel[init] if init == "uniform" else keras.initializers.Zeros()
    return {"kernel_initializer": kernel[init], "bias_initializer": bias}''',
    "conv": '''\
def conv(
    x,
    name,
    channels,
    kernel,
    stride,
    padding,
    dilation=(1, 1),
    groups=1,
    bias=False,
    init="he",
):
    """Convolution; a padding in numbers is zeros on both sides, as PyTorch pads."""
    spans = [d * (k - 1) for k, d in zip(kernel, dilation)]
    if padding == "same" or (stride == (1, 1) and [2 * p for p in padding] == spans):
        mode = "same"  # at stride 1 and half the span this is the symmetric padding
    else:
        mode = "valid"
        if any(padding):
            x = layers.ZeroPadding2D(
                padding,
                data_format=keras.config.image_data_format(),
                name=f"{name}_pad",
            )(x)
    axis = -1 if keras.config.image_data_format() == "channels_last" else 1
    return layers.Conv2D(
        channels,
        kernel,
        strides=stride,
        padding=mode,
        data_format=keras.config.image_data_format(),
        dilation_rate=dilation,
        groups=groups,
        activation=None,
        use_bias=bias,
        **initializers(init, x.shape[axis] // groups * kernel[0] * kernel[1]),
        name=name,
    )(x)''',
    "fully_connected": '''\
def fully_connected(x, name, channels, bias, init):
    """Fully connected layer on a vector, or on a map of one pixel."""
    if len(x.shape) == 4:
        x = layers.Flatten(name=f"{name}_flatten")(x)
    return layers.Dense(
        channels,
        activation=None,
        use_bias=bias,
        **initializers(init, x.shape[-1]),
        name=name,
    )(x)''',
    "batch_norm": '''\
def batch_norm(x, name, eps, momentum, gamma=1.0):
    """Batch normalisation; `momentum` is Keras' own, the weight of the old statistics."""
    return layers.BatchNormalization(
        axis=channel_axis(),
        momentum=momentum,
        epsilon=eps,
        center=True,
        scale=True,
        beta_initializer=keras.initializers.Zeros(),
        gamma_initializer=keras.initializers.Constant(gamma),
        moving_mean_initializer=keras.initializers.Zeros(),
        moving_variance_initializer=keras.initializers.Ones(),
        name=name,
    )(x)''',
    "pad_map": '''\
def pad_map(x, kernel, stride, padding, ceil, value):
    """Pad rows and columns; rounding up takes just what the last window needs more."""
    pads = []
    for k, s, p in zip(kernel, stride, padding):
        pads.append([p, min(p + s - 1, k - 1) if ceil else p])
    if keras.config.image_data_format() == "channels_last":
        pads = [[0, 0], *pads, [0, 0]]
    else:
        pads = [[0, 0], [0, 0], *pads]
    return ops.pad(x, pads, mode="constant", constant_values=value)''',
    "max_pool": '''\
def max_pool(x, name, kernel, stride, padding, ceil=False):
    """Max pool; padding is minus infinity, so that it never wins."""
    if padding != "same" and (ceil or any(padding)):
        x = pad_map(x, kernel, stride, padding, ceil, float("-inf"))
    return layers.MaxPooling2D(
        kernel,
        strides=stride,
        padding="same" if padding == "same" else "valid",
        data_format=keras.config.image_data_format(),
        name=name,
    )(x)''',
    "avg_pool": '''\
def avg_pool(x, name, kernel, stride, padding, ceil=False, count_pad=False):
    """Average pool; padding is not part of the mean unless `count_pad` says so."""
    layout = keras.config.image_data_format()
    if padding == "same" or not (ceil or any(padding)):
        return layers.AveragePooling2D(
            kernel,
            strides=stride,
            padding="same" if padding == "same" else "valid",
            data_format=layout,
            name=name,
        )(x)
    # The mean over the whole window, divided by the part of it that counts.
    ones = ops.ones_like(x)
    if count_pad:
        ones = pad_map(ones, kernel, stride, padding, False, 1.0)
        extra = [min(p + s - 1, k - 1) - p for k, s, p in zip(kernel, stride, padding)]
        if ceil and any(extra):
            pads = [[0, e] for e in extra]
            last = layout == "channels_last"
            pads = [[0, 0], *pads, [0, 0]] if last else [[0, 0], [0, 0], *pads]
            ones = ops.pad(ones, pads, mode="constant", constant_values=0.0)
    else:
        ones = pad_map(ones, kernel, stride, padding, ceil, 0.0)
    x = pad_map(x, kernel, stride, padding, ceil, 0.0)
    total = layers.AveragePooling2D(
        kernel, strides=stride, padding="valid", data_format=layout, name=name
    )(x)
    part = ops.average_pool(
        ones, kernel, strides=stride, padding="valid", data_format=layout
    )
    return total / part''',
    "global_avg_pool": '''\
def global_avg_pool(x, name):
    """The mean over height and width, which become 1."""
    return layers.GlobalAveragePooling2D(
        data_format=keras.config.image_data_format(), keepdims=True, name=name
    )(x)''',
    "flatten": '''\
def flatten(x, name):
    """A map as a vector with the channels outermost, as in NCHW."""
    if keras.config.image_data_format() == "channels_last":
        x = layers.Permute((3, 1, 2), name=f"{name}_order")(x)
    return layers.Flatten(data_format="channels_last", name=name)(x)''',
    "subsample": '''\
def subsample(x, rows, columns):
    """Every so many rows and columns, from the first on."""
    if keras.config.image_data_format() == "channels_last":
        return x[:, ::rows, ::columns]
    return x[:, :, ::rows, ::columns]''',
    "pad_channels": '''\
def pad_channels(x, before, after):
    """Channels of zeros before and after those of `x`."""
    pads = [[0, 0] for _ in range(4)]
    pads[channel_axis()] = [before, after]
    return ops.pad(x, pads, mode="constant", constant_values=0.0)''',
    "zero_pad": '''\
def zero_pad(x, name, amount):
    """Zeros around the map: rows above and below, columns left and right."""
    return layers.ZeroPadding2D(
        amount, data_format=keras.config.image_data_format(), name=name
    )(x)''',
}
