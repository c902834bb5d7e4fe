"""Padding of each side by itself: what it means, where it is the usual one, in the words of frameworks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
F = torch.nn.functional

from resnet_dsl.diagnostics.errors import CompileError  # noqa: E402
from resnet_dsl.ir.ops import AvgPool, Conv, MaxPool, ZeroPad  # noqa: E402
from resnet_dsl.ir.shapes import Extent, Shape  # noqa: E402
from resnet_dsl.ir.sizes import Size  # noqa: E402
from resnet_dsl.reference import OpCall, backward, forward  # noqa: E402
from tests.support.agreement import compiled  # noqa: E402

ROWS, COLUMNS = (1, 0), (0, 2)
EDGES = (0, 2, 1, 0)  # of torch: left, right, above, below
LOW = float("-inf")


def x_of(shape: tuple[int, ...]) -> Any:
    """Distinct values, all negative: zeros among them would win a maximum."""
    count = int(np.prod(shape))
    return -1.0 - np.random.default_rng(0).permutation(count).reshape(shape) / count


def conv_of_torch(x: Any, weight: Any) -> Any:
    return F.conv2d(F.pad(x, EDGES), weight, stride=2)


def shares_of_torch(x: Any) -> Any:
    ones = F.pad(torch.ones_like(x), EDGES)
    return F.avg_pool2d(F.pad(x, EDGES), 3, 2) / F.avg_pool2d(ones, 3, 2)


WINDOW = {"kernel": (3, 3), "stride": (2, 2), "pad": (ROWS, COLUMNS)}
CASES = {
    "zeropad": (ZeroPad.make({"amount": (ROWS, COLUMNS)}), lambda x, w: F.pad(x, EDGES)),
    "conv": (Conv.make({"channels": 2, **WINDOW}), conv_of_torch),
    "maxpool": (MaxPool.make(WINDOW), lambda x, w: F.max_pool2d(F.pad(x, EDGES, value=LOW), 3, 2)),
    "avgpool": (AvgPool.make(WINDOW), lambda x, w: shares_of_torch(x)),
    "count_pad": (
        AvgPool.make({**WINDOW, "count_pad": True}), lambda x, w: F.avg_pool2d(F.pad(x, EDGES), 3, 2)
    ),
}  # fmt: skip


@pytest.mark.parametrize("size", [(6, 6), (7, 8), (5, 9)])
@pytest.mark.parametrize("name", CASES)
def test_the_referee_pads_as_torch_does_before_the_op(name: str, size: tuple[int, int]) -> None:
    op, theirs = CASES[name]
    values = x_of((2, 3, *size))
    weight = np.random.default_rng(1).standard_normal((2, 3, 3, 3))
    call = OpCall((values,), {"weight": weight} if name == "conv" else {})
    result = forward(op, call)
    x = torch.tensor(values, requires_grad=True)
    wanted = theirs(x, torch.tensor(weight))
    assert result.shape == wanted.shape
    assert np.abs(result - wanted.detach().numpy()).max() < 1e-13
    extents = op.shape(Shape(3, (Size("H"), Size("W"))), extent=Extent(*size)).at(Extent(*size))
    assert tuple(extents) == result.shape[1:]
    gradient = np.random.default_rng(2).standard_normal(result.shape)
    wanted.backward(torch.tensor(gradient))
    found = backward(op, call, result, gradient).inputs[0]
    assert np.abs(found - x.grad.numpy()).max() < 1e-13


def shape_of(step: str, size: str = "65x65") -> str:
    program = compiled(f"model m {{ input: 3x{size}  stem: {step}  stages: []  head: none }}")
    (node,) = program.graph.nodes[-1:]
    return node.shape.text(program.network.extent)


@pytest.mark.parametrize(
    ("step", "shape"),
    [
        ("zeropad([[0, 1], [0, 1]]) -> conv(8, 3x3, stride=2, pad=0)", "8x32x32"),
        ("conv(8, 3x3, stride=2, pad=[[0, 1], [0, 1]])", "8x32x32"),
        ("conv(8, 3x3, stride=2, pad=same)", "8x33x33"),
        ("maxpool(3x3, stride=2, pad=[[0, 1], [0, 1]])", "3x32x32"),
        ("avgpool(2x2, pad=[[0, 1], [0, 0]])", "3x33x32"),
        ("zeropad(0x1)", "3x65x67"),
        ("zeropad(1x2)", "3x67x69"),
        ("zeropad([1, 2])", "3x67x69"),
        ("zeropad([[1, 1], [2, 2]])", "3x67x69"),
        ("zeropad([[0, 0], [5, 0]])", "3x65x70"),
        ("conv(8, 3x3, stride=2, pad=[[2, 0], [0, 0]])", "8x33x32"),
    ],
)
def test_the_size_is_that_of_the_map_with_what_is_around_it(step: str, shape: str) -> None:
    assert shape_of(step) == shape


@pytest.mark.parametrize("step", ["zeropad(0)", "zeropad(0x0)", "zeropad([[0, 0], [0, 0]])"])
def test_nothing_around_the_map_is_no_step(step: str) -> None:
    program = compiled(f"model m {{ input: 3x8x8  stem: relu -> {step} -> tanh  stages: []  head: none }}")
    assert [node.name for node in program.graph.nodes] == ["relu1", "tanh1"]


@pytest.mark.parametrize("op", ["conv(8, 3x3, pad={})", "maxpool(3x3, pad={})", "zeropad({})"])
def test_four_amounts_that_are_alike_are_two(op: str) -> None:
    def nodes(pad: str) -> list[Any]:
        text = f"model m {{ input: 3x8x8  stem: {op.format(pad)}  stages: []  head: none }}"
        return [node.op for node in compiled(text).graph.nodes]

    assert nodes("[[1, 1], [0, 0]]") == nodes("1x0")


def test_the_padding_of_tensorflow_at_even_sizes_is_behind_the_map() -> None:
    x = np.random.default_rng(0).standard_normal((1, 2, 8, 8))
    weight = np.random.default_rng(1).standard_normal((4, 2, 3, 3))
    given = {"channels": 4, "kernel": (3, 3), "stride": (2, 2)}
    same, behind = (
        forward(Conv.make({**given, "pad": pad}), OpCall((x,), {"weight": weight}))
        for pad in (((0, 1), (0, 1)), ((1, 0), (1, 0)))
    )
    theirs = forward(Conv(4, (3, 3), (2, 2), "same"), OpCall((x,), {"weight": weight}))
    assert np.array_equal(same, theirs)
    assert not np.allclose(behind, theirs)


def test_a_parameter_may_be_one_of_the_amounts() -> None:
    text = """
    block padded(width, edge = 0) { return x -> zeropad([[edge, 0], [0, edge]]) -> conv(width, 1x1) }
    model m { input: 3x8x8  stem: none  stages: [1, 1]  widths: [4, 4]  block: padded
              edge: [0, 2]  head: none }"""
    program = compiled(text)
    assert [node.name for node in program.graph.nodes] == [
        "layer1.0.conv1",
        "layer2.0.zeropad1",
        "layer2.0.conv1",
    ]
    assert program.graph.nodes[-1].shape.text(program.network.extent) == "4x10x10"


@pytest.mark.parametrize(
    "step",
    [
        "zeropad([[0, 1], [0, 1], [0, 1]])",
        "zeropad([[0, 1]])",
        "zeropad([[0, 1], [0, 1.5]])",
        "zeropad([[0, 1], [0, true]])",
        "zeropad([[0, 1], none])",
        "zeropad([])",
        "zeropad([[], []])",
        "zeropad([[[0, 1], [0, 1]], [0, 1]])",
        "zeropad(-1)",
    ],
)
def test_other_amounts_are_refused_with_the_forms_there_are(step: str) -> None:
    with pytest.raises(CompileError, match=r"four amounts: `\[\[above, below\], \[left, right\]\]`"):
        shape_of(step)
