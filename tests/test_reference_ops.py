"""The referee op by op against torch in float64, forward and backward."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from resnet_dsl.ir.arguments import Symbol
from resnet_dsl.ir.ops import (
    AdaptiveAvgPool,
    Add,
    Affine,
    AvgPool,
    BatchNorm,
    BlurPool,
    ChannelConv,
    Concat,
    Conv,
    Dropout,
    Flatten,
    FullyConnected,
    Gelu,
    GlobalAvgPool,
    GroupNorm,
    HardSwish,
    LayerNorm,
    LeakyRelu,
    LocalResponseNorm,
    MaxPool,
    Multiply,
    Op,
    PadChannels,
    Part,
    Relu,
    Sigmoid,
    Silu,
    Softmax,
    StochasticDepth,
    Subsample,
    Tanh,
    Upsample,
    ZeroPad,
)
from resnet_dsl.ir.ops.base import declared
from resnet_dsl.ir.shapes import Extent, Shape
from resnet_dsl.ir.sizes import Size
from resnet_dsl.reference import OpCall, backward, cross_entropy, forward, missing_rules, statistics

torch = pytest.importorskip("torch")
F = torch.nn.functional
torch.set_num_threads(1)

few = partial(settings, deadline=None, suppress_health_check=[HealthCheck.too_slow])
sizes = st.integers(1, 9)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
seeds = st.integers(0, 2**32 - 1)


def distinct(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Values of N(0, 1) size that are all different, so that no window has two largest."""
    rng = np.random.default_rng(seed)
    count = int(np.prod(shape))
    return ((rng.permutation(count) - count / 2 + 0.25) * (2.0 / count)).reshape(shape)


def close(ours: np.ndarray, theirs: np.ndarray, tolerance: float = 1e-12) -> None:
    """Compare with the largest value, or with 1: the data is of that size, sums of it may cancel."""
    assert ours.shape == theirs.shape
    assert ours.dtype == np.float64
    if ours.size:
        assert np.abs(ours - theirs).max() <= tolerance * max(1.0, np.abs(theirs).max())


def agree(
    op: Op, call: OpCall, theirs: Callable[..., "torch.Tensor"], seed: int = 0, tolerance: float = 1e-12
) -> None:
    """Check result and every gradient against `theirs(inputs, tensors)` of torch tensors."""
    inputs = [torch.tensor(x, requires_grad=True) for x in call.inputs]
    tensors = {k: torch.tensor(v, requires_grad=True) for k, v in call.tensors.items()}
    expected = theirs(inputs, tensors)
    result = forward(op, call)
    close(result, expected.detach().numpy())
    gradient = np.random.default_rng(seed + 1).standard_normal(result.shape)
    expected.backward(torch.tensor(gradient))
    found = backward(op, call, result, gradient)
    assert len(found.inputs) == len(inputs)
    for ours, x in zip(found.inputs, inputs, strict=True):
        close(ours, x.grad.numpy(), tolerance)
    for name, ours in found.tensors.items():
        close(ours, tensors[name].grad.numpy(), tolerance)
    learned = {p.name for p in op.parameters(Shape(call.x.shape[1])) if p.learned}
    assert found.tensors.keys() == learned


def divided(variance: float) -> float:
    """The tolerance of gradients of x / deviation: rounding in x's mean is divided by it twice."""
    return 1e-12 / min(1.0, variance)


def shape_rule(op: Op, x: np.ndarray) -> tuple[int | None, ...]:
    """What the compiler says the result's shape is."""
    shape = Shape(x.shape[1], (Size("H"), Size("W")))
    extent = Extent(*x.shape[2:])
    return op.shape(shape, extent=extent).at(extent)


