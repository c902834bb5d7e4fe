"""Functions and classes a generated file carries where its network needs them, as source.

What `torch.fx` cannot look into, as it computes with sizes or branches on them, is one node of its graph.
"""

from __future__ import annotations


def _partial_batch_norm(axes: int) -> str:
    """A norm that lacks one of its two learned tensors; made by `affine`, it would have both or none."""
    return f'''\
class PartialBatchNorm{axes}d(nn.BatchNorm{axes}d):
    """Batch normalisation with a learned scale or a learned shift, and not both."""

    def __init__(
        self,
        num_features: int,
        *,
        eps: float,
        momentum: float,
        scale: bool,
        center: bool,
    ) -> None:
        super().__init__(num_features, eps=eps, momentum=momentum, affine=False)
        if scale:
            self.weight = nn.Parameter(torch.ones(num_features))
        if center:
            self.bias = nn.Parameter(torch.zeros(num_features))

    def _check_input_dim(self, x: torch.Tensor) -> None:
        """Take what comes: a trace cannot ask how many axes it has."""'''


def _standardized_conv(scaled: bool) -> str:
    """A convolution of standardised weights; `scaled` ones are shrunk to a sum of squares, with a gain."""
    kind = "ScaledStandardizedConv2d" if scaled else "StandardizedConv2d"
    used = "with a learned gain and" if scaled else "with mean 0 and"
    own = (
        (
            "        gamma: float,\n",
            """\
        fan_in = self.weight[0].numel()
        self.scale = gamma / fan_in**0.5
        self.gain = nn.Parameter(torch.ones(out_channels, 1, 1, 1))
""",
            "        weight = weight * (self.gain * self.scale)\n",
        )
        if scaled
        else ("", "", "")
    )
    return f'''\
class {kind}(nn.Conv2d):
    """A convolution whose weights are used {used} variance 1 an output channel."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        *,
        stride: int | tuple[int, int],
        padding: int | tuple[int, int],
        dilation: int | tuple[int, int],
        groups: int,
        bias: bool,
        eps: float,
{own[0]}    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
        )
        self.eps = eps
{own[1]}
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.weight
        var, mean = torch.var_mean(weight, dim=(1, 2, 3), correction=0, keepdim=True)
        weight = (weight - mean) / torch.sqrt(var + self.eps)
{own[2]}        return F.conv2d(
            x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )'''


def _learned(kind: str, what: str, tensor: str, sign: str, start: str, map_: bool) -> str:
    """A layer that keeps one number, or one for each channel."""
    spread = "[:, None, None]" if map_ else ""
    return f'''\
class {kind}(nn.Module):
    """{what}."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.{tensor} = nn.Parameter(torch.{start}(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x {sign} self.{tensor}{spread}'''


