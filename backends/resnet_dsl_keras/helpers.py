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
    uniform = keras.initializers.RandomUniform
    bound = fan_in**-0.5
    kernel = {
        "he": scaling(2.0, mode="fan_out", distribution="untruncated_normal"),
        "he_fan_in": scaling(2.0, mode="fan_in", distribution="untruncated_normal"),
        "glorot": scaling(1.0, mode="fan_avg", distribution="uniform"),
        "small": keras.initializers.RandomNormal(mean=0.0, stddev=0.01),
        "uniform": uniform(-bound, bound),
    }
    # A second one, since an initializer draws the same numbers every time.
    zeros = keras.initializers.Zeros()
    bias = uniform(-bound, bound) if init == "uniform" else zeros
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
                name=f"{name}-pad",
            )(x)
    area = kernel[0] * kernel[1]
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
        **initializers(init, x.shape[channel_axis()] // groups * area),
        name=name,
    )(x)''',
    "fully_connected": '''\
def fully_connected(x, name, channels, bias, init):
    """Fully connected layer on a vector, or on a map of one pixel."""
    if len(x.shape) == 4:
        x = layers.Flatten(data_format="channels_last", name=f"{name}-flatten")(x)
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
def pad_map(x, before, after, value):
    """Pad with a value before and after the rows and the columns."""
    pads = [list(pair) for pair in zip(before, after)]
    if keras.config.image_data_format() == "channels_last":
        pads = [[0, 0], *pads, [0, 0]]
    else:
        pads = [[0, 0], [0, 0], *pads]
    return ops.pad(x, pads, mode="constant", constant_values=value)''',
    "padding_after": '''\
def padding_after(kernel, stride, padding, ceil):
    """Padding behind the map; rounding up takes just what the last window needs more."""
    if not ceil:
        return padding
    return [min(p + s - 1, k - 1) for k, s, p in zip(kernel, stride, padding)]''',
    "max_pool": '''\
def max_pool(x, name, kernel, stride, padding, ceil=False):
    """Max pool; padding is minus infinity, so that it never wins."""
    if padding != "same" and (ceil or any(padding)):
        after = padding_after(kernel, stride, padding, ceil)
        x = pad_map(x, padding, after, float("-inf"))
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
    pool = layers.AveragePooling2D(
        kernel, strides=stride, padding="valid", data_format=layout, name=name
    )
    if not (ceil or any(padding)):
        return pool(x)
    # The mean over the whole window, divided by the part of it that counts.
    after = padding_after(kernel, stride, padding, ceil)
    ones = ops.ones_like(x)
    if count_pad:
        ones = pad_map(ones, padding, padding, 1.0)
        beyond = [a - p for a, p in zip(after, padding)]
        ones = pad_map(ones, (0, 0), beyond, 0.0)
    else:
        ones = pad_map(ones, padding, after, 0.0)
    part = ops.average_pool(
        ones, kernel, strides=stride, padding="valid", data_format=layout
    )
    return pool(pad_map(x, padding, after, 0.0)) / part''',
    "same_sum": '''\
def same_sum(x, window, stride):
    """Sums over weighted windows with TensorFlow's `same` padding, a channel at a time."""
    channels = x.shape[channel_axis()]
    window = ops.expand_dims(ops.convert_to_tensor(window, dtype=x.dtype), (2, 3))
    layout = keras.config.image_data_format()
    if stride[0] == stride[1]:
        kernel = ops.tile(window, (1, 1, channels, 1))
        return ops.depthwise_conv(
            x, kernel, strides=stride[0], padding="same", data_format=layout
        )
    kernel = window * ops.eye(channels, dtype=x.dtype)
    return ops.conv(x, kernel, strides=stride, padding="same", data_format=layout)''',
    "same_avg_pool": '''\
def same_avg_pool(x, kernel, stride):
    """Average pool with TensorFlow's `same` padding, which does not count.

    By sums, since the pooling of Keras on PyTorch repeats the edge there.
    """
    window = [[1.0] * kernel[1]] * kernel[0]
    return same_sum(x, window, stride) / same_sum(ops.ones_like(x), window, stride)''',
    "same_subsample": '''\
def same_subsample(x, span, stride):
    """The pixels that windows of `span` are centred on, with TensorFlow's `same` padding."""
    rows, columns = (
        [float(i == (size - 1) // 2) for i in range(size)] for size in span
    )
    return same_sum(x, [[row * column for column in columns] for row in rows], stride)''',
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
        x = layers.Permute((3, 1, 2), name=f"{name}-order")(x)
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
    pads = [[0, 0] for _ in x.shape]
    pads[channel_axis()] = [before, after]
    return ops.pad(x, pads, mode="constant", constant_values=0.0)''',
    "zero_pad": '''\
def zero_pad(x, name, amount):
    """Zeros around the map: rows above and below, columns left and right."""
    return layers.ZeroPadding2D(
        amount, data_format=keras.config.image_data_format(), name=name
    )(x)''',
}