def same_padding(x: np.ndarray, op: Op, dilation: tuple[int, int] = (1, 1)) -> list[int]:
    """The padding of TensorFlow's `same`, in the order of F.pad."""
    amounts = []
    for n, k, s, d in zip(x.shape[2:], op.kernel, op.stride, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        amounts.append([total // 2, total - total // 2])
    return [*amounts[1], *amounts[0]]


def test_every_op_of_the_catalogue_has_both_rules():
    assert missing_rules() == ()


def test_an_op_without_rules_is_named():
    class Strange(Relu):
        kind = "strange"

    assert missing_rules([Strange]) == ("strange: no forward rule", "strange: no backward rule")


def test_an_op_that_is_not_known_is_refused_by_name():
    @declared
    class Strange(Op):
        kind = "strange"

    with pytest.raises(NotImplementedError, match="`strange`"):
        forward(Strange(), OpCall((np.zeros((1, 1)),)))


# --- convolution -------------------------------------------------------------------------------


@st.composite
def convolutions(draw):
    groups = draw(st.integers(1, 3))
    per_group = draw(st.integers(1, 3))
    values = {
        "channels": groups * draw(st.integers(1, 3)),
        "kernel": draw(pairs),
        "stride": draw(pairs),
        "dilation": draw(pairs),
        "groups": groups,
        "bias": draw(st.booleans()),
    }
    pad = draw(st.one_of(st.just("same"), st.tuples(st.integers(0, 3), st.integers(0, 3))))
    op = Conv.make({**values, "pad": Symbol(pad) if pad == "same" else pad})
    spans = [(k - 1) * d + 1 for k, d in zip(op.kernel, op.dilation, strict=True)]
    least = [1, 1] if pad == "same" else [max(1, s - 2 * p) for s, p in zip(spans, pad, strict=True)]
    height, width = (draw(st.integers(low, low + 6)) for low in least)
    return op, (draw(st.integers(1, 3)), groups * per_group, height, width), draw(seeds)


@given(convolutions())
@few(max_examples=60)
def test_convolution_is_that_of_torch(case):
    op, shape, seed = case
    rng = np.random.default_rng(seed)
    tensors = {p.name: rng.standard_normal(p.shape) for p in op.parameters(Shape(shape[1]))}
    call = OpCall((rng.standard_normal(shape),), tensors)

    def theirs(inputs, t):
        x, pad = inputs[0], op.pad
        if pad == "same":
            x, pad = F.pad(x, same_padding(call.x, op, op.dilation)), 0
        return F.conv2d(x, t["weight"], t.get("bias"), op.stride, pad, op.dilation, op.groups)

    agree(op, call, theirs, seed)
    assert forward(op, call).shape[1:] == shape_rule(op, call.x)


@given(st.integers(1, 2), st.integers(1, 3), pairs, st.sampled_from([1e-8, 1e-3, 1.0]), seeds)
@few(max_examples=30)
def test_a_standardised_weight_is_that_of_batch_norm(groups, width, kernel, eps, seed):
    """As timm writes it: a batch norm in training mode over the weights of each output channel."""
    assume(width * kernel[0] * kernel[1] > 1)  # torch has no variance of one value; the next test has it
    op = Conv.make(
        {"channels": 2 * groups, "kernel": kernel, "groups": groups, "bias": True, "standardize": eps}
    )
    rng = np.random.default_rng(seed)
    shape = (2, groups * width, 5, 6)
    tensors = {p.name: rng.standard_normal(p.shape) + 0.5 for p in op.parameters(Shape(shape[1]))}

    def theirs(inputs, t):
        weight = t["weight"]
        flat = F.batch_norm(weight.reshape(1, 2 * groups, -1), None, None, training=True, eps=eps)
        return F.conv2d(inputs[0], flat.reshape(weight.shape), t["bias"], 1, op.pad, 1, groups)

    variance = tensors["weight"].reshape(2 * groups, -1).var(1).min() + eps
    agree(op, OpCall((rng.standard_normal(shape),), tensors), theirs, seed, divided(variance))


def test_one_weight_a_channel_is_standardised_away():
    op = Conv.make({"channels": 3, "kernel": 1, "groups": 3, "standardize": 1e-6})
    rng = np.random.default_rng(0)
    call = OpCall((rng.standard_normal((2, 3, 4, 5)),), {"weight": rng.standard_normal((3, 1, 1, 1))})
    result = forward(op, call)
    assert not result.any()
    assert not backward(op, call, result, np.ones(result.shape)).tensors["weight"].any()


@given(st.integers(1, 3), sizes, st.sampled_from([1, 3, 5, 9]), st.booleans(), seeds)
@few(max_examples=30)
def test_channel_conv_slides_over_the_channels(batch, channels, kernel, pixel, seed):
    op = ChannelConv.make({"kernel": kernel})
    rng = np.random.default_rng(seed)
    shape = (batch, channels, 1, 1) if pixel else (batch, channels)
    call = OpCall((rng.standard_normal(shape),), {"weight": rng.standard_normal((1, 1, kernel))})

    def theirs(inputs, t):
        return F.conv1d(inputs[0].reshape(batch, 1, -1), t["weight"], padding=kernel // 2).reshape(shape)

    agree(op, call, theirs, seed)


@given(st.integers(1, 4), sizes, sizes, st.booleans(), st.booleans(), seeds)
@few(max_examples=30)
def test_fully_connected_takes_vectors_and_pixels(batch, taken, given, bias, pixel, seed):
    op = FullyConnected.make({"channels": given, "bias": bias})
    rng = np.random.default_rng(seed)
    shape = (batch, taken, 1, 1) if pixel else (batch, taken)
    tensors = {p.name: rng.standard_normal(p.shape) for p in op.parameters(Shape(taken))}
    call = OpCall((rng.standard_normal(shape),), tensors)
    agree(op, call, lambda i, t: F.linear(i[0].flatten(1), t["weight"], t.get("bias")), seed)


# --- pooling -----------------------------------------------------------------------------------


@st.composite
def pools(draw, kind):
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    pad = draw(st.one_of(st.just("same"), st.tuples(*(st.integers(0, k // 2) for k in kernel))))
    values = {"kernel": kernel, "stride": draw(pairs), "pad": Symbol(pad) if pad == "same" else pad}
    if pad != "same":
        values["ceil"] = draw(st.booleans())
        if kind is AvgPool:
            values["count_pad"] = draw(st.booleans())
    least = [1, 1] if pad == "same" else [max(1, k - 2 * p) for k, p in zip(kernel, pad, strict=True)]
    height, width = (draw(st.integers(low, low + 6)) for low in least)
    return kind.make(values), (draw(st.integers(1, 2)), draw(st.integers(1, 2)), height, width), draw(seeds)


@given(pools(MaxPool))
@few(max_examples=60)
def test_max_pool_is_that_of_torch(case):
    op, shape, seed = case
    call = OpCall((distinct(seed, shape) - 2.0,))  # all negative: a padding of zeros would show

    def theirs(inputs, _):
        if op.pad == "same":
            x = F.pad(inputs[0], same_padding(call.x, op), value=float("-inf"))
            return F.max_pool2d(x, op.kernel, op.stride)
        return F.max_pool2d(inputs[0], op.kernel, op.stride, op.pad, ceil_mode=op.ceil)

    agree(op, call, theirs, seed)
    assert forward(op, call).shape[1:] == shape_rule(op, call.x)


def test_of_equal_largest_values_the_first_takes_the_gradient():
    op = MaxPool.make({"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1)})
    rng = np.random.default_rng(0)
    for x in (np.zeros((1, 1, 5, 6)), rng.integers(0, 2, (2, 3, 7, 8)).astype(float)):
        agree(op, OpCall((x,)), lambda i, _: F.max_pool2d(i[0], 3, 2, 1))
    found = backward(op, OpCall((np.zeros((1, 1, 2, 2)),)), np.zeros((1, 1, 1, 1)), np.ones((1, 1, 1, 1)))
    assert found.inputs[0].ravel().tolist() == [1.0, 0.0, 0.0, 0.0]


@given(pools(AvgPool))
@few(max_examples=60)
def test_average_pool_is_that_of_torch(case):
    op, shape, seed = case
    call = OpCall((distinct(seed, shape) + 1.0,))

    def theirs(inputs, _):
        if op.pad != "same":
            return F.avg_pool2d(inputs[0], op.kernel, op.stride, op.pad, op.ceil, op.count_pad)
        padding = same_padding(call.x, op)
        pool = partial(F.avg_pool2d, kernel_size=op.kernel, stride=op.stride)
        return pool(F.pad(inputs[0], padding)) / pool(F.pad(torch.ones_like(inputs[0]), padding))

    agree(op, call, theirs, seed)
    assert forward(op, call).shape[1:] == shape_rule(op, call.x)


def test_the_divisor_of_a_ceiled_average_ends_at_the_padding():
    """4 cells and padding 1, windows of 3 every 2: the third has one cell, one of padding, one past it."""
    op = AvgPool.make({"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1), "ceil": True, "count_pad": True})
    result = forward(op, OpCall((np.ones((1, 1, 4, 4)),)))
    assert np.allclose(result[0, 0], np.outer([2 / 3, 1, 1 / 2], [2 / 3, 1, 1 / 2]), atol=1e-15)


@given(sizes, sizes, seeds)
@few(max_examples=20)
def test_global_average_pool_leaves_a_pixel(height, width, seed):
    call = OpCall((distinct(seed, (2, 3, height, width)),))
    agree(GlobalAvgPool(), call, lambda i, _: F.adaptive_avg_pool2d(i[0], 1), seed)


@given(sizes, sizes, st.tuples(sizes, sizes), seeds)
@few(max_examples=40)
def test_adaptive_average_pool_is_that_of_torch(height, width, size, seed):
    """More windows than cells, too."""
    op, call = AdaptiveAvgPool.make({"size": size}), OpCall((distinct(seed, (2, 3, height, width)),))
    agree(op, call, lambda i, _: F.adaptive_avg_pool2d(i[0], size), seed)
    assert forward(op, call).shape[1:] == shape_rule(op, call.x)


@st.composite
def blurs(draw):
    kernel = draw(st.integers(2, 7))
    op = BlurPool.make({"kernel": kernel, "stride": draw(st.integers(1, kernel))})
    least = max(op.pad + 1, kernel - 2 * op.pad)
    return op, (2, 3, *(least + draw(st.integers(0, 6)) for _ in range(2))), draw(seeds)


@given(blurs())
@few(max_examples=40)
def test_blur_pool_is_a_depthwise_convolution_of_the_mirrored_map(case):
    op, shape, seed = case
    call = OpCall((distinct(seed, shape),))
    taps = np.array([1.0])
    for _ in range(op.kernel - 1):
        taps = np.convolve(taps, [0.5, 0.5])
    kernel = torch.tensor(np.outer(taps, taps)).expand(3, 1, -1, -1)

    def theirs(inputs, _):
        return F.conv2d(F.pad(inputs[0], (op.pad,) * 4, "reflect"), kernel, None, op.stride, groups=3)

    agree(op, call, theirs, seed)
    assert forward(op, call).shape[1:] == shape_rule(op, call.x)


# --- normalisation -----------------------------------------------------------------------------


def batch_norm_call(shape, seed, training):
    rng = np.random.default_rng(seed)
    channels = shape[1]
    tensors = {
        "weight": rng.standard_normal(channels),
        "bias": rng.standard_normal(channels),
        "running_mean": rng.standard_normal(channels),
        "running_var": rng.uniform(0.5, 2.0, channels),
    }
    return OpCall((rng.standard_normal(shape) * 3.0 + 1.0,), tensors, training)


maps = st.tuples(st.integers(2, 4), st.integers(1, 4), sizes, sizes)
vectors = st.tuples(st.integers(2, 6), st.integers(1, 4))


@given(st.one_of(maps, vectors), st.booleans(), st.sampled_from([1e-5, 1e-3, 1.0]), seeds)
@few(max_examples=60)
def test_batch_norm_is_that_of_torch(shape, training, eps, seed):
    op = BatchNorm.make({"eps": eps, "momentum": 0.2})
    call = batch_norm_call(shape, seed, training)
    running = {k: torch.tensor(call.tensors[k]) for k in ("running_mean", "running_var")}

    def theirs(inputs, t):
        return F.batch_norm(inputs[0], *running.values(), t["weight"], t["bias"], training, 0.2, eps)

    agree(op, call, theirs, seed)
    new = statistics(op, call, True)
    assert new.keys() == (running.keys() if training else set())
    for name, value in new.items():
        close(value, running[name].numpy())


def test_the_running_variance_of_keras_is_biased():
    op = BatchNorm.make({"momentum": 0.25})
    call = batch_norm_call((3, 2, 4, 5), 7, True)
    old = call.tensors["running_var"]
    biased, unbiased = (statistics(op, call, u)["running_var"] for u in (False, True))
    close(biased, 0.75 * old + 0.25 * call.x.var((0, 2, 3)))
    close(unbiased, 0.75 * old + (biased - 0.75 * old) * 60 / 59)


def test_one_value_a_channel_has_no_unbiased_variance():
    call = batch_norm_call((1, 2, 1, 1), 7, True)
    with pytest.raises(ValueError, match="unbiased"):
        statistics(BatchNorm(), call, True)
    assert statistics(BatchNorm(), call, False)["running_var"].shape == (2,)


def scale_and_shift(channels, rng):
    return {"weight": rng.standard_normal(channels), "bias": rng.standard_normal(channels)}


@given(st.one_of(maps, vectors), st.integers(1, 3), st.sampled_from([1e-5, 1e-3, 1.0]), seeds)
@few(max_examples=60)
def test_group_norm_is_that_of_torch(shape, groups, eps, seed):
    shape = (shape[0], 2 * groups * shape[1], *shape[2:])  # torch has no variance of one value
    op, rng = GroupNorm.make({"groups": groups, "eps": eps}), np.random.default_rng(seed)
    call = OpCall((rng.standard_normal(shape) * 3.0 + 1.0,), scale_and_shift(shape[1], rng))
    variance = call.x.reshape(shape[0], groups, -1).var(-1).min() + eps
    agree(op, call, lambda i, t: F.group_norm(i[0], groups, *t.values(), eps), seed, divided(variance))


@given(st.one_of(maps, vectors), st.sampled_from([1e-5, 1e-3, 1.0]), seeds)
@few(max_examples=40)
def test_layer_norm_is_that_of_torch_over_the_channels(shape, eps, seed):
    op, rng = LayerNorm.make({"eps": eps}), np.random.default_rng(seed)
    call = OpCall((rng.standard_normal(shape) * 3.0 + 1.0,), scale_and_shift(shape[1], rng))

    def theirs(inputs, t):
        last = F.layer_norm(inputs[0].movedim(1, -1), shape[1:2], *t.values(), eps)
        return last.movedim(-1, 1)

    variance = call.x.var(1).min() + eps
    agree(op, call, theirs, seed, divided(variance))


def test_a_group_of_one_value_becomes_the_shift():
    rng = np.random.default_rng(0)
    call = OpCall((rng.standard_normal((3, 4)),), scale_and_shift(4, rng))
    for op in (GroupNorm.make({"groups": 4}), LayerNorm()):
        x = call.x if op.kind == "gn" else call.x[:, :1]
        tensors = {name: value[: x.shape[1]] for name, value in call.tensors.items()}
        result = forward(op, OpCall((x,), tensors))
        assert np.array_equal(result, np.broadcast_to(tensors["bias"], x.shape))
        assert not backward(op, OpCall((x,), tensors), result, np.ones(x.shape)).inputs[0].any()


@given(maps, st.sampled_from([1, 3, 5, 11]), st.sampled_from([0.5, 0.75, 1.0, -1.0]), seeds)
@few(max_examples=40)
def test_local_response_norm_is_that_of_torch(shape, size, beta, seed):
    op = LocalResponseNorm.make({"size": size, "alpha": 0.7, "beta": beta, "k": 1.5})
    call = OpCall((np.random.default_rng(seed).standard_normal(shape) * 2.0,))
    agree(op, call, lambda i, _: F.local_response_norm(i[0], size, 0.7, beta, 1.5), seed)


def test_a_window_wider_than_all_channels_costs_no_more():
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    wide = LocalResponseNorm.make({"size": 10**9 + 1 - 2, "alpha": 1e9 - 1})
    close(forward(wide, OpCall((x,))), x * (1.0 + (x * x).sum(1, keepdims=True)) ** -0.75)


# --- elementwise -------------------------------------------------------------------------------

ACTIVATIONS = [
    (Relu(), lambda x: F.relu(x)),
    (Sigmoid(), torch.sigmoid),
    (Tanh(), torch.tanh),
    (Softmax(), lambda x: F.softmax(x, 1)),
    (LeakyRelu.make({"slope": 0.3}), lambda x: F.leaky_relu(x, 0.3)),
    (LeakyRelu.make({"slope": -0.5}), lambda x: F.leaky_relu(x, -0.5)),
    (Silu(), F.silu),
    (Gelu(), F.gelu),
    (Gelu.make({"approximate": True}), lambda x: F.gelu(x, approximate="tanh")),
    (HardSwish(), F.hardswish),
    (Affine.make({"scale": -1.0, "shift": 1.0}), lambda x: 1.0 - x),
    (Affine.make({"scale": 0.5}), lambda x: 0.5 * x),
]


@pytest.mark.parametrize(("op", "theirs"), ACTIVATIONS, ids=lambda value: getattr(value, "kind", ""))
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4, 5)])
@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_activations_are_those_of_torch(op, theirs, shape, scale):
    x = np.random.default_rng(1).standard_normal(shape) * scale
    x.flat[:6] = 0.0, -0.0, 3.0, -3.0, 2.9, -2.9  # the slope at the kinks
    with np.errstate(all="raise", under="ignore"):
        agree(op, OpCall((x,)), lambda i, _: theirs(i[0]))


def test_dropout_drops_by_its_mask_in_training_only():
    rng = np.random.default_rng(2)
    op, x = Dropout.make({"rate": 0.25}), rng.standard_normal((3, 4, 5, 6))
    mask = (rng.random(x.shape) > 0.25).astype(float)
    call = OpCall((x,), {"mask": mask}, training=True)
    agree(op, call, lambda i, t: i[0] * t["mask"].detach() / 0.75)
    agree(op, OpCall((x,)), lambda i, _: F.dropout(i[0], 0.25, training=False))
    everything = Dropout.make({"rate": 1.0})
    assert not forward(everything, OpCall((x,), {"mask": np.zeros(x.shape)}, training=True)).any()


def test_gelu_is_exact_far_below_zero():
    """There 1 + erf(x / sqrt(2)), as torch has it, is lost in rounding: x = -8 gives 16 digits of nothing."""
    x = np.array([[-8.0, -6.0]])
    known = x * [6.220960574271785e-16, 9.865876450376982e-10]  # the normal distribution function there
    found = forward(Gelu(), OpCall((x,)))
    assert np.abs(found / known - 1.0).max() <= 1e-13


@pytest.mark.parametrize("pixels", [(), (5, 6)])
def test_stochastic_depth_drops_whole_images_in_training_only(pixels):
    rng = np.random.default_rng(2)
    op, x = StochasticDepth.make({"rate": 0.25}), rng.standard_normal((4, 3, *pixels))
    mask = np.array([1.0, 0.0, 1.0, 1.0]).reshape(4, 1, *(1,) * len(pixels))
    call = OpCall((x,), {"mask": mask}, training=True)
    agree(op, call, lambda i, t: i[0] * t["mask"].detach() / 0.75)
    result = forward(op, call)
    assert not result[1].any()
    close(result[[0, 2, 3]], x[[0, 2, 3]] / 0.75, 1e-15)
    agree(op, OpCall((x,)), lambda i, _: i[0] * 1.0)
    everything = StochasticDepth.make({"rate": 1.0})
    assert not forward(everything, OpCall((x,), {"mask": mask * 0.0}, training=True)).any()


# --- layout and joins --------------------------------------------------------------------------


@given(sizes, sizes, pairs, st.integers(0, 3), st.sampled_from(["end", "both"]), seeds)
@few(max_examples=40)
def test_layout_ops_are_those_of_torch(height, width, pair, more, side, seed):
    call = OpCall((distinct(seed, (2, 3, height, width)),))
    rows, columns = pair
    subsample, pad = Subsample.make({"stride": pair}), ZeroPad.make({"amount": pair})
    channels = PadChannels.make({"channels": 3 + more, "side": Symbol(side)})
    before = more // 2 if side == "both" else 0
    agree(Flatten(), call, lambda i, _: i[0].flatten(1), seed)
    agree(Flatten(order="hwc"), call, lambda i, _: i[0].permute(0, 2, 3, 1).flatten(1), seed)
    agree(subsample, call, lambda i, _: i[0][:, :, ::rows, ::columns], seed)
    agree(pad, call, lambda i, _: F.pad(i[0], (columns, columns, rows, rows)), seed)
    agree(channels, call, lambda i, _: F.pad(i[0], (0, 0, 0, 0, before, more - before)), seed)
    for op in (subsample, pad, channels):
        assert forward(op, call).shape[1:] == shape_rule(op, call.x)


@given(sizes, sizes, st.integers(1, 4), st.integers(1, 3), st.booleans(), seeds)
@few(max_examples=30)
def test_a_part_is_one_of_equal_parts(height, width, of, size, vector, seed):
    call = OpCall((distinct(seed, (2, of * size) if vector else (2, of * size, height, width)),))
    for index in range(of):
        op = Part.make({"index": index, "of": of})
        agree(op, call, lambda i, _, index=index: i[0].chunk(of, 1)[index] * 1.0, seed)
        assert op.shape(Shape(of * size), extent=Extent()).channels == size


@given(sizes, sizes, st.tuples(st.integers(1, 5), st.integers(1, 5)), seeds)
@few(max_examples=40)
def test_upsampling_is_that_of_torch(height, width, factor, seed):
    call = OpCall((distinct(seed, (2, 3, height, width)),))
    for mode, corners in (("nearest", None), ("bilinear", False)):
        op = Upsample.make({"factor": factor, "mode": Symbol(mode)})
        theirs = partial(F.interpolate, scale_factor=factor, mode=mode, align_corners=corners)
        agree(op, call, lambda i, _, theirs=theirs: theirs(i[0]), seed)
        assert forward(op, call).shape[1:] == shape_rule(op, call.x)


@given(sizes, sizes, st.integers(2, 4), seeds)
@few(max_examples=30)
def test_joins_are_those_of_torch(height, width, count, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, 2, 3, height, width))
    agree(Add(), OpCall((a, b)), lambda i, _: i[0] + i[1], seed)
    gates = [rng.standard_normal((2, *shape)) for shape in ((3, 1, 1), (1, height, width), (1, 1, 1))]
    gated = [pair for gate in gates for pair in ((a, gate), (gate, a))]
    for inputs in ((a, b), (a[..., 0, 0], b[..., 0, 0]), *gated):
        agree(Multiply(), OpCall(inputs), lambda i, _: i[0] * i[1], seed)
    parts = tuple(rng.standard_normal((2, c + 1, height, width)) for c in range(count))
    agree(Concat(), OpCall(parts), lambda i, _: torch.cat(i, 1), seed)


def test_nothing_else_is_broadcast():
    a = np.ones((2, 3, 4, 5))
    with pytest.raises(ValueError, match="nothing is broadcast"):
        forward(Add(), OpCall((a, np.ones((2, 3, 1, 1)))))
    for shape in ((2, 3, 4, 1), (2, 1, 4, 1), (1, 3, 1, 1), (2, 2, 1, 1), (3, 4, 5), (2, 3)):
        with pytest.raises(ValueError, match="only a gate"):
            forward(Multiply(), OpCall((a, np.ones(shape))))
    with pytest.raises(ValueError, match="only a gate"):
        forward(Multiply(), OpCall((np.ones((2, 3, 1, 1)), np.ones((2, 1, 4, 5)))))
    with pytest.raises(ValueError, match="only a gate"):
        forward(Multiply(), OpCall((np.ones((2, 3)), np.ones((2, 1)))))


# --- loss --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4, 7), (2, 5, 3, 4)])
def test_cross_entropy_is_that_of_torch(shape):
    rng = np.random.default_rng(3)
    logits = torch.tensor(rng.standard_normal(shape) * 30, requires_grad=True)
    labels = rng.integers(0, shape[1], (shape[0], *shape[2:]))
    theirs = F.cross_entropy(logits, torch.tensor(labels))
    theirs.backward()
    loss, gradient = cross_entropy(logits.detach().numpy(), labels)
    assert abs(loss - theirs.item()) <= 1e-13 * theirs.item()
    close(gradient, logits.grad.numpy())
