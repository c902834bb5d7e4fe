"""Functions a generated file carries where its network needs them, as source, in order of use."""

from __future__ import annotations

CONV = '''\
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
    )(x)'''

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
    "StandardizedConv2D": '''\
@keras.saving.register_keras_serializable(package="resnet_dsl")
class StandardizedConv2D(layers.Conv2D):
    """Convolution whose weights have mean 0 and variance 1 in each output channel."""

    def __init__(self, *args, eps, **settings):
        super().__init__(*args, **settings)
        self.eps = eps

    def convolution_op(self, inputs, kernel):
        """Convolve with the weights standardised; the layer keeps them as they are."""
        off = kernel - ops.mean(kernel, axis=(0, 1, 2), keepdims=True)
        variance = ops.mean(ops.square(off), axis=(0, 1, 2), keepdims=True)
        return super().convolution_op(inputs, off / ops.sqrt(variance + self.eps))

    def get_config(self):
        """Return what the layer is made from, for a saved model."""
        return {**super().get_config(), "eps": self.eps}''',
    "conv": CONV,
    "standardized_conv": CONV.replace("def conv(", "def standardized_conv(")
    .replace('    init="he",\n)', '    init="he",\n    *,\n    eps,\n)')
    .replace("Convolution; a padding in numbers is", "Convolution, weights standardised; padding is")
    .replace("layers.Conv2D(", "StandardizedConv2D(")
    .replace("name=name,\n    )(x)", "eps=eps,\n        name=name,\n    )(x)"),
    "channel_conv": '''\
def channel_conv(x, name, kernel, init):
    """Convolution over the channels of a vector or a pixel; zeros past both ends."""
    line = layers.Reshape((x.shape[channel_axis()], 1), name=f"{name}-line")(x)
    result = layers.Conv1D(
        1,
        kernel,
        strides=1,
        padding="same",  # as many zeros before as after, since the kernel is odd
        data_format="channels_last",
        dilation_rate=1,
        groups=1,
        activation=None,
        use_bias=False,
        kernel_initializer=initializers(init, kernel)["kernel_initializer"],
        name=name,
    )(line)
    return layers.Reshape(x.shape[1:], name=f"{name}-shape")(result)''',
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
    "group_norm": '''\
def group_norm(x, name, groups, eps, gamma=1.0):
    """Normalisation of each group of channels over an image."""
    return layers.GroupNormalization(
        groups=groups,
        axis=channel_axis(),
        epsilon=eps,
        center=True,
        scale=True,
        beta_initializer=keras.initializers.Zeros(),
        gamma_initializer=keras.initializers.Constant(gamma),
        name=name,
    )(x)''',
    "layer_norm": '''\
def layer_norm(x, name, eps, gamma=1.0):
    """Normalisation over the channels, each pixel by itself."""
    turned = channel_axis() == 1 and len(x.shape) == 4
    if turned:  # Keras on PyTorch can do it over the last axis alone
        x = layers.Permute((2, 3, 1), name=f"{name}-order")(x)
    x = layers.LayerNormalization(
        axis=-1,
        epsilon=eps,
        center=True,
        scale=True,
        beta_initializer=keras.initializers.Zeros(),
        gamma_initializer=keras.initializers.Constant(gamma),
        name=name,
    )(x)
    return layers.Permute((3, 1, 2), name=f"{name}-back")(x) if turned else x''',
    "channels_of": '''\
def channels_of(x, first, end):
    """The channels of `x` from `first` on, those from `end` on left out."""
    if channel_axis() == 1 or len(x.shape) == 2:
        return x[:, first:end]
    return x[:, :, :, first:end]''',
    "part": '''\
def part(x, index, of):
    """The channels of one of so many equal parts."""
    count = x.shape[channel_axis()] // of
    return channels_of(x, index * count, (index + 1) * count)''',
    "local_response_norm": '''\
def local_response_norm(x, name, size, alpha, beta, k):
    """Each value by those of its pixel in `size` neighbouring channels."""
    channels = x.shape[channel_axis()]
    squares = pad_channels(ops.square(x), size // 2, size // 2)
    windows = [channels_of(squares, i, i + channels) for i in range(size)]
    total = layers.Add(name=f"{name}-sum")(windows)
    # A difference: what `+` makes is called `add`, which a layer may be called too.
    return x / (k - total * (-alpha / size)) ** beta''',
    "leaky_relu": '''\
def leaky_relu(x, slope):
    """`slope` times x below 0; by Keras' own layer `slope` is in single precision."""
    return ops.where(x > 0.0, x, slope * x)''',
    "gelu": '''\
def gelu(x, name):
    """x times the normal distribution function; Keras' own is in single precision."""
    share = 0.5 - 0.5 * ops.erf(-0.7071067811865476 * x)  # of 1 / sqrt(2)
    return layers.Multiply(name=name)([x, share])''',
    "gelu_by_tanh": '''\
def gelu_by_tanh(x, name):
    """GELU by tanh: (1 + tanh(y)) / 2 is sigmoid(2 * y)."""
    inner = layers.Add(name=f"{name}-sum")([x, 0.044715 * x * ops.square(x)])
    scaled = 1.5957691216057308 * inner  # by 2 * sqrt(2 / pi)
    share = layers.Activation("sigmoid", name=f"{name}-share")(scaled)
    return layers.Multiply(name=name)([x, share])''',
    "stochastic_depth": '''\
def stochastic_depth(x, name, rate):
    """In training all of an image or nothing of it, scaled so that the mean stays."""
    shape = (None, *(1 for _ in x.shape[1:]))
    return layers.Dropout(rate, noise_shape=shape, name=name)(x)''',
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
    "mean_of_parts": '''\
def mean_of_parts(x, axis, count):
    """Means of `count` parts of the rows or columns, for any number of them."""
    place = [0, 0, 0, 0]
    place[axis] = slice(None)
    ones = ops.ones_like(x[tuple(place)], dtype="int32")
    ends = ops.expand_dims(ops.cumsum(ones), 1) * count
    # Part i is all that lies between i / count and (i + 1) / count of the whole.
    after = ends > ops.arange(count) * ops.sum(ones)
    before = ends - count < ops.arange(1, count + 1) * ops.sum(ones)
    weights = ops.cast(ops.logical_and(after, before), x.dtype)
    weights = weights / ops.sum(weights, axis=0, keepdims=True)
    result = "aecd" if axis == 1 else "abed" if axis == 2 else "abce"
    return ops.einsum(f"abcd,{'abcd'[axis]}e->{result}", x, weights)''',
    "adaptive_avg_pool": '''\
def adaptive_avg_pool(x, name, size):
    """Means of `size` parts, which overlap where they do not divide the map."""
    layout = keras.config.image_data_format()
    if None not in x.shape[1:]:
        return layers.AdaptiveAveragePooling2D(size, data_format=layout, name=name)(x)
    rows = 1 if layout == "channels_last" else 2
    return mean_of_parts(mean_of_parts(x, rows, size[0]), rows + 1, size[1])''',
    "mirror": '''\
def mirror(x, rows, columns):
    """Rows and columns around the map, mirrored at its edge: c b | a b c."""
    if keras.config.image_data_format() == "channels_last":
        pads = [[0, 0], [rows, rows], [columns, columns], [0, 0]]
    else:
        pads = [[0, 0], [0, 0], [rows, rows], [columns, columns]]
    return ops.pad(x, pads, mode="reflect") if rows or columns else x''',
    "mean_of": '''\
def mean_of(x, name, window, stride=1):
    """The mean of every window that lies within the map."""
    return layers.AveragePooling2D(
        window,
        strides=stride,
        padding="valid",
        data_format=keras.config.image_data_format(),
        name=name,
    )(x)''',
    "blur_pool": '''\
def blur_pool(x, name, kernel, stride):
    """Binomial blur at mirrored edges, then every so many pixels: repeated means."""
    amount = (stride + kernel - 2) // 2
    x = mirror(x, amount, amount)
    for i in range(kernel - 2):
        x = mean_of(x, f"{name}-{i}", 2)
    return mean_of(x, name, 2, stride)''',
    "upsample": '''\
def upsample(x, name, factor):
    """Every pixel as often as `factor` says."""
    return layers.UpSampling2D(
        factor,
        data_format=keras.config.image_data_format(),
        interpolation="nearest",
        name=name,
    )(x)''',
    "upsample_bilinear": '''\
def upsample_bilinear(x, name, factor):
    """Linear between the centres of pixels, constant past the outer ones.

    By repeated means: the interpolation of Keras on TensorFlow is in single precision.
    """
    x = upsample(x, f"{name}-nearest", factor)
    x = mirror(x, factor[0] // 2, factor[1] // 2)
    x = mean_of(x, f"{name}-mean", factor)
    return mean_of(x, name, [2 - f % 2 for f in factor])''',
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
    "flatten_pixels": '''\
def flatten_pixels(x, name):
    """A map as a vector with the channels innermost, as in NHWC."""
    if keras.config.image_data_format() == "channels_first":
        x = layers.Permute((2, 3, 1), name=f"{name}-order")(x)
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
