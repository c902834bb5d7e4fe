"""Functions a generated file carries where its network needs them, as source."""

from __future__ import annotations

HELPERS = {
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
    return F.pad(x, edges, mode="constant", value=value)''',
    "same_avg_pool": '''\
def same_avg_pool(
    x: torch.Tensor, kernel: tuple[int, int], stride: tuple[int, int]
) -> torch.Tensor:
    """Average pool with TensorFlow's `same` padding, which does not count as zeros."""
    total = F.avg_pool2d(same_pad(x, kernel, stride, 0.0), kernel, stride, padding=0)
    ones = same_pad(torch.ones_like(x[:1, :1]), kernel, stride, 0.0)
    return total / F.avg_pool2d(ones, kernel, stride, padding=0)''',
    "pad_channels": '''\
def pad_channels(x: torch.Tensor, before: int, after: int) -> torch.Tensor:
    """Add channels of zeros before and after those of `x`."""
    return F.pad(x, (0, 0, 0, 0, before, after), mode="constant", value=0.0)''',
}