HELPERS = {
    "NO_EPS": "NO_EPS = 1e-300  # torch trains with none of 0; no variance becomes another by this",
    "same_pad": '''\
def same_pad(
    x: torch.Tensor, span: tuple[int, int], stride: tuple[int, int], value: float
) -> torch.Tensor:
    """Pad as TensorFlow's `same` does: more at the end where the total is odd."""
    down, right = -(-x.shape[2] // stride[0]), -(-x.shape[3] // stride[1])
    height = max((down - 1) * stride[0] + span[0] - x.shape[2], 0)
    width = max((right - 1) * stride[1] + span[1] - x.shape[3], 0)
    left, above = width // 2, height // 2
    edges = (left, width - left, above, height - above)
    return F.pad(x, edges, mode="constant", value=value)


torch.fx.wrap("same_pad")  # one node of a traced graph''',
    "same_avg_pool": '''\
def same_avg_pool(
    x: torch.Tensor, kernel: tuple[int, int], stride: tuple[int, int]
) -> torch.Tensor:
    """Average pool with TensorFlow's `same` padding, which does not count as zeros."""
    total = F.avg_pool2d(same_pad(x, kernel, stride, 0.0), kernel, stride, padding=0)
    ones = same_pad(torch.ones_like(x[:1, :1]), kernel, stride, 0.0)
    return total / F.avg_pool2d(ones, kernel, stride, padding=0)''',
    "uneven_avg_pool": '''\
def uneven_avg_pool(
    x: torch.Tensor,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    edges: tuple[int, int, int, int],
) -> torch.Tensor:
    """Average pool with padding that differs by side and does not count as zeros."""
    total = F.avg_pool2d(F.pad(x, edges), kernel, stride, padding=0)
    ones = F.pad(torch.ones_like(x[:1, :1]), edges)
    return total / F.avg_pool2d(ones, kernel, stride, padding=0)''',
    "pad_channels": '''\
def pad_channels(x: torch.Tensor, before: int, after: int) -> torch.Tensor:
    """Add channels of zeros before and after those of `x`."""
    return F.pad(x, (0, 0, 0, 0, before, after), mode="constant", value=0.0)''',
    "blur_pool": '''\
def blur_pool(x: torch.Tensor, taps: list[float], stride: int) -> torch.Tensor:
    """Blur each channel along both axes, mirrored at the edges; take each `stride`th pixel."""
    edge = (stride + len(taps) - 2) // 2
    line = torch.tensor(taps, dtype=x.dtype, device=x.device)
    kernel = torch.outer(line, line).expand(x.shape[1], 1, -1, -1)
    x = F.pad(x, (edge, edge, edge, edge), mode="reflect")
    return F.conv2d(x, kernel, stride=stride, padding=0, dilation=1, groups=x.shape[1])''',
    "nearest_pixels": '''\
def nearest_pixels(x: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Resize a map: of each row and column the one it lies in, counted in whole numbers."""
    rows = torch.arange(height, device=x.device) * x.shape[2] // height
    columns = torch.arange(width, device=x.device) * x.shape[3] // width
    return x.index_select(2, rows).index_select(3, columns)


torch.fx.wrap("nearest_pixels")  # one node of a traced graph''',
    "center_crop": '''\
def center_crop(x: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Take the middle of a map; where it is not the very middle, what is left out behind is more."""
    top, left = (x.shape[2] - height) // 2, (x.shape[3] - width) // 2
    return x[:, :, top : top + height, left : left + width]''',
    "pixel_unshuffle": '''\
def pixel_unshuffle(x: torch.Tensor, factor: int) -> torch.Tensor:
    """Make squares of pixels channels; rows and columns that make no square are left out."""
    height, width = (size // factor * factor for size in x.shape[2:])
    return F.pixel_unshuffle(x[:, :, :height, :width], factor)


torch.fx.wrap("pixel_unshuffle")  # one node of a traced graph''',
    "stochastic_depth": '''\
def stochastic_depth(x: torch.Tensor, rate: float, training: bool) -> torch.Tensor:
    """Zero whole images with probability `rate` in training, and scale the others up."""
    if not training:
        return x
    shape = [1] * x.dim()
    shape[0] = x.shape[0]
    return x * F.dropout(x.new_ones(shape), p=rate, training=True)


torch.fx.wrap("stochastic_depth")  # one node of a traced graph''',
    "attention": '''\
def attention(
    x: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    heads: int,
    positions: torch.Tensor | None = None,
) -> torch.Tensor:
    """Gather the pixels of `values`, for each pixel of `x` by how it agrees with `keys`."""
    flat = [each.flatten(2) for each in (x, keys, values)]
    q, k, v = [torch.unflatten(each, 1, (heads, -1)) for each in flat]
    scores = (q * q.shape[2] ** -0.5).transpose(2, 3) @ k
    if positions is not None:
        scores = scores + positions
    found = v @ F.softmax(scores, dim=3).transpose(2, 3)
    return torch.unflatten(found.flatten(1, 2), 2, x.shape[2:])


torch.fx.wrap("attention")  # one node of a traced graph''',
    "RelativeAttention": '''\
class RelativeAttention(nn.Module):
    """Attention that also weighs how far the pixels of a map lie apart."""

    def __init__(
        self, channels: int, height: int, width: int, *, heads: int, scaled: bool
    ) -> None:
        super().__init__()
        self.heads, self.scale = heads, channels**-0.5 if scaled else 1.0
        self.height_rel = nn.Parameter(torch.empty(2 * height - 1, channels))
        self.width_rel = nn.Parameter(torch.empty(2 * width - 1, channels))

    def forward(
        self, x: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        q = torch.unflatten(x, 1, (self.heads, -1)) * self.scale
        rows = torch.einsum("nhdij,ikd->nhijk", q, self.apart(self.height_rel))
        columns = torch.einsum("nhdij,jkd->nhijk", q, self.apart(self.width_rel))
        positions = rows.unsqueeze(5) + columns.unsqueeze(4)
        positions = positions.flatten(4).flatten(2, 3)
        return attention(x, keys, values, self.heads, positions)

    def apart(self, vectors: torch.Tensor) -> torch.Tensor:
        """The vector of each pair of places along an axis."""
        size = (vectors.shape[0] + 1) // 2
        places = torch.arange(size, device=vectors.device)
        return vectors[places - places.unsqueeze(1) + size - 1]''',
    "Positions": '''\
class Positions(nn.Module):
    """A learned value added to each channel of each pixel."""

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.size = height, width
        self.positional_embedding = nn.Parameter(torch.empty(height * width, channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.unflatten(self.positional_embedding.T, 1, self.size)''',
    "tokens_and_mean": '''\
def tokens_and_mean(x: torch.Tensor) -> torch.Tensor:
    """Make a map a column of its pixels, their mean above them."""
    column = x.flatten(2).unsqueeze(3)
    return torch.cat([column.mean(2, keepdim=True), column], dim=2)''',
    "ChannelConv1d": '''\
class ChannelConv1d(nn.Conv1d):
    """A convolution over the channels of a vector, or of a map of one pixel."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        line = x.flatten(1).unsqueeze(1)
        line = F.conv1d(
            line,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
        )
        return line.reshape(x.shape)''',
    "CutConvTranspose2d": '''\
class CutConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution that leaves out as much of its result as each side says."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        *,
        cut: tuple[int, int, int, int],
        stride: int | tuple[int, int],
        output_padding: int | tuple[int, int],
        groups: int,
        bias: bool,
        dilation: int | tuple[int, int],
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=0,
            output_padding=output_padding,
            groups=groups,
            bias=bias,
            dilation=dilation,
        )
        self.cut = cut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        above, below, left, right = self.cut
        whole = F.conv_transpose2d(
            x,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.output_padding,
            self.groups,
            self.dilation,
        )
        return F.pad(whole, (-left, -right, -above, -below))''',
    **{f"PartialBatchNorm{axes}d": _partial_batch_norm(axes) for axes in (1, 2)},
    "FrozenBatchNorm": '''\
class FrozenBatchNorm(nn.Module):
    """Batch normalisation that training does not change: all its tensors are buffers."""

    def __init__(
        self, num_features: int, *, eps: float, scale: bool, center: bool
    ) -> None:
        super().__init__()
        self.eps = eps
        ones, zeros = torch.ones(num_features), torch.zeros(num_features)
        self.register_buffer("weight", ones if scale else None)
        self.register_buffer("bias", zeros if center else None)
        self.register_buffer("running_mean", zeros.clone())
        self.register_buffer("running_var", ones.clone())

    def _load_from_state_dict(
        self, state_dict: dict[str, torch.Tensor], prefix: str, *rest: object
    ) -> None:
        state_dict.pop(f"{prefix}num_batches_tracked", None)  # of one that counts them
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def reset_running_stats(self) -> None:
        """Start the statistics afresh."""
        self.running_mean.zero_()
        self.running_var.fill_(1.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=False,
            eps=self.eps,
        )''',
    "LayerNorm2d": '''\
class LayerNorm2d(nn.LayerNorm):
    """Layer normalisation of a map over its channels, each pixel by itself."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.permute(0, 2, 3, 1)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)''',
    "LearnedScale": _learned("LearnedScale", "Times learned numbers", "weight", "*", "ones", False),
    "LearnedScale2d": _learned(
        "LearnedScale2d", "Each channel of a map times a learned number", "weight", "*", "ones", True
    ),
    "LearnedShift": _learned("LearnedShift", "Plus learned numbers", "bias", "+", "zeros", False),
    "LearnedShift2d": _learned(
        "LearnedShift2d", "Each channel of a map plus a learned number", "bias", "+", "zeros", True
    ),
    "GlobalResponseNorm2d": '''\
class GlobalResponseNorm2d(nn.Module):
    """Each channel by its own norm over the map, relative to the mean norm of all channels."""

    def __init__(self, channels: int, *, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        norm: torch.Tensor = torch.linalg.vector_norm(x, dim=(2, 3), keepdim=True)
        share = norm / (norm.mean(dim=1, keepdim=True) + self.eps)
        scaled = self.weight[:, None, None] * (x * share)
        return x + (scaled + self.bias[:, None, None])''',
    "GeneralizedMean": '''\
class GeneralizedMean(nn.Module):
    """The generalised mean over height and width, with a learned power."""

    def __init__(self, *, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.clamp(x, min=self.eps) ** self.weight
        return x.mean(dim=(2, 3), keepdim=True) ** (1.0 / self.weight)''',
    **{("Scaled" * scaled) + "StandardizedConv2d": _standardized_conv(scaled) for scaled in (False, True)},
}
